import type { BoundFold, RowRange } from '../src/plan/bind.js';
import type { ScheduledPiece } from '../src/plan/schedule.js';
import { segmentsOf } from '../src/plan/segments.js';
import type { Claims } from '../src/train/control.js';
import type { Computation } from './computation.js';

/** A range of the parameters and of all that is laid out as they are. */
export interface Chunk {
  readonly offset: number;
  readonly floats: number;
  /** Byte offset of the weight, and the rows of it that this is. */
  readonly weight: number;
  readonly rows: RowRange;
  readonly fold: (first: number, count: number) => void;
}

/** The parameters in chunks: every worker has a segment of its own to begin with, and helps the others then. */
export class Chunks {
  /** By worker. */
  readonly #segments: readonly (readonly Chunk[])[];
  readonly #counts: readonly number[];
  /** In the order of the parameters. */
  readonly #all: readonly Chunk[];

  constructor(private readonly computation: Computation, private readonly claims: Claims, private readonly worker: number, workers: number) {
    const { gradients } = computation;
    this.#segments = Array.from({ length: workers }, (_, owner) => segmentsOf(gradients, owner, workers).flatMap(({ matrix, first, end }) => chunksOf(gradients[matrix]!, first, end)));
    this.#counts = this.#segments.map(({ length }) => length);
    this.#all = this.#segments.flat();
  }

  /** Chunks of this worker's own segment. */
  get own(): readonly Chunk[] {
    return this.#segments[this.worker]!;
  }

  /** Calls `act` with each chunk that this worker gets. */
  takeAll(act: (chunk: Chunk) => void): void {
    this.claims.takeAll(this.worker, this.#counts, (owner, part) => { act(this.#segments[owner]![part]!); });
  }

  /** Sums the gradients of a piece whose rows all workers have computed; `then` has a chunk at a time, in the caches. */
  fold(piece: ScheduledPiece, then?: (chunk: Chunk) => void): void {
    this.takeAll((chunk) => {
      this.#fold(chunk, piece);
      then?.(chunk);
    });
  }

  /** The same in the order of the parameters, for a reader that follows; `before` has each chunk before it is summed. */
  foldInOrder(piece: ScheduledPiece, before: (chunk: Chunk) => void): void {
    this.takeInOrder((chunk) => {
      before(chunk);
      this.#fold(chunk, piece);
    });
  }

  /** Calls `act` with each chunk that this worker gets, in the order of the parameters, whoever has which as its own. */
  takeInOrder(act: (chunk: Chunk) => void): void {
    this.claims.takeAll(0, [this.#all.length], (_, part) => { act(this.#all[part]!); });
  }

  #fold(chunk: Chunk, { slot, joins }: ScheduledPiece): void {
    chunk.fold(chunk.rows.first, chunk.rows.end - chunk.rows.first);
    this.computation.join(slot, joins, chunk.offset, chunk.floats);
  }
}

/** Rows [first, end) of what a fold sums, in chunks. */
function chunksOf({ offset, stride, chunkRows, call }: BoundFold, first: number, end: number): Chunk[] {
  return Array.from({ length: Math.ceil((end - first) / chunkRows) }, (_, index) => {
    const rows = { first: first + index * chunkRows, end: Math.min(end, first + (index + 1) * chunkRows) };
    return { offset: offset + rows.first * stride * 4, floats: (rows.end - rows.first) * stride, weight: offset, rows, fold: call };
  });
}
