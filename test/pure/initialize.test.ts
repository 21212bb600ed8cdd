import '@tensorflow/tfjs-backend-cpu';
import * as tf from '@tensorflow/tfjs-core';
import * as tfl from '@tensorflow/tfjs-layers';
import { beforeAll, describe, expect, test, vi } from 'vitest';
import { TensorflockError } from '../../src/errors.js';
import { initialize } from '../../src/random/initialize.js';
import { drawWeights, type InitializerConfig, type WeightInitializer } from '../../src/random/initializers.js';
import { philox, PURPOSE, randomKey } from '../../src/random/philox.js';
import { bits, seed } from './arena.js';

beforeAll(async () => { await tf.ready(); });

/** How far a mean of n independent terms may stray: 5 of its standard deviations, once in 1.7 million by chance. */
const MAX_DEVIATIONS = 5;
/** Variance of a standard normal cut at 2: 1 - 4 phi(2) / (2 Phi(2) - 1) = 1 - 4 * 0.05399097 / 0.95449974. */
const CUT_VARIANCE = 0.7737413;

type Initializer = ReturnType<typeof tfl.initializers.zeros>;

function described(initializer: Initializer): WeightInitializer {
  return { className: initializer.getClassName(), config: initializer.getConfig() as InitializerConfig };
}

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

function codeOf(run: () => unknown): { code: string; message: string } {
  try {
    run();
  } catch (error) {
    if (error instanceof TensorflockError) return { code: error.code, message: error.message };
    throw error;
  }
  throw new Error('nothing was refused');
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

  test('normal draws are Box and Muller\'s of the words of Philox', () => {
    const values = draw('RandomNormal', { mean: 0, stddev: 1 }, [40_000], 2);
    values.forEach((value, element) => {
      const words = philox([Math.floor(element / 4), 2, 0, 0], randomKey(seed, PURPOSE.weights)).map((word) => (word + 0.5) / 2 ** 32);
      const lane = element % 4;
      const angle = 2 * Math.PI * words[2 + (lane % 2)]!;
      const expected = Math.sqrt(-2 * Math.log(words[lane % 2]!)) * (lane < 2 ? Math.sin(angle) : Math.cos(angle));
      // Half a float32 step is 2^-24 = 6e-8 of the value; 1e-14 is what float64 loses near the zeros of a sine.
      expect(Math.abs(value - expected)).toBeLessThanOrEqual(6.1e-8 * Math.abs(expected) + 1e-14);
    });
  });

  test('TruncatedNormal ends at two standard deviations, which are not widened first', () => {
    const values = draw('TruncatedNormal', { mean: -1, stddev: 2 }, [200, 301]);
    expect(values.every((value) => value >= -5 && value <= 3)).toBe(true);
    expectMoments(values, -1, 4 * CUT_VARIANCE);
    // P(|x| > 1 given |x| <= 2) = (0.3173105 - 0.0455003) / 0.9544997; beyond 1.9: (0.0574331 - 0.0455003) / 0.9544997.
    expectShare(values, (value) => Math.abs(value + 1) > 2, 0.2847671);
    expectShare(values, (value) => Math.abs(value + 1) > 3.8, 0.0125016);
  });

  test('an element of a truncated normal within the cut is that of the normal', () => {
    const [normal, truncated] = ['RandomNormal', 'TruncatedNormal'].map((name) => draw(name, { mean: 0, stddev: 1 }, [4001]));
    const within = Array.from(normal!.keys()).filter((element) => Math.abs(normal![element]!) <= 2);
    expect(within.length).toBeLessThan(normal!.length);
    expect(within.map((element) => truncated![element])).toEqual(within.map((element) => normal![element]));
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
    const { code, message } = codeOf(() => draw(className, {}, shape));
    expect(code).toBe('ERR_INITIALIZER');
    expect(message).toContain(reason);
  });
});

const valuesOf = (model: tfl.LayersModel): number[][] => model.getWeights().map((weight) => bits(weight.dataSync()));

/** Expected draws, in the order of positions, as (initialiser, shape). */
function expectDrawn(weights: readonly tf.Tensor[], initializers: readonly Initializer[], ofSeed: number): void {
  weights.forEach((weight, index) => {
    expect(bits(weight.dataSync())).toEqual(bits(drawWeights(described(initializers[index]!), weight.shape, ofSeed, index)));
  });
  expect(weights.length).toBe(initializers.length);
}

const { constant, glorotNormal, heUniform, orthogonal, randomNormal, randomUniform, zeros } = tfl.initializers;
const uniform = (size: number): Initializer => randomUniform({ minval: -size, maxval: size });

/** A bias whose initialiser is random, so that a bias of zeros does not hide a wrong choice. */
const dense = (units: number, name: string, inputShape?: number[]): tfl.layers.Layer =>
  tfl.layers.dense({ units, name, kernelInitializer: heUniform({}), biasInitializer: uniform(0.3), ...(inputShape && { inputShape }) });
const DENSE = [heUniform({}), uniform(0.3)];

describe('initialize', () => {
  test('draws each weight of each kind of layer by its own initialiser', () => {
    const model = tfl.sequential({
      layers: [
        tfl.layers.conv2d({ inputShape: [8, 8, 3], filters: 4, kernelSize: 3, kernelInitializer: glorotNormal({}), biasInitializer: uniform(0.1) }),
        tfl.layers.depthwiseConv2d({ kernelSize: 2, depthwiseInitializer: uniform(0.2), biasInitializer: uniform(0.3) }),
        tfl.layers.separableConv2d({ filters: 2, kernelSize: 2, depthwiseInitializer: uniform(0.4), biasInitializer: uniform(0.6) }),
        tfl.layers.prelu({ alphaInitializer: uniform(0.7) }),
        tfl.layers.flatten(),
        dense(5, 'head'),
      ],
    });
    // tfjs 4.22 takes the pointwise initialiser of a separable convolution from `depthwiseInitializer`.
    initialize(model, 7);
    expectDrawn(model.getWeights(), [
      glorotNormal({}), uniform(0.1), uniform(0.2), uniform(0.3), uniform(0.4), uniform(0.4), uniform(0.6), uniform(0.7), ...DENSE,
    ], 7);
  });

  test('draws the weights that are not trained', () => {
    const model = tfl.sequential({
      layers: [
        tfl.layers.batchNormalization({
          inputShape: [6], gammaInitializer: uniform(1), betaInitializer: uniform(2),
          movingMeanInitializer: uniform(3), movingVarianceInitializer: uniform(4),
        }),
      ],
    });
    initialize(model, 7);
    expectDrawn(model.getWeights(), [uniform(1), uniform(2), uniform(3), uniform(4)], 7);
  });

  test('draws embeddings and normalisations over layers', () => {
    const model = tfl.sequential({
      layers: [
        tfl.layers.embedding({ inputDim: 10, outputDim: 4, inputLength: 3, embeddingsInitializer: randomNormal({ stddev: 2 }) }),
        tfl.layers.layerNormalization({ gammaInitializer: uniform(1), betaInitializer: uniform(2) }),
      ],
    });
    initialize(model, 7);
    expectDrawn(model.getWeights(), [randomNormal({ stddev: 2 }), uniform(1), uniform(2)], 7);
  });

  test('draws cells, both directions and wrapped layers', () => {
    const lstm = tfl.layers.lstm({
      units: 3, returnSequences: true, kernelInitializer: uniform(1), recurrentInitializer: uniform(2),
      biasInitializer: constant({ value: 0.25 }), unitForgetBias: true,
    });
    const cells = [
      tfl.layers.gruCell({ units: 2, kernelInitializer: uniform(3), recurrentInitializer: uniform(4), biasInitializer: uniform(5) }),
      tfl.layers.simpleRNNCell({ units: 2, kernelInitializer: uniform(6), recurrentInitializer: uniform(7), biasInitializer: uniform(8) }),
    ];
    const model = tfl.sequential({
      layers: [
        tfl.layers.bidirectional({ layer: lstm as tfl.RNN, mergeMode: 'concat', inputShape: [4, 2] }),
        tfl.layers.timeDistributed({ layer: dense(2, 'each') }),
        tfl.layers.rnn({ cell: tfl.layers.stackedRNNCells({ cells }) }),
      ],
    });
    initialize(model, 7);
    const weights = model.getWeights();
    const drawn = [
      uniform(1), uniform(2), undefined, uniform(1), uniform(2), undefined, ...DENSE,
      uniform(3), uniform(4), uniform(5), uniform(6), uniform(7), uniform(8),
    ];
    expect(weights.length).toBe(drawn.length);
    drawn.forEach((initializer, index) => {
      const values = weights[index]!.dataSync();
      if (initializer !== undefined) {
        expect(bits(values)).toEqual(bits(drawWeights(described(initializer), weights[index]!.shape, 7, index)));
        return;
      }
      // A direction's bias: input, forget, candidate and output gates of 3 units each.
      expect(Array.from(values)).toEqual([0.25, 0.25, 0.25, 1, 1, 1, 0.25, 0.25, 0.25, 0.25, 0.25, 0.25]);
    });
  });

  test('the same seed gives the same bytes in another model of the same layers; 0 and 1 differ', () => {
    const make = (): tfl.Sequential => tfl.sequential({ layers: [dense(4, 'a', [3]), dense(2, 'b')] });
    const drawn = (ofSeed: number): number[][] => {
      const model = make();
      initialize(model, ofSeed);
      return valuesOf(model);
    };
    expect(drawn(0)).toEqual(drawn(0));
    drawn(0).forEach((values, index) => { expect(values).not.toEqual(drawn(1)[index]); });
    const again = make();
    initialize(again, 1);
    initialize(again, 0);
    expect(valuesOf(again)).toEqual(drawn(0));
  });

  test('leaves no tensor behind', () => {
    const model = tfl.sequential({ layers: [dense(4, 'kept', [3]), tfl.layers.dense({ units: 2, kernelConstraint: 'nonNeg' })] });
    const before = tf.memory().numTensors;
    initialize(model, 1);
    initialize(model, 2);
    expect(tf.memory().numTensors).toBe(before);
  });

  test('nested models in their place, a shared layer once', () => {
    const inner = tfl.sequential({ name: 'inner', layers: [dense(3, 'inner_a', [3]), dense(3, 'inner_b')] });
    const shared = dense(3, 'shared');
    const input = tfl.input({ shape: [3] });
    const twice = shared.apply(inner.apply(shared.apply(input))) as tfl.SymbolicTensor;
    const model = tfl.model({ inputs: input, outputs: dense(2, 'last').apply(inner.apply(twice)) as tfl.SymbolicTensor });
    initialize(model, 3);
    // Model order: shared, inner (two layers), last.
    const inOrder = ['shared', 'inner', 'last'].flatMap((name) => model.getLayer(name).getWeights());
    expect(inOrder.length).toBe(8);
    expectDrawn(inOrder, [...DENSE, ...DENSE, ...DENSE, ...DENSE], 3);
  });

  test('freezing a layer moves no weight', () => {
    const drawn = (isFrozen: boolean): number[][] => {
      const model = tfl.sequential({ layers: [dense(4, 'frozen', [3]), dense(2, 'free')] });
      model.layers[0]!.trainable = !isFrozen;
      initialize(model, 1);
      return model.layers.flatMap((layer) => layer.getWeights().map((weight) => bits(weight.dataSync())));
    };
    expect(drawn(true)).toEqual(drawn(false));
  });

  class Scale extends tfl.layers.Layer {
    static readonly className: string = 'Scale';
    override build(): void {
      this.addWeight('scale', [1], 'float32', zeros());
      this.built = true;
    }
    override call(inputs: tf.Tensor | tf.Tensor[]): tf.Tensor | tf.Tensor[] { return inputs; }
  }

  /** Wraps a layer and has a weight of its own besides. */
  class ScaledWrap extends Scale {
    static override readonly className = 'ScaledWrap';
    readonly layer = dense(3, 'inside', [3]);
  }

  /** An initialiser that tfjs accepts and that has a class of its own. */
  function ramp(): Initializer {
    return Object.assign(zeros(), { getClassName: () => 'Ramp' });
  }

  /** A bias whose initialiser tfjs itself would refuse; built as the loader of saved models builds, without asking it. */
  function flat(): tfl.layers.Layer {
    const layer = tfl.layers.dense({ units: 3, name: 'flat', biasInitializer: orthogonal({ gain: 1 }) });
    layer.setFastWeightInitDuringBuild(true);
    return layer;
  }

  test.each([
    ['a weight without initialiser', () => new Scale({ name: 'stretch' }), 'weight "scale" of layer "stretch" has no initialiser that is known'],
    ['a wrapper with such a weight', () => new ScaledWrap({ name: 'wrap' }), 'weight "scale" of layer "wrap" has no initialiser that is known'],
    ['an initialiser of the caller', () => tfl.layers.dense({ units: 3, name: 'own', kernelInitializer: ramp() }), 'weight "kernel" of layer "own" has the initialiser "Ramp", which is not covered'],
    ['a shape that it refuses', () => flat(), 'weight "bias" of layer "flat" has the initialiser "Orthogonal", which needs two axes'],
  ])('%s is refused by name, and no weight is written', (_, makeLayer, reason) => {
    const first = dense(3, 'untouched', [3]);
    const model = tfl.sequential({ layers: [first] });
    model.add(makeLayer());
    const before = bits(first.getWeights()[0]!.dataSync());
    const { code, message } = codeOf(() => { initialize(model, 1); });
    expect(code).toBe('ERR_INITIALIZER');
    expect(message).toContain(reason);
    expect(bits(first.getWeights()[0]!.dataSync())).toEqual(before);
  });

  test.each([-1, 0.5, NaN, 2 ** 53])('seed %s is refused', (wrong) => {
    const model = tfl.sequential({ layers: [dense(3, 'seeded', [3])] });
    expect(codeOf(() => { initialize(model, wrong); }).code).toBe('ERR_OPTION');
  });
});
