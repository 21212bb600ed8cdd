import * as tfc from '@tensorflow/tfjs-core';
import type { LayersModel } from '@tensorflow/tfjs-layers';
import { inputError } from '../../src/errors.js';
import { weightsOf } from '../../src/trace/model.js';
import type { CheckpointContents } from '../../src/train/checkpoint.js';

/**
 * Gives a model the weights of a checkpoint, by position: tfjs's names carry a counter of the process that made them.
 * @throws ERR_CHECKPOINT_MODEL where the model has other weights
 */
export function restoreWeights(model: LayersModel, checkpoint: CheckpointContents): void {
  const { weights } = checkpoint.model;
  const targets = weightsOf(model);
  const wanted = targets.map(({ shape }) => shape.join('x'));
  const kept = weights.map(({ shape }) => shape.join('x'));
  if (wanted.join() !== kept.join()) {
    throw inputError('ERR_CHECKPOINT_MODEL', `the checkpoint has weights of ${kept.join(', ')} and the model has ${wanted.join(', ')}; use the experiment that was trained.`);
  }
  tfc.tidy(() => {
    weights.forEach(({ values, shape }, index) => targets[index]!.write(tfc.tensor(values, [...shape])));
  });
}
