import * as tfl from '@tensorflow/tfjs-layers';
import { describe, expect, test } from 'vitest';
import { probeSubject } from '../../cluster/coordinator/served-run.js';
import { compileKernels, setEngineFlags, type Arithmetic } from '../../src/kernels/load.js';
import { probeHash, type ProbeSubject } from '../../src/train/probe.js';
import { LocalPool } from '../../workers/pool.js';
import { classification, mlp } from './models.js';
import { withTrainer } from './trainers.js';

setEngineFlags();

function bytesModel(): tfl.LayersModel {
  const model = tfl.sequential({ layers: [tfl.layers.dense({ units: 9, activation: 'tanh', inputShape: [13] }), tfl.layers.dense({ units: 5, activation: 'softmax' })] });
  model.compile({ optimizer: 'sgd', loss: 'sparseCategoricalCrossentropy' });
  return model;
}

function linear(): tfl.LayersModel {
  const model = tfl.sequential({ layers: [tfl.layers.dense({ units: 1, inputShape: [13] })] });
  model.compile({ optimizer: 'sgd', loss: 'meanSquaredError' });
  return model;
}

/** What a node and the coordinator would compute for a training of this model. */
async function subjectOf(model: tfl.LayersModel, bytes: boolean): Promise<ProbeSubject> {
  const { x, y } = classification(64, 13, 5);
  const inputs = bytes ? { values: Uint8Array.from(x.values, (value) => 128 + value * 100), shape: x.shape } : x;
  return withTrainer(model, { shardSize: 8 }, async (trainer) => {
    const examples = await trainer.examples(inputs, y);
    const { layout } = trainer.parts.plans;
    return trainer.withSession({ train: { examples, batchSize: 32 } }, ({ session }) => Promise.resolve(probeSubject(session.train!, layout.totalFloats)));
  });
}

async function hashOf(subject: ProbeSubject, arithmetic: Arithmetic, workers: number, tile: number): Promise<string | undefined> {
  const pool = new LocalPool(workers);
  try {
    return await probeHash(subject, 3, { pool, module: compileKernels(arithmetic), tile });
  } finally {
    await pool.close();
  }
}

describe('a probe tells arithmetics apart, and nothing else', () => {
  test.each<[string, () => tfl.LayersModel, boolean]>([
    ['of a network with softmax', () => mlp(), false],
    ['of a wide one', () => mlp({ units: 300 }), false],
    ['of unscaled bytes', bytesModel, true],
    ['of a linear model', linear, false],
  ])('%s', async (_, model, bytes) => {
    const subject = await subjectOf(model(), bytes);
    const portable = await hashOf(subject, 'portable', 1, 0);
    expect(portable).toMatch(/^[\da-f]{64}$/);
    expect(await hashOf(subject, 'portable', 2, 1)).toBe(portable);
    expect(await hashOf(subject, 'fma', 1, 0)).not.toBe(portable);
  });
});
