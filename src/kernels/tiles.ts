import type { Kernels } from './load.js';

/** The tiles compiled into the kernels, by number; `columns` is the width of a panel. All give the same bits. */
export const TILES = [
  { name: '3x12', rows: 3, columns: 12 },
  { name: '2x12', rows: 2, columns: 12 },
  { name: '6x8', rows: 6, columns: 8 },
  { name: '4x16', rows: 4, columns: 16 },
  { name: '5x16', rows: 5, columns: 16 },
] as const;

/** Bytes that a fold keeps for each level of the tree, for the largest tile; 32 levels are any tree. */
export const FOLD_STACK_BYTES = 384 * 32;

// The product of the trial: deep enough for the chains to count, small enough for a fraction of a millisecond.
const TRIAL = { m: 60, n: 48, k: 256 } as const;
const TRIAL_REPEATS = 5;
const TRIAL_WARM_UPS = 2;
const TRIAL_BYTES = { a: TRIAL.m * TRIAL.k * 4, packed: TRIAL.k * TRIAL.n * 4, c: TRIAL.m * TRIAL.n * 4 } as const;

/** Scratch that `chooseTile` needs. */
export const TRIAL_SCRATCH_BYTES = TRIAL_BYTES.a + TRIAL_BYTES.packed + TRIAL_BYTES.c;

/**
 * The number of the fastest tile on this engine, by a trial of some milliseconds; the choice never changes a bit.
 * The tiles take turns, and the best of several runs counts, so that a disturbance does not decide.
 */
export function chooseTile(kernels: Kernels, scratch: number, nowMs: () => number): number {
  const [a, packed, c] = [scratch, scratch + TRIAL_BYTES.a, scratch + TRIAL_BYTES.a + TRIAL_BYTES.packed];
  const best = TILES.map(() => Infinity);
  for (let repeat = -TRIAL_WARM_UPS; repeat < TRIAL_REPEATS; repeat++) {
    TILES.forEach((_, tile) => {
      const start = nowMs();
      kernels['matmul']!(tile, TRIAL.m, TRIAL.n, TRIAL.k, a, TRIAL.k * 4, packed, c, TRIAL.n * 4);
      if (repeat >= 0) best[tile] = Math.min(best[tile]!, nowMs() - start);
    });
  }
  return best.indexOf(Math.min(...best));
}
