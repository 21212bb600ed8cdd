import type { Context, EndingSignal } from './context.js';

/** Status of a process that a signal ended: 128 and the signal's number. */
export const INTERRUPTED_STATUS: Readonly<Record<EndingSignal, number>> = { SIGINT: 130, SIGTERM: 143 };

/**
 * One press of the keys can arrive twice: the terminal sends it to every process of the group, and npm passes on its own; so does a
 * supervisor that signals a whole group.
 * A second interrupt within this time is the same one.
 */
const SAME_PRESS_MS = 400;

/** Calls `handler` for each press. @returns what ends that */
export function onPress(context: Pick<Context, 'nowMs' | 'onInterrupt'>, handler: (signal: EndingSignal, isFirst: boolean) => void): () => void {
  let firstMs: number | undefined;
  return context.onInterrupt((signal) => {
    const nowMs = context.nowMs();
    const isFirst = firstMs === undefined;
    firstMs ??= nowMs;
    if (isFirst || nowMs - firstMs >= SAME_PRESS_MS) handler(signal, isFirst);
  });
}

export type Phase = 'before' | 'training' | 'after';

/** What an interrupt does: outside of training it ends the process, while training it stops at the next step, then at once. */
export class Interrupts {
  readonly #controller = new AbortController();
  readonly #unsubscribe: () => void;
  #phase: Phase = 'before';
  #first: EndingSignal = 'SIGINT';

  /** @param say tells the user what becomes of a run that an interrupt ends outside of training */
  constructor(
    private readonly context: Context,
    private readonly say: (phase: Phase) => void,
  ) {
    this.#unsubscribe = onPress(context, (signal, isFirst) => this.#interrupt(signal, isFirst));
  }

  /** Aborted by the first interrupt while training. */
  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** Exit status of a run that the first interrupt ended. */
  get status(): number {
    return INTERRUPTED_STATUS[this.#first];
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

  #interrupt(signal: EndingSignal, isFirst: boolean): void {
    if (isFirst) this.#first = signal;
    if (isFirst && this.#phase === 'training') {
      this.#controller.abort();
      return;
    }
    if (isFirst) this.say(this.#phase);
    this.context.exit(INTERRUPTED_STATUS[signal]);
  }
}
