import type { FitControl } from './session.js';

/** What is asked of a fit from outside while it runs; the fit does it at the end of a step. */
export class FitRequests implements FitControl {
  readonly #stop = new AbortController();
  #checkpoints: ((step: number | undefined) => void)[] = [];
  #stops: ((step: number) => void)[] = [];
  #endStep: number | undefined;
  #interrupt: (() => void) | undefined;

  /** @param keeps whether the fit writes checkpoints anywhere */
  constructor(private readonly keeps: boolean) {}

  /** Aborted when the fit is to end. */
  get signal(): AbortSignal {
    return this.#stop.signal;
  }

  get wantsCheckpoint(): boolean {
    return this.#checkpoints.length > 0;
  }

  /** While the workers train: makes them stop after the step in work. */
  set interrupt(interrupt: (() => void) | undefined) {
    this.#interrupt = interrupt;
  }

  async checkpoint(): Promise<number | undefined> {
    if (!this.keeps || this.#endStep !== undefined) return undefined;
    return new Promise((resolve) => {
      this.#checkpoints.push(resolve);
      this.#interrupt?.();
    });
  }

  async stop(): Promise<number> {
    if (this.#endStep !== undefined) return this.#endStep;
    return new Promise((resolve) => {
      this.#stops.push(resolve);
      this.#stop.abort();
    });
  }

  /** A checkpoint was written. */
  wrote(step: number): void {
    for (const resolve of this.#checkpoints.splice(0)) resolve(step);
  }

  /** The fit has ended: no checkpoint is written any more. */
  close(step: number): void {
    this.#endStep = step;
    for (const resolve of this.#checkpoints.splice(0)) resolve(undefined);
    for (const resolve of this.#stops.splice(0)) resolve(step);
  }
}
