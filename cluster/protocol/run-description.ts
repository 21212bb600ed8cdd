// What a node is told of a run: how values are written, what is applied when, which data there are.

export const COLUMN_TYPES = ['uint8', 'int32', 'float32'] as const;

export type { Codec, CodecName } from '../../src/codecs/codec.js';

export type Mode =
  | { readonly kind: 'sync' | 'async' }
  /** No share is older than `staleness` versions. */
  | { readonly kind: 'stale'; readonly staleness: number }
  /** A node makes `period` steps of its own between two exchanges. */
  | { readonly kind: 'local'; readonly period: number };

/** Training has gradients; validation has loss and metrics alone. */
export type Task = 'train' | 'validate';

/** Whether a node keeps the columns, or is sent the rows of each assignment. */
export type DataWay = 'columns' | 'rows';

/** One column of the data set, in the order in which the plan names them. */
export interface ManifestColumn {
  /** For messages to people. */
  readonly name: string;
  /** What the model takes it for. */
  readonly role: 'input' | 'target';
  /** What its examples are for. */
  readonly split: 'train' | 'validation';
  /** SHA-256 of type, shape and bytes, as `columnSha256` of src/data has it; the column's name in other messages. */
  readonly sha256: string;
  /** Of all examples. */
  readonly byteLength: number;
  /** Of one value; little-endian. */
  readonly type: (typeof COLUMN_TYPES)[number];
  /** Axes of one example; none for a number. */
  readonly shape: readonly number[];
  /** Examples in the column. */
  readonly exampleCount: number;
  /** What values are multiplied by when they are gathered; 1 where nothing is scaled. */
  readonly scale: number;
}
