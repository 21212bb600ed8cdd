import '@tensorflow/tfjs-backend-cpu';
import * as tf from '@tensorflow/tfjs-core';
import * as tfl from '@tensorflow/tfjs-layers';
import { describe, expect, test } from 'vitest';
import { restoreWeights } from '../../scripts/cli/restore.js';
import { optimizers } from '../../src/index.js';
import { readCheckpoint } from '../../src/train/checkpoint.js';
import { numbers } from './models.js';
import { temporaryFolder, withTrainer } from './trainers.js';

// A layer that stands in a nested model and beside it is one layer with one kernel, though tfjs lists its weights twice.

/** y = f(f(x)); `nested`: the first f is inside a model of its own. */
function twice(units: number, weight: tf.Tensor, nested: boolean): tfl.LayersModel {
  const shared = tfl.layers.dense({ units, useBias: false, inputShape: [units] });
  const input = tfl.input({ shape: [units] });
  const first = nested ? tfl.sequential({ layers: [shared] }).apply(input) : shared.apply(input);
  const model = tfl.model({ inputs: input, outputs: shared.apply(first) as tfl.SymbolicTensor });
  model.compile({ optimizer: 'sgd', loss: 'meanSquaredError' });
  shared.setWeights([weight]);
  return model;
}

const row = (...values: number[]) => ({ values: Float32Array.from(values), shape: [1, values.length] });

describe('a layer inside a nested model and beside it', () => {
  test('counts once in a clipped norm', async () => {
    const model = twice(1, tf.tensor2d([[1]]), true);
    await withTrainer(model, { optimizer: optimizers.sgd({ learningRate: 0.25, clipNorm: 1 }) }, async (trainer) => {
      // y = w^2 x, so the loss (w^2 x - 0)^2 has the slope 4 w^3 x^2 = 4, clipped to 1: w = 1 - 0.25.
      const { gradients } = await trainer.gradients(row(1), row(0));
      expect([...gradients.values()]).toEqual([Float32Array.of(4)]);
      await trainer.fit(row(1), row(0));
    });
    expect(model.getWeights()[0]!.dataSync()[0]).toBe(0.75);
  });

  test('trains to the bytes and hashes of the same layer without a nested model', async () => {
    const data = { values: numbers(40, 5), shape: [10, 4] };
    const train = (nested: boolean) => withTrainer(twice(4, tf.tensor2d(numbers(16, 3), [4, 4]), nested), { optimizer: optimizers.adam({ clipNorm: 0.1 }) }, async (trainer) => {
      await trainer.fit(data, data, { batchSize: 3, epochs: 4 });
      return trainer.hashes();
    });
    expect(await train(true)).toEqual(await train(false));
  });

  test('is kept once, and a model gets it back', async () => {
    const folder = temporaryFolder();
    const weight = tf.tensor2d(numbers(16, 3), [4, 4]);
    await withTrainer(twice(4, weight, true), {}, (trainer) => trainer.save(folder));
    const saved = await readCheckpoint(folder);
    expect(saved.model.weights.map(({ shape }) => shape)).toEqual([[4, 4]]);
    const fresh = twice(4, tf.zeros([4, 4]), true);
    restoreWeights(fresh, saved);
    expect(fresh.getWeights()[0]!.dataSync()).toEqual(weight.dataSync());
  });
});
