// Somebody who watches fits from their beginning to their end, and is never waited for but at the end of an epoch.
import type { Logs } from './fit.js';
import type { Examples, TrainerParts } from './trainer.js';

/** What a fit is made of, and a look at where it stands. */
export interface WatchedFit {
  readonly parts: TrainerParts;
  readonly epochs: number;
  readonly batchSize: number;
  readonly stepsPerEpoch: number;
  readonly train: Examples;
  readonly validation: Examples | undefined;
  /** Undefined while something else than training is under way. */
  readonly look: () => FitMoment | undefined;
}

/** Where a fit stands in the middle of an epoch. */
export interface FitMoment {
  /** From 0. */
  readonly epoch: number;
  /** Steps done in it. */
  readonly epochStep: number;
  /** Updates made so far, by earlier fits too. */
  readonly version: number;
  /** Sums of the epoch so far: examples, loss, metrics. */
  readonly sums: Float64Array;
}

export interface FitWatcher {
  begins(fit: WatchedFit): void;
  /**
   * The model has the parameters after the epoch; the fit goes on when the promise has settled.
   * @param epoch from 0
   */
  epochEnds(epoch: number, logs: Logs): Promise<void>;
  ends(): void;
}
