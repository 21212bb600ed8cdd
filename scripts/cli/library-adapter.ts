import type { Dataset } from '../../src/data/dataset.js';
import type { LayerHealth } from '../../src/report/network-health.js';
import { Trainer } from '../../src/train/trainer.js';
import type { Library, Trainer as AnyTrainer } from './library.js';

export async function loadLibrary(): Promise<Library> {
  const [door, tfc, layers, { restoreWeights }] = await Promise.all([
    import('../../src/index.js'),
    import('@tensorflow/tfjs-core'),
    import('@tensorflow/tfjs-layers'),
    import('./restore.js'),
  ]);
  // Otherwise tfjs greets on standard error with a sentence about another package.
  tfc.env().set('PROD', true);
  return {
    layers,
    distribute: door.distribute,
    initialize: door.initialize,
    restore: restoreWeights,
    inspect,
    optimizer: (name, learningRate) => door.optimizers[name]({ learningRate }),
    earlyStopping: (patience, monitor) => door.earlyStopping({ monitor, patience }),
  };
}

/** On the calling thread, beside the pool. @throws TypeError for a trainer that is not of this library */
async function inspect(trainer: AnyTrainer, { x, y }: Dataset): Promise<LayerHealth[]> {
  if (!(trainer instanceof Trainer)) throw new TypeError('only a trainer of distribute() can be looked into');
  const [{ Inspector }, { InlinePool }, { layersHealth }] = await Promise.all([import('../../src/train/inspector.js'), import('../../workers/inline-pool.js'), import('../../src/report/network-health.js')]);
  const inspector = new Inspector(trainer.parts, new InlinePool());
  const examples = await trainer.examples(x, y);
  return layersHealth(await inspector.weights(examples), await inspector.outputs(examples));
}
