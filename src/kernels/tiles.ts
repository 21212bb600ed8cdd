import type { Kernels } from './load.js';

/** A tile of the matrix products: a block of C in registers. */
export interface Tile {
  /** Its number: what the kernels take. */
  readonly id: number;
  readonly name: string;
  readonly rows: number;
  /** Columns, the width of a panel of B. */
  readonly columns: number;
  /** Number of the tile, of panels as wide, that is fastest where the zeros of A's columns are left out: fewer columns share more. */
  readonly sparseFold: number;
}

const tile = (id: number, rows: number, columns: number, sparseFold = id): Tile => ({ id, name: `${rows}x${columns}`, rows, columns, sparseFold });

/** The tiles compiled into the kernels, by number. All give the same bits; see matmul.ts. */
export const TILES: readonly Tile[] = [tile(0, 3, 12), tile(1, 2, 12), tile(2, 6, 8), tile(3, 4, 16), tile(4, 5, 16, 3)];

const FOLD_LEVELS = 32;
const FOLD_LEVEL_BYTES = 384;
const FOLD_STRIP_BYTES = 20_480;

/** Scratch of `matmulFold`: the sums that wait on each level of any tree, and a strip of A. */
export const FOLD_STACK_BYTES = FOLD_LEVELS * FOLD_LEVEL_BYTES + FOLD_STRIP_BYTES;

/** Rows of C that `matmulFold` finishes before it goes on, a multiple of every tile's: to be asked for together. */
export const FOLD_ROWS = 60;

/**
 * Bytes that `compressColumns` needs for FOLD_ROWS columns of so many rows and shards, whatever the tile: counts of the shards,
 * and with each group of a tile's columns its values, slack and index for each row; see groupLength in compress.ts.
 */
export function foldGroupsBytes(rows: number, shards: number): number {
  return Math.max(...TILES.map(({ rows: width }) => Math.ceil(FOLD_ROWS / width) * (shards * 4 + 16 + rows * (width + 1) * 4 + 48)));
}

/** Bytes of a packed [k,n] matrix, whatever the tile: columns are padded to whole vectors, panels are not. */
export function packedByteLength(k: number, n: number): number {
  return k * Math.ceil(n / 4) * 16;
}

// The product of the trial: its rows and columns are multiples of every tile's, its panels lie in the first-level cache.
const TRIAL = { m: 60, n: 48, k: 256 } as const;
const TRIAL_BYTES = { a: TRIAL.m * TRIAL.k * 4, packed: TRIAL.k * TRIAL.n * 4, c: TRIAL.m * TRIAL.n * 4 } as const;

/** Scratch that `chooseTile` needs. */
export const TRIAL_SCRATCH_BYTES = TRIAL_BYTES.a + TRIAL_BYTES.packed + TRIAL_BYTES.c;

/** Runs that a measurement counts together: clocks of browsers tick in steps of up to 0.1 ms. */
const RUNS = 4;
const MEASUREMENTS = 6;

/** How much faster a tile becomes in the engine's optimising tier, at least. Measured: 1.9 to 12 times. */
const OPTIMISED_SPEEDUP = 1.5;

/** A run as fast as this, 20 GFLOP/s, is of optimised code: the quick tier of a 3.6 GHz core reaches 7 (14 without fused multiply-add). */
const OPTIMISED_MS = (2 * TRIAL.m * TRIAL.n * TRIAL.k) / 20e6;

/** Longest wait for the optimising tier. */
const WARM_UP_MS = 120;

/**
 * The number of the fastest tile on this engine; the choice never changes a bit. Engines start in a quick tier in which
 * another tile wins, and optimise in the background: the tiles take turns until each has become faster, and only then is
 * measured, taking turns again, and the best counts, so that a disturbance does not decide.
 *
 * @param scratch address of TRIAL_SCRATCH_BYTES, whose contents do not matter
 * @returns after some 10 to 60 ms (3 where the code is optimised already), at most about 150
 */
export function chooseTile(kernels: Kernels, scratch: number, nowMs: () => number): number {
  const time = trial(kernels, scratch, nowMs);
  waitForOptimisedCode(time, nowMs);
  const best = TILES.map(() => Infinity);
  for (let measurement = 0; measurement < MEASUREMENTS; measurement++) {
    for (const { id } of TILES) best[id] = Math.min(best[id]!, time(id, RUNS));
  }
  return best.indexOf(Math.min(...best));
}

/** Milliseconds of some products with a tile. */
function trial(kernels: Kernels, scratch: number, nowMs: () => number): (id: number, runs: number) => number {
  const product = kernels['matmul']!;
  const packed = scratch + TRIAL_BYTES.a;
  const c = packed + TRIAL_BYTES.packed;
  return (id, runs) => {
    const start = nowMs();
    for (let run = 0; run < runs; run++) product(id, TRIAL.m, TRIAL.n, TRIAL.k, scratch, TRIAL.k * 4, packed, c, TRIAL.n * 4);
    return nowMs() - start;
  };
}

function waitForOptimisedCode(time: (id: number, runs: number) => number, nowMs: () => number): void {
  const end = nowMs() + WARM_UP_MS;
  // The first run compiles, the second is the quick tier's.
  const quick = TILES.map(({ id }) => Math.min(time(id, 1), time(id, 1)));
  const isOptimised = (ms: number, id: number): boolean => ms < OPTIMISED_MS || ms * OPTIMISED_SPEEDUP < quick[id]!;
  const waiting = new Set(TILES.map(({ id }) => id));
  while (waiting.size > 0 && nowMs() < end) {
    for (const { id } of TILES) if (isOptimised(time(id, 1), id)) waiting.delete(id);
  }
}
