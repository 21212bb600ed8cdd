import * as tf from '@tensorflow/tfjs-core';
import * as tfl from '@tensorflow/tfjs-layers';
import { expect, onTestFinished, test } from 'vitest';
import { distribute } from '../../src/index.js';
import { Inspector } from '../../src/train/inspector.js';
import { InlinePool } from '../../workers/inline-pool.js';
import { classification, mlp } from './models.js';

const { x, y } = classification(64, 13, 5);
const FIT = { batchSize: 64, epochs: 1, shuffle: false } as const;

test('an inspection says what the next step would do, without doing it', async () => {
  const model = mlp({ dropout: 0, regularizer: true, optimizer: 'adam' });
  const trainer = await distribute(model, { workers: 2, kernels: 'portable', seed: 7 });
  onTestFinished(() => trainer.close());
  await trainer.fit(x, y, { ...FIT, epochs: 3 }); // the optimizer remembers something by now
  const before = model.getWeights(true).map((weight) => Float32Array.from(weight.dataSync()));
  const { gradients } = await trainer.gradients(x, y);
  const hashes = trainer.hashes();
  const inspector = new Inspector(trainer.parts, new InlinePool());
  const examples = await trainer.examples(x, y);
  const weights = await inspector.weights(examples);
  expect(trainer.hashes()).toEqual(hashes);
  expect(weights.map(({ values }) => values)).toEqual(before);
  expect(weights.map(({ gradient }) => gradient)).toEqual([...gradients.values()]);
  await trainer.fit(x, y, FIT);
  const after = model.getWeights(true).map((weight) => weight.dataSync() as Float32Array);
  expect(weights.map(({ update }) => update)).toEqual(after.map((values, index) => values.map((value, at) => value - before[index]![at]!)));
});

test('outputs are those of the model\'s layers in prediction', async () => {
  const model = mlp({ dropout: 0.5 });
  const trainer = await distribute(model, { workers: 1, kernels: 'portable', seed: 7 });
  onTestFinished(() => trainer.close());
  const inspector = new Inspector(trainer.parts, new InlinePool());
  const examples = await trainer.examples(x, y);
  const outputs = await inspector.outputs(examples);
  const layers = model.layers.filter((layer) => !['InputLayer', 'Dropout'].includes(layer.getClassName()));
  expect(outputs.map(({ layer }) => layer)).toEqual(layers.map(({ name }) => name));
  for (const [index, { values, units }] of outputs.entries()) {
    const whole = tfl.model({ inputs: model.inputs, outputs: layers[index]!.output as tfl.SymbolicTensor }).predict(tf.tensor(x.values, [...x.shape])) as tf.Tensor;
    expect(units).toBe(whole.shape[1]);
    const expected = whole.dataSync();
    for (let at = 0; at < values.length; at++) expect(values[at]).toBeCloseTo(expected[at]!, 5);
  }
  expect(await inspector.predictions(examples)).toEqual(await (await trainer.predict(x)).data());
});
