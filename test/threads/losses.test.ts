import '@tensorflow/tfjs-backend-cpu';
import * as tf from '@tensorflow/tfjs-core';
import * as tfl from '@tensorflow/tfjs-layers';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { distribute, type Trainer } from '../../src/index.js';
import type { LossOrMetric } from '../../src/trace/model.js';
import { fixWeights, numbers } from './models.js';

// The functions of tf.losses, each the loss of an output of its own, against tfjs's own value for the same numbers.

const NAMES = ['absoluteDifference', 'hingeLoss', 'huberLoss', 'logLoss', 'meanSquaredError', 'sigmoidCrossEntropy', 'softmaxCrossEntropy'] as const;
const [EXAMPLES, FEATURES, UNITS] = [29, 5, 3];

const x = { values: numbers(EXAMPLES * FEATURES, 1), shape: [EXAMPLES, FEATURES] };
/** One-hot labels: right for every one of the losses. */
const y = { values: Float32Array.from({ length: EXAMPLES * UNITS }, (_, at) => Number(at % UNITS === Math.floor(at / UNITS) % UNITS)), shape: [EXAMPLES, UNITS] };

function build(): tfl.LayersModel {
  const input = tfl.input({ shape: [FEATURES] });
  // Outputs in 0..1, which a logarithm needs.
  const outputs = NAMES.map((name) => tfl.layers.dense({ name, units: UNITS, activation: 'sigmoid' }).apply(input) as tfl.SymbolicTensor);
  const model = tfl.model({ inputs: input, outputs });
  model.compile({ optimizer: 'sgd', loss: NAMES.map((name) => tf.losses[name] as LossOrMetric) });
  return fixWeights(model);
}

let trainer: Trainer;
let model: tfl.LayersModel;
beforeAll(async () => {
  model = build();
  trainer = await distribute(model, { workers: 2, shardSize: 4, kernels: 'portable' });
});
afterAll(async () => { await trainer.close(); });

test.each(NAMES)('tf.losses.%s is the mean that tfjs gives', async (name) => {
  const logs = await trainer.evaluate(x, NAMES.map(() => y));
  const expected = tf.tidy(() => {
    const outputs = model.predict(tf.tensor2d(x.values, [EXAMPLES, FEATURES])) as tf.Tensor[];
    const loss = tf.losses[name] as LossOrMetric;
    return loss(tf.tensor2d(y.values, [EXAMPLES, UNITS]), outputs[NAMES.indexOf(name)]!).dataSync()[0]!;
  });
  expect(Math.abs(logs[`${name}_loss`]! - expected)).toBeLessThanOrEqual(1e-6 + 1e-5 * Math.abs(expected));
});
