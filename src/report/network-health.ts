// What an inspection says of a network's layers, for the dashboard and the report.
import type { InspectedOutput, InspectedWeight } from '../train/inspector.js';
import type { Histogram } from './charts.js';
import { deadShare, histogramOf, norm, saturatedShare } from './health.js';

const BINS = 32;

/** Values counted in bins of equal width from `from` to `to`. */
export type ValueCounts = Omit<Histogram, 'name'>;

export interface LayerHealth {
  readonly layer: string;
  /** Euclidean, of all its weights; undefined for a layer without any. */
  readonly gradientNorm?: number;
  /** Length of the next update by that of the weights. */
  readonly updateRatio?: number;
  /** Of relu units: the fraction that is 0 for every example. */
  readonly deadUnits?: number;
  /** Of sigmoid outputs: the fraction below 0.05 or above 0.95. */
  readonly saturatedUnits?: number;
  readonly weights?: ValueCounts;
  readonly gradients?: ValueCounts;
  /** Without outputs that are exactly 0; undefined where all are. */
  readonly activations?: ValueCounts;
  /** The fraction of outputs that are exactly 0; undefined where none is. */
  readonly zeroActivations?: number;
}

/** One of each layer with weights or outputs, in the order of the outputs. */
export function layersHealth(weights: readonly InspectedWeight[], outputs: readonly InspectedOutput[]): LayerHealth[] {
  const names = [...new Set([...outputs, ...weights].map(({ layer }) => layer))];
  return names.map((layer) => ({
    layer,
    ...ofWeights(weights.filter((weight) => weight.layer === layer)),
    ...ofOutput(outputs.find((output) => output.layer === layer)),
  }));
}

function ofWeights(weights: readonly InspectedWeight[]): Partial<LayerHealth> {
  if (weights.length === 0) return {};
  const [values, gradient, update] = (['values', 'gradient', 'update'] as const).map((field) => joined(weights.map((weight) => weight[field])));
  const length = norm(values!);
  return {
    gradientNorm: norm(gradient!),
    ...(length > 0 && { updateRatio: norm(update!) / length }),
    weights: histogram(values!),
    gradients: histogram(gradient!),
  };
}

function ofOutput(output: InspectedOutput | undefined): Partial<LayerHealth> {
  if (output === undefined) return {};
  const { activation, values, units } = output;
  const others = values.filter((value) => value !== 0);
  return {
    ...(activation === 'relu' && { deadUnits: deadShare(values, units) }),
    ...(activation === 'sigmoid' && { saturatedUnits: saturatedShare(values) }),
    ...(others.length > 0 && { activations: histogram(others) }),
    ...(others.length < values.length && { zeroActivations: 1 - others.length / values.length }),
  };
}

function histogram(values: Float32Array): ValueCounts {
  const { from, to, counts } = histogramOf('', values, BINS);
  return { from, to, counts };
}

function joined(parts: readonly Float32Array[]): Float32Array {
  const all = new Float32Array(parts.reduce((length, part) => length + part.length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}
