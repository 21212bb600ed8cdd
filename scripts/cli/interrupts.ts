import type { Context } from './context.js';

/** Status of a process that an interrupt from the keyboard ended: 128 + SIGINT's 2. */
export const INTERRUPTED_STATUS = 130;

/**
 * One press of the keys can arrive twice: the terminal sends it to every process of the group, and npm passes on its own.
 * A second interrupt within this time is the same one.
 */
const SAME_PRESS_MS = 400;

export type Phase = 'before' | 'training' | 'after';

/** What an interrupt does: outside of training it ends the process, while training it stops at the next step, then at once. */
export class Interrupts {
  readonly #controller = new AbortController();
  readonly #unsubscribe: () => void;
  #phase: Phase = 'before';
  #firstMs: number | undefined;

  /** @param say tells the user what becomes of a run that an interrupt ends outside of training */
  constructor(
    private readonly context: Context,
    private readonly say: (phase: Phase) => void,
  ) {
    this.#unsubscribe = context.onInterrupt(() => this.#interrupt());
  }

  /** Aborted by the first interrupt while training. */
  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** Until `work` ends, the first interrupt only aborts the signal: the checkpoint is to be written first. */
  async whileTraining<T>(work: () => Promise<T>): Promise<T> {
    this.#phase = 'training';
    try {
      return await work();
    } finally {
      this.#phase = 'after';
    }
  }

  close(): void {
    this.#unsubscribe();
  }

  #interrupt(): void {
    const nowMs = this.context.nowMs();
    if (this.#firstMs !== undefined && nowMs - this.#firstMs < SAME_PRESS_MS) return;
    const isFirst = this.#firstMs === undefined;
    this.#firstMs ??= nowMs;
    if (isFirst && this.#phase === 'training') {
      this.#controller.abort();
      return;
    }
    if (isFirst) this.say(this.#phase);
    this.context.exit(INTERRUPTED_STATUS);
  }
}
