import * as tf from '@tensorflow/tfjs-core';
import type { LayersModel } from '@tensorflow/tfjs-layers';
import { inputError } from '../errors.js';
import { drawWeights, reasonAgainst, type InitializerConfig, type WeightInitializer } from './initializers.js';

/** A weight of tfjs-layers, as far as drawing it goes. */
interface Weight {
  readonly originalName: string;
  readonly shape: readonly number[];
  write(value: tf.Tensor): Weight;
}

/** A layer of tfjs-layers: what holds weights or other layers, with members that its types keep private. */
interface Layer {
  readonly name: string;
  readonly weights: readonly Weight[];
  /** LSTM: the second quarter of the bias begins as ones. */
  readonly unitForgetBias?: boolean;
  /** Models, wrappers of one layer, of two directions, recurrent layers of a cell, and stacked cells. */
  readonly layers?: readonly Layer[];
  readonly layer?: Layer;
  readonly forwardLayer?: Layer;
  readonly backwardLayer?: Layer;
  readonly cell?: Layer;
  readonly cells?: readonly Layer[];
}

/** A weight together with how it is drawn. */
interface Plan {
  readonly weight: Weight;
  readonly initializer: WeightInitializer;
  readonly hasForgetOnes: boolean;
}

/** Weights whose initialiser is not called after them. */
const INITIALIZER_PREFIX: ReadonlyMap<string, string> = new Map([
  ['depthwise_kernel', 'depthwise'],
  ['pointwise_kernel', 'pointwise'],
  ['recurrent_kernel', 'recurrent'],
  ['moving_mean', 'movingMean'],
  ['moving_variance', 'movingVariance'],
]);

/**
 * Redraws all weights of a model by its layers' initialisers, from `seed` alone: the same model and seed give the same
 * bytes on every machine and engine. A weight's draws depend on its position: layers in model order, those of nested models
 * in their place, a shared layer once where it first stands, a layer's weights in its own order. Seeds inside initialisers
 * are ignored; distributions are those of tfjs-layers (see `drawWeights`). Either all weights are written or none.
 * @param seed whole number from 0 to 2^53 - 1
 * @throws ERR_INITIALIZER for a weight whose initialiser is not known, by layer and weight; ERR_OPTION for the seed
 */
export function initialize(model: LayersModel, seed: number): void {
  checkSeed(seed);
  const plans = planWeights(model as unknown as Layer);
  [...plans.values()].forEach((plan, index) => { writeWeight(plan, drawPlanned(plan, seed, index)); });
}

function checkSeed(seed: number): void {
  if (!Number.isSafeInteger(seed) || seed < 0) {
    throw inputError('ERR_OPTION', `the seed of initialize is ${seed}; give a whole number from 0 to 2^53 - 1.`);
  }
}

/** The weights of a layer in the order of their positions: those of the layers inside it, then its own; each once. */
function planWeights(layer: Layer, plans = new Map<Weight, Plan>()): Map<Weight, Plan> {
  for (const part of partsOf(layer)) planWeights(part, plans);
  for (const weight of layer.weights) {
    if (!plans.has(weight)) plans.set(weight, planWeight(layer, weight));
  }
  return plans;
}

function partsOf({ layers, layer, forwardLayer, backwardLayer, cell, cells }: Layer): readonly Layer[] {
  // Before `layer`, which a Bidirectional also has: the layer that its two directions are copies of, without weights.
  if (forwardLayer !== undefined && backwardLayer !== undefined) return [forwardLayer, backwardLayer];
  const single = layer ?? cell;
  return layers ?? cells ?? (single === undefined ? [] : [single]);
}

function planWeight(layer: Layer, weight: Weight): Plan {
  const name = shortName(weight);
  const found = (layer as unknown as Readonly<Record<string, unknown>>)[`${INITIALIZER_PREFIX.get(name) ?? name}Initializer`];
  if (!isInitializer(found)) throw unknownInitializer(layer, weight, 'has no initialiser that is known');
  const initializer = { className: found.getClassName(), config: found.getConfig() };
  const reason = reasonAgainst(initializer, weight.shape);
  if (reason !== undefined) throw unknownInitializer(layer, weight, `has the initialiser "${initializer.className}", which ${reason}`);
  return { weight, initializer, hasForgetOnes: name === 'bias' && layer.unitForgetBias === true };
}

interface LayerInitializer {
  getClassName(): string;
  getConfig(): InitializerConfig;
}

function isInitializer(value: unknown): value is LayerInitializer {
  return typeof value === 'object' && value !== null && 'getClassName' in value && 'getConfig' in value;
}

/** "kernel" of "dense_Dense1/kernel". */
function shortName({ originalName }: Weight): string {
  return originalName.slice(originalName.lastIndexOf('/') + 1);
}

function unknownInitializer(layer: Layer, weight: Weight, reason: string): Error {
  return inputError(
    'ERR_INITIALIZER',
    `weight "${shortName(weight)}" of layer "${layer.name}" ${reason} (shape [${weight.shape.join(', ')}]); use an initialiser of tfjs-layers, or keep the weights.`,
  );
}

function drawPlanned({ initializer, weight, hasForgetOnes }: Plan, seed: number, index: number): Float32Array {
  const values = drawWeights(initializer, weight.shape, seed, index);
  return hasForgetOnes ? values.fill(1, values.length / 4, values.length / 2) : values;
}

/** Leaves no tensor behind. */
function writeWeight({ weight }: Plan, values: Float32Array): void {
  tf.tidy(() => { weight.write(tf.tensor(values, [...weight.shape])); });
}
