import * as tfl from '@tensorflow/tfjs-layers';
import { datasets, defineExperiment } from '../../src/index.js';
import { numbers } from '../threads/models.js';

const [EXAMPLES, FEATURES, CLASSES] = [6_000, 64, 5] as const;

/** Data that no machine has: a node must fetch them. */
function data(): ReturnType<typeof datasets.arrays> {
  const values = numbers(EXAMPLES * FEATURES, 3);
  const labels = Int32Array.from({ length: EXAMPLES }, (_, row) => Math.floor((values[row * FEATURES]! + 1) * 2.4999));
  return datasets.arrays({ values, shape: [EXAMPLES, FEATURES] }, { values: labels, shape: [EXAMPLES] });
}

export default defineExperiment({
  model: () => tfl.sequential({
    layers: [
      tfl.layers.dense({ units: 256, activation: 'relu', inputShape: [FEATURES], kernelRegularizer: tfl.regularizers.l2({ l2: 1e-4 }) }),
      tfl.layers.dropout({ rate: 0.2 }),
      tfl.layers.dense({ units: CLASSES, activation: 'softmax' }),
    ],
  }),
  optimizer: 'adam',
  loss: 'sparseCategoricalCrossentropy',
  metrics: ['accuracy'],
  data: () => {
    const all = data();
    return { train: all, test: all };
  },
});
