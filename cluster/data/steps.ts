// How the examples of a run become steps.

export interface StepOrder {
  readonly exampleCount: number;
  readonly batchRows: number;
  readonly seed: number;
  readonly shuffle: boolean;
}

export type StepSizes = Pick<StepOrder, 'exampleCount' | 'batchRows'>;

/** The place in its epoch of a step that is counted over the whole run. */
export function epochStepOf({ exampleCount, batchRows }: StepSizes, epoch: number, step: number): number {
  return step - epoch * Math.ceil(exampleCount / batchRows);
}

/** Examples of a step: the last of an epoch may have fewer; 0 for one that does not exist. */
export function rowsOfStep({ exampleCount, batchRows }: StepSizes, epochStep: number): number {
  return epochStep < 0 ? 0 : Math.max(0, Math.min(batchRows, exampleCount - epochStep * batchRows));
}
