import '@tensorflow/tfjs-backend-cpu';
import * as tf from '@tensorflow/tfjs-core';
import type * as tfl from '@tensorflow/tfjs-layers';
import { beforeAll, describe, expect, test } from 'vitest';
import { distribute, type Trainer } from '../../src/index.js';
import { OPS } from '../../src/kernels/ops/index.js';
import { traceEvaluation, type TracedModel } from '../../src/trace/trace.js';
import { buildCases, buildValues, CASES, cases, EQUIVALENTS, MODEL_CASES, ROWS, VALUES, WIDTH, X, type Case } from './kernel-cases.js';
import { numbers } from './models.js';

// Every differentiable kernel against central differences. A model has an output of three units for each of its cases, with
// a dense layer and a loss of its own, so that one run differentiates them all. The layers start as the identity: what
// reaches a kernel is X, whose values keep away from every kink and jump by more than a difference moves them.

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
    this.model = buildCases(list);
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

/** Why a kernel's gradient has no case above. */
const WITHOUT_SLOPE: Readonly<Record<string, readonly string[]>> = {
  'has no gradient': [
    'All', 'Any', 'BroadcastTo', 'EluGrad', 'Equal', 'Greater', 'GreaterEqual', 'Less', 'LessEqual', 'LogicalAnd', 'LogicalNot', 'LogicalOr', 'NotEqual',
  ],
  'has a gradient of 0': ['ArgMax', 'ArgMin', 'FloorDiv', 'IsFinite', 'IsInf', 'IsNan', 'OneHot', 'OnesLike', 'ZerosLike'],
  'is composed of others by its only operation': ['LogSoftmax'],
  'has a gradient of kernels that are not covered, and is refused with them': ['Concat', 'Prod', 'Slice'],
};

test('every kernel of the table is differentiated above, or there is no slope to see', () => {
  const kernelsOf = ({ graph }: TracedModel): string[] => graph.values.flatMap(({ origin }) => (origin.kind === 'kernel' ? [origin.kernel] : []));
  const shapes = (count: number) => ({ inputs: [[WIDTH]], targets: Array.from({ length: count }, () => [WIDTH]) });
  const forward = new Set<string>();
  for (let start = 0; start < cases.length; start += MODEL_CASES) {
    const list = cases.slice(start, start + MODEL_CASES);
    kernelsOf(traceEvaluation(buildCases(list), shapes(list.length))).forEach((kernel) => forward.add(kernel));
  }
  const others = [...OPS.keys()].filter((kernel) => !forward.has(kernel)).sort();
  expect(others).toEqual(Object.values(WITHOUT_SLOPE).flat().sort());
  const inMetrics = new Set(kernelsOf(traceEvaluation(buildValues(), shapes(1))));
  expect(others.filter((kernel) => !inMetrics.has(kernel))).toEqual(['EluGrad']); // of gradients alone
});

test('kernels without a gradient have in metrics the values of tfjs', async () => {
  const model = buildValues();
  const trainer = await distribute(model, { workers: 2, shardSize: 2, kernels: 'portable' });
  try {
    const logs = await trainer.evaluate(x, x);
    for (const [name, compute] of Object.entries(VALUES)) {
      const expected = tf.tidy(() => tf.mean(tf.cast((EQUIVALENTS[name] ?? compute)(tf.tensor2d(x.values, [ROWS, WIDTH])), 'float32')).dataSync()[0]!);
      expect(Math.abs(logs[name]! - expected), `${name}: ${logs[name]!} for ${expected}`).toBeLessThanOrEqual(1e-6 + 1e-5 * Math.abs(expected));
      expect(Math.abs(expected), `${name} is a value that can be seen`).toBeGreaterThan(1e-3);
    }
  } finally {
    await trainer.close();
    model.dispose();
  }
});
