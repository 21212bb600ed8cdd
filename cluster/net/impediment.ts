// Trouble with one connection, made on purpose: nothing of what comes is read, or each message only after a while.
import type { Clock } from './clock.js';

export type ImpedimentKind = 'freeze' | 'slow';

/** Before each message of a slow one; a share comes in several. */
const SLOW_MS = 150;

export class Impediment {
  #isOver = false;
  #lift: () => void = () => undefined;
  readonly #lifted = new Promise<void>((resolve) => { this.#lift = resolve; });

  constructor(readonly kind: ImpedimentKind, private readonly clock: Clock) {}

  /** Resolves when the next message may be read. */
  async passed(): Promise<void> {
    if (this.#isOver) return;
    let cancel = (): void => {};
    const slept = this.kind === 'freeze' ? [] : [new Promise<void>((resolve) => { cancel = this.clock.after(SLOW_MS, resolve); })];
    await Promise.race([this.#lifted, ...slept]);
    cancel();
  }

  /** It is over, as when the connection ends. */
  end(): void {
    this.#isOver = true;
    this.#lift();
  }
}
