// What an inspection says of a network's layers, as the feed tells it.
import { deadShare, histogramOf, norm, saturatedShare } from '../../src/report/health.js';
import type { InspectedOutput, InspectedWeight } from '../../src/train/inspector.js';
import type { FeedHistogram, LayerHealth } from './records.js';

const BINS = 32;

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
  return {
    ...(activation === 'relu' && { deadUnits: deadShare(values, units) }),
    ...(activation === 'sigmoid' && { saturatedUnits: saturatedShare(values) }),
    activations: histogram(values),
  };
}

function histogram(values: Float32Array): FeedHistogram {
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
