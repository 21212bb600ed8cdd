// What a plan is bound to: the places of one worker and the examples of one run.

/** A data column in the arena, as a plan gathers it: whole examples, unpadded, in their own type. */
export interface BoundColumn {
  readonly address: number;
  /** Axes of an example, and its elements. */
  readonly shape: readonly number[];
  readonly exampleLength: number;
  readonly type: 'u8' | 'i32' | 'f32';
  readonly scale: number;
  /** u8: the scale as an exact product and its rest; see `splitScale`. */
  readonly scaleHigh: number;
  readonly scaleLow: number;
  /** u8 where the split would not be exact: address of the 256 scaled values, else 0. */
  readonly table: number;
}

/** Most rows and shards of a piece. */
export interface PieceSize {
  readonly rows: number;
  readonly shards: number;
}

/** Addresses of a plan's areas for one worker. */
export interface Areas {
  readonly scratch: number;
  readonly parameters: number;
  readonly constants: number;
  /** What the workers make together: the same for all of them, as are the next four. */
  readonly shared: number;
  /** Words of FiniteFlags. */
  readonly flags: number;
  readonly pieceRows: number;
  readonly pieceShards: number;
  /** What the last two are laid out for. */
  readonly pieceSize: PieceSize;
  readonly penalties: number;
  /** Room for the sums that wait while a kernel folds a subtree. */
  readonly stack: number;
  /** Room for folds: see `foldRoom`. */
  readonly folds: number;
}

/** The examples of a piece, those of them that a worker computes in one go, and where the results go. */
export interface Piece {
  /** Rows of the piece. */
  rows: number;
  /** Rows of a shard; the last one of the mini-batch may be shorter. */
  shardRows: number;
  /** Position in the mini-batch of the piece's first row. */
  firstRow: number;
  /** Position in the piece of the first row that is computed now. */
  start: number;
  /** Address of the u32 indices of the mini-batch's examples, one a row. */
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

/** One kernel call over `rows` rows from `start` on, counted from those computed now; the first is of shard `shard` of them. */
export type Call = (start: number, rows: number, shard: number) => void;

/** A sum over all rows of the piece: leaves rows [first, first + count) of its matrix in the share. */
export type FoldCall = (first: number, count: number) => void;

/** What a fold leaves in the share: a matrix of `rows` rows, `stride` floats apart, at byte `offset`. */
export interface BoundFold {
  readonly offset: number;
  readonly rows: number;
  readonly stride: number;
  /** Rows to ask for at once. */
  readonly chunkRows: number;
  readonly call: FoldCall;
}
