import '@tensorflow/tfjs-backend-cpu';
import * as tf from '@tensorflow/tfjs-core';
import * as tfl from '@tensorflow/tfjs-layers';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { fileLoader } from '../files/file-loader.js';
import { readCheckpoint } from '../../src/train/checkpoint.js';
import { expectClose } from '../golden/close.js';
import { classification, fixWeights, mlp } from './models.js';
import { temporaryFolder, withTrainer } from './trainers.js';

const { layers } = tfl;
const { x, y } = classification(75, 13, 5);
/** An output of float32 against another float32 of the same. */
const OUTPUTS = { relative: 2e-5, absolute: 2e-6 };

function compiled(model: tfl.LayersModel): tfl.LayersModel {
  model.compile({ optimizer: 'adam', loss: 'sparseCategoricalCrossentropy' });
  return fixWeights(model);
}

/** One layer for both of two branches, and one that is not trained. */
function branches(): tfl.LayersModel {
  const input = tfl.input({ shape: [13] });
  const shared = layers.dense({ units: 13, activation: 'tanh' });
  const frozen = layers.dense({ units: 13, trainable: false });
  const sum = layers.add().apply([shared.apply(input), shared.apply(frozen.apply(input))] as tfl.SymbolicTensor[]);
  return compiled(tfl.model({ inputs: input, outputs: layers.dense({ units: 5, activation: 'softmax' }).apply(sum) as tfl.SymbolicTensor }));
}

const inner = (): tfl.Sequential => tfl.sequential({ layers: [layers.dense({ units: 13, activation: 'relu', inputShape: [13], name: 'hidden' })] });

function nested(...parts: tfl.Sequential[]): tfl.LayersModel {
  const model = tfl.sequential();
  parts.forEach((part) => { model.add(part); });
  model.add(layers.dense({ units: 5, activation: 'softmax' }));
  return compiled(model);
}

const MODELS: readonly (readonly [string, () => tfl.LayersModel])[] = [
  ['an mlp with dropout', () => mlp({ dropout: 0.3 })],
  ['branches with a shared and a frozen layer', branches],
  ['a nested model', () => nested(inner())],
];

describe('what save writes', () => {
  test.each(MODELS)('tfjs loads, and it predicts as the trainer does: %s', async (_name, build) => {
    const folder = temporaryFolder();
    const values = await withTrainer(build(), {}, async (trainer) => {
      await trainer.fit(x, y, { epochs: 2 });
      await trainer.save(folder);
      return (await trainer.predict(x)).dataSync();
    });
    expect(readdirSync(folder).sort()).toEqual(['run.json', 'step-6']); // 75 examples are 3 steps of 32
    const loaded = await tfl.loadLayersModel(fileLoader(join(folder, 'step-6')));
    expectClose((loaded.predict(tf.tensor(x.values, [...x.shape])) as tf.Tensor).dataSync(), values, OUTPUTS, 'predictions');
  });

  test('of tfjs saves what the trainer trained', async () => {
    const model = mlp();
    let artifacts: tf.io.ModelArtifacts | undefined;
    const values = await withTrainer(model, {}, async (trainer) => {
      await trainer.fit(x, y, { epochs: 2 });
      await model.save(tf.io.withSaveHandler(async (saved) => {
        artifacts = saved;
        return { modelArtifactsInfo: { dateSaved: new Date(0), modelTopologyType: 'JSON' } };
      }));
      return (await trainer.predict(x)).dataSync();
    });
    const loaded = await tfl.loadLayersModel(tf.io.fromMemory(artifacts!));
    expectClose((loaded.predict(tf.tensor(x.values, [...x.shape])) as tf.Tensor).dataSync(), values, OUTPUTS, 'predictions');
  });

  test('has a name of its own for each weight, where layers of two nested models bear one name', async () => {
    const folder = temporaryFolder();
    await withTrainer(nested(inner(), inner()), {}, async (trainer) => {
      await trainer.fit(x, y, { checkpoint: { folder } });
    });
    const { model } = await readCheckpoint(folder);
    expect(model.weights.map(({ name }) => name).slice(0, 4)).toEqual(['hidden/kernel', 'hidden/bias', 'hidden/kernel#2', 'hidden/bias#2']);
  });
});
