import '@tensorflow/tfjs-backend-cpu';
import * as tfc from '@tensorflow/tfjs-core';
import type * as tfl from '@tensorflow/tfjs-layers';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { expectClose } from './close.js';
import {
  buildModel, GRADIENT_TOLERANCE, lossFunction, LOSS_TOLERANCE, readGoldens, toTensor, TRAJECTORY_LOSS_TOLERANCE, TRAJECTORY_WEIGHT_TOLERANCE,
  weightOrder, type GoldenCase, type ModelGolden,
} from './format.js';

// A second opinion on the goldens: tfjs itself, on its cpu backend, in float32.

const goldens = readGoldens();

/**
 * How often tfjs counts a layer's penalty, where that is not once as in Keras: once for every call of a shared layer
 * (Container.calculateLosses goes over nodes, not layers).
 */
const TFJS_PENALTY_COUNTS: Readonly<Record<string, Readonly<Record<string, number>>>> = {
  'two branches through a shared layer with penalties': { shared: 2 },
};

beforeEach(async () => {
  await tfc.setBackend('cpu');
  tfc.engine().startScope();
});
afterEach(() => {
  tfc.engine().endScope();
  tfc.disposeVariables();
});

describe.each(goldens.models)('tfjs-cpu agrees with the golden $name', (golden) => {
  test('in outputs', () => {
    const outputs = buildModel(golden).predict(toTensor(golden.inputs)) as tfc.Tensor;
    expect(outputs.shape).toEqual(golden.expected.outputs.shape);
    expectClose(outputs.dataSync(), golden.expected.outputs.values, LOSS_TOLERANCE, 'outputs');
  });

  test('in the loss of every example', () => {
    const losses = exampleLosses(buildModel(golden), golden);
    expectClose(losses.dataSync(), golden.expected.exampleLosses, LOSS_TOLERANCE, 'example losses');
  });

  test('in loss and gradients', () => {
    const model = buildModel(golden);
    const { value, grads } = tfc.variableGrads(() => totalLoss(model, golden), trainableVariables(model));
    const extra = penaltyCountedAgain(golden);
    expectClose(value.dataSync(), [golden.expected.loss + extra.loss], LOSS_TOLERANCE, 'loss');
    weightOrder(golden, model).forEach((entry, i) => {
      const { layer, weight, values } = golden.expected.gradients[entry]!;
      const expected = values.map((gradient, element) => gradient + (extra.gradients[entry]?.[element] ?? 0));
      expectClose(grads[model.trainableWeights[i]!.name]!.dataSync(), expected, GRADIENT_TOLERANCE, `${layer}/${weight}`);
    });
  });
});

test('tfjs-cpu follows the Adam trajectory', async () => {
  const { adam } = goldens;
  const model = buildModel(adam, tfc.train.adam(adam.learningRate, adam.beta1, adam.beta2, adam.epsilon));
  const [inputs, labels] = [toTensor(adam.inputs), toTensor(adam.labels)];
  const losses: number[] = [];
  // trainOnBatch gives the loss from before its update.
  for (let step = 0; step < adam.steps; step++) losses.push((await model.trainOnBatch(inputs, labels)) as number);
  losses.push(totalLoss(model, adam).dataSync()[0]!);
  expectClose(losses, adam.expected.losses, TRAJECTORY_LOSS_TOLERANCE, 'losses');
  weightOrder(adam, model).forEach((entry, i) => {
    const { layer, weight, values } = adam.expected.weights[entry]!;
    expectClose(model.trainableWeights[i]!.read().dataSync(), values, TRAJECTORY_WEIGHT_TOLERANCE, `${layer}/${weight}`);
  });
});

function exampleLosses(model: tfl.LayersModel, golden: GoldenCase): tfc.Tensor {
  const outputs = model.apply(toTensor(golden.inputs), { training: true }) as tfc.Tensor;
  const losses = lossFunction(golden)(toTensor(golden.labels), outputs);
  return tfc.mean(tfc.reshape(losses, [golden.inputs.shape[0]!, -1]), 1);
}

/** The loss as tfjs trains with it. */
function totalLoss(model: tfl.LayersModel, golden: GoldenCase): tfc.Scalar {
  return tfc.addN([tfc.mean<tfc.Scalar>(exampleLosses(model, golden)), ...model.calculateLosses()]);
}

/** The variables behind the weights: `LayerVariable.read` returns the variable itself. */
function trainableVariables(model: tfl.LayersModel): tfc.Variable[] {
  return model.trainableWeights.map((weight) => weight.read() as tfc.Variable);
}

/** What tfjs adds beyond the golden: (count - 1) * (l1 * sum|w| + l2 * sum w^2), and its gradient l1 * sign(w) + 2 * l2 * w. */
function penaltyCountedAgain(golden: ModelGolden): { loss: number; gradients: (number[] | undefined)[] } {
  const counts = TFJS_PENALTY_COUNTS[golden.name] ?? {};
  let loss = 0;
  const gradients = golden.weights.map(({ layer, weight, values }) => {
    const description = golden.model.layers.find(({ name }) => name === layer);
    const again = (counts[layer] ?? 1) - 1;
    if (description?.type !== 'dense' || !description.kernelRegularizer || weight !== 'kernel' || again === 0) return undefined;
    const { l1, l2 } = description.kernelRegularizer;
    loss += again * values.reduce((sum, w) => sum + l1 * Math.abs(w) + l2 * w * w, 0);
    return values.map((w) => again * (l1 * Math.sign(w) + 2 * l2 * w));
  });
  return { loss, gradients };
}
