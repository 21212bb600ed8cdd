import { describe, expect, test } from 'vitest';
import { distributeWith } from '../../src/distribute.js';
import type { Fault } from '../../src/train/session.js';
import { classification, mlp } from './models.js';

const { x, y } = classification(600, 13, 5);

/** 20 steps an epoch, two epochs; a snapshot is at the start of each epoch. */
async function train(faults: readonly Fault[], workers = 3, batchSize = 30): Promise<{ hash: string; losses: number[] }> {
  const trainer = await distributeWith(mlp({ dropout: 0.3 }), { workers, engineFlags: true, seed: 7 }, faults);
  try {
    const { history } = await trainer.fit(x, y, { batchSize, epochs: 2, validationData: [x, y] });
    return { hash: trainer.hashes().stateSha256, losses: [...history['loss']!, ...history['val_loss']!] };
  } finally {
    await trainer.close();
  }
}

const undisturbed = train([]);

const PHASES = ['compute', 'barrier', 'update', 'snapshot'] as const;
const deaths: Fault[] = PHASES.flatMap((phase) => {
  const versions = phase === 'snapshot' ? [0, 20] : [0, 7, 20, 39];
  return versions.map((version): Fault => ({ worker: version % 3, version, phase, kind: 'exit' }));
});

test.each(deaths)('a worker that exits at version $version, phase $phase, changes nothing', async (fault) => {
  expect(await train([fault])).toEqual(await undisturbed);
});

describe('in an epoch of more steps than lie between two snapshots', () => {
  const train300 = (faults: readonly Fault[]) => train(faults, 3, 2); // 300 steps an epoch, snapshots at 0, 128 and 256
  const alone = train300([]);

  test.each<[number, Fault['phase']]>([
    [127, 'update'], [128, 'snapshot'], [128, 'compute'], [129, 'update'], [255, 'barrier'], [256, 'snapshot'], [299, 'update'], [428, 'snapshot'], [500, 'update'],
  ])('a worker that exits at version %i, phase %s, changes nothing', async (version, phase) => {
    expect(await train300([{ worker: version % 3, version, phase, kind: 'exit' }])).toEqual(await alone);
  });
});

describe('between steps', () => {
  /** What evaluation, prediction and gradients give after an epoch, whose validation is an evaluation too. */
  const ask = async (faults: readonly Fault[]): Promise<unknown> => {
    const trainer = await distributeWith(mlp({ dropout: 0.3 }), { workers: 3, engineFlags: true, seed: 7 }, faults);
    try {
      const { history } = await trainer.fit(x, y, { batchSize: 30, epochs: 1, validationData: [x, y] });
      const evaluated = await trainer.evaluate(x, y);
      const outputs = await trainer.predict(x);
      const { loss, gradients } = await trainer.gradients(x, y);
      return { history, evaluated, outputs: await (Array.isArray(outputs) ? outputs[0]! : outputs).data(), loss, gradients: [...gradients.values()], hash: trainer.hashes().stateSha256 };
    } finally {
      await trainer.close();
    }
  };
  const alone = ask([]);

  test.each<Fault['phase']>(['evaluate', 'predict', 'gradients'])('a worker that exits in phase %s changes nothing', async (phase) => {
    expect(await ask([{ worker: 1, version: 20, phase, kind: 'exit' }])).toEqual(await alone);
  });

  test.each<Fault['phase']>(['evaluate', 'predict', 'gradients'])('an error thrown in phase %s reaches the caller', async (phase) => {
    await expect(ask([{ worker: 0, version: 20, phase, kind: 'throw' }])).rejects.toMatchObject({ code: 'ERR_WORKER' });
  });
});

test('a worker that runs out of memory changes nothing', async () => {
  expect(await train([{ worker: 1, version: 11, phase: 'compute', kind: 'memory' }])).toEqual(await undisturbed);
});

test('all workers exiting at once change nothing', async () => {
  const all = [0, 1, 2].map((worker): Fault => ({ worker, version: 11, phase: 'update', kind: 'exit' }));
  expect(await train(all)).toEqual(await undisturbed);
});

test('a lone worker that exits changes nothing', async () => {
  expect(await train([{ worker: 0, version: 11, phase: 'update', kind: 'exit' }], 1)).toEqual(await undisturbed);
});

test('an error thrown by a worker reaches the caller with its cause', async () => {
  const failure = train([{ worker: 2, version: 3, phase: 'compute', kind: 'throw' }]);
  await expect(failure).rejects.toMatchObject({
    code: 'ERR_WORKER',
    message: expect.stringContaining('fault in worker 2 at version 3') as string,
    cause: { message: 'fault in worker 2 at version 3' },
  });
});
