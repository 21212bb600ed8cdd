import '@tensorflow/tfjs-backend-cpu';
import * as tf from '@tensorflow/tfjs-core';
import * as tfl from '@tensorflow/tfjs-layers';
import { describe, expect, test } from 'vitest';
import { distribute, optimizers } from '../../src/index.js';
import { numbers } from './models.js';
import { train, type Network, type Sizes } from './reference.js';

// The product against a plain reference, byte for byte: one thread, no tiles, no plan, no shared memory.

const SIZES: Sizes = { inputs: 7, hidden: 9, outputs: 2 };
const RATE = Math.fround(0.05);

const bytes = (values: Float32Array): string => Buffer.from(values.buffer, values.byteOffset, values.byteLength).toString('hex');

function start(): Network {
  const { inputs, hidden, outputs } = SIZES;
  return { kernel1: numbers(inputs * hidden, 1), bias1: numbers(hidden, 2), kernel2: numbers(hidden * outputs, 3), bias2: numbers(outputs, 4) };
}

function build({ kernel1, bias1, kernel2, bias2 }: Network): tfl.LayersModel {
  const { inputs, hidden, outputs } = SIZES;
  const model = tfl.sequential({
    layers: [tfl.layers.dense({ units: hidden, activation: 'relu', inputShape: [inputs] }), tfl.layers.dense({ units: outputs })],
  });
  model.compile({ optimizer: 'sgd', loss: 'meanSquaredError' });
  const weights = [tf.tensor(kernel1, [inputs, hidden]), tf.tensor(bias1), tf.tensor(kernel2, [hidden, outputs]), tf.tensor(bias2)];
  model.setWeights(weights);
  tf.dispose(weights);
  return model;
}

const SCHEDULES = [
  { examples: 23, batchSize: 10, shardSize: 3 }, // shards of 3, 3, 3 and 1, and a last batch of one
  { examples: 70, batchSize: 70, shardSize: 4 }, // 18 shards, the last of 2: a ragged tree
  { examples: 200, batchSize: 200, shardSize: 1 }, // more rows than a piece has
  { examples: 5, batchSize: 1, shardSize: 8 },
] as const;

describe.each(SCHEDULES)('$examples examples in batches of $batchSize, shards of $shardSize', ({ examples, batchSize, shardSize }) => {
  const x = numbers(examples * SIZES.inputs, 5);
  const y = numbers(examples * SIZES.outputs, 6);
  const expected = train(start(), SIZES, { x, y, count: examples }, { batchSize, shardSize, epochs: 3, rate: RATE });

  test.each([1, 3])('%d workers train to the bytes of the reference', async (workers) => {
    const model = build(start());
    const trainer = await distribute(model, { workers, shardSize, kernels: 'portable', optimizer: optimizers.sgd({ learningRate: RATE }) });
    try {
      const data = [{ values: x, shape: [examples, SIZES.inputs] }, { values: y, shape: [examples, SIZES.outputs] }] as const;
      const { history } = await trainer.fit(data[0], data[1], { batchSize, epochs: 3, shuffle: false });
      const { kernel1, bias1, kernel2, bias2 } = expected.network;
      expect(model.getWeights().map((weight) => bytes(weight.dataSync() as Float32Array))).toEqual([kernel1, bias1, kernel2, bias2].map(bytes));
      expect(history['loss']).toEqual(expected.losses);
    } finally {
      await trainer.close();
      model.dispose();
    }
  });
});
