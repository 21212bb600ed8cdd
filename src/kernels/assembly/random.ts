// Draws of the counter-based generator Philox4x32-10 (src/random/philox.ts gives the same words). The counter of four
// neighbouring elements is (element / 4, position of the example in the mini-batch, step, layer), so an element's bits
// are the same in whatever rows a call brings together.
//
// name(out, rowStride, rows, floats, key0, key1, firstRow, step, layer, ...): a row's padded block is filled, row r is the
// example at position firstRow + r, rowStride is in bytes.
import { madd, VECTOR_BYTES } from './simd';
import { cos4, log4, sin4 } from './math';
import { splat } from './vectors';

const ROUNDS: i32 = 10;
/** The multipliers and the key's increments of the paper's table 2, for both words of two counters. */
const MULTIPLIERS = memory.data<u32>([0xd2511f53, 0xcd9e8d57, 0xd2511f53, 0xcd9e8d57], 16);
const KEY_STEPS = memory.data<u32>([0x9e3779b9, 0xbb67ae85, 0x9e3779b9, 0xbb67ae85], 16);

const TWO_PI: f32 = 6.2831855;
/** 2^-24. */
const UNIT: f32 = 5.960464477539063e-8;

/** Two words in turn in four lanes. */
// @ts-ignore: decorator
@inline
function pairs(first: u32, second: u32): v128 {
  return i64x2.splat(<i64>first | (<i64>second << 32));
}

/**
 * Fills a row with random words, four counters at a time. A vector holds words 0 and 2 of two counters, which are
 * multiplied, or words 1 and 3, which are not: so each round needs one multiplication a counter and no transposition.
 */
function drawRow(out: usize, vectors: i32, key0: u32, key1: u32, position: u32, step: u32, layer: u32): void {
  const multipliers = v128.load(MULTIPLIERS);
  const keySteps = v128.load(KEY_STEPS);
  let blocks = i32x4.add(pairs(0, step), i32x4(0, 0, 1, 0));
  for (let vector = 0; vector < vectors; vector += 4, out += 4 * VECTOR_BYTES) {
    let even = blocks;
    let even2 = i32x4.add(blocks, pairs(2, 0));
    let odd = pairs(position, layer);
    let odd2 = odd;
    let keys = pairs(key0, key1);
    for (let round = 0; round < ROUNDS; round++) {
      const low = i64x2.extmul_low_i32x4_u(even, multipliers);
      const high = i64x2.extmul_high_i32x4_u(even, multipliers);
      const low2 = i64x2.extmul_low_i32x4_u(even2, multipliers);
      const high2 = i64x2.extmul_high_i32x4_u(even2, multipliers);
      even = v128.xor(v128.xor(i32x4.shuffle(low, high, 3, 1, 7, 5), odd), keys);
      even2 = v128.xor(v128.xor(i32x4.shuffle(low2, high2, 3, 1, 7, 5), odd2), keys);
      odd = i32x4.shuffle(low, high, 2, 0, 6, 4);
      odd2 = i32x4.shuffle(low2, high2, 2, 0, 6, 4);
      keys = i32x4.add(keys, keySteps);
    }
    v128.store(out, i32x4.shuffle(even, odd, 0, 4, 1, 5));
    if (vector + 1 < vectors) v128.store(out, i32x4.shuffle(even, odd, 2, 6, 3, 7), 16);
    if (vector + 2 < vectors) v128.store(out, i32x4.shuffle(even2, odd2, 0, 4, 1, 5), 32);
    if (vector + 3 < vectors) v128.store(out, i32x4.shuffle(even2, odd2, 2, 6, 3, 7), 48);
    blocks = i32x4.add(blocks, pairs(4, 0));
  }
}

/** Uniform in [0, 1): the upper 24 bits of each word, exact in float32. */
// @ts-ignore: decorator
@inline
function unit4(words: v128): v128 {
  return f32x4.mul(f32x4.convert_i32x4_u(i32x4.shr_u(words, 8)), splat(UNIT));
}

/** A mask of inverted dropout: 0 with probability `rate`, else 1 / (1 - rate). */
export function dropoutMask(
  out: usize, rowStride: usize, rows: i32, floats: i32, key0: u32, key1: u32, firstRow: u32, step: u32, layer: u32, rate: f32,
): void {
  const vectors = (floats + 3) >> 2;
  const kept = f32x4.div(splat(1), f32x4.sub(splat(1), splat(rate)));
  for (let r = 0; r < rows; r++, out += rowStride) {
    drawRow(out, vectors, key0, key1, firstRow + r, step, layer);
    const end = out + (<usize>vectors << 4);
    for (let at = out; at < end; at += VECTOR_BYTES) {
      v128.store(at, v128.and(kept, f32x4.ge(unit4(v128.load(at)), splat(rate))));
    }
  }
}

/**
 * Normal noise: G. E. P. Box, M. E. Muller, "A note on the generation of random normal deviates" (1958). Words 0 and 1 of a
 * counter make radii, words 2 and 3 angles; the sines are elements 0 and 1, the cosines 2 and 3. Two counters fill one
 * vector of each.
 */
export function normalNoise(
  out: usize, rowStride: usize, rows: i32, floats: i32, key0: u32, key1: u32, firstRow: u32, step: u32, layer: u32,
  mean: f32, deviation: f32,
): void {
  const vectors = (floats + 3) >> 2;
  for (let r = 0; r < rows; r++, out += rowStride) {
    drawRow(out, vectors, key0, key1, firstRow + r, step, layer);
    const last = out + (<usize>(vectors - 1) << 4);
    for (let at = out; at <= last; at += 2 * VECTOR_BYTES) {
      const words = v128.load(at);
      const words2 = v128.load(at < last ? at + VECTOR_BYTES : at);
      // 1 - u is in (0, 1], where the logarithm is finite.
      const u = f32x4.sub(splat(1), unit4(i32x4.shuffle(words, words2, 0, 1, 4, 5)));
      const radius = f32x4.sqrt(f32x4.mul(splat(-2), log4(u)));
      const angle = f32x4.mul(splat(TWO_PI), unit4(i32x4.shuffle(words, words2, 2, 3, 6, 7)));
      const sine = madd(splat(deviation), f32x4.mul(radius, sin4(angle)), splat(mean));
      const cosine = madd(splat(deviation), f32x4.mul(radius, cos4(angle)), splat(mean));
      v128.store(at, i32x4.shuffle(sine, cosine, 0, 1, 4, 5));
      if (at < last) v128.store(at, i32x4.shuffle(sine, cosine, 2, 3, 6, 7), 16);
    }
  }
}
