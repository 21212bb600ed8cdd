// The sum over rows along the shards' tree: the only reduction that sees shards.
import { VECTOR_BYTES } from './simd';
import { splat } from './vectors';

/** Floats summed at a time: one cache line of each row. */
const BLOCK_FLOATS: i32 = 16;
const BLOCK_BYTES: usize = 64;

/**
 * out[j] = the sum of column j: for every `shardRows` consecutive rows (the last shard may be shorter) one chain of plain
 * additions from +0, then the shards along the tree: level by level node i is child 2i + child 2i+1, a last child without
 * sibling goes up unchanged. `stack` is scratch of 2 KiB (32 levels of 64 bytes), aligned to 16.
 */
export function sumRowsFold(
  x: usize, xRowStride: usize, out: usize, rows: i32, shardRows: i32, floatCount: i32, stack: usize,
): void {
  let left = floatCount;
  for (; left >= BLOCK_FLOATS; left -= BLOCK_FLOATS) {
    foldColumns<Wide>(x, xRowStride, out, rows, shardRows, stack);
    x += BLOCK_BYTES;
    out += BLOCK_BYTES;
  }
  for (; left > 0; left -= 4) {
    foldColumns<Narrow>(x, xRowStride, out, rows, shardRows, stack);
    x += VECTOR_BYTES;
    out += VECTOR_BYTES;
  }
}

/** Four vectors side by side. */
class Wide {
  /** to = the chain over `rows` rows, from +0. */
  @inline sumShard(x: usize, rowStride: usize, rows: i32, to: usize): void {
    let a = splat(0);
    let b = splat(0);
    let c = splat(0);
    let d = splat(0);
    for (let r = 0; r < rows; r++, x += rowStride) {
      a = f32x4.add(a, v128.load(x));
      b = f32x4.add(b, v128.load(x, 16));
      c = f32x4.add(c, v128.load(x, 32));
      d = f32x4.add(d, v128.load(x, 48));
    }
    v128.store(to, a);
    v128.store(to, b, 16);
    v128.store(to, c, 32);
    v128.store(to, d, 48);
  }

  /** right = left + right. */
  @inline addLeft(left: usize, right: usize): void {
    v128.store(right, f32x4.add(v128.load(left), v128.load(right)));
    v128.store(right, f32x4.add(v128.load(left, 16), v128.load(right, 16)), 16);
    v128.store(right, f32x4.add(v128.load(left, 32), v128.load(right, 32)), 32);
    v128.store(right, f32x4.add(v128.load(left, 48), v128.load(right, 48)), 48);
  }

  @inline move(from: usize, to: usize): void {
    v128.store(to, v128.load(from));
    v128.store(to, v128.load(from, 16), 16);
    v128.store(to, v128.load(from, 32), 32);
    v128.store(to, v128.load(from, 48), 48);
  }
}

/** One vector. */
class Narrow {
  @inline sumShard(x: usize, rowStride: usize, rows: i32, to: usize): void {
    let a = splat(0);
    for (let r = 0; r < rows; r++, x += rowStride) a = f32x4.add(a, v128.load(x));
    v128.store(to, a);
  }

  @inline addLeft(left: usize, right: usize): void {
    v128.store(right, f32x4.add(v128.load(left), v128.load(right)));
  }

  @inline move(from: usize, to: usize): void {
    v128.store(to, v128.load(from));
  }
}

/** A binary counter of sums: the slot of level n holds the sum of 2^n shards while bit n of the shards so far is set. */
// @ts-ignore: decorator
@inline
function foldColumns<T>(x: usize, xRowStride: usize, out: usize, rows: i32, shardRows: i32, stack: usize): void {
  const width = changetype<T>(0);
  if (rows <= shardRows) return width.sumShard(x, xRowStride, rows, out);
  let shards = 0;
  for (let first = 0; first < rows; first += shardRows) {
    width.sumShard(x + <usize>first * xRowStride, xRowStride, min(shardRows, rows - first), out);
    let level = stack;
    for (let bits = shards; bits & 1; bits >>= 1, level += BLOCK_BYTES) width.addLeft(level, out);
    width.move(out, level);
    shards++;
  }
  let level = stack + (<usize>ctz(shards) << 6);
  width.move(level, out);
  for (let bits = shards >> (ctz(shards) + 1); bits; bits >>= 1) {
    level += BLOCK_BYTES;
    if (bits & 1) width.addLeft(level, out);
  }
}
