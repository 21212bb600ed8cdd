// One tile of a matrix product: R rows by V vectors of C, in registers. The k loop is not unrolled: V8 hoists every
// load of a loop body above its arithmetic, and a longer body spills.
import { madd } from './simd';

// Sizes of tiles, as types: offsetof<T>() of these is a constant, so that `if`s on it cost nothing.
@unmanaged export class S1 { a: u8; }
@unmanaged export class S2 { a: u8; b: u8; }
@unmanaged export class S3 { a: u8; b: u8; c: u8; }
@unmanaged export class S4 { a: u8; b: u8; c: u8; d: u8; }
@unmanaged export class S5 { a: u8; b: u8; c: u8; d: u8; e: u8; }
@unmanaged export class S6 { a: u8; b: u8; c: u8; d: u8; e: u8; f: u8; }

// How A is read, and whether chains begin anew in every shard.
@unmanaged export class RowMajor { a: u8; }
@unmanaged export class Transposed { a: u8; b: u8; }
@unmanaged export class Fold { a: u8; b: u8; c: u8; }
// The same over a compressed A: see compress.ts.
@unmanaged export class Sparse { a: u8; b: u8; c: u8; d: u8; }
@unmanaged export class SparseFold { a: u8; b: u8; c: u8; d: u8; e: u8; }

/** Rows of A are rows of C; otherwise A's columns are. */
// @ts-ignore: decorator
@inline
export function isRowMajor<Mode>(): bool {
  return offsetof<Mode>() == offsetof<RowMajor>() || offsetof<Mode>() == offsetof<Sparse>();
}

// @ts-ignore: decorator
@inline
export function folds<Mode>(): bool {
  return offsetof<Mode>() == offsetof<Fold>() || offsetof<Mode>() == offsetof<SparseFold>();
}

// @ts-ignore: decorator
@inline
export function isSparse<Mode>(): bool {
  return offsetof<Mode>() >= offsetof<Sparse>();
}

/** Bytes of the accumulators of the largest tile. */
export const LEVEL_BYTES: usize = 6 * 4 * 16;

/**
 * One tile: R rows of C by V vectors. `K`, at least 1, is the length of the chain; with Fold, chains end every `shard`
 * of them and the shards' sums are added along the binary tree, waiting on `stack`. With a compressed A, chains are over
 * the entries of a group, as many as its header `counts` says; SparseFold takes `K` shards of them, Sparse its rows of C from
 * the header.
 */
// @ts-ignore: decorator
@inline
export function tile<R, V, Mode>(a: usize, aStride: usize, b: usize, c: usize, cStride: usize, K: i32, shard: i32, stack: usize, counts: usize, indices: usize): void {
  const rows = <i32>offsetof<R>();
  const vectors = <i32>offsetof<V>();
  const zero = f32x4.splat(0);
  const panel = b;
  let a0 = a, a1 = a, a2 = a, a3 = a, a4 = a, a5 = a;
  if (isRowMajor<Mode>()) {
    a0 = rowOf<Mode>(a, 0, aStride, counts);
    if (rows > 1) a1 = rowOf<Mode>(a, 1, aStride, counts);
    if (rows > 2) a2 = rowOf<Mode>(a, 2, aStride, counts);
    if (rows > 3) a3 = rowOf<Mode>(a, 3, aStride, counts);
    if (rows > 4) a4 = rowOf<Mode>(a, 4, aStride, counts);
    if (rows > 5) a5 = rowOf<Mode>(a, 5, aStride, counts);
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
    if (folds<Mode>() && !isSparse<Mode>()) {
      left = min(shard, K - first);
      last = first + left == K;
    }
    if (isSparse<Mode>()) {
      left = load<i32>(counts + (<usize>index << 2));
      if (folds<Mode>()) last = index + 1 == K;
    }
    if (!isSparse<Mode>() || left > 0) do {
      let p0 = a0, p1 = a1, p2 = a2, p3 = a3, p4 = a4, p5 = a5;
      if (isSparse<Mode>()) {
        const place = <usize>load<u32>(indices);
        indices += 4;
        b = panel + place * <usize>(vectors * 16);
        if (isRowMajor<Mode>()) {
          const from = place << 2;
          p0 = a0 + from;
          p1 = a1 + from;
          p2 = a2 + from;
          p3 = a3 + from;
          p4 = a4 + from;
          p5 = a5 + from;
        }
      }
      const b0 = v128.load(b, 0);
      const b1 = vectors > 1 ? v128.load(b, 16) : zero;
      const b2 = vectors > 2 ? v128.load(b, 32) : zero;
      const b3 = vectors > 3 ? v128.load(b, 48) : zero;
      const s0 = v128.load32_splat(p0, 0);
      c00 = madd(s0, b0, c00);
      if (vectors > 1) c01 = madd(s0, b1, c01);
      if (vectors > 2) c02 = madd(s0, b2, c02);
      if (vectors > 3) c03 = madd(s0, b3, c03);
      if (rows > 1) {
        const s1 = isRowMajor<Mode>() ? v128.load32_splat(p1, 0) : v128.load32_splat(p0, 4);
        c10 = madd(s1, b0, c10);
        if (vectors > 1) c11 = madd(s1, b1, c11);
        if (vectors > 2) c12 = madd(s1, b2, c12);
        if (vectors > 3) c13 = madd(s1, b3, c13);
      }
      if (rows > 2) {
        const s2 = isRowMajor<Mode>() ? v128.load32_splat(p2, 0) : v128.load32_splat(p0, 8);
        c20 = madd(s2, b0, c20);
        if (vectors > 1) c21 = madd(s2, b1, c21);
        if (vectors > 2) c22 = madd(s2, b2, c22);
        if (vectors > 3) c23 = madd(s2, b3, c23);
      }
      if (rows > 3) {
        const s3 = isRowMajor<Mode>() ? v128.load32_splat(p3, 0) : v128.load32_splat(p0, 12);
        c30 = madd(s3, b0, c30);
        if (vectors > 1) c31 = madd(s3, b1, c31);
        if (vectors > 2) c32 = madd(s3, b2, c32);
        if (vectors > 3) c33 = madd(s3, b3, c33);
      }
      if (rows > 4) {
        const s4 = isRowMajor<Mode>() ? v128.load32_splat(p4, 0) : v128.load32_splat(p0, 16);
        c40 = madd(s4, b0, c40);
        if (vectors > 1) c41 = madd(s4, b1, c41);
        if (vectors > 2) c42 = madd(s4, b2, c42);
        if (vectors > 3) c43 = madd(s4, b3, c43);
      }
      if (rows > 5) {
        const s5 = isRowMajor<Mode>() ? v128.load32_splat(p5, 0) : v128.load32_splat(p0, 20);
        c50 = madd(s5, b0, c50);
        if (vectors > 1) c51 = madd(s5, b1, c51);
        if (vectors > 2) c52 = madd(s5, b2, c52);
        if (vectors > 3) c53 = madd(s5, b3, c53);
      }
      if (isSparse<Mode>()) {
        if (folds<Mode>()) a0 += <usize>(rows * 4);
        continue;
      }
      if (isRowMajor<Mode>()) {
        a0 += 4;
        if (rows > 1) a1 += 4;
        if (rows > 2) a2 += 4;
        if (rows > 3) a3 += 4;
        if (rows > 4) a4 += 4;
        if (rows > 5) a5 += 4;
      } else a0 += aStride;
      b += <usize>(vectors * 16);
    } while (--left);

    // Where the sum goes: to C, or to its level of the tree to wait for its sibling.
    let out = c;
    let outStride = cStride;
    if (folds<Mode>()) {
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
    storeRow<V>(rowOf<Mode>(out, 0, outStride, counts), last, c00, c01, c02, c03);
    if (rows > 1) storeRow<V>(rowOf<Mode>(out, 1, outStride, counts), last, c10, c11, c12, c13);
    if (rows > 2) storeRow<V>(rowOf<Mode>(out, 2, outStride, counts), last, c20, c21, c22, c23);
    if (rows > 3) storeRow<V>(rowOf<Mode>(out, 3, outStride, counts), last, c30, c31, c32, c33);
    if (rows > 4) storeRow<V>(rowOf<Mode>(out, 4, outStride, counts), last, c40, c41, c42, c43);
    if (rows > 5) storeRow<V>(rowOf<Mode>(out, 5, outStride, counts), last, c50, c51, c52, c53);
  }
}

/** Address of a row of the tile: the next one, or the one that the header of a group of rows names. */
// @ts-ignore: decorator
@inline
function rowOf<Mode>(out: usize, row: i32, outStride: usize, counts: usize): usize {
  if (isSparse<Mode>() && !folds<Mode>()) return out + <usize>load<u32>(counts + 4 + (<usize>row << 2)) * outStride;
  return out + <usize>row * outStride;
}

/**
 * Stores a row of the tile; where it is C's, -0 becomes +0. Only an underflow under fused rounding can leave a chain at -0,
 * and a following zero of A would turn it to +0: whether zeros are left out must not show.
 */
// @ts-ignore: decorator
@inline
function storeRow<V>(out: usize, last: bool, c0: v128, c1: v128, c2: v128, c3: v128): void {
  const vectors = <i32>offsetof<V>();
  if (ASC_FEATURE_RELAXED_SIMD && last) {
    const zero = f32x4.splat(0);
    c0 = f32x4.add(c0, zero);
    if (vectors > 1) c1 = f32x4.add(c1, zero);
    if (vectors > 2) c2 = f32x4.add(c2, zero);
    if (vectors > 3) c3 = f32x4.add(c3, zero);
  }
  v128.store(out, c0, 0);
  if (vectors > 1) v128.store(out, c1, 16);
  if (vectors > 2) v128.store(out, c2, 32);
  if (vectors > 3) v128.store(out, c3, 48);
}
