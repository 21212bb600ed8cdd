import * as tf from '@tensorflow/tfjs-core';
import * as tfl from '@tensorflow/tfjs-layers';
import { PLAN_RESOURCES, type PlanLimits } from '../../src/plan/limits.js';
import type { Capacity, Plan } from '../../src/plan/plan.js';
import { ModelPlans, type PlanKind } from '../../src/train/model-plans.js';
import { buildModel, readGoldens } from '../golden/format.js';
import { mlp } from '../threads/models.js';
import { around, Custom, custom, nested, sequential } from './traced.js';

const { layers } = tfl;

export function twoInputs(): tfl.LayersModel {
  const [left, right] = [tfl.input({ shape: [5] }), tfl.input({ shape: [2, 3] })];
  const shared = layers.dense({ units: 3, activation: 'tanh' });
  const a = shared.apply(left) as tfl.SymbolicTensor;
  const b = layers.flatten().apply(layers.dense({ units: 2 }).apply(right)) as tfl.SymbolicTensor;
  const c = shared.apply(layers.dense({ units: 5 }).apply(b)) as tfl.SymbolicTensor;
  const joined = layers.add().apply([a, c]) as tfl.SymbolicTensor;
  const model = tfl.model({ inputs: [left, right], outputs: [joined, layers.dense({ units: 1 }).apply(joined) as tfl.SymbolicTensor] });
  model.compile({ optimizer: 'sgd', loss: 'meanSquaredError', metrics: ['mae'] });
  return model;
}

/** A loss that mixes the examples of a shard: sums over rows meet rows again. */
export function mixing(): tfl.LayersModel {
  const model = tfl.sequential({ layers: [layers.dense({ units: 3, inputShape: [4] })] });
  model.compile({ optimizer: 'sgd', loss: (y, p) => tf.sum(tf.square(tf.sub(tf.sub(p, y), tf.sum(p, 0, true))), 1) });
  return model;
}

/** Rows of two axes of odd lengths through a layer. */
const inSeries = (layer: tfl.layers.Layer): tfl.LayersModel =>
  sequential([layers.dense({ units: 5, inputShape: [3, 2] }), layer, layers.flatten(), layers.dense({ units: 2 })]);

/** The weight of a product is itself computed, and used transposed: its rows lie every five floats. */
const computedWeight = (): tfl.LayersModel =>
  custom((input, scale) => tf.matMul(input, tf.mul(tf.outerProduct(scale as tf.Tensor1D, scale as tf.Tensor1D), 0.5), false, true));

/** Something computed of the data, through which no gradient goes; seven floats to seven. */
const ofData = (compute: (input: tf.Tensor) => tf.Tensor): tfl.LayersModel =>
  sequential([layers.dense({ units: 7, inputShape: [7], trainable: false }), new Custom((input) => compute(input)), layers.dense({ units: 2 })]);

/** A value of which only the shape is used, so that what computes it is dropped. */
const unusedValue = (): tfl.LayersModel => custom((input) => tf.add(input, tf.zerosLike(tf.square(tf.mul(input, 3)))));

const ACTIVATIONS = ['sigmoid', 'tanh', 'relu6', 'elu', 'selu', 'softplus', 'softsign', 'softmax', 'hardSigmoid', 'gelu', 'mish'] as const;

const LOSSES = [
  'binaryCrossentropy', 'categoricalCrossentropy', 'categoricalHinge', 'cosineProximity', 'hinge', 'kullbackLeiblerDivergence', 'logcosh',
  'meanAbsoluteError', 'meanAbsolutePercentageError', 'meanSquaredLogarithmicError', 'poisson', 'squaredHinge',
] as const;

export const PLAN_MODELS: readonly [name: string, build: () => tfl.LayersModel][] = [
  ['an mlp', () => mlp()],
  ['an mlp with dropout and penalties', () => mlp({ dropout: 0.5, regularizer: true })],
  ['an mlp that leaves zeros out', () => mlp({ features: 300, units: 192 })],
  ['two inputs, two outputs and a shared layer', twoInputs],
  ['a loss that mixes the examples of a shard', mixing],
  ['a nested model', nested],
  ['a computed weight', computedWeight],
  ['an unused value', unusedValue],
  ['noise', () => around(layers.gaussianNoise({ stddev: 0.3 }))],
  ['gaussian dropout', () => around(layers.gaussianDropout({ rate: 0.3 }))],
  ['prelu', () => inSeries(layers.prelu())],
  ['permute', () => inSeries(layers.permute({ dims: [2, 1] }))],
  ['pooling means', () => sequential([layers.dense({ units: 5, inputShape: [3, 2] }), layers.globalAveragePooling1d(), layers.dense({ units: 2 })])],
  ['pooling maxima', () => sequential([layers.dense({ units: 5, inputShape: [3, 2] }), layers.globalMaxPooling1d(), layers.dense({ units: 2 })])],
  ['repeated vectors', () => sequential([layers.dense({ units: 5, inputShape: [3] }), layers.repeatVector({ n: 3 }), layers.flatten(), layers.dense({ units: 2 })])],
  ['a threshold', () => sequential([layers.thresholdedReLU({ theta: 0.2, inputShape: [3] }), layers.dense({ units: 2 })])],
  ['slices and concatenation', () => ofData((input) => tf.concat([tf.slice(input, [0, 2], [-1, 3]), tf.slice(input, [0, 0], [-1, 4])], 1))],
  ['a selection', () => ofData((input) => tf.where(tf.greater(input, 0.5), input, tf.mul(input, 0.1)))],
  ['a logarithm of a softmax', () => ofData((input) => tf.logSoftmax(input))],
  ...ACTIVATIONS.map((activation): [string, () => tfl.LayersModel] => [activation, () => inSeries(layers.activation({ activation } as never))]),
  ...LOSSES.map((loss): [string, () => tfl.LayersModel] => [loss, () => sequential([layers.dense({ units: 3, inputShape: [4], activation: 'softmax' })], loss)]),
  ...readGoldens().models.filter(({ name }) => name !== 'logits and class indices').map((golden): [string, () => tfl.LayersModel] => [golden.name, () => buildModel(golden)]),
];

export interface PlanCase {
  readonly kind: PlanKind;
  readonly plan: Plan;
  readonly limits: PlanLimits;
}

/** Every kind of plan of one model. */
export function casesOf(model: tfl.LayersModel, capacity: Capacity): PlanCase[] {
  const plans = new ModelPlans(model);
  const penalties = plans.penalties();
  const made: [PlanKind, Plan | undefined][] = [
    ['training', plans.training(capacity)], ['evaluation', plans.evaluation(capacity)], ['prediction', plans.prediction(capacity)], ['penalties', penalties],
  ];
  return made.flatMap(([kind, plan]) => (plan === undefined ? [] : [{ kind, plan, limits: { ...plans.setting(kind, plan.capacity), ...PLAN_RESOURCES } }]));
}
