import type { LayersModel } from '@tensorflow/tfjs-layers';
import type { CheckpointContents } from '../../src/train/checkpoint.js';
import type { Context } from './context.js';
import type { Trainer } from './library.js';
import { planNotedRun, type PlannedRun } from './settings.js';

/** A run as its checkpoint notes it. */
export interface KeptRun extends PlannedRun {
  readonly inputScales: readonly number[];
  readonly checkpoint: CheckpointContents;
}

/** @throws TensorflockError of kind `input` where the folder holds no whole checkpoint of `tensorflock train` */
export async function readKeptRun(folder: string, context: Context): Promise<KeptRun> {
  const checkpoint = await context.readCheckpoint(folder);
  return { ...(await planNotedRun(folder, checkpoint)), checkpoint };
}

/** Hands a trainer that holds the run's trained weights, and its model, to `work`, and closes it afterwards. */
export async function withKeptModel<T>(
  kept: KeptRun,
  context: Context,
  options: { readonly workers?: number | 'auto' | undefined; readonly kernels?: 'auto' | 'fma' | 'portable' | undefined },
  work: (trainer: Trainer, model: LayersModel) => Promise<T>,
): Promise<T> {
  const library = await context.library();
  const { experiment, settings, checkpoint } = kept;
  const model = await experiment.build(library, settings.seed);
  library.restore(model, checkpoint);
  const trainer = await library.distribute(model, {
    workers: options.workers ?? 'auto',
    seed: settings.seed,
    kernels: options.kernels ?? settings.kernels,
    engineFlags: true,
    ...(settings.shardSize === null ? {} : { shardSize: settings.shardSize }),
  });
  try {
    return await work(trainer, model);
  } finally {
    await trainer.close();
  }
}
