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
  if (isGiven(layer.activityRegularizer)) return 'penalises its activations';
  return undefined;
}

/** Name of a constraint that the layer holds, e.g. "kernelConstraint", or that one of its weights was added with. */
function constraintOf(layer: TracedLayer): string | undefined {
  const own = Object.entries(layer).find(([name, value]) => /constraint$/i.test(name) && isGiven(value));
  if (own !== undefined) return own[0];
  const weight = layer.weights.find(({ constraint }) => isGiven(constraint));
  return weight === undefined ? undefined : `constraint on its weight "${weight.originalName}"`;
}

const isGiven = (value: unknown): boolean => value !== undefined && value !== null;

/** @throws ERR_NOT_COMPILED where `model.compile` has not been called */
export function requireCompiled(model: LayersModel): void {
  if (fieldsOf(model).lossFunctions === undefined) {
    throw inputError('ERR_NOT_COMPILED', `model "${model.name}" is not compiled; call model.compile({ optimizer, loss, metrics }) first.`);
  }
}
