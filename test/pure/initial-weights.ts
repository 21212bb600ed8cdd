import type * as tfl from '@tensorflow/tfjs-layers';
import { TensorflockError } from '../../src/errors.js';
import type { InitializerConfig, WeightInitializer } from '../../src/random/initializers.js';

export type Initializer = ReturnType<typeof tfl.initializers.zeros>;

/** What an initialiser of tfjs-layers says of itself. */
export function described(initializer: Initializer): WeightInitializer {
  return { className: initializer.getClassName(), config: initializer.getConfig() as InitializerConfig };
}

/** Code and message of the package's error that a call ends with. */
export function refusalOf(run: () => unknown): { code: string; message: string } {
  try {
    run();
  } catch (error) {
    if (error instanceof TensorflockError) return { code: error.code, message: error.message };
    throw error;
  }
  throw new Error('nothing was refused');
}
