import '@tensorflow/tfjs-backend-cpu';
import * as tf from '@tensorflow/tfjs-core';
import * as tfl from '@tensorflow/tfjs-layers';
import { beforeAll, describe, expect, test } from 'vitest';
import { distribute, type Trainer } from '../../src/index.js';
import type { LossOrMetric } from '../../src/trace/model.js';
import { numbers } from './models.js';

// Every differentiable kernel against central differences. A model has an output of three units for each of its cases, with
// a dense layer and a loss of its own, so that one run differentiates them all. The layers start as the identity: what
// reaches a kernel is X, whose values keep away from every kink and jump by more than a difference moves them.

const WIDTH = 3;
const X = [
  0.23, -0.31, 0.62, -0.68, 1.27, -1.34, 1.71, -1.76, 0.41, -0.17, 0.88, -1.12, 1.15, -0.87, 0.34, -1.63, 0.72, 1.38, 0.3, -0.24, -0.79,
];
const ROWS = X.length / WIDTH;

type Function = (p: tf.Tensor) => tf.Tensor;

const positive: Function = (p) => tf.add(tf.square(p), 0.5);
const other: Function = (p) => tf.add(tf.mul(p, 0.5), tf.tensor1d([0.9, -0.4, 1.3]));
const total: Function = (p) => tf.sum(p, 1, true);
const matrix = (rows: number, columns: number): tf.Tensor2D => tf.tensor2d(numbers(rows * columns, 5), [rows, columns]);

const CASES: Record<string, Function> = {
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
  'a product of every row of a block': (p) => tf.square(tf.reshape(tf.matMul(tf.reshape(outer(p), [-1, 3]), matrix(3, 2)), [-1, 6])),
  transpose: (p) => tf.mul(tf.reshape(tf.transpose(outer(p), [0, 2, 1]), [-1, 9]), tf.reshape(tf.mul(outer(p), tf.tensor1d([1, 2, 3])), [-1, 9])),
  reshape: (p) => tf.square(tf.reshape(tf.mul(tf.reshape(p, [-1, 3, 1]), tf.tensor2d([[1, 2]])), [-1, 6])),
  broadcastTo: (p) => tf.square(tf.reshape(tf.broadcastTo(tf.reshape(p, [-1, 3, 1]), [p.shape[0]!, 3, 2]), [-1, 6])),
  tile: (p) => tf.mul(tf.tile(total(p), [1, 3]), p),
  'sums of a block over each axis': (p) => tf.mul(tf.sum(tf.square(outer(p)), 1), tf.sum(outer(p), 2)),
  'maximum of a block over its first axis': (p) => tf.mul(tf.max(tf.mul(outer(p), tf.tensor1d([1, 2, 3])), 1), p),
  // What comes back is the same for all examples.
  'a constant slope': (p) => tf.mul(p, tf.tensor1d([2, -3, 4])), identity: (p) => p,
};

/** [rows, 3, 3]: every product of two entries of a row. */
function outer(p: tf.Tensor): tf.Tensor {
  return tf.mul(tf.reshape(p, [-1, 3, 1]), tf.reshape(tf.add(p, 0.37), [-1, 1, 3]));
}

/** Each entry of a case counts with its own factor, so that nothing cancels. */
const lossOf = (compute: Function): LossOrMetric => (_labels, p) => {
  const value = compute(p);
  return tf.sum(tf.mul(value, tf.tensor1d(numbers(value.shape[1]!, 7))), 1);
};

interface Case {
  readonly name: string;
  readonly compute: Function;
  /** Of its layer: tfjs numbers the names of weights. */
  readonly layer: string;
}

const cases = Object.entries(CASES).map(([name, compute], index): Case => ({ name, compute, layer: `case${index}` }));

/** As many outputs as a model can have losses for. */
const MODEL_CASES = 30;

function build(list: readonly Case[]): tfl.LayersModel {
  const input = tfl.input({ shape: [WIDTH] });
  const outputs = list.map(({ layer }) =>
    tfl.layers.dense({ units: WIDTH, name: layer, kernelInitializer: 'identity' }).apply(input) as tfl.SymbolicTensor);
  const model = tfl.model({ inputs: input, outputs });
  model.compile({ optimizer: 'sgd', loss: list.map(({ compute }) => lossOf(compute)) });
  return model;
}

/** Directions in which the weights of every case are moved; each has an entry for every weight. */
const directions = Array.from({ length: 3 }, (_, index) => numbers(WIDTH * WIDTH + WIDTH, 100 + index).map((value) => value / 2));

/**
 * A weight moves by up to half of it, an output of a row by up to (|x1| + |x2| + |x3| + 1) / 2 of it, 0.04 at most.
 * A loss of about 1 is known to 1e-7, so a difference quotient to 1e-7 / 2^-6 = 1e-5; a smaller step would cost more.
 */
const STEP = 2 ** -6;

/**
 * The quotients at STEP and STEP / 2 are joined so that what is left is of the fourth order, 0.04^4 = 3e-6 times a
 * fifth derivative; rounding counts three times, 3e-5. The rest is for derivatives up to 100.
 */
const TOLERANCE = 4e-4;

/** Slopes along each direction. */
interface Slopes {
  readonly measured: readonly number[];
  readonly computed: readonly number[];
}

const x = { values: Float32Array.from(X), shape: [ROWS, WIDTH] };
const unused = { values: new Float32Array(X.length), shape: [ROWS, WIDTH] };

/** One model's cases, by name. */
class Differences {
  private readonly model: tfl.LayersModel;
  private readonly y: (typeof unused)[];

  constructor(private readonly list: readonly Case[]) {
    this.model = build(list);
    this.y = list.map(() => unused);
  }

  async slopes(shardSize: number): Promise<[string, Slopes][]> {
    const trainer = await distribute(this.model, { workers: 2, shardSize, kernels: 'portable' });
    try {
      const computed = await this.computed(trainer);
      const measured: number[][] = this.list.map(() => []);
      for (const along of directions) {
        const [wide, narrow] = [await this.quotients(trainer, along, STEP), await this.quotients(trainer, along, STEP / 2)];
        wide.forEach((value, index) => { measured[index]!.push((4 * narrow[index]! - value) / 3); });
      }
      return this.list.map(({ name }, index) => [name, { measured: measured[index]!, computed: computed[index]! }]);
    } finally {
      await trainer.close();
      this.model.dispose();
    }
  }

  /** The products of each case's gradient with each direction. */
  private async computed(trainer: Trainer): Promise<number[][]> {
    const { gradients } = await trainer.gradients(x, this.y);
    return this.list.map(({ layer }) => {
      const gradient = this.model.getLayer(layer).weights.flatMap((weight) => [...gradients.get(weight.name)!]);
      return directions.map((along) => gradient.reduce((sum, value, weight) => sum + value * along[weight]!, 0));
    });
  }

  /** Central differences of every case's loss. */
  private async quotients(trainer: Trainer, along: Float32Array, step: number): Promise<number[]> {
    const [before, after] = [await this.lossesAt(trainer, along, -step), await this.lossesAt(trainer, along, step)];
    return after.map((loss, index) => (loss - before[index]!) / (2 * step));
  }

  private async lossesAt(trainer: Trainer, along: Float32Array, distance: number): Promise<number[]> {
    const identity = [1, 0, 0, 0, 1, 0, 0, 0, 1];
    const kernel = tf.tensor2d(identity.map((value, index) => value + distance * along[index]!), [WIDTH, WIDTH]);
    const bias = tf.tensor1d(along.slice(identity.length).map((value) => distance * value));
    this.model.setWeights(this.model.weights.map(({ shape }) => (shape.length === 2 ? kernel : bias)));
    tf.dispose([kernel, bias]);
    const logs = await trainer.evaluate(x, this.y);
    return this.list.map(({ layer }) => logs[`${layer}_loss`]!);
  }
}

describe.each([2, ROWS])('with shards of %d examples', (shardSize) => {
  const found = new Map<string, Slopes>();

  beforeAll(async () => {
    for (let start = 0; start < cases.length; start += MODEL_CASES) {
      const slopes = await new Differences(cases.slice(start, start + MODEL_CASES)).slopes(shardSize);
      slopes.forEach(([name, each]) => { found.set(name, each); });
    }
  });

  test.each(Object.keys(CASES))('the gradient of %s is the slope of its loss', (name) => {
    const { measured, computed } = found.get(name)!;
    expect(Math.max(...computed.map(Math.abs)), 'a slope that can be seen').toBeGreaterThan(0.05);
    measured.forEach((slope, along) => {
      const allowed = TOLERANCE * Math.max(1, Math.abs(slope));
      expect(Math.abs(computed[along]! - slope), `direction ${along}: ${computed[along]!} for ${slope}`).toBeLessThanOrEqual(allowed);
    });
  });
});
