import type { Kernels } from '../kernels/load.js';
import { Addresses } from './addresses.js';
import { Binder } from './binder.js';
import type { Areas, BoundFold, Call, Piece } from './bindings.js';
import { FiniteFlags, flaggedTensors } from './finite-flags.js';
import { FoldBinder } from './fold-binder.js';
import type { Instruction, Plan } from './plan.js';
import { PACK_UNIT, WeightPacking, type RowRange } from './weight-packing.js';

export type { Areas, BoundColumn, BoundFold, Piece, PieceSize } from './bindings.js';
export { flaggedTensors, MAX_FLAGS } from './finite-flags.js';
export { foldRoom } from './fold-room.js';
export type { RowRange } from './weight-packing.js';

/** Who of the workers this is. */
export interface Seat {
  readonly worker: number;
  readonly workers: number;
}

interface BoundInstruction {
  readonly instruction: Instruction;
  readonly call: Call;
  readonly byShard: boolean;
}

/** A plan bound to the kernels and to the addresses of one worker; `piece` is read at each run. */
export class BoundPlan {
  readonly folds: readonly BoundFold[];
  readonly #packing: WeightPacking;
  readonly #flags: FiniteFlags;
  readonly #binder: Binder;
  readonly #once: readonly Call[];
  readonly #rows: readonly BoundInstruction[];
  /** Matrices of rows that the workers pack together. */
  readonly #packedRows: readonly number[];

  constructor(private readonly plan: Plan, memory: WebAssembly.Memory, kernels: Kernels, tile: number, areas: Areas, private readonly piece: Piece, private readonly seat: Seat) {
    const { worker, workers } = seat;
    const addresses = new Addresses(plan, areas, piece);
    this.#flags = new FiniteFlags(plan, memory.buffer, areas.flags);
    this.#packing = new WeightPacking(plan, addresses, kernels, tile, this.#flags, worker, workers);
    this.#binder = new Binder(addresses, kernels, tile, this.#flags, worker);
    this.#once = plan.once.map((instruction) => this.#binder.bind(instruction));
    this.#rows = plan.rows.map((instruction) => ({ instruction, call: this.#binder.bind(instruction), byShard: instruction.scope === 'shards' }));
    this.#packedRows = flaggedTensors(plan).slice(plan.shared.length);
    const folds = new FoldBinder(plan, addresses, kernels, tile, this.#flags, workers, new Float32Array(memory.buffer));
    this.folds = plan.folds.map((instruction) => folds.bind(instruction));
  }

  /** Packs an equal part of all weights; all workers' parts must be packed before anything else runs. */
  packWeights(): void {
    this.#packing.packPart();
  }

  /** Begins to pack rows of the weight at byte `offset` of the parameters that have changed. */
  beginPacking(offset: number): void {
    this.#packing.beginChanged(offset);
  }

  /** Packs rows that have changed, after `beginPacking`; all workers together must pack all rows. */
  packChanged(offset: number, rows: RowRange): void {
    this.#packing.packChanged(offset, rows);
  }

  /** Computes what depends on the parameters alone, when all weights are packed. */
  runOnce(): void {
    for (const { out } of this.plan.shared) this.#binder.noteFinite(out, this.#flags.all(out, this.seat.workers));
    for (const call of this.#once) call(0, 1, 0);
  }

  /** Begins a piece, of which this worker computes any rows. */
  beginRows(): void {
    for (const tensor of this.#packedRows) this.#flags.set(tensor, this.seat.worker, true); // until a part of it is not
  }

  /** Computes rows of the piece; `after` is told of each instruction (to find the first bad value). */
  runRows({ first, end }: RowRange, after?: (instruction: Instruction, rows: number) => void): void {
    const most = this.plan.capacity.rows;
    for (let start = first; start < end; start += most) {
      this.piece.start = start;
      this.#runInstructions(Math.min(most, end - start), after);
    }
  }

  #runInstructions(rows: number, after?: (instruction: Instruction, rows: number) => void): void {
    const { shardRows } = this.piece;
    for (const { instruction, call, byShard } of this.#rows) {
      if (byShard) {
        for (let start = 0, shard = 0; start < rows; start += shardRows, shard++) call(start, Math.min(shardRows, rows - start), shard);
      } else call(0, rows, 0);
      after?.(instruction, rows);
    }
  }
}

/** Workers divide the rows of a piece at multiples of this: at shards where an instruction goes by shards. */
export function rowUnit(plan: Plan, shardRows: number): number {
  return plan.rows.some(({ scope }) => scope === 'shards') ? shardRows : ROW_UNIT;
}

/** Fewer rows for a worker would leave the tiles of products half empty. */
const ROW_UNIT = PACK_UNIT;

/** Multiply-adds of the products that a row goes through, without those of the folds. */
export function multiplyAddsPerRow({ rows }: Plan): number {
  return rows.reduce((sum, each) => sum + (each.op === 'matmul' ? each.m * each.k * each.n : 0), 0);
}
