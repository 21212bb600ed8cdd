import type * as tfl from '@tensorflow/tfjs-layers';

type Layers = typeof tfl;

/** An experiment that the command knows by name: a data set, a model, and how long to train it. */
export interface Preset {
  readonly summary: string;
  readonly dataset: 'fashion-mnist' | 'mnist';
  readonly batchSize: number;
  readonly epochs: number;
  /** The layers between the images, [28, 28] in 0..1, and the ten classes. */
  hidden(layers: Layers): tfl.layers.Layer[];
}

export const DEFAULT_PRESET = 'fashion-mnist-mlp';
export const CLASSES = 10;
export const IMAGE_SHAPE: readonly [number, number] = [28, 28];

const relu = (layers: Layers, units: number): tfl.layers.Layer =>
  layers.layers.dense({ units, activation: 'relu', kernelInitializer: 'glorotUniform' });

const linear = { summary: 'one layer, 784-10', batchSize: 32, epochs: 5, hidden: (): tfl.layers.Layer[] => [] };
const mlp = { summary: '784-100-10', batchSize: 128, epochs: 10, hidden: (layers: Layers) => [relu(layers, 100)] };
const dropout = {
  summary: '784-100-10 with dropout 0.5',
  batchSize: 128,
  epochs: 10,
  hidden: (layers: Layers) => [relu(layers, 100), layers.layers.dropout({ rate: 0.5 })],
};
const wide = {
  summary: '784-512-512-10',
  batchSize: 256,
  epochs: 10,
  hidden: (layers: Layers) => [relu(layers, 512), relu(layers, 512)],
};

export const PRESETS: Readonly<Record<string, Preset>> = {
  'fashion-mnist-mlp': { dataset: 'fashion-mnist', ...mlp },
  'fashion-mnist-linear': { dataset: 'fashion-mnist', ...linear },
  'fashion-mnist-dropout': { dataset: 'fashion-mnist', ...dropout },
  'fashion-mnist-mlp-wide': { dataset: 'fashion-mnist', ...wide },
  'mnist-mlp': { dataset: 'mnist', ...mlp },
  'mnist-linear': { dataset: 'mnist', ...linear },
};

/** The preset's model, compiled; its weights are still those of tfjs's own initialisers. */
export function buildPreset(preset: Preset, layers: Layers): tfl.LayersModel {
  const model = layers.sequential({
    layers: [
      layers.layers.flatten({ inputShape: [...IMAGE_SHAPE] }),
      ...preset.hidden(layers),
      layers.layers.dense({ units: CLASSES, activation: 'softmax', kernelInitializer: 'glorotUniform' }),
    ],
  });
  model.compile({ optimizer: 'adam', loss: 'sparseCategoricalCrossentropy', metrics: ['accuracy'] });
  return model;
}
