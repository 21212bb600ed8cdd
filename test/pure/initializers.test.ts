import '@tensorflow/tfjs-backend-cpu';
import * as tf from '@tensorflow/tfjs-core';
import * as tfl from '@tensorflow/tfjs-layers';
import { beforeAll, describe, expect, test, vi } from 'vitest';
import { drawWeights, type InitializerConfig, type WeightInitializer } from '../../src/random/initializers.js';
import { philox, PURPOSE, randomKey } from '../../src/random/philox.js';
import { bits, seed } from './arena.js';
import { described, refusalOf } from './initial-weights.js';

beforeAll(async () => { await tf.ready(); });

/** How far a mean of n independent terms may stray: 5 of its standard deviations, once in 1.7 million by chance. */
const MAX_DEVIATIONS = 5;
/** Variance of a standard normal cut at 2: 1 - 4 phi(2) / (2 Phi(2) - 1) = 1 - 4 * 0.05399097 / 0.95449974. */
const CUT_VARIANCE = 0.7737413;

const draw = (className: string, config: InitializerConfig, shape: readonly number[], weightIndex = 0): Float32Array =>
  drawWeights({ className, config }, shape, seed, weightIndex);

const meanOf = (values: Float32Array): number => values.reduce((sum, value) => sum + value, 0) / values.length;
const meanSquareAround = (center: number, values: Float32Array): number => meanOf(values.map((value) => (value - center) ** 2));
const largest = (values: Float32Array): number => values.reduce((most, value) => Math.max(most, Math.abs(value)), 0);

/** Mean and variance; of a square the variance is at most 2 variances squared for these distributions (kurtosis <= 3). */
function expectMoments(values: Float32Array, mean: number, variance: number): void {
  expect(Math.abs(meanOf(values) - mean)).toBeLessThan(MAX_DEVIATIONS * Math.sqrt(variance / values.length));
  expect(Math.abs(meanSquareAround(mean, values) / variance - 1)).toBeLessThan(MAX_DEVIATIONS * Math.sqrt(2 / values.length));
}

function expectShare(values: Float32Array, isCounted: (value: number) => boolean, p: number): void {
  const share = values.filter(isCounted).length / values.length;
  expect(Math.abs(share - p)).toBeLessThan(MAX_DEVIATIONS * Math.sqrt((p * (1 - p)) / values.length));
}

describe('distributions', () => {
  test.each([
    ['zeros', tfl.initializers.zeros(), [3, 2]],
    ['ones', tfl.initializers.ones(), [5]],
    ['constant', tfl.initializers.constant({ value: -1.7 }), [2, 3]],
    ['identity', tfl.initializers.identity({ gain: 3 }), [4, 4]],
    ['a scalar', tfl.initializers.constant({ value: 2 }), []],
  ] as const)('%s as tfjs', (_, initializer, shape) => {
    const expected = initializer.apply([...shape]);
    expect(bits(drawWeights(described(initializer), shape, seed, 0))).toEqual(bits(expected.dataSync()));
    expected.dispose();
  });

  test('RandomUniform', () => {
    const values = draw('RandomUniform', { minval: 0.2, maxval: 0.7 }, [200, 301]);
    expect(values.every((value) => value >= Math.fround(0.2) && value <= Math.fround(0.7))).toBe(true);
    expectMoments(values, 0.45, 0.5 ** 2 / 12);
    expectShare(values, (value) => value < 0.3, 0.2);
  });

  test('uniform draws are the words of Philox in order', () => {
    const words = [0, 1].flatMap((block) => philox([block, 9, 0, 0], randomKey(seed, PURPOSE.weights)));
    const expected = words.slice(0, 7).map((word) => -1 + (word / 2 ** 32) * 3);
    expect(bits(draw('RandomUniform', { minval: -1, maxval: 2 }, [7], 9))).toEqual(bits(expected));
  });

  test('RandomNormal', () => {
    const values = draw('RandomNormal', { mean: 3, stddev: 0.5 }, [200, 301]);
    expectMoments(values, 3, 0.25);
    // P(|x| > 1) = 0.3173105, P(|x| > 2) = 0.0455003.
    expectShare(values, (value) => Math.abs(value - 3) > 0.5, 0.3173105);
    expectShare(values, (value) => Math.abs(value - 3) > 1, 0.0455003);
  });

  /** Box and Muller of the words of Philox for one element of weight 2. */
  function expectedNormal(element: number, attempt: number): number {
    const words = philox([Math.floor(element / 4), 2, attempt, 0], randomKey(seed, PURPOSE.weights)).map((word) => (word + 0.5) / 2 ** 32);
    const lane = element % 4;
    const angle = 2 * Math.PI * words[2 + (lane % 2)]!;
    return Math.sqrt(-2 * Math.log(words[lane % 2]!)) * (lane < 2 ? Math.sin(angle) : Math.cos(angle));
  }

  /** Half a float32 step is 2^-24 = 6e-8 of the value; 1e-14 is what float64 loses near the zeros of a sine. */
  function expectRounded(value: number, expected: number): void {
    expect(Math.abs(value - expected)).toBeLessThanOrEqual(6.1e-8 * Math.abs(expected) + 1e-14);
  }

  test('normal draws are Box and Muller\'s of the words of Philox', () => {
    const values = draw('RandomNormal', { mean: 0, stddev: 1 }, [40_001], 2);
    values.forEach((value, element) => { expectRounded(value, expectedNormal(element, 0)); });
  });

  test('truncated draws are the first of an element\'s normals within the cut', () => {
    const values = draw('TruncatedNormal', { mean: 0, stddev: 1 }, [40_001], 2);
    let redrawn = 0;
    values.forEach((value, element) => {
      let attempt = 0;
      while (Math.abs(expectedNormal(element, attempt)) > 2) attempt++;
      if (attempt > 1) redrawn++;
      expectRounded(value, expectedNormal(element, attempt));
    });
    // 0.0455^2 * 40 001 = 83 are drawn three times or more.
    expect(redrawn).toBeGreaterThan(0);
  });

  test('TruncatedNormal ends at two standard deviations, which are not widened first', () => {
    const values = draw('TruncatedNormal', { mean: -1, stddev: 2 }, [200, 301]);
    expect(values.every((value) => value >= -5 && value <= 3)).toBe(true);
    expectMoments(values, -1, 4 * CUT_VARIANCE);
    // P(|x| > 1 given |x| <= 2) = (0.3173105 - 0.0455003) / 0.9544997; beyond 1.9: (0.0574331 - 0.0455003) / 0.9544997.
    expectShare(values, (value) => Math.abs(value + 1) > 2, 0.2847671);
    expectShare(values, (value) => Math.abs(value + 1) > 3.8, 0.0125016);
  });

  const dense = { shape: [200, 300], fanIn: 200, fanOut: 300 };
  const conv1d = { shape: [5, 40, 300], fanIn: 5 * 40, fanOut: 5 * 300 };
  const conv2d = { shape: [3, 3, 60, 120], fanIn: 9 * 60, fanOut: 9 * 120 };
  const vector = { shape: [62_500], fanIn: 250, fanOut: 250 };
  const shapes = { dense, conv1d, conv2d, vector };

  describe.each(Object.entries(shapes))('variance scaling of %s', (_, { shape, fanIn, fanOut }) => {
    test.each([
      ['glorotUniform', tfl.initializers.glorotUniform({}), 'uniform', 2 / (fanIn + fanOut)],
      ['heUniform', tfl.initializers.heUniform({}), 'uniform', 2 / fanIn],
      ['leCunUniform', tfl.initializers.leCunUniform({}), 'uniform', 1 / fanIn],
      ['glorotNormal', tfl.initializers.glorotNormal({}), 'normal', 2 / (fanIn + fanOut)],
      ['heNormal', tfl.initializers.heNormal({}), 'normal', 2 / fanIn],
      ['leCunNormal', tfl.initializers.leCunNormal({}), 'normal', 1 / fanIn],
      ['fanOut of 3', tfl.initializers.varianceScaling({ scale: 3, mode: 'fanOut', distribution: 'normal' }), 'normal', 3 / fanOut],
    ] as const)('%s', (__, initializer, distribution, variance) => {
      const values = drawWeights(described(initializer), shape, seed, 0);
      const isUniform = distribution === 'uniform';
      expectMoments(values, 0, isUniform ? variance : variance * CUT_VARIANCE);
      const limit = Math.sqrt(isUniform ? 3 * variance : 4 * variance);
      // One in 100 uniforms and one in 440 cut normals lies in the last hundredth: all 60 000 miss it with chance 1e-59.
      expect(largest(values)).toBeLessThanOrEqual(Math.fround(limit));
      expect(largest(values)).toBeGreaterThan(0.99 * limit);
    });
  });

  test('a distribution that tfjs takes for uniform is uniform', () => {
    const config = { scale: 1, mode: 'fanIn' } as const;
    expect(draw('VarianceScaling', { ...config, distribution: 'truncatedNormal' }, [4, 5]))
      .toEqual(draw('VarianceScaling', { ...config, distribution: 'uniform' }, [4, 5]));
  });

  describe.each([[[30, 30]], [[40, 7]], [[7, 40]], [[3, 3, 4, 8]], [[1, 1]], [[1, 6]]])('Orthogonal %j', (shape) => {
    const columnCount = shape.at(-1)!;
    const rowCount = shape.slice(0, -1).reduce((a, b) => a * b);
    const [length, count] = [Math.max(rowCount, columnCount), Math.min(rowCount, columnCount)];

    test('has orthogonal columns, or rows, of length gain', () => {
      const values = draw('Orthogonal', { gain: 2 }, shape);
      const at = (vector: number, i: number): number => (rowCount < columnCount ? values[vector * columnCount + i]! : values[i * columnCount + vector]!);
      for (let a = 0; a < count; a++) {
        for (let b = 0; b < count; b++) {
          let sum = 0;
          for (let i = 0; i < length; i++) sum += at(a, i) * at(b, i);
          // Each factor is rounded once, by 2^-24 of itself; lengths are 2, so that a sum of products is off by 2 * 4 * 2^-24.
          expect(Math.abs(sum - (a === b ? 4 : 0))).toBeLessThan(4.8e-7);
        }
      }
    });

    test('is the matrix that tfjs makes of the same normals', () => {
      const values = draw('Orthogonal', { gain: 1 }, shape);
      const expected = tf.tidy(() => {
        const [q, r] = tf.linalg.qr(tf.tensor2d(draw('RandomNormal', { mean: 0, stddev: 1 }, [length, count]), [length, count]));
        const diagonal = tf.tensor1d(Array.from({ length: count }, (_, i) => (r.arraySync() as number[][])[i]![i]!));
        const signed = tf.mul(q!, tf.sign(diagonal));
        return (rowCount < columnCount ? tf.transpose(signed) : signed).dataSync();
      });
      // float32 against float64: 2^-24 times the condition, here below 1000.
      values.forEach((value, i) => { expect(Math.abs(value - expected[i]!)).toBeLessThan(6e-5); });
    });
  });
});

describe('draws of weights', () => {
  const RANDOM: readonly WeightInitializer[] = [
    { className: 'RandomUniform', config: { minval: -1, maxval: 1 } },
    { className: 'RandomNormal', config: { mean: 0, stddev: 1 } },
    { className: 'TruncatedNormal', config: { mean: 0, stddev: 1 } },
    { className: 'VarianceScaling', config: { scale: 1, mode: 'fanAvg', distribution: 'normal' } },
    { className: 'Orthogonal', config: { gain: 1 } },
  ];

  test.each(RANDOM)('$className: a function of seed and position, whatever seed the initialiser has', (initializer) => {
    const drawn = (ofSeed: number, index: number, inner?: number): string =>
      bits(drawWeights({ ...initializer, config: { ...initializer.config, ...(inner !== undefined && { seed: inner }) } }, [4, 6], ofSeed, index)).join();
    expect(drawn(5, 3)).toBe(drawn(5, 3));
    expect(drawn(5, 3, 1)).toBe(drawn(5, 3, 2));
    const different = [[0, 0], [1, 0], [0, 1], [1, 1], [2 ** 32, 0], [Number.MAX_SAFE_INTEGER, 0]] as const;
    expect(new Set(different.map(([ofSeed, index]) => drawn(ofSeed, index))).size).toBe(different.length);
  });

  test.each(RANDOM.slice(0, 3))('$className: an element does not depend on how many follow', (initializer) => {
    const long = drawWeights(initializer, [1003], seed, 0);
    for (const count of [1, 2, 3, 4, 5, 510]) expect(drawWeights(initializer, [count], seed, 0)).toEqual(long.subarray(0, count));
  });

  test.each(RANDOM)('$className: no function whose last bit differs between engines', (initializer) => {
    const names = ['log', 'log2', 'log10', 'log1p', 'exp', 'expm1', 'sin', 'cos', 'tan', 'pow', 'atan2', 'hypot', 'cbrt', 'random'] as const;
    const spies = names.map((name) => vi.spyOn(Math, name));
    drawWeights(initializer, [30, 20], seed, 0);
    const called = names.filter((_, i) => spies[i]!.mock.calls.length > 0);
    spies.forEach((spy) => { spy.mockRestore(); });
    expect(called).toEqual([]);
  });

  test.each([
    ['Zipf', [2, 2], 'initialiser "Zipf" is not covered'],
    ['constructor', [2, 2], 'initialiser "constructor" is not covered'],
    ['Orthogonal', [4], 'initialiser "Orthogonal" needs two axes or more (shape [4])'],
    ['Identity', [2, 3], 'initialiser "Identity" needs a square matrix (shape [2, 3])'],
  ])('%s for %j is refused', (className, shape, reason) => {
    const { code, message } = refusalOf(() => draw(className, {}, shape));
    expect(code).toBe('ERR_INITIALIZER');
    expect(message).toContain(reason);
  });
});
