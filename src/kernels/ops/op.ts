// What the tracer and the planner know of a kernel of tfjs-core: one `Op` a kernel, one row of the table in index.ts.

import type { BinaryName, NormalizeName, ReduceName, UnaryName } from './names.js';

export type DType = 'float32' | 'int32' | 'bool';

/** Shape and type of a tensor while tracing; shapes are those of the traced row count. */
export interface Spec {
  readonly shape: readonly number[];
  readonly dtype: DType;
}

export type Attributes = Readonly<Record<string, unknown>>;
export type Inputs<T> = Readonly<Record<string, T>>;

/**
 * When a value exists. `once`: it depends on no example; `rows`: its first axis is the examples; `shards`: it has no
 * such axis but was made from the examples of one shard.
 */
export type Scope = 'once' | 'rows' | 'shards';

/** A value while planning: where it lives and how it is laid out. */
export interface Value {
  readonly scope: Scope;
  /** Axes without the examples' one: an example's block for `rows`, the whole shape otherwise. */
  readonly dims: readonly number[];
  /**
   * Entries an example of the examples' axis, 0 without such an axis; where it is above 1, `dims[0]` is `lead`. A value
   * with that axis may still be `once`: all examples have the same block.
   */
  readonly lead: number;
  /** Axes of length 1 before the examples' axis in the traced shape. */
  readonly prefix: number;
  /** Index of the plan's tensor; a uniform value needs none. */
  readonly tensor: number;
  /** Set where every element has this one value. */
  readonly uniform?: number;
  /** The last axis is stored padded to a multiple of four floats (matrices of parameters and products). */
  readonly paddedColumns: boolean;
}

/** One call of a kernel, with what planning needs. */
export interface Call {
  readonly inputs: Inputs<Value | readonly Value[]>;
  readonly attributes: Attributes;
  /** Axes of the result as in `Value`. */
  readonly dims: readonly number[];
  readonly lead: number;
  readonly dtype: DType;
  /** The result is used only as an output that is summed over the shards. */
  readonly summed: boolean;
}

export type { BinaryName, ReduceName };

/** What an op may ask of the plan under construction. Every method adds at most a few instructions. */
export interface Builder {
  unary(name: UnaryName, x: Value, parameters?: readonly number[]): Value;
  binary(name: BinaryName, a: Value, b: Value, dims: readonly number[], lead: number): Value;
  select(condition: Value, then: Value, otherwise: Value, dims: readonly number[], lead: number): Value;
  /** Reduces the given axes of `dims`; `keep` leaves them as 1. */
  reduce(name: ReduceName, x: Value, axes: readonly number[], keep: boolean): Value;
  /** Softmax or log-softmax over the last axis. */
  normalizeLast(name: NormalizeName, x: Value): Value;
  /** Sums over the examples; into the share where `summed`, else one value a shard. */
  sumRows(x: Value, summed: boolean): Value;
  /** a [.., M, K] by b [K, N], either transposed. */
  matmul(a: Value, b: Value, transposeA: boolean, transposeB: boolean, summed: boolean): Value;
  reshape(x: Value, dims: readonly number[], lead: number): Value;
  transpose(x: Value, permutation: readonly number[]): Value;
  broadcast(x: Value, dims: readonly number[], lead: number): Value;
  slice(x: Value, begin: readonly number[], size: readonly number[]): Value;
  concat(parts: readonly Value[], axis: number): Value;
  oneHot(indices: Value, depth: number, on: number, off: number): Value;
  uniform(value: number, dims: readonly number[], lead: number): Value;
  /** Refuses the call with the kernel, the layer and the reason. */
  refuse(reason: string): never;
}

/** A kernel of tfjs-core: how its result looks, and how a plan computes it. */
export interface Op {
  readonly kernel: string;
  infer(inputs: Inputs<Spec | readonly Spec[]>, attributes: Attributes): Spec;
  lower(builder: Builder, call: Call): Value;
}

/** The named single input of a call. */
export function one<T>(inputs: Inputs<T | readonly T[]>, name: string): T {
  const input = inputs[name];
  if (input === undefined || Array.isArray(input)) throw new Error(`kernel input "${name}" is missing`);
  return input as T;
}

/** The inputs of a kernel that takes a list. */
export function all<T>(inputs: Inputs<T | readonly T[]>): readonly T[] {
  return Object.values(inputs).flat() as T[];
}

/** How many leading axes of a value's traced shape are not part of its block. */
export function axesBeforeBlock(x: Value): number {
  return x.lead > 0 ? x.prefix + (x.lead === 1 ? 1 : 0) : 0;
}

export function sizeOf(shape: readonly number[]): number {
  return shape.reduce((product, length) => product * length, 1);
}
