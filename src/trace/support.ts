import { inputError } from '../errors.js';
import { fieldsOf, layersOf, type LayersModel, type TracedLayer } from './model.js';

/**
 * Refuses by name what acts outside kernels, where a trace cannot see it: constraints, masks, stateful layers and
 * penalties on activations. Nothing of the kind is ever ignored.
 * @throws ERR_UNSUPPORTED_LAYER
 */
export function refuseWhatTracesCannotSee(model: LayersModel): void {
  for (const layer of layersOf(model)) {
    const reason = actsOutsideKernels(layer);
    if (reason !== undefined) {
      throw inputError('ERR_UNSUPPORTED_LAYER', `layer "${layer.name}" (${layer.getClassName()}) ${reason}, which is not covered; remove that from the layer.`);
    }
  }
}

function actsOutsideKernels(layer: TracedLayer): string | undefined {
  const constraint = constraintOf(layer);
  if (constraint !== undefined) return `has a ${constraint}`;
  if (layer.getClassName() === 'Masking' || layer.maskZero === true) return 'masks examples';
  if (layer.stateful === true) return 'keeps state between mini-batches';
  if (layer.activityRegularizer !== undefined && layer.activityRegularizer !== null) return 'penalises its activations';
  return undefined;
}

/** Name of a constraint that the layer holds, e.g. "kernelConstraint". */
function constraintOf(layer: TracedLayer): string | undefined {
  return Object.entries(layer).find(([name, value]) => /constraint$/i.test(name) && value !== undefined && value !== null)?.[0];
}

/** @throws ERR_NOT_COMPILED where `model.compile` has not been called */
export function requireCompiled(model: LayersModel): void {
  if (fieldsOf(model).lossFunctions === undefined) {
    throw inputError('ERR_NOT_COMPILED', `model "${model.name}" is not compiled; call model.compile({ optimizer, loss, metrics }) first.`);
  }
}
