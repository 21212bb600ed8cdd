import type * as tfl from '@tensorflow/tfjs-layers';
import { take, type Dataset } from '../../src/data/dataset.js';
import { deadShare, saturatedShare } from '../../src/report/health.js';
import type { NetworkHealth } from '../../src/report/run-pictures.js';
import { activationOf } from '../../src/trace/activation.js';
import type { Library, Trainer } from './library.js';

const MOST_EXAMPLES = 256;

/** The trained network's gradients on its first training examples, its weights, and the outputs of its relu and sigmoid layers. */
export async function healthOf(library: Library, trainer: Trainer, model: tfl.LayersModel, data: Dataset): Promise<NetworkHealth> {
  const examples = take(data, Math.min(MOST_EXAMPLES, data.exampleCount));
  const { gradients } = await trainer.gradients(examples.x, examples.y);
  const tensors = model.getWeights(true);
  const weights = await Promise.all([...gradients].map(async ([name, gradient], index) => ({ name, gradient, values: await tensors[index]!.data() })));
  return { examples: examples.exampleCount, weights, units: await unitsOf(library, model, examples) };
}

async function unitsOf(library: Library, model: tfl.LayersModel, examples: Dataset): Promise<NetworkHealth['units']> {
  const tf = await import('@tensorflow/tfjs-core');
  const watched = model.layers.filter((layer) => ['relu', 'sigmoid'].includes(activationOf(layer)) && !Array.isArray(layer.output));
  const inputs = examples.x.map(({ values, shape, scale = 1 }) => tf.tensor(Float32Array.from(values, (value) => value * scale), [...shape]));
  try {
    const units: NetworkHealth['units'][number][] = [];
    for (const layer of watched) {
      const output = library.layers.model({ inputs: model.inputs, outputs: layer.output as tfl.SymbolicTensor }).predict(inputs) as ReturnType<typeof tf.tensor>;
      const values = await output.data();
      const kind = activationOf(layer) === 'relu' ? 'dead' : 'saturated';
      const share = kind === 'dead' ? deadShare(values, output.shape.slice(1).reduce((product, size) => product * size, 1)) : saturatedShare(values);
      units.push({ layer: layer.name, kind, share });
      output.dispose();
    }
    return units;
  } finally {
    inputs.forEach((input) => input.dispose());
  }
}
