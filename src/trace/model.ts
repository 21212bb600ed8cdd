import type * as tf from '@tensorflow/tfjs-core';
import type { LayersModel } from '@tensorflow/tfjs-layers';

export type { LayersModel };
export type LossOrMetric = (target: tf.Tensor, output: tf.Tensor) => tf.Tensor;

/** A weight of tfjs-layers, as far as tracing uses it. */
export interface LayerWeight {
  readonly originalName: string;
  readonly name: string;
  readonly shape: readonly (number | null)[];
  readonly trainable: boolean;
  readonly constraint: unknown;
  read(): tf.Variable;
  write(value: tf.Tensor): LayerWeight;
}

/** A layer of tfjs-layers, with the members that its types keep private and that act outside kernels. */
export interface TracedLayer {
  readonly name: string;
  readonly layers?: readonly TracedLayer[];
  readonly weights: readonly LayerWeight[];
  readonly losses: readonly (() => tf.Scalar)[];
  readonly stateful?: boolean;
  readonly maskZero?: boolean;
  readonly activityRegularizer?: unknown;
  readonly rate?: number;
  readonly stddev?: number;
  call: (inputs: tf.Tensor | tf.Tensor[], options: { readonly training?: boolean }) => tf.Tensor | tf.Tensor[];
  getClassName(): string;
}

/** What `model.compile` leaves in a model; private in tfjs-layers, and the only place where names are resolved. */
interface CompiledFields {
  readonly lossFunctions?: readonly LossOrMetric[];
  readonly metricsTensors?: readonly (readonly [LossOrMetric, number])[];
  readonly metricsNames: readonly string[];
  readonly optimizer_?: unknown;
  readonly loss?: unknown;
  readonly layers: readonly TracedLayer[];
  readonly weights: readonly LayerWeight[];
  readonly trainableWeights: readonly LayerWeight[];
}

/** Everywhere but here weights are counted by `weightsOf`. */
type Fields = Omit<CompiledFields, 'weights' | 'trainableWeights'>;

/** The private view of a model, in one place. A Sequential keeps what `compile` made in a model inside it. */
export function fieldsOf(model: LayersModel): Fields {
  return allFieldsOf(model);
}

function allFieldsOf(model: LayersModel): CompiledFields {
  const { model: inner } = model as unknown as { readonly model?: CompiledFields };
  return inner ?? (model as unknown as CompiledFields);
}

/** The weights of a model, each once and in tfjs's order, which has those of a layer inside a nested model and beside it twice. */
export function weightsOf(model: LayersModel): LayerWeight[] {
  return [...new Set(allFieldsOf(model).weights)];
}

/** Those of `weightsOf` that are to be trained. */
export function trainableWeightsOf(model: LayersModel): LayerWeight[] {
  return [...new Set(allFieldsOf(model).trainableWeights)];
}

/** Name of a loss or metric; bundlers number functions of the same name (`meanSquaredError$1`). */
export function functionName(fn: LossOrMetric): string {
  return fn.name.replace(/\$\d+$/, '') || 'anonymous';
}

/** All layers, those inside nested models included, each once and in model order. */
export function layersOf(model: LayersModel): TracedLayer[] {
  const found = new Set<TracedLayer>();
  const visit = (layer: TracedLayer): void => {
    if (found.has(layer)) return;
    if (layer.layers === undefined) found.add(layer);
    else layer.layers.forEach(visit);
  };
  fieldsOf(model).layers.forEach(visit);
  return [...found];
}
