import * as tfc from '@tensorflow/tfjs-core';
import * as tfl from '@tensorflow/tfjs-layers';
import { readFileSync } from 'node:fs';
import type { Tolerance } from './close.js';

// The types of models.json, which scripts/goldens/make-model-goldens.py writes, and the models built from them.

/** A tensor, row-major. */
export interface ShapedValues {
  readonly shape: number[];
  readonly values: number[];
}

export type ActivationName = 'linear' | 'sigmoid' | 'tanh' | 'relu' | 'elu' | 'selu' | 'softplus' | 'softmax';

export type LayerDescription = { readonly name: string } & (
  | {
      readonly type: 'dense';
      readonly units: number;
      readonly activation: ActivationName;
      readonly useBias: boolean;
      readonly kernelRegularizer?: { readonly l1: number; readonly l2: number };
    }
  | { readonly type: 'activation'; readonly activation: ActivationName }
  | { readonly type: 'reshape'; readonly targetShape: number[] }
  | { readonly type: 'leakyReLU'; readonly alpha: number }
  | { readonly type: 'flatten' | 'add' | 'reLU' | 'elu' | 'softmax' }
);

/** One use of a layer; a layer with several calls is shared. The model's input is called `input`. */
export interface CallDescription {
  readonly layer: string;
  readonly inputs: string[];
  readonly output: string;
}

/** Layers and their calls in order; the last call's output is the model's. */
export interface ModelDescription {
  readonly kind: 'sequential' | 'functional';
  readonly inputShape: number[];
  readonly layers: LayerDescription[];
  readonly calls: CallDescription[];
}

export type LossName =
  | 'meanSquaredError'
  | 'categoricalCrossentropy'
  | 'sparseCategoricalCrossentropy'
  | 'binaryCrossentropy'
  | 'softmaxCrossEntropyFromLogits'
  | 'sparseSoftmaxCrossEntropyFromLogits';

/** A weight, or what belongs to one: a kernel is [in, out], a bias [out]. */
export interface NamedWeight extends ShapedValues {
  readonly layer: string;
  readonly weight: 'kernel' | 'bias';
}

/** What every golden has: a model with weights, and one batch. Labels are [rows, ...outputs], or [rows, 1] of class indices. */
export interface GoldenCase {
  readonly model: ModelDescription;
  readonly loss: LossName;
  readonly inputs: ShapedValues;
  readonly labels: ShapedValues;
  readonly weights: NamedWeight[];
}

export interface ModelGolden extends GoldenCase {
  readonly name: string;
  readonly expected: {
    readonly outputs: ShapedValues;
    /** One a row, without penalties; further axes are averaged. */
    readonly exampleLosses: number[];
    /** L1 and L2 of all layers, each layer once. */
    readonly penalty: number;
    /** Mean of `exampleLosses`, plus `penalty`. */
    readonly loss: number;
    /** Of `loss`, in the order of `weights`. */
    readonly gradients: NamedWeight[];
  };
}

export interface AdamGolden extends GoldenCase {
  readonly learningRate: number;
  readonly beta1: number;
  readonly beta2: number;
  readonly epsilon: number;
  readonly steps: number;
  readonly expected: {
    /** `losses[t]` is the loss after t updates: `steps` + 1 numbers. */
    readonly losses: number[];
    /** After the last update. */
    readonly weights: NamedWeight[];
  };
}

export interface Goldens {
  readonly generatedBy: {
    readonly script: string;
    readonly torch: string;
    readonly numpy: string;
    readonly seed: number;
    readonly dtype: 'float64';
  };
  readonly models: ModelGolden[];
  readonly adam: AdamGolden;
}

/** How near float32 has to come to these goldens (see `expectClose`). */
export const LOSS_TOLERANCE: Tolerance = { relative: 1e-5, absolute: 1e-6 };
export const GRADIENT_TOLERANCE: Tolerance = { relative: 2e-5, absolute: 2e-6 };
export const TRAJECTORY_LOSS_TOLERANCE: Tolerance = { relative: 1e-4, absolute: 1e-6 };
export const TRAJECTORY_WEIGHT_TOLERANCE: Tolerance = { relative: 1e-4, absolute: 2e-5 };

/** The committed file; compiled tests run from dist/test/golden, the data stays in test/golden. */
export const GOLDENS_URL = new URL('../../../test/golden/models.json', import.meta.url);

export function readGoldens(url: URL = GOLDENS_URL): Goldens {
  return JSON.parse(readFileSync(url, 'utf8')) as Goldens;
}

/** A loss as tfjs-layers calls it: labels and outputs to a value for every row and every further axis. */
export type LossFunction = (labels: tfc.Tensor, outputs: tfc.Tensor) => tfc.Tensor;

/** The model with the golden's weights, compiled with its loss. The optimizer is Adam at tfjs's defaults unless given. */
export function buildModel(golden: GoldenCase, optimizer: tfc.Optimizer = tfc.train.adam()): tfl.LayersModel {
  const model = golden.model.kind === 'sequential' ? buildSequential(golden.model) : buildFunctional(golden.model);
  for (const { name } of golden.model.layers) {
    const own = golden.weights.filter(({ layer }) => layer === name);
    tfc.tidy(() => model.getLayer(name).setWeights(own.map(toTensor)));
  }
  model.compile({ optimizer, loss: namedLoss(golden.loss) });
  return model;
}

/** The function that tfjs-layers runs for a golden's loss. A Sequential hides it, so a model of one input gives it. */
export function lossFunction(golden: GoldenCase): LossFunction {
  const input = tfl.input({ shape: [1] });
  const carrier = tfl.model({ inputs: input, outputs: input });
  carrier.compile({ optimizer: 'sgd', loss: namedLoss(golden.loss) });
  return carrier.lossFunctions[0]!;
}

/** Where a trainable weight of a model built here stands in the golden's lists: tfjs may order shared layers differently. */
export function weightOrder(golden: GoldenCase, model: tfl.LayersModel): number[] {
  const owner = new Map(model.layers.flatMap((layer) => layer.trainableWeights.map((weight, i) => [weight, [layer.name, i] as const])));
  return model.trainableWeights.map((weight) => {
    const [layer, i] = owner.get(weight)!;
    return golden.weights.findIndex((entry) => entry.layer === layer) + i;
  });
}

/** A float32 tensor of these values. */
export function toTensor({ values, shape }: ShapedValues): tfc.Tensor {
  return tfc.tensor(values, shape, 'float32');
}

/** The loss as tfjs-layers takes it: by name, or as a function of labels and outputs. */
function namedLoss(name: LossName): string | LossFunction {
  switch (name) {
    case 'softmaxCrossEntropyFromLogits':
      return crossEntropyFromLogits;
    case 'sparseSoftmaxCrossEntropyFromLogits':
      return sparseCrossEntropyFromLogits;
    default:
      return name;
  }
}

function crossEntropyFromLogits(labels: tfc.Tensor, logits: tfc.Tensor): tfc.Tensor {
  return tfc.losses.softmaxCrossEntropy(labels, logits, undefined, undefined, tfc.Reduction.NONE);
}

function sparseCrossEntropyFromLogits(labels: tfc.Tensor, logits: tfc.Tensor): tfc.Tensor {
  const indices = tfc.cast(tfc.reshape(labels, [-1]), 'int32');
  return crossEntropyFromLogits(tfc.oneHot(indices, logits.shape.at(-1)!), logits);
}

function buildSequential({ inputShape, layers }: ModelDescription): tfl.LayersModel {
  const model = tfl.sequential();
  layers.forEach((layer, i) => model.add(buildLayer(layer, i === 0 ? { inputShape } : {})));
  return model;
}

function buildFunctional({ inputShape, layers, calls }: ModelDescription): tfl.LayersModel {
  const input = tfl.input({ shape: inputShape });
  const values = new Map([['input', input]]);
  const built = new Map(layers.map((layer) => [layer.name, buildLayer(layer, {})]));
  for (const call of calls) {
    const inputs = call.inputs.map((name) => values.get(name)!);
    values.set(call.output, built.get(call.layer)!.apply(inputs.length === 1 ? inputs[0]! : inputs) as tfl.SymbolicTensor);
  }
  return tfl.model({ inputs: input, outputs: values.get(calls.at(-1)!.output)! });
}

function buildLayer(layer: LayerDescription, first: { inputShape?: number[] }): tfl.layers.Layer {
  const common = { name: layer.name, ...first };
  switch (layer.type) {
    case 'dense':
      return tfl.layers.dense({
        ...common,
        units: layer.units,
        activation: layer.activation,
        useBias: layer.useBias,
        ...(layer.kernelRegularizer && { kernelRegularizer: tfl.regularizers.l1l2(layer.kernelRegularizer) }),
      });
    case 'activation':
      return tfl.layers.activation({ ...common, activation: layer.activation });
    case 'reshape':
      return tfl.layers.reshape({ ...common, targetShape: layer.targetShape });
    case 'leakyReLU':
      return tfl.layers.leakyReLU({ ...common, alpha: layer.alpha });
    case 'flatten':
      return tfl.layers.flatten(common);
    case 'add':
      return tfl.layers.add(common);
    case 'reLU':
      return tfl.layers.reLU(common);
    case 'elu':
      return tfl.layers.elu(common);
    case 'softmax':
      return tfl.layers.softmax(common);
  }
}
