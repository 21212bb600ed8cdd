import type { layers } from '@tensorflow/tfjs-layers';

/** tfjs's name of a layer's activation; '' for a layer without one. */
export function activationOf(layer: layers.Layer): string {
  if (layer.getClassName() === 'ReLU') return 'relu';
  const activation = layer.getConfig()['activation'];
  return typeof activation === 'string' ? activation : '';
}
