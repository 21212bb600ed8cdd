import type { Kernels } from '../kernels/load.js';
import { Binder } from './binder.js';
import type { Areas, Call, Piece } from './bindings.js';
import type { Instruction, Plan } from './plan.js';

export type { Areas, BoundColumn, Piece } from './bindings.js';
export { MAX_FLAGS } from './binder.js';

export interface BoundPlan {
  /** Makes one worker's part of what all share; all parts must be made before anything else runs. */
  readonly share: (worker: number, workers: number) => void;
  /** Takes note of what the other parts turned out to be. */
  readonly takeShared: (workers: number) => void;
  /** Computes what depends on the parameters alone. */
  readonly once: readonly Call[];
  readonly piece: readonly { readonly instruction: Instruction; readonly call: Call; readonly byShard: boolean }[];
}

/** Binds every instruction of a plan to the kernels and to addresses; `piece` is read at each run. */
export function bindPlan(plan: Plan, memory: WebAssembly.Memory, kernels: Kernels, tile: number, areas: Areas, piece: Piece): BoundPlan {
  const binder = new Binder(plan, new Float32Array(memory.buffer), kernels, tile, areas, piece);
  return {
    share: (worker, workers) => { binder.share(worker, workers); },
    takeShared: (workers) => { binder.takeShared(workers); },
    once: plan.once.map((instruction) => binder.bind(instruction)),
    piece: plan.piece.map((instruction) => ({ instruction, call: binder.bind(instruction), byShard: instruction.scope === 'shards' })),
  };
}

/** Runs the instructions that depend on the parameters alone. */
export function runOnce(bound: BoundPlan): void {
  for (const call of bound.once) call(0, 1, 0);
}

/** Runs a piece; `after` is told of each instruction that ran (used to find the first bad value). */
export function runPiece(bound: BoundPlan, piece: Piece, after?: (instruction: Instruction) => void): void {
  for (const { instruction, call, byShard } of bound.piece) {
    if (byShard) {
      for (let start = 0, shard = 0; start < piece.rows; start += piece.shardRows, shard++) {
        call(start, Math.min(piece.shardRows, piece.rows - start), shard);
      }
    } else call(0, piece.rows, 0);
    after?.(instruction);
  }
}
