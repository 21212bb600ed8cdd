import type { Plan } from './plan.js';

/** Words of flags of a matrix: one a worker. */
export const MAX_FLAGS = 64;

/** Matrices that workers pack together: those of weights, then those of a piece's rows. */
export function flaggedTensors({ shared, rows, tensors }: Plan): number[] {
  const ofPiece = rows.filter(({ op, out }) => op === 'pack' && tensors[out]!.home.area === 'pieceRows');
  return [...shared, ...ofPiece].map(({ out }) => out);
}

/** Whether each matrix that workers pack together is finite: a word for every matrix and worker, in shared memory. */
export class FiniteFlags {
  /** By tensor: place of its words. */
  readonly #places: ReadonlyMap<number, number>;
  readonly #words: Int32Array;

  constructor(plan: Plan, memory: ArrayBufferLike, address: number) {
    const tensors = flaggedTensors(plan);
    this.#places = new Map(tensors.map((tensor, index) => [tensor, index * MAX_FLAGS]));
    this.#words = new Int32Array(memory, address, tensors.length * MAX_FLAGS);
  }

  get(tensor: number, worker: number): boolean {
    return this.#words[this.#places.get(tensor)! + worker] === 1;
  }

  set(tensor: number, worker: number, finite: boolean): void {
    this.#words[this.#places.get(tensor)! + worker] = finite ? 1 : 0;
  }

  /** All workers' parts of a matrix are finite; to be asked when all have packed theirs. */
  all(tensor: number, workers: number): boolean {
    for (let worker = 0; worker < workers; worker++) if (!this.get(tensor, worker)) return false;
    return true;
  }
}
