import * as tf from '@tensorflow/tfjs-core';
import { inputError } from '../errors.js';
import { functionName, type LossOrMetric } from './model.js';

type LossesOfCore = typeof tf.losses;
const NONE = tf.Reduction.NONE;

/** The functions of `tf.losses`, known by identity: each called so that it leaves one value per example. */
const UNREDUCED: ReadonlyMap<unknown, LossOrMetric> = new Map<LossesOfCore[keyof LossesOfCore], LossOrMetric>([
  [tf.losses.absoluteDifference, (y, p) => tf.losses.absoluteDifference(y, p, undefined, NONE)],
  [tf.losses.hingeLoss, (y, p) => tf.losses.hingeLoss(y, p, undefined, NONE)],
  [tf.losses.huberLoss, (y, p) => tf.losses.huberLoss(y, p, undefined, undefined, NONE)],
  [tf.losses.logLoss, (y, p) => tf.losses.logLoss(y, p, undefined, undefined, NONE)],
  [tf.losses.meanSquaredError, (y, p) => tf.losses.meanSquaredError(y, p, undefined, NONE)],
  [tf.losses.sigmoidCrossEntropy, (y, p) => tf.losses.sigmoidCrossEntropy(y as tf.Tensor2D, p as tf.Tensor2D, undefined, undefined, NONE)],
  [tf.losses.softmaxCrossEntropy, (y, p) => tf.losses.softmaxCrossEntropy(y, p, undefined, undefined, NONE)],
]);

/**
 * Applies a loss or metric so that it gives one value per example, shape [rows]; further axes are averaged.
 * @throws ERR_SCALAR_LOSS for a function that reduces over the examples itself
 */
export function perExample(fn: LossOrMetric, kind: 'loss' | 'metric', target: tf.Tensor, output: tf.Tensor, rows: number): tf.Tensor {
  const value = (UNREDUCED.get(fn) ?? fn)(target, output);
  if (value.rank === 0 || value.shape[0] !== rows) {
    throw inputError(
      'ERR_SCALAR_LOSS',
      `the ${kind} "${functionName(fn)}" returns shape [${value.shape.join(', ')}], not one value per example; leave out its last tf.mean or tf.sum over the examples.`,
    );
  }
  const floats = value.dtype === 'float32' ? value : tf.cast(value, 'float32');
  return floats.rank === 1 ? floats : tf.mean(floats, floats.shape.map((_, axis) => axis).slice(1));
}
