import * as tf from '@tensorflow/tfjs-core';
import { inputError } from '../errors.js';
import type { Graph } from './graph.js';
import { perExample } from './losses.js';
import { fieldsOf, layersOf, trainableWeightsOf, weightsOf, type LayersModel, type LossOrMetric } from './model.js';
import type { Recorder } from './recorder.js';
import { joinTraces, TRACE_ROWS } from './rows.js';
import { recordTrace } from './session.js';
import { refuseWhatTracesCannotSee, requireCompiled } from './support.js';

/** Shapes of one example of each input and target, as the plan will gather them. */
export interface ExampleShapes {
  readonly inputs: readonly (readonly number[])[];
  readonly targets: readonly (readonly number[])[];
}

/**
 * A traced computation. `sums` are the outputs summed over the examples (the loss, then each metric), `gradients` one
 * a weight in model order (absent without a gradient path), `predictions` one a model output.
 */
export interface TracedModel {
  readonly graph: Graph;
  /** Names of all layers in model order. */
  readonly layers: readonly string[];
  readonly sums: readonly number[];
  readonly gradients: readonly number[];
  readonly predictions: readonly number[];
}

type Outputs = { readonly [K in keyof Omit<TracedModel, 'graph' | 'layers'>]: readonly number[] };

/** Forward and backward pass of one mini-batch: the summed loss, the summed metrics and every weight's gradient. */
export function traceTraining(model: LayersModel, shapes: ExampleShapes): TracedModel {
  requireCompiled(model);
  refuseWhatTracesCannotSee(model);
  return trace(model, (recorder, rows) => {
    const { inputs, targets } = placeholders(recorder, shapes, rows);
    let sums: number[] = [];
    const gradients = gradientIds(model, recorder, () => {
      const losses = lossesAndMetrics(model, apply(model, inputs, true), targets, rows);
      sums = losses.map((value) => recorder.idOf(value));
      return losses[0] as tf.Scalar;
    });
    return { sums, gradients, predictions: [] };
  });
}

/** Forward pass without dropout: the summed loss and metrics. */
export function traceEvaluation(model: LayersModel, shapes: ExampleShapes): TracedModel {
  requireCompiled(model);
  return trace(model, (recorder, rows) => {
    const { inputs, targets } = placeholders(recorder, shapes, rows);
    const sums = lossesAndMetrics(model, apply(model, inputs, false), targets, rows);
    return { sums: sums.map((value) => recorder.idOf(value)), gradients: [], predictions: [] };
  });
}

/** Forward pass without dropout: the model's outputs. */
export function tracePrediction(model: LayersModel, inputShapes: ExampleShapes['inputs']): TracedModel {
  refuseWhatTracesCannotSee(model);
  return trace(model, (recorder, rows) => {
    const { inputs } = placeholders(recorder, { inputs: inputShapes, targets: [] }, rows);
    return { sums: [], gradients: [], predictions: apply(model, inputs, false).map((value) => recorder.idOf(value)) };
  });
}

/**
 * The penalties (regularisers) and their gradients: a graph without examples. A shared layer's penalty counts once, as
 * in Keras (tfjs-layers counts it once a use). Undefined where the model has none.
 */
export function tracePenalties(model: LayersModel): TracedModel | undefined {
  const penalties = [...new Set(layersOf(model).flatMap((layer) => [...layer.losses]))];
  if (penalties.length === 0) return undefined;
  return trace(model, (recorder) => {
    let sum = -1;
    const gradients = gradientIds(model, recorder, () => {
      const total = penalties.map((penalty) => penalty()).reduce((a, b) => tf.add(a, b));
      sum = recorder.idOf(total);
      return total;
    });
    return { sums: [sum], gradients, predictions: [] };
  });
}

/** Traces at both row counts and joins the two. */
function trace(model: LayersModel, body: (recorder: Recorder, rows: number) => Outputs): TracedModel {
  const [first, second] = TRACE_ROWS.map((rows) => recordTrace(model, (recorder) => body(recorder, rows)));
  const flat = ({ sums, gradients, predictions }: Outputs): number[] => [...sums, ...gradients, ...predictions];
  const graph = joinTraces(
    { values: first!.recorder.values, outputs: flat(first!.result) },
    { values: second!.recorder.values, outputs: flat(second!.result) },
  );
  const { sums, gradients } = first!.result;
  return {
    graph,
    layers: layersOf(model).map(({ name }) => name),
    sums: graph.outputs.slice(0, sums.length),
    gradients: graph.outputs.slice(sums.length, sums.length + gradients.length),
    predictions: graph.outputs.slice(sums.length + gradients.length),
  };
}

function placeholders(recorder: Recorder, shapes: ExampleShapes, rows: number): { inputs: tf.Tensor[]; targets: tf.Tensor[] } {
  return {
    inputs: shapes.inputs.map((shape, index) => recorder.placeholder('input', index, [rows, ...shape])),
    targets: shapes.targets.map((shape, index) => recorder.placeholder('target', index, [rows, ...shape])),
  };
}

function apply(model: LayersModel, inputs: readonly tf.Tensor[], training: boolean): tf.Tensor[] {
  const outputs = model.apply(inputs.length === 1 ? inputs[0]! : [...inputs], { training });
  return (Array.isArray(outputs) ? outputs : [outputs]) as tf.Tensor[];
}

/** The loss summed over the examples (of all outputs together), then each metric likewise. */
function lossesAndMetrics(model: LayersModel, outputs: readonly tf.Tensor[], targets: readonly tf.Tensor[], rows: number): tf.Tensor[] {
  const { lossFunctions = [], metricsTensors = [] } = fieldsOf(model);
  const losses = lossFunctions.map((fn, index) => perExample(fn, 'loss', targets[index]!, outputs[index]!, rows));
  const isLoss = (fn: LossOrMetric): 'loss' | 'metric' => (lossFunctions.includes(fn) ? 'loss' : 'metric');
  const metrics = metricsTensors.map(([fn, index]) => perExample(fn, isLoss(fn), targets[index]!, outputs[index]!, rows));
  return [losses.reduce((a, b) => tf.add(a, b)), ...metrics].map((value) => tf.sum(value));
}

/**
 * The gradient of a traced scalar by every weight of the model, -1 where there is no path from it or the weight is not
 * trainable. (tf.variableGrads would make a missing path an error.)
 */
function gradientIds(model: LayersModel, recorder: Recorder, loss: () => tf.Scalar): number[] {
  const trainableWeights = trainableWeightsOf(model);
  if (trainableWeights.length === 0) {
    throw inputError('ERR_NOTHING_TO_TRAIN', 'the model has no trainable weights; set trainable on some layer.');
  }
  const { grads } = tf.engine().gradients(loss, trainableWeights.map((weight) => weight.read()), undefined, true) as { grads: (tf.Tensor | null)[] };
  return weightsOf(model).map((weight) => {
    const gradient = grads[trainableWeights.indexOf(weight)];
    return gradient === undefined || gradient === null ? -1 : recorder.idOf(gradient);
  });
}
