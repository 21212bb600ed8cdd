// Runs of floats that begin anywhere and end where a whole vector does not fit. Scalars only copy here; what is computed
// is still a vector.
import { VECTOR_BYTES } from './simd';

/** From here on the engine's own memory copy is faster than the loop. */
const BULK_BYTES: usize = 512;

/** A vector whose first `count` lanes (0..3) are loaded from `from` and whose other lanes are those of `others`. */
// @ts-ignore: decorator
@inline
export function loadFloats(from: usize, count: i32, others: v128): v128 {
  let value = others;
  if (count > 0) value = v128.load32_lane(from, value, 0);
  if (count > 1) value = v128.load32_lane(from, value, 1, 4);
  if (count > 2) value = v128.load32_lane(from, value, 2, 8);
  return value;
}

/** Stores the first `count` lanes (0..3) and touches nothing behind them. */
// @ts-ignore: decorator
@inline
export function storeFloats(to: usize, count: i32, value: v128): void {
  if (count > 0) v128.store32_lane(to, value, 0);
  if (count > 1) v128.store32_lane(to, value, 1, 4);
  if (count > 2) v128.store32_lane(to, value, 2, 8);
}

/** Copies `count` floats; nothing is read or written beyond them. */
export function copyRun(from: usize, to: usize, count: i32): void {
  const byteLength = <usize>count << 2;
  if (byteLength >= BULK_BYTES) return memory.copy(to, from, byteLength);
  const end = to + (byteLength & ~15);
  for (; to < end; to += VECTOR_BYTES, from += VECTOR_BYTES) v128.store(to, v128.load(from));
  storeFloats(to, count & 3, loadFloats(from, count & 3, f32x4.splat(0)));
}

/** Fills `count` floats with the one at `from`. */
export function fillRun(from: usize, to: usize, count: i32): void {
  const value = v128.load32_splat(from);
  const end = to + (<usize>(count >> 2) << 4);
  for (; to < end; to += VECTOR_BYTES) v128.store(to, value);
  storeFloats(to, count & 3, value);
}
