// A plan: the compiled computation on laid-out memory, with the row count as its one free number. Plain data.
import type { BinaryName, NormalizeName, ReduceName } from '../kernels/ops/names.js';
import type { Scope } from '../kernels/ops/op.js';

/** Where a tensor's bytes are. Offsets are bytes from the start of that area. */
export type Home =
  | { readonly area: 'scratch'; readonly offset: number }
  | { readonly area: 'parameters'; readonly offset: number }
  | { readonly area: 'constants'; readonly offset: number }
  /** Made by all workers together, a part each, and read by all. */
  | { readonly area: 'shared'; readonly offset: number }
  /** Rows of a whole piece: each worker writes its own, the folds read all. `offset`: bytes of the tensors before it, a row. */
  | { readonly area: 'pieceRows'; readonly offset: number }
  /** The same for shards: bytes a shard. */
  | { readonly area: 'pieceShards'; readonly offset: number }
  /** What is summed over the shards: every subtree of shards has a slot of its own. */
  | { readonly area: 'share'; readonly offset: number }
  /** The rowless gradients and the penalty itself. */
  | { readonly area: 'penalties'; readonly offset: number }
  /** Rows of a model output, for all the examples of a prediction. */
  | { readonly area: 'predictions'; readonly offset: number };

export interface PlanTensor {
  readonly scope: Scope;
  /** Real floats of a block: of an example, of a shard, or of the whole. */
  readonly floats: number;
  /** Floats from one block to the next, a multiple of 4. */
  readonly stride: number;
  readonly home: Home;
}

interface Common {
  /** Whether it runs once for the parameters, over all rows in one go, shard by shard, or from rows into a share. */
  readonly scope: Scope | 'fold';
  /** Position in the model of the layer it belongs to, for messages; -1 outside layers. Names would carry tfjs's counters. */
  readonly layer: number;
}

/** Counts and strides of `copy` within a block, in floats, outermost first, always four. */
export type Four = readonly [number, number, number, number];

/** Operands are indices of tensors. One member an instruction; each is one kernel call (per row range). */
export type Instruction = Common &
  (
    | { readonly op: 'gather'; readonly source: 'input' | 'target'; readonly column: number; readonly out: number }
    | { readonly op: 'noise'; readonly distribution: 'mask' | 'normal'; readonly noiseLayer: number; readonly rate: number; readonly mean: number; readonly deviation: number; readonly out: number }
    | { readonly op: 'unary'; readonly name: string; readonly x: number; readonly out: number; readonly parameters: readonly number[] }
    | { readonly op: 'binary'; readonly name: BinaryName; readonly a: number; readonly aSplat: boolean; readonly b: number; readonly bSplat: boolean; readonly out: number }
    | { readonly op: 'select'; readonly c: number; readonly cSplat: boolean; readonly t: number; readonly tSplat: boolean; readonly e: number; readonly eSplat: boolean; readonly out: number }
    | { readonly op: 'reduce'; readonly name: ReduceName | NormalizeName; readonly x: number; readonly out: number; readonly groups: number; readonly length: number }
    | { readonly op: 'copy'; readonly x: number; readonly out: number; readonly counts: Four; readonly from: Four; readonly to: Four; readonly fromOffset: number; readonly toOffset: number }
    | { readonly op: 'fill'; readonly out: number; readonly value: number }
    | { readonly op: 'oneHot'; readonly x: number; readonly out: number; readonly groups: number; readonly depth: number; readonly on: number; readonly off: number }
    /** Leaves the zeros of a row tensor out, for products; `width` is the length of its rows. */
    | { readonly op: 'compress'; readonly x: number; readonly out: number; readonly width: number }
    | { readonly op: 'pack'; readonly x: number; readonly out: number; readonly k: number; readonly n: number; readonly stride: number; readonly transposed: boolean }
    | { readonly op: 'matmul'; readonly a: number; readonly packed: number; readonly groups?: number; readonly out: number; readonly m: number; readonly k: number; readonly n: number; readonly aStride: number; readonly outStride: number; readonly transposed: boolean }
    /** Of `a`, or of an input's `column` (of m elements, gathered anew), the products with the rows of `packed`. */
    | { readonly op: 'matmulFold'; readonly a?: number; readonly column?: number; readonly packed: number; readonly out: number; readonly perRow: number; readonly m: number; readonly n: number; readonly aStride: number; readonly outStride: number }
    | { readonly op: 'sumRows'; readonly x: number; readonly out: number }
    | { readonly op: 'foldShards'; readonly x: number; readonly out: number; readonly columns: number }
  );

/** Rows and shards of a worker's part that are computed in one go: scratch is laid out for so many. */
export interface Capacity {
  readonly rows: number;
  readonly shards: number;
}

export interface Plan {
  readonly formatVersion: 1;
  readonly capacity: Capacity;
  readonly tensors: readonly PlanTensor[];
  /** Packings of parameters, each a part by each worker: run when they have changed. */
  readonly shared: readonly Extract<Instruction, { readonly op: 'pack' }>[];
  /** Run by each worker when the parameters have changed. */
  readonly once: readonly Instruction[];
  /** Run by each worker for its own rows of a piece (an aligned subtree of shards). */
  readonly rows: readonly Instruction[];
  /** Sum over all rows of a piece, each into a range of the share of its own. */
  readonly folds: readonly Instruction[];
  readonly scratchBytes: number;
  readonly sharedBytes: number;
  /** Bytes of the area `pieceRows` for each row of a piece, and of `pieceShards` for each shard. */
  readonly bytesPerRow: number;
  readonly bytesPerShard: number;
  readonly constants: Uint8Array;
  /** Floats of a share: the gradients laid out as the parameters, then the sums of loss and metrics. */
  readonly shareFloats: number;
  /** Offset in floats of the first sum within a share, one every four floats. */
  readonly sumsOffset: number;
  readonly sumCount: number;
  /** Examples of every model output have this many floats (unpadded) each; `stride` is padded. */
  readonly predictions: readonly { readonly floats: number; readonly stride: number }[];
  readonly penaltyFloats: number;
  /** A kernel mixes the examples of a shard in the forward pass, so that results depend on the shard size. */
  readonly mixesRows: boolean;
}
