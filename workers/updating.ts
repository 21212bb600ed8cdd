import type { Kernels } from '../src/kernels/load.js';
import { bindUpdate } from '../src/optimizers/index.js';
import type { Update } from '../src/train/session.js';

/** Sums over all parameters are taken over blocks of so many floats; segments end at their borders. */
export const BLOCK_FLOATS = 1_024;

/** Floats handled together: parameters, gradient and two moments of so many stay in the first-level cache's reach. */
const CHUNK_FLOATS = 2 * BLOCK_FLOATS;

/** A worker's own range of the parameters, in floats. */
export interface Segment {
  readonly start: number;
  readonly end: number;
}

export function segmentOf(floats: number, worker: number, workers: number): Segment {
  const blocks = Math.ceil(floats / BLOCK_FLOATS);
  const border = (index: number): number => Math.min(floats, Math.floor((index * blocks) / workers) * BLOCK_FLOATS);
  return { start: border(worker), end: border(worker + 1) };
}

/** One share: added to another, by address. */
export interface AddressPair {
  readonly into: number;
  readonly from: number;
}

/** Finishes the tree over one segment and updates its parameters. */
export class SegmentUpdate {
  readonly segment: Segment;
  readonly #update: ReturnType<typeof bindUpdate>;

  constructor(private readonly kernels: Kernels, private readonly update: Update, worker: number, workers: number) {
    this.segment = segmentOf(update.floats, worker, workers);
    this.#update = bindUpdate(kernels, update.optimizer);
  }

  /** Joins the shares, divides by the examples and adds the penalties' gradient; the mean gradient is left in `gradient`. */
  meanGradient(chunk: Segment, gradient: number, additions: readonly AddressPair[], examples: number, penalties: number): void {
    const { kernels } = this;
    const [offset, floats] = [chunk.start * 4, chunk.end - chunk.start];
    for (const { into, from } of additions) kernels['addInto']!(into + offset, from + offset, floats);
    // A division by a power of two is exact as a product, and much cheaper.
    if (Number.isInteger(Math.log2(examples))) kernels['scaleInto']!(gradient + offset, floats, 1 / examples);
    else kernels['divideInto']!(gradient + offset, floats, examples);
    if (penalties !== 0) kernels['addInto']!(gradient + offset, penalties + offset, floats);
  }

  /** Applies the optimizer to a chunk. */
  apply(chunk: Segment, gradient: number, scalars: Float32Array): void {
    const { parameters, states } = this.update;
    const offset = chunk.start * 4;
    this.#update(parameters + offset, gradient + offset, states.map((state) => state + offset), chunk.end - chunk.start, scalars);
  }

  /** The sum of squares of each of the segment's blocks, into `blockSums`. */
  blockNorms(gradient: number, blockSums: number): void {
    for (let start = this.segment.start; start < this.segment.end; start += BLOCK_FLOATS) {
      const floats = Math.min(BLOCK_FLOATS, this.segment.end - start);
      this.kernels['sumOfSquares']!(gradient + start * 4, floats, blockSums + (start / BLOCK_FLOATS) * 4);
    }
  }

  /** Scales a chunk of the gradient, as clipping by norm does. */
  scale(chunk: Segment, gradient: number, factor: number): void {
    if (factor !== 1) this.kernels['scaleInto']!(gradient + chunk.start * 4, chunk.end - chunk.start, factor);
  }

  /** The segment's chunks, in order. */
  chunks(): Segment[] {
    const chunks: Segment[] = [];
    for (let start = this.segment.start; start < this.segment.end; start += CHUNK_FLOATS) {
      chunks.push({ start, end: Math.min(this.segment.end, start + CHUNK_FLOATS) });
    }
    return chunks;
  }

  /** Copies the segment's parameters and states into the snapshot. */
  snapshot(bytes: Uint8Array): void {
    const { parameters, states, snapshot, floats } = this.update;
    const [start, end] = [this.segment.start * 4, this.segment.end * 4];
    [parameters, ...states].forEach((from, index) => {
      bytes.copyWithin(snapshot + index * floats * 4 + start, from + start, from + end);
    });
  }
}

