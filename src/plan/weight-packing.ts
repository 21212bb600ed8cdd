import type { Kernels } from '../kernels/load.js';
import { kernelOf, type Addresses } from './addresses.js';
import type { FiniteFlags } from './finite-flags.js';
import type { Plan } from './plan.js';

/** Rows of a weight that are packed in one go: the columns of a vector where it is packed transposed. */
export const PACK_UNIT = 4;

/** Rows [first, end) of a matrix. */
export interface RowRange {
  readonly first: number;
  readonly end: number;
}

type SharedPack = Plan['shared'][number];

/** Packs the weights for matrix products: one worker's part of the rows of each. */
export class WeightPacking {
  constructor(
    private readonly plan: Plan,
    private readonly addresses: Addresses,
    private readonly kernels: Kernels,
    private readonly tile: number,
    private readonly flags: FiniteFlags,
    private readonly worker: number,
    private readonly workers: number,
  ) {}

  /** An equal part of every weight. */
  packPart(): void {
    for (const pack of this.plan.shared) {
      const rows = pack.transposed ? pack.n : pack.k;
      const units = Math.ceil(rows / PACK_UNIT);
      const border = (worker: number): number => Math.min(rows, Math.floor((worker * units) / this.workers) * PACK_UNIT);
      this.flags.set(pack.out, this.worker, true);
      this.#pack(pack, { first: border(this.worker), end: border(this.worker + 1) });
    }
  }

  /** Forgets what this worker packed of the weight that begins at byte `offset` of the parameters. */
  beginChanged(offset: number): void {
    for (const { out } of this.#packsOf(offset)) this.flags.set(out, this.worker, true);
  }

  packChanged(offset: number, rows: RowRange): void {
    for (const pack of this.#packsOf(offset)) this.#pack(pack, rows);
  }

  #packsOf(offset: number): SharedPack[] {
    return this.plan.shared.filter(({ x }) => this.addresses.tensor(x).home.offset === offset);
  }

  #pack({ x, out, k, n, stride, transposed }: SharedPack, { first, end }: RowRange): void {
    if (end <= first) return;
    const kernel = kernelOf(this.kernels, transposed ? 'packBTransposed' : 'packB');
    const from = this.addresses.of(x)(0, 0) + first * stride * 4;
    const finite = kernel(this.tile, from, stride * 4, k, n, this.addresses.of(out)(0, 0), first, end - first) === 1;
    if (!finite) this.flags.set(out, this.worker, false);
  }
}
