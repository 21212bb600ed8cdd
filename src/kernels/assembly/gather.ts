// From data columns to row tensors: example indices[r] of a column becomes row r, converted to float32 and scaled.
//
// A column holds its examples without gaps, in its own type; the kernels may read up to 16 bytes behind the last one.
// `indices` is a list of u32, `exampleLength` the elements of an example, of which `count` from `first` on are gathered;
// `outRowStride` in bytes.
import { VECTOR_BYTES } from './simd';
import { copyRun } from './runs';
import { splat } from './vectors';

/** Bytes converted at a time. */
const CHUNK: i32 = 16;

// @ts-ignore: decorator
@inline
function exampleAt(src: usize, indices: usize, r: i32, exampleBytes: usize): usize {
  return src + <usize>load<u32>(indices + (<usize>r << 2)) * exampleBytes;
}

/** Bytes of a cache line. */
const LINE_BYTES: i32 = 64;

/** What the touched bytes sum up to: kept, so that the loads are not optimised away. */
let touched: u32 = 0;

/**
 * Loads a byte of every cache line of the examples: shuffled examples lie far apart in memory, and a loop of nothing but
 * loads has many misses under way at once where the conversion has few.
 */
function touchExamples(src: usize, exampleBytes: i32, count: i32, indices: usize, rows: i32): void {
  let sum: u32 = 0;
  for (let r = 0; r < rows; r++) {
    const from = exampleAt(src, indices, r, exampleBytes);
    for (let at = 0; at < count; at += LINE_BYTES) sum += load<u8>(from + at);
  }
  touched = sum;
}

/**
 * Bytes times a scale given in two pieces: v * high is exact (high has at most 16 bits), v * low the rest. Equal to
 * fround(v * scale) for every byte where `splitScale` says so. Not fused, so that both arithmetics give the same.
 */
export function gatherU8(
  src: usize, exampleLength: i32, first: i32, count: i32, indices: usize, rows: i32, out: usize, outRowStride: usize, scaleHigh: f32, scaleLow: f32,
): void {
  const high = splat(scaleHigh);
  const low = splat(scaleLow);
  touchExamples(src + first, exampleLength, count, indices, rows);
  for (let r = 0; r < rows; r++) {
    let from = exampleAt(src + first, indices, r, exampleLength);
    let to = out;
    let left = count;
    for (; left >= CHUNK; left -= CHUNK) {
      const bytes = v128.load(from);
      const first = i16x8.extend_low_i8x16_u(bytes);
      const second = i16x8.extend_high_i8x16_u(bytes);
      v128.store(to, scaled(i32x4.extend_low_i16x8_u(first), high, low));
      v128.store(to, scaled(i32x4.extend_high_i16x8_u(first), high, low), 16);
      v128.store(to, scaled(i32x4.extend_low_i16x8_u(second), high, low), 32);
      v128.store(to, scaled(i32x4.extend_high_i16x8_u(second), high, low), 48);
      from += CHUNK;
      to += 4 * VECTOR_BYTES;
    }
    for (; left > 0; left -= 4) {
      const bytes = i16x8.extend_low_i8x16_u(v128.load32_zero(from));
      v128.store(to, scaled(i32x4.extend_low_i16x8_u(bytes), high, low));
      from += 4;
      to += VECTOR_BYTES;
    }
    out += outRowStride;
  }
}

// @ts-ignore: decorator
@inline
function scaled(integers: v128, high: v128, low: v128): v128 {
  const value = f32x4.convert_i32x4_s(integers);
  return f32x4.add(f32x4.mul(value, high), f32x4.mul(value, low));
}

/** As gatherU8 for a scale that has no exact pieces: `table` holds the 256 float32. */
export function gatherU8Table(
  src: usize, exampleLength: i32, first: i32, count: i32, indices: usize, rows: i32, out: usize, outRowStride: usize, table: usize,
): void {
  for (let r = 0; r < rows; r++) {
    const from = exampleAt(src + first, indices, r, exampleLength);
    for (let i: usize = 0; i < <usize>count; i++) {
      store<f32>(out + (i << 2), load<f32>(table + (<usize>load<u8>(from + i) << 2)));
    }
    out += outRowStride;
  }
}

/** float32 times a scale, multiplied in float64 and rounded once; a scale of 1 copies. */
export function gatherF32(
  src: usize, exampleLength: i32, first: i32, count: i32, indices: usize, rows: i32, out: usize, outRowStride: usize, scale: f64,
): void {
  const rowBytes = (<usize>count * 4 + 15) & ~15;
  const scales = f64x2.splat(scale);
  for (let r = 0; r < rows; r++) {
    const from = exampleAt(src + (<usize>first << 2), indices, r, <usize>exampleLength << 2);
    if (scale == 1) copyRun(from, out, count);
    else {
      for (let at: usize = 0; at < rowBytes; at += VECTOR_BYTES) {
        const low = f64x2.promote_low_f32x4(v128.load64_zero(from + at));
        const high = f64x2.promote_low_f32x4(v128.load64_zero(from + at, 8));
        v128.store(out + at, scaledToFloats(low, high, scales));
      }
    }
    out += outRowStride;
  }
}

/** int32 times a scale, multiplied in float64 and rounded once. */
export function gatherI32(
  src: usize, exampleLength: i32, first: i32, count: i32, indices: usize, rows: i32, out: usize, outRowStride: usize, scale: f64,
): void {
  const rowBytes = (<usize>count * 4 + 15) & ~15;
  const scales = f64x2.splat(scale);
  for (let r = 0; r < rows; r++) {
    const from = exampleAt(src + (<usize>first << 2), indices, r, <usize>exampleLength << 2);
    for (let at: usize = 0; at < rowBytes; at += VECTOR_BYTES) {
      const low = f64x2.convert_low_i32x4_s(v128.load64_zero(from + at));
      const high = f64x2.convert_low_i32x4_s(v128.load64_zero(from + at, 8));
      v128.store(out + at, scaledToFloats(low, high, scales));
    }
    out += outRowStride;
  }
}

// @ts-ignore: decorator
@inline
function scaledToFloats(low: v128, high: v128, scales: v128): v128 {
  const lowFloats = f32x4.demote_f64x2_zero(f64x2.mul(low, scales));
  const highFloats = f32x4.demote_f64x2_zero(f64x2.mul(high, scales));
  return i64x2.shuffle(lowFloats, highFloats, 0, 2);
}
