// Matrix products. Every element of C is one chain over k from +0, acc = madd(a, b, acc), whatever the tile: the tile
// is chosen for speed and never changes a bit.
//
// B is packed into panels of the tile's width, each [K][width] contiguous, the last one as narrow as the columns left
// (in vectors). A tile of R rows by V vectors keeps R x V accumulators in registers. The k loops are not unrolled: V8
// hoists every load of a loop body above its arithmetic, and a longer body spills.
import { madd } from './simd';
export { packB, packBTransposed } from './pack';

// Sizes of tiles, as types: offsetof<T>() of these is a constant, so that `if`s on it cost nothing.
@unmanaged class S1 { a: u8; }
@unmanaged class S2 { a: u8; b: u8; }
@unmanaged class S3 { a: u8; b: u8; c: u8; }
@unmanaged class S4 { a: u8; b: u8; c: u8; d: u8; }
@unmanaged class S5 { a: u8; b: u8; c: u8; d: u8; e: u8; }
@unmanaged class S6 { a: u8; b: u8; c: u8; d: u8; e: u8; f: u8; }

// How A is read, and whether rows are folded shard by shard.
@unmanaged class RowMajor { a: u8; }
@unmanaged class Transposed { a: u8; b: u8; }
@unmanaged class Fold { a: u8; b: u8; c: u8; }

/** Bytes of the accumulators of the largest tile. */
const LEVEL_BYTES: usize = 6 * 4 * 16;

/**
 * One tile: R rows of C by V vectors. `K` is the length of the chain; with Fold, chains end every `shard` of them and
 * the shards' sums are added along the binary tree, waiting on `stack`.
 */
// @ts-ignore: decorator
@inline
function tile<R, V, Mode>(a: usize, aStride: usize, b: usize, c: usize, cStride: usize, K: i32, shard: i32, stack: usize): void {
  const rows = <i32>offsetof<R>();
  const vectors = <i32>offsetof<V>();
  const mode = <i32>offsetof<Mode>();
  const zero = f32x4.splat(0);
  let a1 = a, a2 = a, a3 = a, a4 = a, a5 = a;
  if (mode == 1) {
    if (rows > 1) a1 = a + aStride;
    if (rows > 2) a2 = a1 + aStride;
    if (rows > 3) a3 = a2 + aStride;
    if (rows > 4) a4 = a3 + aStride;
    if (rows > 5) a5 = a4 + aStride;
  }
  let last = false;
  for (let first = 0, index = 0; !last; first += shard, index++) {
    let c00 = zero, c01 = zero, c02 = zero, c03 = zero;
    let c10 = zero, c11 = zero, c12 = zero, c13 = zero;
    let c20 = zero, c21 = zero, c22 = zero, c23 = zero;
    let c30 = zero, c31 = zero, c32 = zero, c33 = zero;
    let c40 = zero, c41 = zero, c42 = zero, c43 = zero;
    let c50 = zero, c51 = zero, c52 = zero, c53 = zero;
    let left = K;
    last = true;
    if (mode == 3) {
      left = min(shard, K - first);
      last = first + left == K;
    }
    do {
      const b0 = v128.load(b, 0);
      const b1 = vectors > 1 ? v128.load(b, 16) : zero;
      const b2 = vectors > 2 ? v128.load(b, 32) : zero;
      const b3 = vectors > 3 ? v128.load(b, 48) : zero;
      const s0 = v128.load32_splat(a, 0);
      c00 = madd(s0, b0, c00);
      if (vectors > 1) c01 = madd(s0, b1, c01);
      if (vectors > 2) c02 = madd(s0, b2, c02);
      if (vectors > 3) c03 = madd(s0, b3, c03);
      if (rows > 1) {
        const s1 = mode == 1 ? v128.load32_splat(a1, 0) : v128.load32_splat(a, 4);
        c10 = madd(s1, b0, c10);
        if (vectors > 1) c11 = madd(s1, b1, c11);
        if (vectors > 2) c12 = madd(s1, b2, c12);
        if (vectors > 3) c13 = madd(s1, b3, c13);
      }
      if (rows > 2) {
        const s2 = mode == 1 ? v128.load32_splat(a2, 0) : v128.load32_splat(a, 8);
        c20 = madd(s2, b0, c20);
        if (vectors > 1) c21 = madd(s2, b1, c21);
        if (vectors > 2) c22 = madd(s2, b2, c22);
        if (vectors > 3) c23 = madd(s2, b3, c23);
      }
      if (rows > 3) {
        const s3 = mode == 1 ? v128.load32_splat(a3, 0) : v128.load32_splat(a, 12);
        c30 = madd(s3, b0, c30);
        if (vectors > 1) c31 = madd(s3, b1, c31);
        if (vectors > 2) c32 = madd(s3, b2, c32);
        if (vectors > 3) c33 = madd(s3, b3, c33);
      }
      if (rows > 4) {
        const s4 = mode == 1 ? v128.load32_splat(a4, 0) : v128.load32_splat(a, 16);
        c40 = madd(s4, b0, c40);
        if (vectors > 1) c41 = madd(s4, b1, c41);
        if (vectors > 2) c42 = madd(s4, b2, c42);
        if (vectors > 3) c43 = madd(s4, b3, c43);
      }
      if (rows > 5) {
        const s5 = mode == 1 ? v128.load32_splat(a5, 0) : v128.load32_splat(a, 20);
        c50 = madd(s5, b0, c50);
        if (vectors > 1) c51 = madd(s5, b1, c51);
        if (vectors > 2) c52 = madd(s5, b2, c52);
        if (vectors > 3) c53 = madd(s5, b3, c53);
      }
      if (mode == 1) {
        a += 4;
        if (rows > 1) a1 += 4;
        if (rows > 2) a2 += 4;
        if (rows > 3) a3 += 4;
        if (rows > 4) a4 += 4;
        if (rows > 5) a5 += 4;
      } else a += aStride;
      b += <usize>(vectors * 16);
    } while (--left);

    // Where the sum goes: to C, or to its level of the tree to wait for its sibling.
    let out = c;
    let outStride = cStride;
    if (mode == 3) {
      // A level whose bit is set in the shard's number holds the older sibling; after the last shard all of them join.
      let level = stack;
      for (let bits = index; last ? bits != 0 : (bits & 1) != 0; bits >>= 1, level += LEVEL_BYTES) {
        if ((bits & 1) == 0) continue;
        let p = level;
        c00 = f32x4.add(v128.load(p, 0), c00);
        if (vectors > 1) c01 = f32x4.add(v128.load(p, 16), c01);
        if (vectors > 2) c02 = f32x4.add(v128.load(p, 32), c02);
        if (vectors > 3) c03 = f32x4.add(v128.load(p, 48), c03);
        if (rows > 1) {
          c10 = f32x4.add(v128.load(p, 64), c10);
          if (vectors > 1) c11 = f32x4.add(v128.load(p, 80), c11);
          if (vectors > 2) c12 = f32x4.add(v128.load(p, 96), c12);
          if (vectors > 3) c13 = f32x4.add(v128.load(p, 112), c13);
        }
        if (rows > 2) {
          c20 = f32x4.add(v128.load(p, 128), c20);
          if (vectors > 1) c21 = f32x4.add(v128.load(p, 144), c21);
          if (vectors > 2) c22 = f32x4.add(v128.load(p, 160), c22);
          if (vectors > 3) c23 = f32x4.add(v128.load(p, 176), c23);
        }
        if (rows > 3) {
          c30 = f32x4.add(v128.load(p, 192), c30);
          if (vectors > 1) c31 = f32x4.add(v128.load(p, 208), c31);
          if (vectors > 2) c32 = f32x4.add(v128.load(p, 224), c32);
          if (vectors > 3) c33 = f32x4.add(v128.load(p, 240), c33);
        }
        if (rows > 4) {
          c40 = f32x4.add(v128.load(p, 256), c40);
          if (vectors > 1) c41 = f32x4.add(v128.load(p, 272), c41);
          if (vectors > 2) c42 = f32x4.add(v128.load(p, 288), c42);
          if (vectors > 3) c43 = f32x4.add(v128.load(p, 304), c43);
        }
        if (rows > 5) {
          c50 = f32x4.add(v128.load(p, 320), c50);
          if (vectors > 1) c51 = f32x4.add(v128.load(p, 336), c51);
          if (vectors > 2) c52 = f32x4.add(v128.load(p, 352), c52);
          if (vectors > 3) c53 = f32x4.add(v128.load(p, 368), c53);
        }
      }
      if (!last) {
        out = level;
        outStride = 64;
      }
    }
    v128.store(out, c00, 0);
    if (vectors > 1) v128.store(out, c01, 16);
    if (vectors > 2) v128.store(out, c02, 32);
    if (vectors > 3) v128.store(out, c03, 48);
    if (rows > 1) {
      out += outStride;
      v128.store(out, c10, 0);
      if (vectors > 1) v128.store(out, c11, 16);
      if (vectors > 2) v128.store(out, c12, 32);
      if (vectors > 3) v128.store(out, c13, 48);
    }
    if (rows > 2) {
      out += outStride;
      v128.store(out, c20, 0);
      if (vectors > 1) v128.store(out, c21, 16);
      if (vectors > 2) v128.store(out, c22, 32);
      if (vectors > 3) v128.store(out, c23, 48);
    }
    if (rows > 3) {
      out += outStride;
      v128.store(out, c30, 0);
      if (vectors > 1) v128.store(out, c31, 16);
      if (vectors > 2) v128.store(out, c32, 32);
      if (vectors > 3) v128.store(out, c33, 48);
    }
    if (rows > 4) {
      out += outStride;
      v128.store(out, c40, 0);
      if (vectors > 1) v128.store(out, c41, 16);
      if (vectors > 2) v128.store(out, c42, 32);
      if (vectors > 3) v128.store(out, c43, 48);
    }
    if (rows > 5) {
      out += outStride;
      v128.store(out, c50, 0);
      if (vectors > 1) v128.store(out, c51, 16);
      if (vectors > 2) v128.store(out, c52, 32);
      if (vectors > 3) v128.store(out, c53, 48);
    }
  }
}

/** All rows of one panel. The last tile overlaps the one before: the same bits are computed twice, not added twice. */
function panel<R, V, Mode>(M: i32, K: i32, a: usize, aStride: usize, b: usize, c: usize, cStride: usize, shard: i32, stack: usize): void {
  const rows = <i32>offsetof<R>();
  const step: usize = offsetof<Mode>() == 1 ? aStride : 4;
  if (M < rows) {
    for (let i = 0; i < M; i++) tile<S1, V, Mode>(a + <usize>i * step, aStride, b, c + <usize>i * cStride, cStride, K, shard, stack);
    return;
  }
  for (let i = 0; i < M; i += rows) {
    const at = <usize>min(i, M - rows);
    tile<R, V, Mode>(a + at * step, aStride, b, c + at * cStride, cStride, K, shard, stack);
  }
}

/**
 * Rows of C that a fold finishes before it goes on: a multiple of every tile's rows. Written panel by panel over all
 * rows, a C larger than the second-level cache would be fetched and written back once a panel.
 */
const FOLD_ROWS: i32 = 60;

/** All panels of C, in blocks of rows where chains are folded. */
// @ts-ignore: decorator
@inline
function blocks<R, V, Mode>(M: i32, N: i32, K: i32, a: usize, aStride: usize, b: usize, c: usize, cStride: usize, shard: i32, stack: usize): void {
  if (offsetof<Mode>() != 3) {
    panels<R, V, Mode>(M, N, K, a, aStride, b, c, cStride, shard, stack);
    return;
  }
  for (let i = 0; i < M; i += FOLD_ROWS) {
    panels<R, V, Mode>(min(FOLD_ROWS, M - i), N, K, a + <usize>i * 4, aStride, b, c + <usize>i * cStride, cStride, shard, stack);
  }
}

/** All panels: full ones with the tile's rows, the narrower last one with as many as keep the multiply-adds busy. */
function panels<R, V, Mode>(M: i32, N: i32, K: i32, a: usize, aStride: usize, b: usize, c: usize, cStride: usize, shard: i32, stack: usize): void {
  const vectors = <i32>offsetof<V>();
  let left = (N + 3) >> 2;
  for (; left >= vectors; left -= vectors) {
    panel<R, V, Mode>(M, K, a, aStride, b, c, cStride, shard, stack);
    b += <usize>(K * vectors) * 16;
    c += <usize>vectors * 16;
  }
  if (left == 1) panel<S6, S1, Mode>(M, K, a, aStride, b, c, cStride, shard, stack);
  if (left == 2) panel<S6, S2, Mode>(M, K, a, aStride, b, c, cStride, shard, stack);
  if (left == 3) panel<S3, S3, Mode>(M, K, a, aStride, b, c, cStride, shard, stack);
}

/** The tiles, by number: see TILES in tiles.ts. */
// @ts-ignore: decorator
@inline
function byTile<Mode>(tileIndex: i32, M: i32, N: i32, K: i32, a: usize, aStride: usize, b: usize, c: usize, cStride: usize, shard: i32, stack: usize): void {
  switch (tileIndex) {
    case 0: blocks<S3, S3, Mode>(M, N, K, a, aStride, b, c, cStride, shard, stack); break;
    case 1: blocks<S2, S3, Mode>(M, N, K, a, aStride, b, c, cStride, shard, stack); break;
    case 2: blocks<S6, S2, Mode>(M, N, K, a, aStride, b, c, cStride, shard, stack); break;
    case 3: blocks<S4, S4, Mode>(M, N, K, a, aStride, b, c, cStride, shard, stack); break;
    default: blocks<S5, S4, Mode>(M, N, K, a, aStride, b, c, cStride, shard, stack);
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
 * over the rows of each shard, the shards added along the tree. `stack` holds 384 bytes a level of it.
 */
export function matmulFold(tile: i32, M: i32, N: i32, rows: i32, shardRows: i32, a: usize, aStride: usize, b: usize, c: usize, cStride: usize, stack: usize): void {
  byTile<Fold>(tile, M, N, rows, a, aStride, b, c, cStride, shardRows, stack);
}
