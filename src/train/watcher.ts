// Somebody who watches fits from their beginning to their end, and is never waited for but at the end of an epoch.
import { FIELD, type Control } from './control.js';
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
  /** The words for labels 0, 1, ...; empty where there are none. */
  readonly classNames: readonly string[];
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

/** A step of the smallest models takes as long as a look. */
const MOST_LOOKS = 4;

/** Where the workers stand; undefined where they are too quick, since another thread may be in the middle of adding a step's sums. */
export function lookAt({ fields, sums }: Pick<Control, 'fields' | 'sums'>): FitMoment | undefined {
  for (let tries = 0; tries < MOST_LOOKS; tries++) {
    const [epochStep, copy] = [fields[FIELD.epochStep]!, Float64Array.from(sums)];
    const isWhole = fields[FIELD.epochStep] === epochStep && copy.every((sum, index) => Object.is(sum, sums[index]));
    if (isWhole) return { epoch: fields[FIELD.epoch]!, epochStep, version: fields[FIELD.version]!, sums: copy };
  }
  return undefined;
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
