// Whether rounds with nodes are faster than the local pool alone. Under small steps or slow links they are not, whatever was expected.

/** So many rounds and so much time are compared at once: fewer say little. */
const ROUNDS = 64;
const LEAST_MS = 2_000;

/** A stretch alone that is shorter says little too. */
const LEAST_ALONE_MS = 100;

/** How long nodes are left alone first, and at most: each time that rounds lose again it is twice as long as before. */
const FIRST_REST_MS = 10_000;
const MOST_REST_MS = 320_000;

/** What a comparison has found, in examples a millisecond. */
export interface Loss {
  readonly together: number;
  readonly alone: number;
  /** For so long the local pool goes on alone. */
  readonly restMs: number;
}

/** Compares what was measured; its times are those of the run, in milliseconds. */
export class Worth {
  #alone: number | undefined;
  #restMs = FIRST_REST_MS;
  #rounds = 0;
  #examples = 0;
  #elapsedMs = 0;
  #lastMs = 0;

  /** Somebody has come: what was found of the others says nothing any more. */
  forget(): void {
    this.#restMs = FIRST_REST_MS;
    this.#beginAnew();
  }

  /** Rounds begin, or go on after something else, which is not theirs to answer for. */
  goOn(nowMs: number): void {
    this.#lastMs = nowMs;
  }

  /** The local pool has trained alone. */
  alone(examples: number, elapsedMs: number): void {
    if (elapsedMs >= LEAST_ALONE_MS) this.#alone = examples / elapsedMs;
  }

  /**
   * A round was made.
   * @param localSpeed examples a second that the local pool computed in rounds: as long as it was not measured alone
   * @returns what was found where the last rounds were slower than the local pool alone
   */
  round(examples: number, nowMs: number, localSpeed: number | undefined): Loss | undefined {
    this.#rounds++;
    this.#examples += examples;
    this.#elapsedMs += nowMs - this.#lastMs;
    this.#lastMs = nowMs;
    if (this.#rounds < ROUNDS || this.#elapsedMs < LEAST_MS) return undefined;
    const together = this.#examples / this.#elapsedMs;
    const alone = this.#alone ?? (localSpeed ?? 0) / 1_000;
    this.#beginAnew();
    if (together >= alone) {
      this.#restMs = FIRST_REST_MS;
      return undefined;
    }
    const restMs = this.#restMs;
    this.#restMs = Math.min(MOST_REST_MS, restMs * 2);
    return { together, alone, restMs };
  }

  #beginAnew(): void {
    this.#rounds = this.#examples = this.#elapsedMs = 0;
  }
}
