// Tensors as they cross the wire, little-endian and without gaps; top-k is in a file of its own.
//
//   float32           values: 4 bytes each
//   float16, bfloat16 values: 2 bytes each, the nearest, of two the even one
//   int8              scales: float32, one for each block | values: 1 byte each, round(x / scale)
//
// encode(from, values, ..., to, residual), decode(from, values, ..., to): addresses need no alignment, nothing is read or
// written beyond the values and their encoding, and the areas must not overlap. With `residual` (0 for none), as many floats:
// what is encoded is from + residual, and what the encoding lost of it becomes the new residual. Integers, comparisons and
// single operations of IEEE 754 only, so that every engine and both arithmetics give the same bits.
import { VECTOR_BYTES } from './simd';
import { addToResidual, loadNext, lost, NAN_BITS, INFINITY_BITS, storeNext } from './feedback';
import { splat } from './vectors';

export { decodeTopK, encodeTopK } from './topk';

/** float32, in both directions. */
export function copyFloats(from: usize, values: i32, to: usize): void {
  memory.copy(to, from, <usize>values << 2);
}

// Each class turns four floats into 16 bits at the bottom of each lane, and back; never instantiated.
class Float16 {
  /** After Giesen, "float->half variants": a small number is rounded by adding 0.5, whose last bit is float16's smallest number. */
  @inline encoded(x: v128): v128 {
    const size = f32x4.abs(x);
    const odd = v128.and(i32x4.shr_u(size, 13), i32x4.splat(1));
    const normal = i32x4.shr_u(i32x4.add(i32x4.add(size, i32x4.splat(0xfff - (112 << 23))), odd), 13);
    const small = i32x4.sub(f32x4.add(size, splat(0.5)), splat(0.5));
    // 2^-14 is the smallest normal number; 2^16 and beyond are Infinity, where rounding up has brought those from 65,520 on.
    let code = v128.bitselect(small, normal, i32x4.lt_s(size, i32x4.splat(113 << 23)));
    code = v128.bitselect(i32x4.splat(0x7c00), code, i32x4.ge_s(size, i32x4.splat(143 << 23)));
    code = v128.or(code, i32x4.shr_u(v128.xor(x, size), 16));
    return v128.bitselect(i32x4.splat(0x7e00), code, i32x4.gt_s(size, i32x4.splat(INFINITY_BITS)));
  }

  @inline decoded(code: v128): v128 {
    const size = i32x4.shl(v128.and(code, i32x4.splat(0x7fff)), 13);
    const normal = i32x4.add(size, i32x4.splat(112 << 23));
    const small = f32x4.sub(i32x4.add(size, i32x4.splat(113 << 23)), splat(<f32>6.103515625e-5));
    let value = v128.bitselect(small, normal, i32x4.lt_s(size, i32x4.splat(0x400 << 13)));
    value = v128.bitselect(v128.or(size, i32x4.splat(INFINITY_BITS)), value, i32x4.ge_s(size, i32x4.splat(0x7c00 << 13)));
    return v128.or(value, i32x4.shl(v128.and(code, i32x4.splat(0x8000)), 16));
  }
}

class Bfloat16 {
  @inline encoded(x: v128): v128 {
    const odd = v128.and(i32x4.shr_u(x, 16), i32x4.splat(1));
    const code = i32x4.shr_u(i32x4.add(i32x4.add(x, i32x4.splat(0x7fff)), odd), 16);
    return v128.bitselect(code, i32x4.splat(NAN_BITS >> 16), f32x4.eq(x, x));
  }

  @inline decoded(code: v128): v128 {
    return i32x4.shl(code, 16);
  }
}

// @ts-ignore: decorator
@inline
function encode16<T>(from: usize, values: i32, to: usize, residual: usize): void {
  const kind = changetype<T>(0);
  for (let left = values; left > 0; left -= 4) {
    let x = loadNext(from, left);
    if (residual) x = f32x4.add(x, loadNext(residual, left));
    const code = kind.encoded(x);
    store16(to, left, i16x8.narrow_i32x4_u(code, code));
    if (residual) {
      storeNext(residual, left, lost(x, kind.decoded(code)));
      residual += VECTOR_BYTES;
    }
    from += VECTOR_BYTES;
    to += VECTOR_BYTES >> 1;
  }
}

// @ts-ignore: decorator
@inline
function decode16<T>(from: usize, values: i32, to: usize): void {
  const kind = changetype<T>(0);
  for (let left = values; left > 0; left -= 4) {
    storeNext(to, left, kind.decoded(i32x4.extend_low_i16x8_u(load16(from, left))));
    from += VECTOR_BYTES >> 1;
    to += VECTOR_BYTES;
  }
}

/** The next `left` numbers of 16 bits, at most four, in the first lanes. */
// @ts-ignore: decorator
@inline
function load16(from: usize, left: i32): v128 {
  if (left >= 4) return v128.load64_zero(from);
  let value = i16x8.splat(0);
  if (left > 0) value = v128.load16_lane(from, value, 0);
  if (left > 1) value = v128.load16_lane(from, value, 1, 2);
  if (left > 2) value = v128.load16_lane(from, value, 2, 4);
  return value;
}

// @ts-ignore: decorator
@inline
function store16(to: usize, left: i32, value: v128): void {
  if (left >= 4) return v128.store64_lane(to, value, 0);
  if (left > 0) v128.store16_lane(to, value, 0);
  if (left > 1) v128.store16_lane(to, value, 1, 2);
  if (left > 2) v128.store16_lane(to, value, 2, 4);
}

export function encodeFloat16(from: usize, values: i32, to: usize, residual: usize): void {
  encode16<Float16>(from, values, to, residual);
}

export function decodeFloat16(from: usize, values: i32, to: usize): void {
  decode16<Float16>(from, values, to);
}

export function encodeBfloat16(from: usize, values: i32, to: usize, residual: usize): void {
  encode16<Bfloat16>(from, values, to, residual);
}

export function decodeBfloat16(from: usize, values: i32, to: usize): void {
  decode16<Bfloat16>(from, values, to);
}

/** The largest value of a block is so many scales. */
const LEVELS: f32 = 127;

/** The smallest normal number: a smaller scale would have few bits of its own, and be 0 in the end. */
const LEAST_SCALE: f32 = 1.17549435e-38;

/** The largest number whose product with LEVELS is finite: the largest float32 / 127, rounded down. */
const MOST_SCALE: f32 = 2.6793884e36;

/** A block with a value that is not finite has the scale NaN, and decodes to NaN: its values are not known. */
export function encodeInt8(from: usize, values: i32, blockValues: i32, to: usize, residual: usize): void {
  let codes = to + scalesLength(values, blockValues);
  for (let first = 0; first < values; first += blockValues) {
    const count = min(blockValues, values - first);
    if (residual) addToResidual(from, count, residual);
    const block = residual ? residual : from;
    const scale = scaleOf(largest(block, count));
    store<u32>(to, scale == scale ? reinterpret<u32>(scale) : NAN_BITS);
    quantise(block, count, scale, codes, residual);
    to += 4;
    codes += count;
    from += <usize>count << 2;
    if (residual) residual += <usize>count << 2;
  }
}

// @ts-ignore: decorator
@inline
function scalesLength(values: i32, blockValues: i32): usize {
  return <usize>((values - 1) / blockValues + 1) << 2;
}

/** The largest absolute value; NaN where there is one. */
// @ts-ignore: decorator
@inline
function largest(x: usize, count: i32): f32 {
  let sizes = splat(0);
  for (let left = count; left > 0; left -= 4, x += VECTOR_BYTES) sizes = f32x4.max(sizes, f32x4.abs(loadNext(x, left)));
  const low = max(f32x4.extract_lane(sizes, 0), f32x4.extract_lane(sizes, 1));
  return max(low, max(f32x4.extract_lane(sizes, 2), f32x4.extract_lane(sizes, 3)));
}

// @ts-ignore: decorator
@inline
function scaleOf(size: f32): f32 {
  return size < Infinity ? min(max(size / LEVELS, LEAST_SCALE), MOST_SCALE) : NaN;
}

// @ts-ignore: decorator
@inline
function quantise(x: usize, count: i32, scale: f32, to: usize, residual: usize): void {
  const scales = splat(scale);
  for (let left = count; left > 0; left -= 4) {
    const value = loadNext(x, left);
    // NaN becomes 0.
    const code = i32x4.trunc_sat_f32x4_s(f32x4.nearest(f32x4.div(value, scales)));
    const words = i16x8.narrow_i32x4_s(code, code);
    store8(to, left, i8x16.narrow_i16x8_s(words, words));
    if (residual) {
      storeNext(residual, left, lost(value, f32x4.mul(f32x4.convert_i32x4_s(code), scales)));
      residual += VECTOR_BYTES;
    }
    x += VECTOR_BYTES;
    to += 4;
  }
}

/** 0 if a scale is none that `encodeInt8` writes: nothing is then written. Else 1. */
export function decodeInt8(from: usize, values: i32, blockValues: i32, to: usize): i32 {
  let codes = from + scalesLength(values, blockValues);
  for (let at = from; at < codes; at += 4) if (!isScale(load<f32>(at))) return 0;
  for (let first = 0; first < values; first += blockValues) {
    const count = min(blockValues, values - first);
    dequantise(codes, count, load<f32>(from), to);
    from += 4;
    codes += count;
    to += <usize>count << 2;
  }
  return 1;
}

// @ts-ignore: decorator
@inline
function isScale(scale: f32): bool {
  return (scale >= LEAST_SCALE && scale <= MOST_SCALE) || reinterpret<u32>(scale) == NAN_BITS;
}

// @ts-ignore: decorator
@inline
function dequantise(from: usize, count: i32, scale: f32, to: usize): void {
  const isKnown = scale == scale;
  const scales = splat(isKnown ? scale : 0);
  const unknown = i32x4.splat(isKnown ? 0 : NAN_BITS);
  for (let left = count; left > 0; left -= 4) {
    const code = i32x4.extend_low_i16x8_s(i16x8.extend_low_i8x16_s(load8(from, left)));
    storeNext(to, left, v128.or(f32x4.mul(f32x4.convert_i32x4_s(code), scales), unknown));
    from += 4;
    to += VECTOR_BYTES;
  }
}

/** The next `left` bytes, at most four, in the first lanes. */
// @ts-ignore: decorator
@inline
function load8(from: usize, left: i32): v128 {
  if (left >= 4) return v128.load32_zero(from);
  let value = i8x16.splat(0);
  if (left > 0) value = v128.load8_lane(from, value, 0);
  if (left > 1) value = v128.load8_lane(from, value, 1, 1);
  if (left > 2) value = v128.load8_lane(from, value, 2, 2);
  return value;
}

// @ts-ignore: decorator
@inline
function store8(to: usize, left: i32, value: v128): void {
  if (left >= 4) return v128.store32_lane(to, value, 0);
  if (left > 0) v128.store8_lane(to, value, 0);
  if (left > 1) v128.store8_lane(to, value, 1, 1);
  if (left > 2) v128.store8_lane(to, value, 2, 2);
}
