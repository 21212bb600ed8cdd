// What an instruction touches: the words in which check-instructions.ts and check-products.ts say what each kernel does.
//
// Counted are floats that matter. A kernel may load a vector of which up to three lanes lie behind the last float of an
// operand; it drops these lanes, and the arena ends with a guard, so that this is no access outside. One exception: what lies
// up to 16 bytes behind a data column can come into the pads of its last example.
import type { Scope } from '../kernels/ops/op.js';
import type { PlanLimits } from './limits.js';
import type { Capacity, PlanTensor } from './plan.js';

/** A number of floats, or of operations, of a call that goes over rows: for its first row, and further for each row more. */
export interface PerRow {
  readonly first: number;
  readonly step: number;
}

/** The floats of a tensor that a call touches, counted from the block of its first row or shard. */
export interface Touch extends PerRow {
  /** The field of the instruction that names the tensor. */
  readonly field: string;
  readonly tensor: number;
  /** Floats at the capacity, for a tensor whose rows are no blocks of their own. */
  readonly whole?: number;
  /** The scope that the tensor must have; without it, one that is no wider than the result's. */
  readonly scope?: Scope;
}

export interface Footprint {
  readonly reads: readonly Touch[];
  readonly write: Touch;
  readonly multiplyAdds?: PerRow;
  /** Floats moved, where that is not the sum of what is touched: some are touched more than once. */
  readonly moved?: PerRow;
}

/** What is around an instruction. */
export interface Surroundings {
  readonly tensors: readonly PlanTensor[];
  readonly capacity: Capacity;
  readonly limits: PlanLimits;
  /** Refuses the instruction. */
  readonly refuse: (problem: string) => never;
}

/** Floats of so many floats in whole vectors. */
export function inVectors(floats: number): number {
  return Math.ceil(floats / 4) * 4;
}

/** Whether a kernel goes over the rows of a call: where its result has rows. */
export function goesOverRows(out: number, { tensors }: Surroundings): boolean {
  return tensors[out]!.scope === 'rows';
}

/** Floats from one row to the next; 0 where all rows have the same block. */
export function rowStep(tensor: number, { tensors }: Surroundings): number {
  const { scope, stride } = tensors[tensor]!;
  return scope === 'rows' ? stride : 0;
}
