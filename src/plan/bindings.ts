// What a plan is bound to: the places of one worker and the examples of one run.

/** A data column in the arena, as a plan gathers it: whole examples, unpadded, in their own type. */
export interface BoundColumn {
  readonly address: number;
  readonly type: 'u8' | 'i32' | 'f32';
  readonly scale: number;
  /** u8: the scale as an exact product and its rest; see `splitScale`. */
  readonly scaleHigh: number;
  readonly scaleLow: number;
  /** u8 where the split would not be exact: address of the 256 scaled values, else 0. */
  readonly table: number;
}

/** Addresses of a plan's areas for one worker. */
export interface Areas {
  readonly scratch: number;
  readonly parameters: number;
  readonly constants: number;
  /** What the workers make together: the same for all of them, as is the next. */
  readonly shared: number;
  /** A word for each shared packing and worker: whether that worker's part was finite. */
  readonly sharedFlags: number;
  readonly penalties: number;
  /** Room for the sums that wait while a kernel folds a subtree. */
  readonly stack: number;
}

/** The examples that one run of a plan computes, and where its results go. */
export interface Piece {
  rows: number;
  /** Rows of a shard; the last one of the mini-batch may be shorter. */
  shardRows: number;
  /** Position of the first row in the mini-batch. */
  firstRow: number;
  /** Address of the u32 indices of the examples, one a row. */
  indices: number;
  /** Address of the share. */
  share: number;
  step: number;
  /** Key of the random draws. */
  key0: number;
  key1: number;
  inputs: readonly BoundColumn[];
  targets: readonly BoundColumn[];
  /** Address of each output's rows, for the first row of all. */
  predictions: readonly number[];
}

/** One kernel call over the rows [start, start + rows) of a piece, which belong to `shard`. */
export type Call = (start: number, rows: number, shard: number) => void;
