import * as tf from '@tensorflow/tfjs-core';
import * as tfl from '@tensorflow/tfjs-layers';
import type { ShapedValues } from '../../src/train/columns.js';

const { layers } = tfl;

/** Numbers in [-1, 1) that are a function of their place alone (a linear congruential step), for data and weights. */
export function numbers(count: number, salt: number): Float32Array {
  let state = salt * 2654435761 + 12345;
  return Float32Array.from({ length: count }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 31 - 1;
  });
}

/** Gives every weight of a model the numbers of its place, scaled as Glorot would. */
export function fixWeights(model: tfl.LayersModel): tfl.LayersModel {
  const weights = model.getWeights().map(({ shape, size }, index) => {
    const scale = Math.sqrt(6 / (shape[0]! + (shape[1] ?? 1)));
    return tf.tensor(numbers(size, index + 1).map((value) => value * scale), shape);
  });
  model.setWeights(weights);
  weights.forEach((weight) => weight.dispose());
  return model;
}

/** `examples` rows of `features` inputs, and class labels that depend on them. */
export function classification(examples: number, features: number, classes: number): { x: ShapedValues; y: ShapedValues } {
  const values = numbers(examples * features, 99);
  const labels = Float32Array.from({ length: examples }, (_, row) => {
    let sum = 0;
    for (let column = 0; column < features; column++) sum += values[row * features + column]! * ((column % classes) - 1);
    return ((Math.floor(sum * 2) % classes) + classes) % classes;
  });
  return { x: { values, shape: [examples, features] }, y: { values: labels, shape: [examples] } };
}

export interface MlpOptions {
  readonly features?: number;
  readonly units?: number;
  readonly classes?: number;
  readonly dropout?: number;
  readonly regularizer?: boolean;
  readonly optimizer?: string | tf.Optimizer;
}

/** A small classifier with odd sizes, so that every edge of the kernels is met. */
export function mlp({ features = 13, units = 22, classes = 5, dropout = 0, regularizer = false, optimizer = 'adam' }: MlpOptions = {}): tfl.LayersModel {
  const model = tfl.sequential();
  model.add(layers.dense({ units, activation: 'relu', inputShape: [features], ...(regularizer ? { kernelRegularizer: tfl.regularizers.l1l2({ l1: 1e-3, l2: 2e-3 }) } : {}) }));
  if (dropout > 0) model.add(layers.dropout({ rate: dropout }));
  model.add(layers.dense({ units: classes, activation: 'softmax' }));
  model.compile({ optimizer, loss: 'sparseCategoricalCrossentropy', metrics: ['accuracy'] });
  return fixWeights(model);
}

/** Wide enough for products that leave out the zeros of data and activations. */
export function wideMlp(): tfl.LayersModel {
  const model = tfl.sequential({
    layers: [
      layers.dense({ units: 260, activation: 'relu', inputShape: [300] }),
      layers.dense({ units: 200, activation: 'relu' }),
      layers.dense({ units: 5, activation: 'softmax' }),
    ],
  });
  model.compile({ optimizer: 'adam', loss: 'sparseCategoricalCrossentropy' });
  return fixWeights(model);
}
