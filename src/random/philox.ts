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
export const PURPOSE = { weights: 1, shuffle: 2, noise: 3, lessons: 4 } as const;

/** Four u32 draws of a counter of four u32 under a key of two. */
export function philox(counter: Counter, key: Key): Counter {
  const words = new Uint32Array(4);
  philoxInto(words, counter[0], counter[1], counter[2], counter[3], key);
  return [words[0]!, words[1]!, words[2]!, words[3]!];
}

/** The same into `out`, without an object a counter: for draws by the ten thousand. */
export function philoxInto(out: Uint32Array, c0: number, c1: number, c2: number, c3: number, key: Key): void {
  // No destructuring here and below: before the optimising tier, where a first shuffle is drawn, it iterates over arrays.
  let x0 = c0;
  let x1 = c1;
  let x2 = c2;
  let x3 = c3;
  let k0 = key[0];
  let k1 = key[1];
  for (let round = 0; round < ROUNDS; round++) {
    const next0 = multiplyHigh(MULTIPLIER_1, x2) ^ x1 ^ k0;
    const next2 = multiplyHigh(MULTIPLIER_0, x0) ^ x3 ^ k1;
    x1 = Math.imul(MULTIPLIER_1, x2);
    x3 = Math.imul(MULTIPLIER_0, x0);
    x0 = next0;
    x2 = next2;
    k0 = (k0 + WEYL_0) | 0;
    k1 = (k1 + WEYL_1) | 0;
  }
  out[0] = x0;
  out[1] = x1;
  out[2] = x2;
  out[3] = x3;
}

/** The upper 32 bits of a product of two u32, as an i32; from products of 16 bits, whose sums here stay below 2^32. */
export function multiplyHigh(a: number, b: number): number {
  const aHigh = a >>> 16;
  const aLow = a & 0xffff;
  const bHigh = b >>> 16;
  const bLow = b & 0xffff;
  const middle = (Math.imul(aHigh, bLow) + (Math.imul(aLow, bLow) >>> 16)) | 0;
  const other = (Math.imul(aLow, bHigh) + (middle & 0xffff)) | 0;
  return (Math.imul(aHigh, bHigh) + (middle >>> 16) + (other >>> 16)) | 0;
}

/** The key for a seed (any safe integer from 0 on; its upper 21 bits share a word with the purpose). */
export function randomKey(seed: number, purpose: number): Key {
  return [seed >>> 0, ((Math.floor(seed / 2 ** 32) & 0x1fffff) | (purpose << 21)) >>> 0];
}
