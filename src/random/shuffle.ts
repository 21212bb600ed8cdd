import { multiplyHigh, philoxInto, PURPOSE, randomKey, type Key } from './philox.js';

/**
 * Writes the order of the examples in an epoch: a permutation that is a function of (count, seed, epoch) alone.
 * Fisher-Yates with unbiased bounded draws: D. Lemire, "Fast random integer generation in an interval" (2019).
 */
export function shuffledIndices(exampleCount: number, seed: number, epoch: number, out: Uint32Array): void {
  const draws = new Draws(randomKey(seed, PURPOSE.shuffle), epoch);
  for (let index = 0; index < exampleCount; index++) out[index] = index;
  for (let last = exampleCount - 1; last > 0; last--) {
    const other = draws.below(last + 1);
    const held = out[last]!;
    out[last] = out[other]!;
    out[other] = held;
  }
}

/** The examples in their own order. */
export function ownOrder(exampleCount: number, out: Uint32Array): void {
  for (let index = 0; index < exampleCount; index++) out[index] = index;
}

/** Draws of one stream, one after the other. */
class Draws {
  #drawn = 0;
  readonly #words = new Uint32Array(4);

  constructor(private readonly key: Key, private readonly stream: number) {}

  #next(): number {
    const lane = this.#drawn % 4;
    if (lane === 0) philoxInto(this.#words, this.#drawn / 4, 0, this.stream, 0, this.key);
    this.#drawn++;
    return this.#words[lane]!;
  }

  /** Uniform in [0, bound), bound at most 2^32: the upper word of the draw's product with the bound. */
  below(bound: number): number {
    for (;;) {
      const word = this.#next();
      const low = Math.imul(word, bound) >>> 0;
      // Low words below 2^32 mod bound are rejected, as many as are one too many for some results. It is below the bound,
      // which spares most draws the division.
      if (low >= bound || low >= 2 ** 32 % bound) return multiplyHigh(word, bound) >>> 0;
    }
  }
}
