import { runError } from '../../src/errors.js';
import type * as tfl from '@tensorflow/tfjs-layers';
import type { OptimizerName } from './choices.js';
import type { DistributeOptions, Library, Trainer } from './library.js';

type Rate = { readonly learningRate: number };
type Rule<Options> = (options: Options) => unknown;

/** What the library's door offers, as far as the command line uses it. */
interface Door {
  distribute(model: tfl.LayersModel, options: DistributeOptions): Promise<Trainer>;
  initialize(model: tfl.LayersModel, seed: number): void;
  readonly optimizers: {
    readonly sgd: Rule<Rate & { readonly momentum?: number; readonly nesterov?: boolean }>;
    readonly adagrad: Rule<Rate>;
    readonly rmsprop: Rule<Rate>;
    readonly adam: Rule<Rate>;
    readonly adamw: Rule<Rate>;
  };
  readonly callbacks: { earlyStopping(options: { readonly monitor: string; readonly patience: number }): unknown };
}

const MOMENTUM = 0.9;

export async function loadLibrary(): Promise<Library> {
  const [door, tfc, layers, { restoreWeights }] = await Promise.all([
    load<Door>('../../src/index.js'),
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
    optimizer: (name, learningRate) => optimizerOf(door, name, learningRate),
    earlyStopping: (patience, monitor) => door.callbacks.earlyStopping({ monitor, patience }),
  };
}

function optimizerOf({ optimizers }: Door, name: OptimizerName, learningRate: number): unknown {
  if (name === 'momentum') return optimizers.sgd({ learningRate, momentum: MOMENTUM });
  if (name === 'nesterov') return optimizers.sgd({ learningRate, momentum: MOMENTUM, nesterov: true });
  return optimizers[name]({ learningRate });
}

async function load<T>(path: string): Promise<T> {
  try {
    return (await import(new URL(path, import.meta.url).href)) as T;
  } catch (error) {
    throw runError('ERR_LIBRARY', `the library cannot be loaded (${(error as Error).message.split('\n')[0]}); build it again.`, { cause: error });
  }
}
