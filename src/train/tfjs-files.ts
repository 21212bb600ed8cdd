// A model as tfjs-layers saves it: model.json (topology and weights manifest) beside weights.bin, for tf.loadLayersModel.
import { z } from 'zod';
import { inputError } from '../errors.js';
import { countOf, floatsOf } from './safetensors.js';
import type { NamedTensor } from './safetensors.js';

export interface SavedModel {
  /** What `model.toJSON(null, false)` of tfjs-layers returns. */
  readonly topology: unknown;
  readonly weights: readonly NamedTensor[];
}

export const WEIGHTS_FILE = 'weights.bin';

const size = z.number().int().min(0);
const modelSchema = z.object({
  modelTopology: z.unknown(),
  weightsManifest: z.tuple([
    z.object({
      paths: z.tuple([z.literal(WEIGHTS_FILE)]),
      weights: z.array(z.object({ name: z.string(), shape: z.array(size), dtype: z.literal('float32') })),
    }),
  ]),
});

/** The text of model.json (`ModelJSON` of tfjs-core's io/types). The weights' bytes follow one another in weights.bin. */
export function encodeModelJson({ topology, weights }: SavedModel): string {
  return JSON.stringify({
    modelTopology: topology,
    format: 'layers-model',
    generatedBy: 'tensorflock',
    convertedBy: null,
    weightsManifest: [{ paths: [WEIGHTS_FILE], weights: weights.map(({ name, shape }) => ({ name, shape, dtype: 'float32' })) }],
  });
}

/**
 * The model of both files; the weights' values are views of `bytes` where its alignment allows.
 * @throws ERR_CHECKPOINT_TENSORS where model.json is not of the form above or does not fit weights.bin.
 */
export function decodeModel(modelJson: Uint8Array, bytes: Uint8Array): SavedModel {
  const { data, error } = modelSchema.safeParse(parse(modelJson));
  if (error) throw malformed(`its field "${error.issues[0]?.path.join('.') ?? ''}" does not fit`);
  let position = 0;
  const weights = data.weightsManifest[0].weights.map(({ name, shape }) => {
    const begin = position;
    position += countOf(shape) * Float32Array.BYTES_PER_ELEMENT;
    return { name, shape, begin, end: position };
  });
  if (position !== bytes.byteLength) throw malformed(`it describes ${String(position)} bytes of weights, and ${WEIGHTS_FILE} has ${String(bytes.byteLength)}`);
  return {
    topology: data.modelTopology,
    weights: weights.map(({ name, shape, begin, end }) => ({ name, shape, values: floatsOf(bytes.subarray(begin, end)) })),
  };
}

function parse(modelJson: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(modelJson));
  } catch (cause) {
    throw malformed('it is no JSON', cause);
  }
}

function malformed(reason: string, cause?: unknown): Error {
  return inputError('ERR_CHECKPOINT_TENSORS', `This is no model.json that can be used: ${reason}.`, { cause });
}
