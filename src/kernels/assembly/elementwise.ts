// Kernels that treat every element alike: unary and binary ones in files of their own, here those that work in place.
import { VECTOR_BYTES } from './simd';
import { splat } from './vectors';

export * from './unary';
export * from './binary';

/** out[i] = value. */
export function fill(out: usize, floatCount: i32, value: f32): void {
  const end = out + (<usize>floatCount << 2);
  const values = splat(value);
  for (; out < end; out += VECTOR_BYTES) v128.store(out, values);
}

/** out[i] = out[i] + x[i]: a left child of the tree takes in its right sibling. */
export function addInto(out: usize, x: usize, floatCount: i32): void {
  const end = out + (<usize>floatCount << 2);
  while (out < end) {
    v128.store(out, f32x4.add(v128.load(out), v128.load(x)));
    out += VECTOR_BYTES;
    x += VECTOR_BYTES;
  }
}

/** out[i] = out[i] * factor. */
export function scaleInto(out: usize, floatCount: i32, factor: f32): void {
  const end = out + (<usize>floatCount << 2);
  const factors = splat(factor);
  for (; out < end; out += VECTOR_BYTES) v128.store(out, f32x4.mul(v128.load(out), factors));
}

/** out[i] = out[i] / divisor. */
export function divideInto(out: usize, floatCount: i32, divisor: f32): void {
  const end = out + (<usize>floatCount << 2);
  const divisors = splat(divisor);
  for (; out < end; out += VECTOR_BYTES) v128.store(out, f32x4.div(v128.load(out), divisors));
}

/** 1 if the first `floats` elements of every row are finite, else 0; pads are not looked at. */
export function allFinite(x: usize, rowStride: usize, rows: i32, floats: i32): i32 {
  const fullBytes = <usize>(floats >> 2) << 4;
  const isInTail = i32x4.lt_s(i32x4(0, 1, 2, 3), i32x4.splat(floats & 3));
  let isFinite = i32x4.splat(-1);
  for (let r = 0; r < rows; r++) {
    const tail = x + fullBytes;
    for (let at = x; at < tail; at += VECTOR_BYTES) isFinite = v128.and(isFinite, finite(v128.load(at)));
    if (floats & 3) isFinite = v128.andnot(isFinite, v128.andnot(isInTail, finite(v128.load(tail))));
    x += rowStride;
  }
  return i32(i32x4.all_true(isFinite));
}

// @ts-ignore: decorator
@inline
function finite(x: v128): v128 {
  return f32x4.lt(f32x4.abs(x), splat(Infinity));
}
