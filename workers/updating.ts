import type { Kernels } from '../src/kernels/load.js';
import { bindUpdate } from '../src/optimizers/index.js';
import type { Update } from '../src/train/session.js';
import type { Chunk } from './chunks.js';
import type { Computation } from './computation.js';

/** Sums over all parameters are taken over blocks of so many floats. */
export const BLOCK_FLOATS = 1_024;

/** Makes an update of the gradient in the current share, chunk by chunk. */
export class SegmentUpdate {
  readonly #update: ReturnType<typeof bindUpdate>;

  constructor(
    private readonly kernels: Kernels,
    private readonly update: Update,
    private readonly computation: Computation,
    private readonly worker: number,
    private readonly workers: number,
  ) {
    this.#update = bindUpdate(kernels, update.optimizer);
  }

  /** What this worker packs from now on counts: nothing that is not finite so far. */
  beginPacking(): void {
    for (const { offset } of this.computation.gradients) this.computation.bound.beginPacking(offset);
  }

  /** Packs a chunk that has changed for the products of the next step. */
  pack({ weight, rows }: Chunk): void {
    this.computation.bound.packChanged(weight, rows);
  }

  /** Makes the sum the mean over the examples, with the penalties' gradient. */
  mean({ offset, floats }: Chunk, examples: number, penalties: number): void {
    const { kernels } = this;
    const gradient = this.computation.shareAddress(0) + offset;
    const scale = exactInverse(examples);
    if (scale === undefined) kernels['divideInto']!(gradient, floats, examples);
    else kernels['scaleInto']!(gradient, floats, scale);
    if (penalties !== 0) kernels['addInto']!(gradient, penalties + offset, floats);
  }

  /** Applies the optimizer to the mean of a sum over the examples, with the penalties' gradient. */
  applyMean(chunk: Chunk, examples: number, penalties: number, scalars: Float32Array): void {
    // On its way into the update a sum becomes the mean for nothing, where no penalties have to be added between.
    const scale = penalties === 0 ? exactInverse(examples) : undefined;
    if (scale === undefined) this.mean(chunk, examples, penalties);
    this.applyScaled(chunk, scale ?? 1, scalars);
  }

  /** Applies the optimizer to the gradient multiplied by `factor`, as clipping by norm does. */
  applyScaled({ offset, floats }: Chunk, factor: number, scalars: Float32Array): void {
    const { parameters, states } = this.update;
    this.#update(parameters + offset, this.computation.shareAddress(0) + offset, states.map((state) => state + offset), floats, factor, scalars);
  }

  /** Keeps what an update of a chunk is about to change. */
  keep(chunk: Chunk): void {
    this.#copyKept(chunk, (live, kept) => { this.kernels['copyFloats']!(live, chunk.floats, kept); });
  }

  /** Takes the update of a chunk back. */
  takeBack(chunk: Chunk): void {
    this.#copyKept(chunk, (live, kept) => { this.kernels['copyFloats']!(kept, chunk.floats, live); });
  }

  #copyKept({ offset }: Chunk, copy: (live: number, kept: number) => void): void {
    const { parameters, states, kept, floats } = this.update;
    [parameters, ...states].forEach((live, index) => { copy(live + offset, kept! + index * floats * 4 + offset); });
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

/** By which a sum of so many becomes their mean exactly as by division, and much cheaper: there is one for powers of two. */
function exactInverse(count: number): number | undefined {
  return Number.isInteger(Math.log2(count)) ? 1 / count : undefined;
}
