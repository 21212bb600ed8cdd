import '@tensorflow/tfjs-backend-cpu';
import * as tf from '@tensorflow/tfjs-core';
import * as tfl from '@tensorflow/tfjs-layers';
import { describe, expect, test } from 'vitest';
import { distribute, type Trainer } from '../../src/index.js';
import { fixWeights, mlp, numbers } from './models.js';

// A row's prediction is a function of the row: the same bits wherever it stands and whatever stands beside it.

const { layers } = tfl;
const EXAMPLES = 41;

interface Case {
  readonly name: string;
  readonly model: () => tfl.LayersModel;
  readonly shape: readonly number[];
}

const stack = (list: tfl.layers.Layer[]): tfl.LayersModel => fixWeights(tfl.sequential({ layers: list }));

const CASES: readonly Case[] = [
  { name: 'an mlp of odd sizes', model: () => mlp(), shape: [13] },
  { name: 'one unit', model: () => stack([layers.dense({ units: 1, activation: 'sigmoid', inputShape: [3] })]), shape: [3] },
  {
    name: 'every smooth activation',
    model: () => stack((['tanh', 'softplus', 'elu', 'selu', 'sigmoid', 'softmax'] as const).map((activation, index) =>
      layers.dense({ units: 5 + 2 * index, activation, ...(index === 0 ? { inputShape: [6] } : {}) }))),
    shape: [6],
  },
  {
    name: 'rows of two axes',
    model: () => stack([layers.dense({ units: 5, activation: 'tanh', inputShape: [7, 3] }), layers.flatten(), layers.dense({ units: 9, activation: 'softmax' })]),
    shape: [7, 3],
  },
];

/** Outputs of some rows, as the bits of each. */
async function predict(trainer: Trainer, rows: readonly Float32Array[], shape: readonly number[]): Promise<string[]> {
  const values = new Float32Array(rows.length * rows[0]!.length);
  rows.forEach((row, index) => { values.set(row, index * row.length); });
  const outputs = await trainer.predict({ values, shape: [rows.length, ...shape] });
  const all = new Uint32Array((outputs.dataSync() as Float32Array).buffer);
  outputs.dispose();
  const width = all.length / rows.length;
  return rows.map((_, index) => all.slice(index * width, (index + 1) * width).join(' '));
}

describe.each(['fma', 'portable'] as const)('%s', (kernels) => {
  test.each(CASES)('a row has the same prediction at every place: $name', async ({ model: build, shape }) => {
    const model = build();
    const width = shape.reduce((product, length) => product * length, 1);
    const rows = Array.from({ length: EXAMPLES }, (_, row) => numbers(width, 1_000 + row).map((value) => value * 3));
    const trainer = await distribute(model, { workers: 3, kernels, engineFlags: true });
    try {
      const expected = await predict(trainer, rows, shape);
      expect(new Set(expected).size).toBe(EXAMPLES);
      for (const count of [1, 2, 3, 7, 8, 9, 16, 33]) {
        expect(await predict(trainer, rows.slice(0, count), shape), `the first ${count} rows`).toEqual(expected.slice(0, count));
      }
      for (const shift of [1, 2, 3, 5, 20]) {
        const order = rows.map((_, index) => (index + shift) % EXAMPLES);
        expect(await predict(trainer, order.map((row) => rows[row]!), shape), `moved up by ${shift}`).toEqual(order.map((row) => expected[row]!));
      }
      // Many more rows than a piece has, and neighbours that overflow.
      const loud = rows[1]!.map(() => 3e38);
      const spread = Array.from({ length: 300 }, (_, index) => (index % 7 === 0 ? rows[(index / 7) % EXAMPLES]! : loud));
      const spreadOut = await predict(trainer, spread, shape);
      spreadOut.forEach((bits, index) => { if (index % 7 === 0) expect(bits).toBe(expected[(index / 7) % EXAMPLES]!); });
    } finally {
      await trainer.close();
      model.dispose();
      tf.disposeVariables();
    }
  });
});
