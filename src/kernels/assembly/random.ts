// Draws of the counter-based generator Philox4x32-10 (see src/random/philox.ts, which gives the same words). The counter
// of four neighbouring elements is (element / 4, position of the example in the mini-batch, step, layer).
import { cos4, log4, sin4 } from './math';

const TWO_PI: f32 = 6.2831855;

/** Upper and lower words of the products of two multipliers with two words each, two lanes of 64 bits at a time. */
// @ts-ignore: decorator
@inline
function philox4(c0: u32, c1: u32, c2: u32, c3: u32, key0: u32, key1: u32): v128 {
  let x0 = c0, x1 = c1, x2 = c2, x3 = c3, k0 = key0, k1 = key1;
  for (let round = 0; round < 10; round++) {
    const p0 = <u64>0xd2511f53 * <u64>x0;
    const p1 = <u64>0xcd9e8d57 * <u64>x2;
    const next0 = <u32>(p1 >> 32) ^ x1 ^ k0;
    const next2 = <u32>(p0 >> 32) ^ x3 ^ k1;
    x1 = <u32>p1;
    x3 = <u32>p0;
    x0 = next0;
    x2 = next2;
    k0 += 0x9e3779b9;
    k1 += 0xbb67ae85;
  }
  return i32x4.replace_lane(i32x4.replace_lane(i32x4.replace_lane(i32x4.splat(x0), 1, x1), 2, x2), 3, x3);
}

/** Uniform in [0, 1): the upper 24 bits of each word, exact in float32. */
// @ts-ignore: decorator
@inline
function unit4(words: v128): v128 {
  return f32x4.mul(f32x4.convert_i32x4_u(i32x4.shr_u(words, 8)), f32x4.splat(5.960464477539063e-8));
}

/** A mask of inverted dropout: 0 with probability `rate`, else 1 / (1 - rate). */
export function dropoutMask(
  out: usize, rowStride: usize, rows: i32, floats: i32, key0: u32, key1: u32, firstRow: u32, step: u32, layer: u32, rate: f32,
): void {
  const kept = f32x4.div(f32x4.splat(1), f32x4.sub(f32x4.splat(1), f32x4.splat(rate)));
  const threshold = f32x4.splat(rate);
  for (let r = 0; r < rows; r++) {
    for (let i = 0; i < floats; i += 4) {
      const draw = unit4(philox4(i >>> 2, firstRow + r, step, layer, key0, key1));
      v128.store(out + (<usize>i << 2), v128.and(kept, f32x4.ge(draw, threshold)));
    }
    out += rowStride;
  }
}

/**
 * Normal noise by G. E. P. Box and M. E. Muller, "A note on the generation of random normal deviates" (1958): of a block's
 * four words, two make radii and two make angles; sines fill lanes 0 and 1, cosines lanes 2 and 3.
 */
export function normalNoise(
  out: usize, rowStride: usize, rows: i32, floats: i32, key0: u32, key1: u32, firstRow: u32, step: u32, layer: u32, mean: f32, deviation: f32,
): void {
  const one = f32x4.splat(1);
  for (let r = 0; r < rows; r++) {
    for (let i = 0; i < floats; i += 4) {
      const draw = unit4(philox4(i >>> 2, firstRow + r, step, layer, key0, key1));
      // 1 - u is in (0, 1]: its logarithm is finite.
      const radius = f32x4.sqrt(f32x4.mul(f32x4.splat(-2), log4(f32x4.sub(one, draw))));
      const angle = f32x4.mul(f32x4.splat(TWO_PI), draw);
      const radii = v128.shuffle<f32>(radius, radius, 0, 1, 0, 1);
      const angles = v128.shuffle<f32>(angle, angle, 2, 3, 2, 3);
      const waves = v128.shuffle<f32>(sin4(angles), cos4(angles), 0, 1, 6, 7);
      const normal = f32x4.mul(radii, waves);
      v128.store(out + (<usize>i << 2), f32x4.add(f32x4.splat(mean), f32x4.mul(f32x4.splat(deviation), normal)));
    }
    out += rowStride;
  }
}
