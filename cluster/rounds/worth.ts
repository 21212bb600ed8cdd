// Whether rounds with nodes are faster than the local pool alone. Under small steps or slow links they are not, whatever was expected.

/** So many rounds and so much time are compared at once: fewer say little. */
const ROUNDS = 64;
const LEAST_MS = 2_000;

/** A stretch alone that is shorter says little too. */
const LEAST_ALONE_MS = 100;

/** Before that they are left alone for so long, to measure what the local pool is worth now: before, the machine may have been cooler, or busier. */
const TRIAL_MS = 1_000;

/** How long nodes are left alone first, and at most: each time that rounds lose again it is twice as long as before. */
const FIRST_REST_MS = 10_000;
const MOST_REST_MS = 320_000;

/** Rounds seem to lose: the local pool goes on alone for `restMs`, after which it is known. */
export interface Trial {
  readonly kind: 'trial';
  readonly restMs: number;
}

/** What a comparison has found, in examples a millisecond. */
export interface Loss {
  readonly kind: 'loss';
  readonly together: number;
  readonly alone: number;
  /** For so long the local pool goes on alone. */
  readonly restMs: number;
}

/** Compares what was measured; its times are those of the run, in milliseconds. */
export class Worth {
  #alone: number | undefined;
  /** Whether nodes were left alone since the last comparison, for then the local pool was measured beside the rounds that it is compared with. */
  #rest: 'none' | 'asked' | 'measured' = 'none';
  /** What rounds came to that seem to lose, while that is tried. */
  #onTrial: number | undefined;
  #restMs = FIRST_REST_MS;
  #rounds = 0;
  #examples = 0;
  #elapsedMs = 0;
  #lastMs = 0;

  /** Somebody has come: what was found of the others says nothing any more. */
  forget(): void {
    this.#restMs = FIRST_REST_MS;
    this.#rest = 'none';
    this.#onTrial = undefined;
    this.#beginAnew();
  }

  /** Rounds begin, or go on after something else, which is not theirs to answer for. */
  goOn(nowMs: number): void {
    this.#lastMs = nowMs;
  }

  /** The local pool has trained alone. @returns what was found where that was a trial, and the rounds before it were slower */
  alone(examples: number, elapsedMs: number): Loss | undefined {
    if (elapsedMs < LEAST_ALONE_MS) return undefined;
    const [alone, together] = [examples / elapsedMs, this.#onTrial];
    this.#alone = alone;
    if (this.#rest === 'asked') this.#rest = 'measured';
    this.#onTrial = undefined;
    return together === undefined ? undefined : this.#lossOf(together, alone);
  }

  /**
   * A round was made.
   * @param localSpeed examples a second that the local pool computed in rounds: as long as it was not measured alone
   * @returns what was found where the last rounds were slower than the local pool alone
   */
  round(examples: number, nowMs: number, localSpeed: number | undefined): Trial | Loss | undefined {
    this.#rounds++;
    this.#examples += examples;
    this.#elapsedMs += nowMs - this.#lastMs;
    this.#lastMs = nowMs;
    if (this.#rounds < ROUNDS || this.#elapsedMs < LEAST_MS) return undefined;
    const together = this.#examples / this.#elapsedMs;
    this.#beginAnew();
    const alone = this.#alone ?? (localSpeed ?? 0) / 1_000;
    const isKnown = this.#rest === 'measured' || together >= alone;
    this.#rest = isKnown ? 'none' : 'asked';
    this.#onTrial = isKnown ? undefined : together;
    return isKnown ? this.#lossOf(together, alone) : { kind: 'trial', restMs: TRIAL_MS };
  }

  #lossOf(together: number, alone: number): Loss | undefined {
    if (together >= alone) {
      this.#restMs = FIRST_REST_MS;
      return undefined;
    }
    const restMs = this.#restMs;
    this.#restMs = Math.min(MOST_REST_MS, restMs * 2);
    this.#rest = 'asked';
    return { kind: 'loss', together, alone, restMs };
  }

  #beginAnew(): void {
    this.#rounds = this.#examples = this.#elapsedMs = 0;
  }
}
