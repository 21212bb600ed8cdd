import * as tf from '@tensorflow/tfjs-core';
import * as tfl from '@tensorflow/tfjs-layers';
import type { LossOrMetric } from '../../src/trace/model.js';
import { traceEvaluation, tracePenalties, tracePrediction, traceTraining, type TracedModel } from '../../src/trace/trace.js';
import { ModelPlans } from '../../src/train/model-plans.js';

const { layers } = tfl;

/** A sequential model, compiled. */
export function sequential(list: tfl.layers.Layer[], loss: string | LossOrMetric = 'meanSquaredError', metrics: (string | LossOrMetric)[] = []): tfl.LayersModel {
  const model = tfl.sequential({ layers: list });
  model.compile({ optimizer: 'sgd', loss, metrics });
  return model;
}

/** Dense, a layer, Dense: the layer has weights before and after it. */
export const around = (layer: tfl.layers.Layer): tfl.LayersModel =>
  sequential([layers.dense({ units: 4, inputShape: [3] }), layer, layers.dense({ units: 2 })]);

/** All traces of a model, as a trainer makes them. */
export function traceAll(model: tfl.LayersModel): TracedModel[] {
  const { inputs, targets } = new ModelPlans(model);
  const shapes = { inputs: inputs.map(({ shape }) => shape), targets: targets.map(({ shape }) => shape) };
  const penalties = tracePenalties(model);
  return [traceTraining(model, shapes), traceEvaluation(model, shapes), tracePrediction(model, shapes.inputs), ...(penalties ? [penalties] : [])];
}

/** Traces and compiles everything; what either refuses is thrown. */
export function compileAll(model: tfl.LayersModel): string {
  const plans = new ModelPlans(model);
  const capacity = { rows: 16, shards: 2 };
  return JSON.stringify([plans.training(capacity), plans.evaluation(capacity), plans.prediction(capacity), plans.penalties() ?? null]);
}

/** A layer that computes what it is told, with a weight of its own. */
export class Custom extends tfl.layers.Layer {
  static className = 'Custom';
  scale!: { read(): tf.Tensor };

  constructor(readonly compute: (input: tf.Tensor, scale: tf.Tensor) => tf.Tensor, readonly constraint?: unknown) {
    super({ name: 'mine' });
  }

  override build(shape: tfl.Shape): void {
    this.scale = this.addWeight('scale', [shape.at(-1)!], 'float32', tfl.initializers.ones(), undefined, true, this.constraint as never);
    super.build(shape);
  }

  override computeOutputShape(shape: tfl.Shape): tfl.Shape {
    return shape;
  }

  override call(inputs: tf.Tensor | tf.Tensor[]): tf.Tensor {
    return tf.tidy(() => this.compute(Array.isArray(inputs) ? inputs[0]! : inputs, this.scale.read()));
  }
}

export const custom = (compute: (input: tf.Tensor, scale: tf.Tensor) => tf.Tensor): tfl.LayersModel => around(new Custom(compute));

export function nested(): tfl.LayersModel {
  const shared = layers.dense({ units: 3, activation: 'relu', inputShape: [3] });
  const inner = tfl.sequential({ layers: [shared, layers.dropout({ rate: 0.2 })] });
  const input = tfl.input({ shape: [3] });
  const once = inner.apply(input) as tfl.SymbolicTensor;
  const twice = shared.apply(once) as tfl.SymbolicTensor;
  const model = tfl.model({ inputs: input, outputs: layers.dense({ units: 2 }).apply(twice) as tfl.SymbolicTensor });
  model.compile({ optimizer: 'sgd', loss: 'meanSquaredError' });
  return model;
}
