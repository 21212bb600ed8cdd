// Philox4x32-10: J. K. Salmon, M. A. Moraes, R. O. Dror, D. E. Shaw, "Parallel random numbers: as easy as 1, 2, 3" (SC11).
// A draw is a function of a counter and a key, so that nobody carries generator state.

export type Counter = readonly [number, number, number, number];
export type Key = readonly [number, number];

const MULTIPLIER_0 = 0xd2511f53;
const MULTIPLIER_1 = 0xcd9e8d57;
const WEYL_0 = 0x9e3779b9;
const WEYL_1 = 0xbb67ae85;
const ROUNDS = 10;

/** What draws are for: part of the key, so that no two uses share a stream. */
export const PURPOSE = { shuffle: 1, noise: 2, weights: 3 } as const;

/** Four u32 draws of a counter of four u32 under a key of two. */
export function philox([c0, c1, c2, c3]: Counter, [key0, key1]: Key): Counter {
  let [x0, x1, x2, x3, k0, k1] = [c0, c1, c2, c3, key0, key1];
  for (let round = 0; round < ROUNDS; round++) {
    const low0 = Math.imul(MULTIPLIER_0, x0);
    const low1 = Math.imul(MULTIPLIER_1, x2);
    const next0 = multiplyHigh(MULTIPLIER_1, x2) ^ x1 ^ k0;
    const next2 = multiplyHigh(MULTIPLIER_0, x0) ^ x3 ^ k1;
    [x0, x1, x2, x3] = [next0, low1, next2, low0];
    k0 = (k0 + WEYL_0) | 0;
    k1 = (k1 + WEYL_1) | 0;
  }
  return [x0 >>> 0, x1 >>> 0, x2 >>> 0, x3 >>> 0];
}

/** The upper 32 bits of a product of two u32, as an i32; from products of 16 bits, whose sums here stay below 2^32. */
export function multiplyHigh(a: number, b: number): number {
  const [aHigh, aLow, bHigh, bLow] = [a >>> 16, a & 0xffff, b >>> 16, b & 0xffff];
  const middle = (Math.imul(aHigh, bLow) + (Math.imul(aLow, bLow) >>> 16)) | 0;
  const other = (Math.imul(aLow, bHigh) + (middle & 0xffff)) | 0;
  return (Math.imul(aHigh, bHigh) + (middle >>> 16) + (other >>> 16)) | 0;
}

/** The key for a seed (any safe integer from 0 on; its upper 21 bits share a word with the purpose). */
export function randomKey(seed: number, purpose: number): Key {
  return [seed >>> 0, ((Math.floor(seed / 2 ** 32) & 0x1fffff) | (purpose << 21)) >>> 0];
}
