import { describe, expect, test } from 'vitest';
import { optimizers, type DistributeOptions, type FitOptions } from '../../src/index.js';
import { distributeWith } from '../../src/distribute.js';
import { readCheckpoint } from '../../src/train/checkpoint.js';
import type { Fault } from '../../src/train/session.js';
import { classification, mlp, numbers } from './models.js';
import { temporaryFolder, withTrainer } from './trainers.js';

// Mode async on one machine: workers make whole steps by themselves, on parameters that all change.

const EXAMPLES = 610;
const BATCH = 30; // 21 steps, the last one shorter
const { x, y } = classification(EXAMPLES, 13, 5);

async function hashOf(options: DistributeOptions): Promise<{ state: string; history: unknown }> {
  return withTrainer(mlp({ dropout: 0.3, regularizer: true }), { workers: 1, ...options }, async (trainer) => {
    const { history } = await trainer.fit(x, y, { batchSize: BATCH, epochs: 2, validationData: [x, y] });
    return { state: trainer.hashes().stateSha256, history };
  });
}

test.each([
  ['adam', {}],
  ['adam, clipped by global norm', { optimizer: optimizers.adam({ clipNorm: 0.05 }) }],
  ['adamw, clipped by value, with a batch of several pieces', { optimizer: optimizers.adamw({ clipValue: 0.01 }), shardSize: 2 }],
])('one worker, who races with nobody, makes the steps of sync: %s', async (_name, options) => {
  expect(await hashOf({ mode: 'async', ...options })).toEqual(await hashOf({ mode: 'sync', ...options }));
});

/** A class by the first two of many features. */
const FEATURES = 40;
const values = numbers(EXAMPLES * FEATURES, 3);
const easy = {
  x: { values, shape: [EXAMPLES, FEATURES] },
  y: { values: Float32Array.from({ length: EXAMPLES }, (_, row) => Number(values[row * FEATURES]! > 0) + Number(values[row * FEATURES + 1]! > 0)), shape: [EXAMPLES] },
};
const EPOCHS = 25;

async function race(faults: readonly Fault[] = [], fit: FitOptions = {}): Promise<{ accuracy: number; version: number; epochs: number }> {
  const model = mlp({ features: FEATURES, units: 40, classes: 3 });
  const trainer = await distributeWith(model, { workers: 3, engineFlags: true, seed: 7, mode: 'async', optimizer: optimizers.adam({ learningRate: 0.01 }) }, faults);
  try {
    const { epoch } = await trainer.fit(easy.x, easy.y, { batchSize: BATCH, epochs: EPOCHS, ...fit });
    const { accuracy = NaN } = await trainer.evaluate(easy.x, easy.y);
    return { accuracy, version: trainer.parts.state.version, epochs: epoch.length };
  } finally {
    await trainer.close();
  }
}

const STEPS = Math.ceil(EXAMPLES / BATCH);

describe('three workers', () => {
  test('make every step once, and learn', async () => {
    const { accuracy, version } = await race();
    expect(version).toBe(EPOCHS * STEPS);
    expect(accuracy).toBeGreaterThan(0.93);
  });

  test.each(['compute', 'update'] as const)('one that dies in its %s costs no step and no learning', async (phase) => {
    // Which versions it meets is open; at the first of them it dies, and no more after that.
    const faults = Array.from({ length: EPOCHS * STEPS }, (_, version): Fault => ({ worker: 1, version, phase, kind: 'exit' }));
    const { accuracy, version, epochs } = await race(faults);
    expect(epochs).toBe(EPOCHS);
    // The step that it was at is made again; where it had begun to write, both count as updates.
    expect(version).toBe(EPOCHS * STEPS + (phase === 'update' ? 1 : 0));
    expect(accuracy).toBeGreaterThan(0.93);
  });

  test('stop for a signal between steps, and go on from the checkpoint', async () => {
    const [folder, controller] = [temporaryFolder(), new AbortController()];
    const interrupted = race([], { checkpoint: { folder }, signal: controller.signal, callbacks: { onEpochEnd: (epoch: number) => { if (epoch === 3) controller.abort(); } } });
    await expect(interrupted).rejects.toMatchObject({ code: 'ERR_INTERRUPTED' });
    const { accuracy, version } = await race([], { resumeFrom: await readCheckpoint(folder) });
    expect(version).toBe(EPOCHS * STEPS);
    expect(accuracy).toBeGreaterThan(0.93);
  });

  test('a loss that is not finite ends the run with the step', async () => {
    await withTrainer(mlp(), { workers: 2, mode: 'async', optimizer: optimizers.sgd({ learningRate: 1e30 }) }, async (trainer) => {
      await expect(trainer.fit(x, y, { batchSize: BATCH, epochs: 3 })).rejects.toMatchObject({ code: 'ERR_NAN_LOSS', message: expect.stringMatching(/at step \d+; the first bad value is in layer/) as string });
    });
  });
});
