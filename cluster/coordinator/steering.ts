// What an operator may ask of a run. Every request resolves with the number of updates made when it is carried out.
import type { MessageOf } from '../protocol/messages.js';

export interface Steering {
  /** No further step is begun; the one in work is finished first. */
  pause(): Promise<number>;
  resume(): Promise<number>;
  /** @throws ERR_NO_CHECKPOINTS where the run keeps none */
  checkpoint(): Promise<number>;
  /** Ends the training after the step in work, with a last checkpoint where it keeps any. */
  stop(): Promise<number>;
}

const DONE: Readonly<Record<keyof Steering, string>> = { pause: 'paused the run', resume: 'let the run go on', checkpoint: 'had a checkpoint written', stop: 'stopped the run' };

/** Commands that are being carried out, so that a run does not end before they are answered. */
export class Commands {
  readonly #open = new Set<Promise<void>>();

  constructor(private readonly steering: Steering, private readonly notice: (sentence: string) => void) {}

  /** @throws what the steering throws, which the operator is told */
  async perform({ id, command }: MessageOf<'command'>, address: string, answer: (message: MessageOf<'performed'>) => void): Promise<void> {
    const performing = this.steering[command]().then((step) => {
      answer({ type: 'performed', id, step });
      this.notice(`the operator at ${address} ${DONE[command]} after step ${step}`);
    });
    const settled = performing.catch(() => undefined);
    this.#open.add(settled);
    try {
      await performing;
    } finally {
      this.#open.delete(settled);
    }
  }

  /** All that were asked for are answered. */
  async answered(): Promise<void> {
    await Promise.all(this.#open);
  }
}
