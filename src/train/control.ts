// The control block at the head of a session: what the coordinator and the workers tell each other without messages.

/** Int32 fields. Order is layout: append, never reorder. */
export const FIELD = {
  /** Moved by the coordinator when a command is there; workers sleep on it. */
  command: 0,
  /** Which command: see `COMMAND`. */
  kind: 1,
  /** Set when a member is dead: every waiter leaves with an error. */
  poison: 2,
  barrierArrived: 3,
  barrierGeneration: 4,
  /** Next step of the epoch; moved at the end of a step. */
  epochStep: 5,
  /** The workers stop before this step of the epoch. */
  stepLimit: 6,
  /** Updates made so far: the version of the parameters. */
  version: 7,
  /** Asks the workers to stop after the current step. */
  stopRequested: 8,
  /** Set at a step whose loss is not finite, before any update of it. */
  badLoss: 9,
  /** 1 while the snapshot is being overwritten: the live state is whole then. */
  snapshotBusy: 10,
  /** Epoch step and version that the snapshot holds. */
  snapshotEpochStep: 11,
  snapshotVersion: 12,
  /** Examples of the data set in an evaluation or prediction. */
  examples: 13,
} as const;

const INT_COUNT = 32;
/** Float64 sums of an epoch: examples, loss, then the metrics; and as many again for the snapshot. */
export const MAX_SUMS = 32;
/** Float32 scalars of a step for the optimizer, and the factor of a global norm. */
export const MAX_SCALARS = 32;

export const CONTROL_BYTES = INT_COUNT * 4 + MAX_SUMS * 2 * 8 + MAX_SCALARS * 4;

export const COMMAND = { train: 1, evaluate: 2, predict: 3, gradients: 4, diagnose: 5, end: 6 } as const;
export type CommandKind = (typeof COMMAND)[Exclude<keyof typeof COMMAND, 'end'>];

/** The control block's views. */
export interface Control {
  readonly fields: Int32Array;
  /** Running sums of the epoch (or of an evaluation): examples, loss, metrics. */
  readonly sums: Float64Array;
  readonly snapshotSums: Float64Array;
  readonly scalars: Float32Array;
}

export function viewControl(memory: WebAssembly.Memory, address: number): Control {
  const sumsAt = address + INT_COUNT * 4;
  return {
    fields: new Int32Array(memory.buffer, address, INT_COUNT),
    sums: new Float64Array(memory.buffer, sumsAt, MAX_SUMS),
    snapshotSums: new Float64Array(memory.buffer, sumsAt + MAX_SUMS * 8, MAX_SUMS),
    scalars: new Float32Array(memory.buffer, sumsAt + MAX_SUMS * 16, MAX_SCALARS),
  };
}
