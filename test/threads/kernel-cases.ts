import * as tf from '@tensorflow/tfjs-core';
import * as tfl from '@tensorflow/tfjs-layers';
import type { LossOrMetric } from '../../src/trace/model.js';
import { numbers } from './models.js';

// Functions of an output of three units that between them need every kernel of the table, for tests of all kernels.

export const WIDTH = 3;
export const X = [
  0.23, -0.31, 0.62, -0.68, 1.27, -1.34, 1.71, -1.76, 0.41, -0.17, 0.88, -1.12, 1.15, -0.87, 0.34, -1.63, 0.72, 1.38, 0.3, -0.24, -0.79,
];
export const ROWS = X.length / WIDTH;

export type Compute = (p: tf.Tensor) => tf.Tensor;

const positive: Compute = (p) => tf.add(tf.square(p), 0.5);
const other: Compute = (p) => tf.add(tf.mul(p, 0.5), tf.tensor1d([0.9, -0.4, 1.3]));
const total: Compute = (p) => tf.sum(p, 1, true);
const matrix = (rows: number, columns: number): tf.Tensor2D => tf.tensor2d(numbers(rows * columns, 5), [rows, columns]);

/** Each with a gradient, at least piece by piece. X keeps away from every kink. */
export const CASES: Readonly<Record<string, Compute>> = {
  abs: tf.abs, neg: tf.neg, exp: tf.exp, expm1: tf.expm1, square: tf.square, sin: tf.sin, cos: tf.cos, erf: tf.erf,
  relu: tf.relu, elu: tf.elu, selu: tf.selu, sigmoid: tf.sigmoid, tanh: tf.tanh, softplus: tf.softplus,
  log: (p) => tf.log(positive(p)), log1p: (p) => tf.log1p(positive(p)), sqrt: (p) => tf.sqrt(positive(p)),
  rsqrt: (p) => tf.rsqrt(positive(p)), reciprocal: (p) => tf.reciprocal(positive(p)),
  // The gradient of a step is 0, so the other factor's is what is seen.
  sign: (p) => tf.mul(tf.sign(p), p), floor: (p) => tf.mul(tf.floor(p), p), ceil: (p) => tf.mul(tf.ceil(p), p),
  round: (p) => tf.mul(tf.round(p), p), step: (p) => tf.mul(tf.step(p, 0.2), p),
  relu6: (p) => tf.relu6(tf.mul(p, 4)), leakyRelu: (p) => tf.leakyRelu(p, 0.1),
  prelu: (p) => tf.prelu(p, tf.tensor1d([0.1, 0.2, 0.3])),
  clip: (p) => tf.clipByValue(p, -0.5, 1),
  add: (p) => tf.add(tf.square(p), other(p)), sub: (p) => tf.sub(tf.square(p), other(p)),
  mul: (p) => tf.mul(p, other(p)), div: (p) => tf.div(p, positive(other(p))),
  maximum: (p) => tf.maximum(p, tf.neg(p)), minimum: (p) => tf.minimum(tf.square(p), tf.add(p, 0.1)),
  pow: (p) => tf.pow(positive(p), other(p)), 'pow by a constant': (p) => tf.pow(positive(p), tf.scalar(1.5)),
  squaredDifference: (p) => tf.squaredDifference(p, other(p)), mod: (p) => tf.mul(tf.mod(p, tf.scalar(0.8)), p),
  'mul, one value a row': (p) => tf.mul(total(p), p), 'add, one value a row': (p) => tf.square(tf.add(total(p), p)),
  'div by one value a row': (p) => tf.div(p, total(positive(p))), 'sub of a row': (p) => tf.square(tf.sub(tf.tensor1d([1, 2, 3]), p)),
  addN: (p) => tf.addN([p, tf.square(p), tf.exp(p)]),
  where: (p) => tf.where(tf.tensor1d([1, 0, 1], 'bool'), tf.square(p), tf.sin(p)),
  softmax: (p) => tf.mul(tf.softmax(p), p), logSoftmax: (p) => tf.logSoftmax(p), logSumExp: (p) => tf.mul(tf.logSumExp(p, 1, true), p),
  sum: (p) => tf.square(tf.sum(tf.square(p), 1, true)), mean: (p) => tf.square(tf.mean(tf.square(p), 1, true)),
  max: (p) => tf.mul(tf.max(p, 1, true), p), min: (p) => tf.mul(tf.min(p, 1, true), p),
  matMul: (p) => tf.square(tf.matMul(p, matrix(3, 5))), 'matMul, transposed': (p) => tf.square(tf.matMul(p, matrix(5, 3), false, true)),
  'matMul of a product of constants, the first transposed': (p) => tf.square(tf.matMul(p, tf.matMul(matrix(4, 3), matrix(4, 5), true))),
  'a product of every row of a block': (p) => tf.square(tf.reshape(tf.matMul(tf.reshape(outer(p), [-1, 3]), matrix(3, 2)), [-1, 6])),
  transpose: (p) => tf.mul(tf.reshape(tf.transpose(outer(p), [0, 2, 1]), [-1, 9]), tf.reshape(tf.mul(outer(p), tf.tensor1d([1, 2, 3])), [-1, 9])),
  reshape: (p) => tf.square(tf.reshape(tf.mul(tf.reshape(p, [-1, 3, 1]), tf.tensor2d([[1, 2]])), [-1, 6])),
  broadcastTo: (p) => tf.square(tf.reshape(tf.broadcastTo(tf.reshape(p, [-1, 3, 1]), [p.shape[0]!, 3, 2]), [-1, 6])),
  tile: (p) => tf.mul(tf.tile(total(p), [1, 3]), p),
  'sums of a block over each axis': (p) => tf.mul(tf.sum(tf.square(outer(p)), 1), tf.sum(outer(p), 2)),
  'maximum of a block over its first axis': (p) => tf.mul(tf.max(tf.mul(outer(p), tf.tensor1d([1, 2, 3])), 1), p),
  // What comes back is the same for all examples.
  'a constant slope': (p) => tf.mul(p, tf.tensor1d([2, -3, 4])), identity: (p) => p, fill: (p) => tf.mul(tf.fill([1, 3], 2), p),
};

/** [rows, 3, 3]: every product of two entries of a row. */
function outer(p: tf.Tensor): tf.Tensor {
  return tf.mul(tf.reshape(p, [-1, 3, 1]), tf.reshape(tf.add(p, 0.37), [-1, 1, 3]));
}

/** Of kernels without a gradient, or with one that is not covered: they can stand in metrics. */
export const VALUES: Readonly<Record<string, Compute>> = {
  floorDiv: (p) => tf.floorDiv(tf.mul(p, 10), tf.scalar(3)),
  equal: (p) => tf.equal(tf.round(p), tf.scalar(1)), notEqual: (p) => tf.notEqual(tf.round(p), tf.scalar(1)),
  greater: (p) => tf.greater(p, 0.3), greaterEqual: (p) => tf.greaterEqual(p, 0.3), less: (p) => tf.less(p, 0.3), lessEqual: (p) => tf.lessEqual(p, 0.3),
  logicalAnd: (p) => tf.logicalAnd(tf.greater(p, 0), tf.less(p, 1)), logicalOr: (p) => tf.logicalOr(tf.less(p, 0), tf.greater(p, 1)),
  logicalNot: (p) => tf.logicalNot(tf.greater(p, 0)),
  isNaN: (p) => tf.isNaN(tf.sqrt(p)), isInf: (p) => tf.isInf(tf.div(p, tf.relu(p))), isFinite: (p) => tf.isFinite(tf.log(p)),
  argMax: (p) => tf.argMax(p, 1), argMin: (p) => tf.argMin(p, 1),
  any: (p) => tf.any(tf.greater(p, 1), 1), all: (p) => tf.all(tf.less(p, 1), 1), prod: (p) => tf.prod(p, 1),
  oneHot: (p) => tf.mul(tf.oneHot(tf.argMax(p, 1), WIDTH), tf.tensor1d([1, 2, 3])), slice: (p) => tf.slice(p, [0, 1], [-1, 2]),
  concat: (p) => tf.mul(tf.concat([p, tf.square(p)], 1), tf.tensor1d([1, 2, 3, 4, 5, 6])), 'cast to int32': (p) => tf.cast(tf.mul(p, 10), 'int32'),
  onesLike: (p) => tf.mul(tf.onesLike(p), p), zerosLike: (p) => tf.add(tf.zerosLike(p), p),
  // No operation of tfjs calls these two; a layer of the user's may.
  LogSoftmax: (logits) => tf.engine().runKernel('LogSoftmax', { logits }),
  BroadcastTo: (p) => tf.engine().runKernel('BroadcastTo', { x: total(p) }, { shape: [p.shape[0]!, WIDTH] }),
};

/** The same as those of `VALUES` that tfjs-cpu lacks. */
export const EQUIVALENTS: Readonly<Record<string, Compute>> = {
  LogSoftmax: (p) => tf.logSoftmax(p), BroadcastTo: (p) => tf.broadcastTo(total(p), [p.shape[0]!, WIDTH]),
};

/** Each entry of a case counts with its own factor, so that nothing cancels. */
const lossOf = (compute: Compute): LossOrMetric => (_labels, p) => {
  const value = compute(p);
  return tf.sum(tf.mul(value, tf.tensor1d(numbers(value.shape[1]!, 7))), 1);
};

export interface Case {
  readonly name: string;
  readonly compute: Compute;
  /** Of its layer: tfjs numbers the names of weights. */
  readonly layer: string;
}

export const cases = Object.entries(CASES).map(([name, compute], index): Case => ({ name, compute, layer: `case${index}` }));

/** As many outputs as a model can have losses for. */
export const MODEL_CASES = 30;

export function buildCases(list: readonly Case[]): tfl.LayersModel {
  const input = tfl.input({ shape: [WIDTH] });
  const outputs = list.map(({ layer }) =>
    tfl.layers.dense({ units: WIDTH, name: layer, kernelInitializer: 'identity' }).apply(input) as tfl.SymbolicTensor);
  const model = tfl.model({ inputs: input, outputs });
  model.compile({ optimizer: 'sgd', loss: list.map(({ compute }) => lossOf(compute)) });
  return model;
}

/** A dense layer that starts as the identity, with every one of `VALUES` as a metric. */
export function buildValues(): tfl.LayersModel {
  const model = tfl.sequential({ layers: [tfl.layers.dense({ units: WIDTH, inputShape: [WIDTH], kernelInitializer: 'identity' })] });
  const metrics = Object.entries(VALUES).map(([name, compute]) => {
    const metric: LossOrMetric = (_labels, p) => compute(p);
    Object.defineProperty(metric, 'name', { value: name }); // its name in the logs
    return metric;
  });
  model.compile({ optimizer: 'sgd', loss: 'meanSquaredError', metrics });
  return model;
}
