import type { Kernels } from '../src/kernels/load.js';
import { bindUpdate } from '../src/optimizers/index.js';
import type { BoundFold, RowRange } from '../src/plan/bind.js';
import type { ScheduledPiece } from '../src/plan/schedule.js';
import { segmentsOf } from '../src/plan/segments.js';
import type { Claims } from '../src/train/control.js';
import type { Update } from '../src/train/session.js';
import type { Computation } from './computation.js';

/** Sums over all parameters are taken over blocks of so many floats. */
export const BLOCK_FLOATS = 1_024;

/** A range of the parameters and of all that is laid out as they are. */
export interface Chunk {
  readonly offset: number;
  readonly floats: number;
  /** Byte offset of the weight, and the rows of it that this is. */
  readonly weight: number;
  readonly rows: RowRange;
  readonly fold: (first: number, count: number) => void;
}

/** Finishes the sums and updates the parameters, chunk by chunk; every worker has a segment of its own to begin with. */
export class SegmentUpdate {
  /** By worker. */
  readonly #segments: readonly (readonly Chunk[])[];
  readonly #counts: readonly number[];
  readonly #weights: readonly number[];
  readonly #update: ReturnType<typeof bindUpdate>;

  constructor(
    private readonly kernels: Kernels,
    private readonly update: Update,
    private readonly computation: Computation,
    private readonly claims: Claims,
    private readonly worker: number,
    private readonly workers: number,
  ) {
    this.#update = bindUpdate(kernels, update.optimizer);
    const { gradients } = computation;
    this.#weights = gradients.map(({ offset }) => offset);
    this.#segments = Array.from({ length: workers }, (_, owner) => segmentsOf(gradients, owner, workers).flatMap(({ matrix, first, end }) => chunksOf(gradients[matrix]!, first, end)));
    this.#counts = this.#segments.map(({ length }) => length);
  }

  /** Sums the gradients of a piece whose rows all workers have computed; `then` has a chunk at a time, in the caches. */
  fold({ slot, joins }: ScheduledPiece, then?: (chunk: Chunk) => void): void {
    this.claims.takeAll(this.worker, this.#counts, (owner, part) => {
      const chunk = this.#segments[owner]![part]!;
      chunk.fold(chunk.rows.first, chunk.rows.end - chunk.rows.first);
      this.computation.join(slot, joins, chunk.offset, chunk.floats);
      then?.(chunk);
    });
  }

  /** What this worker packs from now on counts: nothing that is not finite so far. */
  beginPacking(): void {
    for (const weight of this.#weights) this.computation.bound.beginPacking(weight);
  }

  /** Packs a chunk that has changed for the products of the next step. */
  pack({ weight, rows }: Chunk): void {
    this.computation.bound.packChanged(weight, rows);
  }

  /** Makes the sum in share 0 the mean over the examples, with the penalties' gradient. */
  mean({ offset, floats }: Chunk, examples: number, penalties: number): void {
    const { kernels } = this;
    const gradient = this.computation.shareAddress(0) + offset;
    // A division by a power of two is exact as a product, and much cheaper.
    if (Number.isInteger(Math.log2(examples))) kernels['scaleInto']!(gradient, floats, 1 / examples);
    else kernels['divideInto']!(gradient, floats, examples);
    if (penalties !== 0) kernels['addInto']!(gradient, penalties + offset, floats);
  }

  /** Applies the optimizer. */
  apply({ offset, floats }: Chunk, scalars: Float32Array): void {
    const { parameters, states } = this.update;
    this.#update(parameters + offset, this.computation.shareAddress(0) + offset, states.map((state) => state + offset), floats, scalars);
  }

  /** Applies the optimizer to the worker's own segment, with the gradient multiplied by `factor`, as clipping by norm does. */
  applyScaled(factor: number, scalars: Float32Array): void {
    for (const chunk of this.#segments[this.worker]!) {
      if (factor !== 1) this.kernels['scaleInto']!(this.computation.shareAddress(0) + chunk.offset, chunk.floats, factor);
      this.apply(chunk, scalars);
      this.pack(chunk);
    }
  }

  /** The sum of squares of each of this worker's blocks of the mean gradient, into `blockSums`. */
  blockNorms(): void {
    const { floats, blockSums } = this.update;
    const [first, end] = this.#blocks();
    for (let block = first; block < end; block++) {
      const start = block * BLOCK_FLOATS;
      this.kernels['sumOfSquares']!(this.computation.shareAddress(0) + start * 4, Math.min(BLOCK_FLOATS, floats - start), blockSums + block * 4);
    }
  }

  /** Copies this worker's blocks of the parameters and states into the snapshot. */
  snapshot(bytes: Uint8Array): void {
    const { parameters, states, snapshot, floats } = this.update;
    const [start, end] = this.#blocks().map((block) => Math.min(floats, block * BLOCK_FLOATS) * 4) as [number, number];
    [parameters, ...states].forEach((from, index) => {
      bytes.copyWithin(snapshot + index * floats * 4 + start, from + start, from + end);
    });
  }

  #blocks(): [number, number] {
    const blocks = Math.ceil(this.update.floats / BLOCK_FLOATS);
    return [Math.floor((this.worker * blocks) / this.workers), Math.floor(((this.worker + 1) * blocks) / this.workers)];
  }
}

/** Rows [first, end) of what a fold sums, in chunks. */
function chunksOf({ offset, stride, chunkRows, call }: BoundFold, first: number, end: number): Chunk[] {
  return Array.from({ length: Math.ceil((end - first) / chunkRows) }, (_, index) => {
    const rows = { first: first + index * chunkRows, end: Math.min(end, first + (index + 1) * chunkRows) };
    return { offset: offset + rows.first * stride * 4, floats: (rows.end - rows.first) * stride, weight: offset, rows, fold: call };
  });
}
