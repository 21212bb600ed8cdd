import '@tensorflow/tfjs-backend-cpu';
import * as tfc from '@tensorflow/tfjs-core';
import { afterEach, beforeEach, describe, expect, onTestFinished, test } from 'vitest';
import { distribute } from '../../src/index.js';
import { expectClose } from './close.js';
import {
  buildModel, GRADIENT_TOLERANCE, LOSS_TOLERANCE, readGoldens, TRAJECTORY_LOSS_TOLERANCE, TRAJECTORY_WEIGHT_TOLERANCE,
  weightOrder, type GoldenCase, type ShapedValues,
} from './format.js';

// The trainer against PyTorch in float64. Two workers and small shards, so that batches are split and summed along the tree.

const goldens = readGoldens();
const OPTIONS = { workers: 2, shardSize: 8, seed: 1 };

beforeEach(async () => {
  await tfc.setBackend('cpu');
});
afterEach(() => tfc.disposeVariables());

/** tfjs's fit wants labels of the output's shape for every loss but its own sparse one; so do we, in a sentence. */
const CUSTOM_SPARSE = 'logits and class indices';

describe.each(goldens.models.filter(({ name }) => name !== CUSTOM_SPARSE))('the trainer agrees with PyTorch on $name', (golden) => {
  test('in outputs', async () => {
    const { trainer } = await start(golden);
    const outputs = await trainer.predict(array(golden.inputs));
    expectClose(await outputs.data(), golden.expected.outputs.values, LOSS_TOLERANCE, 'outputs');
  });

  test('in the loss that evaluate gives, penalties included', async () => {
    const { trainer } = await start(golden);
    const { loss } = await trainer.evaluate(array(golden.inputs), array(golden.labels));
    expectClose([loss], [golden.expected.loss], LOSS_TOLERANCE, 'loss');
  });

  test('in loss and gradients', async () => {
    const { model, trainer } = await start(golden);
    const { loss, gradients } = await trainer.gradients(array(golden.inputs), array(golden.labels));
    expectClose([loss], [golden.expected.loss], LOSS_TOLERANCE, 'loss');
    const inModelOrder = [...gradients.values()];
    weightOrder(golden, model).forEach((entry, i) => {
      const { layer, weight, values } = golden.expected.gradients[entry]!;
      expectClose(inModelOrder[i] ?? [], values, GRADIENT_TOLERANCE, `${layer}/${weight}`);
    });
  });
});

test('a loss of ours that takes class indices is refused with the shapes', async () => {
  const golden = goldens.models.find(({ name }) => name === CUSTOM_SPARSE)!;
  await expect(distribute(buildModel(golden), OPTIONS)).rejects.toMatchObject({ code: 'ERR_TRACE', kind: 'input' });
});

test('the trainer follows the Adam trajectory', async () => {
  const { adam } = goldens;
  const { model, trainer } = await start(adam, tfc.train.adam(adam.learningRate, adam.beta1, adam.beta2, adam.epsilon));
  const inputs = array(adam.inputs);
  const labels = array(adam.labels);
  // A batch of all examples: an epoch is one step, and its loss is the one from before its update.
  const { history } = await trainer.fit(inputs, labels, { batchSize: adam.inputs.shape[0]!, epochs: adam.steps, shuffle: false });
  const { loss: lossAfterwards } = await trainer.evaluate(inputs, labels);
  expectClose([...history['loss']!, lossAfterwards], adam.expected.losses, TRAJECTORY_LOSS_TOLERANCE, 'losses');
  weightOrder(adam, model).forEach((entry, i) => {
    const { layer, weight, values } = adam.expected.weights[entry]!;
    expectClose(model.trainableWeights[i]!.read().dataSync(), values, TRAJECTORY_WEIGHT_TOLERANCE, `${layer}/${weight}`);
  });
});

/** A trainer over the golden's model, closed at the end of the test. */
async function start(golden: GoldenCase, optimizer?: tfc.Optimizer) {
  const model = buildModel(golden, optimizer);
  const trainer = await distribute(model, OPTIONS);
  onTestFinished(() => trainer.close());
  return { model, trainer };
}

function array({ values, shape }: ShapedValues) {
  return { values: Float32Array.from(values), shape };
}
