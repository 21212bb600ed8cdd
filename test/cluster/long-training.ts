import type { LayersModel } from '@tensorflow/tfjs-layers';
import { distribute } from '../../src/index.js';
import { classification, mlp } from '../threads/models.js';

const EXAMPLES = 603;
const FEATURES = 200;

/** A training of hundreds of steps, each with work for several machines. */
export const train = {
  model: (): LayersModel => mlp({ features: FEATURES, units: 150, dropout: 0.3, regularizer: true }),
  options: { seed: 7, shardSize: 8, kernels: 'portable' },
  ...classification(EXAMPLES, FEATURES, 5),
  fit: { batchSize: 48, epochs: 20 },
} as const;

/** What it comes to without nodes. */
export async function stateAlone(fit: { readonly batchSize?: number; readonly epochs?: number } = {}): Promise<string> {
  const trainer = await distribute(train.model(), { ...train.options, workers: 1 });
  try {
    await trainer.fit(train.x, train.y, { ...train.fit, ...fit });
    return trainer.hashes().stateSha256;
  } finally {
    await trainer.close();
  }
}
