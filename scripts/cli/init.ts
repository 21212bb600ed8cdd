import { existsSync, writeFileSync } from 'node:fs';
import { dirname, extname, resolve } from 'node:path';
import { inputError } from '../../src/errors.js';
import type { Context } from './context.js';
import { MODULE_EXTENSIONS } from './user-module.js';

/** JavaScript and TypeScript alike: `defineExperiment` brings the types. */
const STARTER = `// An experiment: a model, the data it learns from, and for how long. Train it with
//   tensorflock train FILE --out runs/first
import * as tf from '@tensorflow/tfjs-layers';
import { datasets, defineExperiment } from 'tensorflock';

export default defineExperiment({
  // Called once a run; the weights are drawn from --seed by the layers' initialisers.
  model: () => tf.sequential({
    layers: [
      tf.layers.flatten({ inputShape: [28, 28] }),
      tf.layers.dense({ units: 100, activation: 'relu' }),
      tf.layers.dense({ units: 10, activation: 'softmax' }),
    ],
  }),
  loss: 'sparseCategoricalCrossentropy', // the targets are class numbers; categoricalCrossentropy takes one-hot rows
  optimizer: 'adam',
  metrics: ['accuracy'],
  // A data set for training and one for testing. Your own come from datasets.csv, datasets.idx and datasets.arrays.
  data: () => datasets.fashionMnist(),
  batchSize: 128,
  epochs: 5,
});
`;

const EXTENSIONS = MODULE_EXTENSIONS.filter((extension) => !extension.startsWith('.c')); // which import nothing

/** `tensorflock init [file]`: a commented experiment to begin with. */
export function runInit(file: string, context: Context): number {
  if (!EXTENSIONS.includes(extname(file))) throw inputError('ERR_OUT', `${file} is not the name of a module; end it in ${EXTENSIONS.join(', ')}.`);
  if (existsSync(file)) throw inputError('ERR_OUT', `${file} exists already; name another file.`);
  if (!existsSync(dirname(resolve(file)))) throw inputError('ERR_OUT', `${file} cannot be written because its folder does not exist; make the folder first.`);
  writeFileSync(file, STARTER.replace('FILE', file));
  context.stdout.write(`${file} is an experiment to begin with; train it with: tensorflock train ${file}\n`);
  return 0;
}
