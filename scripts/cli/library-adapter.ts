import type { Library } from './library.js';

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
    optimizer: (name, learningRate) => door.optimizers[name]({ learningRate }),
    earlyStopping: (patience, monitor) => door.earlyStopping({ monitor, patience }),
  };
}
