// Matrix products. Every element of C is one chain over k from +0, acc = madd(a, b, acc), whatever the tile: the tile
// is chosen for speed and never changes a bit.
//
// B is packed into panels of the tile's width, each [K][width] contiguous, the last one as narrow as the columns left
// (in vectors). A tile of R rows by V vectors keeps R x V accumulators in registers.
import { Fold, folds, isRowMajor, LEVEL_BYTES, RowMajor, S1, S2, S3, S4, S5, S6, Sparse, SparseFold, tile, Transposed } from './tile';
import { entriesLength, headerLength, ROWS_HEADER_BYTES, valuesLength } from './compress';
import { bringNear } from './nearby';
export { packB, packBTransposed } from './pack';

/** Levels of the largest tree: shards are counted by 32-bit numbers. */
const LEVELS: usize = 32;

/** Bytes of a strip of A that is copied together: with a panel of B, it stays in the first-level cache. */
const STRIP_BYTES: i32 = 20_480;

// What a core holds of rows that lie apart: bytes of its first-level cache, and bytes that its address cache reaches.
const CACHE_BYTES: usize = 32_768;
const REACH_BYTES: usize = 262_144;

/** All rows of one panel. */
function panel<R, V, Mode>(M: i32, K: i32, a: usize, aStride: usize, b: usize, c: usize, cStride: usize, shard: i32, stack: usize): void {
  const rows = <i32>offsetof<R>();
  const step: usize = isRowMajor<Mode>() ? aStride : 4;
  let i = 0;
  if (M >= rows) {
    // The last tile overlaps the one before: the same bits are computed twice, not added twice.
    for (; i < M; i += rows) {
      const at = <usize>min(i, M - rows);
      tile<R, V, Mode>(a + at * step, aStride, b, c + at * cStride, cStride, K, shard, stack, 0, 0);
    }
    return;
  }
  for (; i < M; i++) tile<S1, V, Mode>(a + <usize>i * step, aStride, b, c + <usize>i * cStride, cStride, K, shard, stack, 0, 0);
}

/**
 * Rows of C that a fold finishes before it goes on: a multiple of every tile's rows. Written panel by panel over all
 * rows, a C larger than the second-level cache would be fetched and written back once a panel.
 */
const FOLD_ROWS: i32 = 60;

/** Fewest columns for which a copied strip is read often enough to pay for the copy. */
const COPY_COLUMNS: i32 = 48;

/**
 * A fold reads a few floats of each of K rows of A for a tile. Where these rows fall into too few sets of the cache
 * (strides with a large power of two) or into more pages than the address cache holds, a strip is copied together first.
 */
// @ts-ignore: decorator
@inline
function isScattered(K: i32, aStride: usize): bool {
  return <usize>K * (aStride & (0 - aStride)) > CACHE_BYTES || <usize>K * aStride > REACH_BYTES;
}

/** Copies `columns` floats of each of K rows, row by row to rows of `width`; whole vectors, pads of the rows included. */
function copyStrip(a: usize, aStride: usize, columns: i32, width: i32, K: i32, to: usize): void {
  const last = <usize>columns * 4;
  for (let k = 0; k < K; k++) {
    for (let at: usize = 0; at < last; at += 16) v128.store(to + at, v128.load(a + at));
    a += aStride;
    to += <usize>width * 4;
  }
}

/** All panels of C, strip by strip where chains are folded. */
// @ts-ignore: decorator
@inline
function strips<R, V, Mode>(M: i32, N: i32, K: i32, a: usize, aStride: usize, b: usize, c: usize, cStride: usize, shard: i32, stack: usize): void {
  if (!folds<Mode>()) {
    panels<R, V, Mode>(M, N, K, a, aStride, b, c, cStride, shard, stack);
    return;
  }
  // A multiple of the tile's rows, and of a vector so that every strip begins on one.
  const unit: i32 = offsetof<R>() == 5 ? 20 : 12;
  const width = STRIP_BYTES / 4 / K / unit * unit;
  if (width == 0 || N < COPY_COLUMNS || !isScattered(K, aStride)) {
    for (let i = 0; i < M; i += FOLD_ROWS) {
      panels<R, V, Mode>(min(FOLD_ROWS, M - i), N, K, a + <usize>i * 4, aStride, b, c + <usize>i * cStride, cStride, shard, stack);
    }
    return;
  }
  const strip = stack + LEVELS * LEVEL_BYTES;
  for (let i = 0; i < M; i += width) {
    const columns = min(width, M - i);
    copyStrip(a + <usize>i * 4, aStride, columns, width, K, strip);
    panels<R, V, Mode>(columns, N, K, strip, <usize>width * 4, b, c + <usize>i * cStride, cStride, shard, stack);
  }
}

/** All panels: full ones with the tile's rows, the narrower last one with as many as keep the multiply-adds busy. */
function panels<R, V, Mode>(M: i32, N: i32, K: i32, a: usize, aStride: usize, b: usize, c: usize, cStride: usize, shard: i32, stack: usize): void {
  const vectors = <i32>offsetof<V>();
  let left = (N + 3) >> 2;
  for (; left >= vectors; left -= vectors) {
    if (!folds<Mode>()) bringNear(b, <usize>(K * vectors) * 16);
    panel<R, V, Mode>(M, K, a, aStride, b, c, cStride, shard, stack);
    b += <usize>(K * vectors) * 16;
    c += <usize>vectors * 16;
  }
  if (left == 1) panel<S6, S1, Mode>(M, K, a, aStride, b, c, cStride, shard, stack);
  if (left == 2) panel<S6, S2, Mode>(M, K, a, aStride, b, c, cStride, shard, stack);
  if (left == 3) panel<S3, S3, Mode>(M, K, a, aStride, b, c, cStride, shard, stack);
}

/**
 * As `strips` for a compressed A: its groups in the place of rows. The last, narrower panel goes the dense way: it has other
 * rows than the groups.
 */
// @ts-ignore: decorator
@inline
function sparseBlocks<R, V, Mode>(M: i32, N: i32, K: i32, a: usize, aStride: usize, b: usize, c: usize, cStride: usize, shard: i32, stack: usize, groups: usize): void {
  const rows = <i32>offsetof<R>();
  const vectors = <i32>offsetof<V>();
  const isFold = folds<Mode>();
  let shards = 1;
  let chain = K;
  if (isFold) chain = shards = (K + shard - 1) / shard;
  const valuesAt = isFold ? headerLength(shards) : ROWS_HEADER_BYTES;
  const valueBytes = isFold ? valuesLength(rows, K) : <usize>0;
  const groupBytes = valuesAt + entriesLength(valueBytes, K);
  const full = ((N + 3) >> 2) / vectors;
  const block = isFold ? FOLD_ROWS : M;
  for (let first = 0; first < M; first += block) {
    const end = min(M, first + block);
    let panel = b;
    for (let p = 0; p < full; p++) {
      const column = c + <usize>(p * vectors) * 16;
      if (!isFold) bringNear(panel, <usize>(K * vectors) * 16);
      for (let i = first; i < end; i += rows) {
        const group = groups + <usize>(i / rows) * groupBytes;
        // A group of rows names them itself.
        const at: usize = isFold ? <usize>min(i, M - rows) : <usize>0;
        const values = isFold ? group + valuesAt : a;
        tile<R, V, Mode>(values, aStride, panel, column + at * cStride, cStride, chain, shard, stack, group, group + valuesAt + valueBytes);
      }
      panel += <usize>(K * vectors) * 16;
    }
  }
  const left = N - full * vectors * 4;
  if (left <= 0) return;
  const panel = b + <usize>(full * K * vectors) * 16;
  const column = c + <usize>(full * vectors) * 16;
  if (isFold) strips<R, V, Fold>(M, left, K, a, aStride, panel, column, cStride, shard, stack);
  else strips<R, V, RowMajor>(M, left, K, a, aStride, panel, column, cStride, shard, stack);
}

/** The tiles, by number: see TILES in tiles.ts. */
// @ts-ignore: decorator
@inline
function byTile<Mode>(tileIndex: i32, M: i32, N: i32, K: i32, a: usize, aStride: usize, b: usize, c: usize, cStride: usize, shard: i32, stack: usize): void {
  switch (tileIndex) {
    case 0: strips<S3, S3, Mode>(M, N, K, a, aStride, b, c, cStride, shard, stack); break;
    case 1: strips<S2, S3, Mode>(M, N, K, a, aStride, b, c, cStride, shard, stack); break;
    case 2: strips<S6, S2, Mode>(M, N, K, a, aStride, b, c, cStride, shard, stack); break;
    case 3: strips<S4, S4, Mode>(M, N, K, a, aStride, b, c, cStride, shard, stack); break;
    default: strips<S5, S4, Mode>(M, N, K, a, aStride, b, c, cStride, shard, stack);
  }
}

/** C[M,N] = A[M,K] B: A row-major. Strides in bytes; C's rows are written up to the next multiple of 4 columns. */
export function matmul(tile: i32, M: i32, N: i32, K: i32, a: usize, aStride: usize, b: usize, c: usize, cStride: usize): void {
  byTile<RowMajor>(tile, M, N, K, a, aStride, b, c, cStride, K, 0);
}

/** C[M,N] = At[K,M] transposed, times B. */
export function matmulTransposed(tile: i32, M: i32, N: i32, K: i32, a: usize, aStride: usize, b: usize, c: usize, cStride: usize): void {
  byTile<Transposed>(tile, M, N, K, a, aStride, b, c, cStride, K, 0);
}

/**
 * C[M,N] = the sum over the examples of A's rows transposed times B's rows, A [rows][M], B [rows][N] packed: one chain
 * over the rows of each shard, the shards added along the tree. `stack` is scratch of FOLD_STACK_BYTES (tiles.ts): the
 * sums that wait, 384 bytes a level of the tree, and behind them a strip of A.
 */
export function matmulFold(tile: i32, M: i32, N: i32, rows: i32, shardRows: i32, a: usize, aStride: usize, b: usize, c: usize, cStride: usize, stack: usize): void {
  byTile<Fold>(tile, M, N, rows, a, aStride, b, c, cStride, shardRows, stack);
}

// @ts-ignore: decorator
@inline
function sparseByTile<Mode>(tileIndex: i32, M: i32, N: i32, K: i32, a: usize, aStride: usize, b: usize, c: usize, cStride: usize, shard: i32, stack: usize, groups: usize): void {
  switch (tileIndex) {
    case 0: sparseBlocks<S3, S3, Mode>(M, N, K, a, aStride, b, c, cStride, shard, stack, groups); break;
    case 1: sparseBlocks<S2, S3, Mode>(M, N, K, a, aStride, b, c, cStride, shard, stack, groups); break;
    case 2: sparseBlocks<S6, S2, Mode>(M, N, K, a, aStride, b, c, cStride, shard, stack, groups); break;
    case 3: sparseBlocks<S4, S4, Mode>(M, N, K, a, aStride, b, c, cStride, shard, stack, groups); break;
    default: sparseBlocks<S5, S4, Mode>(M, N, K, a, aStride, b, c, cStride, shard, stack, groups);
  }
}

/** As matmul, bit for bit, with A also compressed by rows, for a finite B and at least a tile's rows. */
export function matmulSparse(tile: i32, M: i32, N: i32, K: i32, a: usize, aStride: usize, b: usize, c: usize, cStride: usize, groups: usize): void {
  sparseByTile<Sparse>(tile, M, N, K, a, aStride, b, c, cStride, K, 0, groups);
}

/** As matmulFold, bit for bit, with A also compressed by columns, for a finite B and at least a tile's rows of C. */
export function matmulFoldSparse(tile: i32, M: i32, N: i32, rows: i32, shardRows: i32, a: usize, aStride: usize, b: usize, c: usize, cStride: usize, stack: usize, groups: usize): void {
  sparseByTile<SparseFold>(tile, M, N, rows, a, aStride, b, c, cStride, shardRows, stack, groups);
}
