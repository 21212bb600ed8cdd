import '@tensorflow/tfjs-backend-cpu';
import * as tf from '@tensorflow/tfjs-core';
import * as tfl from '@tensorflow/tfjs-layers';
import { beforeAll, describe, expect, test } from 'vitest';
import { initialize } from '../../src/random/initialize.js';
import { drawWeights } from '../../src/random/initializers.js';
import { bits } from './arena.js';
import { described, refusalOf, type Initializer } from './initial-weights.js';

beforeAll(async () => { await tf.ready(); });

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
    static override readonly className: string = 'ScaledWrap';
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
    const { code, message } = refusalOf(() => { initialize(model, 1); });
    expect(code).toBe('ERR_INITIALIZER');
    expect(message).toContain(reason);
    expect(bits(first.getWeights()[0]!.dataSync())).toEqual(before);
  });

  test.each([-1, 0.5, NaN, 2 ** 53])('seed %s is refused', (wrong) => {
    const model = tfl.sequential({ layers: [dense(3, 'seeded', [3])] });
    expect(refusalOf(() => { initialize(model, wrong); }).code).toBe('ERR_OPTION');
  });
});
