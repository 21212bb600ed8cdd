import { layers, regularizers, sequential, type LayersModel } from '@tensorflow/tfjs-layers';
import { describe, expect, test } from 'vitest';
import { distribute, earlyStopping, optimizers, type DistributeOptions, type FitOptions, type Optimizer } from '../../src/index.js';
import { classification, fixWeights, mlp, wideMlp } from './models.js';

const EXAMPLES = 203;

interface Case {
  readonly name: string;
  readonly model: () => LayersModel;
  readonly data?: ReturnType<typeof classification>;
  readonly options?: DistributeOptions;
  readonly fit?: FitOptions;
  /** Early stopping ends it before its last epoch. */
  readonly stops?: boolean;
}

/** Both kinds of noise beside a penalty. */
function noisy(): LayersModel {
  const model = sequential({ layers: [
    layers.gaussianNoise({ stddev: 0.2, inputShape: [13] }), layers.dense({ units: 9, activation: 'selu', kernelRegularizer: regularizers.l2() }),
    layers.gaussianDropout({ rate: 0.3 }), layers.dense({ units: 5, activation: 'softmax' }),
  ] });
  model.compile({ optimizer: 'adam', loss: 'sparseCategoricalCrossentropy' });
  return fixWeights(model);
}

const optimizerCase = (name: string, optimizer: Optimizer): Case => ({ name, model: () => mlp(), options: { optimizer } });

/** Each must give one hash for any number of workers, in both arithmetics. */
const CASES: readonly Case[] = [
  { name: 'plain, with a partial last batch', model: () => mlp() },
  { name: 'dropout', model: () => mlp({ dropout: 0.4 }) },
  { name: 'noise', model: noisy },
  { name: 'early stopping that puts the best weights back', model: () => mlp({ dropout: 0.2 }), options: { optimizer: optimizers.sgd({ learningRate: 2 }) }, fit: { epochs: 12, validationSplit: 0.3 }, stops: true },
  { name: 'penalties', model: () => mlp({ regularizer: true }) },
  { name: 'shards of 3', model: () => mlp(), options: { shardSize: 3 } },
  { name: 'all examples in one batch', model: () => mlp(), fit: { batchSize: EXAMPLES } },
  { name: 'one example a batch', model: () => mlp(), fit: { batchSize: 1, epochs: 1 } },
  { name: 'batches of more pieces than a worker computes at once', model: () => mlp(), options: { shardSize: 8 }, fit: { batchSize: EXAMPLES } },
  // Two pieces of a step, five blocks of a fold, products that leave zeros out, rows in parts and chunks that idle workers take.
  { name: 'a wide network on data with zeros', model: wideMlp, data: holed(classification(600, 300, 5)), fit: { batchSize: 580, epochs: 1 } },
  { name: 'no shuffling', model: () => mlp(), fit: { shuffle: false } },
  optimizerCase('sgd', optimizers.sgd({ learningRate: 0.05 })),
  optimizerCase('momentum', optimizers.momentum({ learningRate: 0.02 })),
  optimizerCase('nesterov', optimizers.nesterov({ learningRate: 0.02 })),
  optimizerCase('adagrad', optimizers.adagrad({ learningRate: 0.02 })),
  optimizerCase('rmsprop', optimizers.rmsprop({ learningRate: 0.002 })),
  optimizerCase('rmsprop, centered with momentum', optimizers.rmsprop({ learningRate: 0.002, centered: true, momentum: 0.5 })),
  optimizerCase('adamw', optimizers.adamw({ learningRate: 0.002 })),
  optimizerCase('adam, clipped by global norm', optimizers.adam({ learningRate: 0.002, clipNorm: 0.05 })),
  optimizerCase('sgd, clipped by value', optimizers.sgd({ learningRate: 0.05, clipValue: 0.01 })),
];

/** The data with every value below 0 made 0. */
function holed({ x, y }: ReturnType<typeof classification>): ReturnType<typeof classification> {
  return { x: { ...x, values: Float32Array.from(x.values, (value) => Math.max(0, value)) }, y };
}

async function hashOf({ model, data, options, fit, stops = false }: Case, workers: number, kernels: 'fma' | 'portable'): Promise<string> {
  const { x, y } = data ?? classification(EXAMPLES, 13, 5);
  const trainer = await distribute(model(), { workers, kernels, engineFlags: true, seed: 7, ...options });
  try {
    const callbacks = stops ? earlyStopping({ patience: 1, restoreBestWeights: true }) : [];
    const { epoch } = await trainer.fit(x, y, { batchSize: 60, epochs: 2, callbacks, ...fit });
    if (stops) expect(epoch.length).toBeLessThan(fit!.epochs!);
    return trainer.hashes().stateSha256;
  } finally {
    await trainer.close();
  }
}

describe.each(['fma', 'portable'] as const)('%s', (kernels) => {
  test.each(CASES)('the state after training is the same for 1, 2, 3, 4 and 7 workers: $name', async (each) => {
    const alone = await hashOf(each, 1, kernels);
    for (const workers of [2, 3, 4, 7]) expect(await hashOf(each, workers, kernels), `${workers} workers`).toBe(alone);
  });
});

test('another seed, shard size or arithmetic gives other bytes', async () => {
  const base = CASES[1]!;
  const hashes = await Promise.all([
    hashOf(base, 2, 'portable'),
    hashOf(base, 2, 'fma'),
    hashOf({ ...base, options: { seed: 8 } }, 2, 'portable'),
    hashOf({ ...base, options: { shardSize: 4 } }, 2, 'portable'),
  ]);
  expect(new Set(hashes).size).toBe(4);
});
