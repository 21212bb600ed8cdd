import type * as tf from '@tensorflow/tfjs-core';
import { io } from '@tensorflow/tfjs-core';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';

/** Loads model.json and weights.bin as any program with tfjs would. */
export function fileLoader(path: string): tf.io.IOHandler {
  return {
    async load() {
      const model = JSON.parse(await readFile(join(path, 'model.json'), 'utf8')) as tf.io.ModelJSON;
      return io.getModelArtifactsForJSON(model, async (manifest) => {
        const bytes = await readFile(join(path, manifest[0]?.paths[0] ?? ''));
        return [io.getWeightSpecs(manifest), new Uint8Array(bytes).buffer];
      });
    },
  };
}
