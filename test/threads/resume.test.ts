import { existsSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import * as tfl from '@tensorflow/tfjs-layers';
import { describe, expect, test } from 'vitest';
import { earlyStopping, optimizers, type DistributeOptions, type FitOptions } from '../../src/index.js';
import type { Callback } from '../../src/train/callbacks.js';
import { readCheckpoint } from '../../src/train/checkpoint.js';
import type { ShapedValues } from '../../src/train/columns.js';
import { classification, fixWeights, mlp, type MlpOptions } from './models.js';
import { temporaryFolder, withTrainer } from './trainers.js';

/** 7 steps an epoch, the last one shorter. */
const { x, y } = classification(203, 13, 5);
const BATCH_SIZE = 30;
const EPOCHS = 3;

interface Run {
  readonly model?: MlpOptions;
  readonly options?: DistributeOptions;
  readonly fit?: FitOptions;
}

/** What a run comes to. */
interface Outcome {
  readonly stateSha256: string;
  readonly weightsSha256: string;
  readonly history: unknown;
  readonly steps: number;
}

function train({ model, options, fit }: Run): Promise<Outcome> {
  return withTrainer(mlp({ dropout: 0.3, ...model }), options ?? {}, async (trainer) => {
    const history = await trainer.fit(x, y, { batchSize: BATCH_SIZE, epochs: EPOCHS, validationData: [x, y], ...fit });
    return { ...trainer.hashes(), history, steps: trainer.parts.state.version };
  });
}

/** Asks for an end as soon as so many steps are made: after the batch that makes the last of them. */
function abortAfter(steps: number): Pick<FitOptions, 'signal' | 'callbacks'> {
  const controller = new AbortController();
  let made = 0;
  const callback: Callback = { onBatchEnd: () => { if (++made === steps) controller.abort(); } };
  return { signal: controller.signal, callbacks: callback };
}

async function interrupt(run: Run, steps: number, folder: string): Promise<void> {
  const abort = abortAfter(steps);
  const callbacks = [run.fit?.callbacks ?? [], abort.callbacks!].flat() as Callback[];
  const interrupted = train({ ...run, fit: { ...run.fit, ...abort, callbacks, checkpoint: { folder } } });
  await expect(interrupted).rejects.toMatchObject({ code: 'ERR_INTERRUPTED', kind: 'run', message: `interrupted after step ${steps}.` });
}

describe('a run that was interrupted and resumed ends as an undisturbed one', () => {
  const undisturbed = train({});

  // In the first batch, within epochs, and at the ends of epochs (7 and 14).
  test.each([1, 3, 6, 7, 8, 14, 20])('after step %d', async (steps) => {
    const folder = temporaryFolder();
    await interrupt({}, steps, folder);
    const resumeFrom = await readCheckpoint(folder);
    expect(resumeFrom.step).toBe(steps);
    expect(await train({ fit: { resumeFrom } })).toEqual(await undisturbed);
  });

  test.each([[1, 3], [3, 1]])('by %d workers, and then by %d', async (before, after) => {
    const folder = temporaryFolder();
    await interrupt({ options: { workers: before } }, 10, folder);
    expect(await train({ options: { workers: after }, fit: { resumeFrom: await readCheckpoint(folder) } })).toEqual(await undisturbed);
  });

  test('twice', async () => {
    const folder = temporaryFolder();
    await interrupt({}, 4, folder);
    const again = temporaryFolder();
    const second = train({ fit: { resumeFrom: await readCheckpoint(folder), ...abortAfter(5), checkpoint: { folder: again } } });
    await expect(second).rejects.toThrow('interrupted after step 9.');
    expect(await train({ fit: { resumeFrom: await readCheckpoint(again) } })).toEqual(await undisturbed);
  });

  test('and so does the trainer that was interrupted itself', async () => {
    const folder = temporaryFolder();
    const outcome = await withTrainer(mlp({ dropout: 0.3 }), {}, async (trainer) => {
      const fit: FitOptions = { batchSize: BATCH_SIZE, epochs: EPOCHS, validationData: [x, y] };
      await expect(trainer.fit(x, y, { ...fit, ...abortAfter(5), checkpoint: { folder } })).rejects.toMatchObject({ code: 'ERR_INTERRUPTED' });
      const history = await trainer.fit(x, y, { ...fit, resumeFrom: await readCheckpoint(folder) });
      return { ...trainer.hashes(), history, steps: trainer.parts.state.version };
    });
    expect(outcome).toEqual(await undisturbed);
  });
});

describe('the state of every optimizer is kept', () => {
  test.each(['sgd', 'momentum', 'nesterov', 'adagrad', 'rmsprop', 'adam', 'adamw'] as const)('%s', async (name) => {
    const run: Run = { options: { optimizer: optimizers[name]({ learningRate: 0.01 }) } };
    const folder = temporaryFolder();
    await interrupt(run, 9, folder);
    expect(await train({ ...run, fit: { resumeFrom: await readCheckpoint(folder) } })).toEqual(await train(run));
  });
});

describe('checkpoints every so many steps', () => {
  test.each([1, 3, 7, 10])('%d change nothing, and the one that is found is of the last step that was due or ended an epoch, or of the one before', async (everySteps) => {
    const folder = temporaryFolder();
    const due = Array.from({ length: 22 }, (_, step) => step).filter((step) => step > 0 && (step % 7 === 0 || step % everySteps === 0));
    let step = 0;
    let found = 0;
    const callbacks: Callback = {
      // The newest is written while the next steps are made; the one before it is there.
      onBatchBegin: async () => {
        const made = step++;
        const until = due.filter((one) => one <= made);
        if (existsSync(join(folder, 'run.json'))) found = (await readCheckpoint(folder)).step;
        expect([until.at(-2) ?? 0, until.at(-1) ?? 0]).toContain(found);
      },
    };
    const run = await train({ fit: { checkpoint: { folder, everySteps }, callbacks } });
    expect(run).toEqual(await train({}));
    expect((await readCheckpoint(folder)).step).toBe(21);
  });

  test('end the run where the disk refuses one', async () => {
    const folder = temporaryFolder();
    const run = train({ fit: { epochs: 1_000_000, checkpoint: { folder }, callbacks: { onEpochEnd: (epoch: number) => { if (epoch === 1) rmSync(folder, { recursive: true }); } } } });
    await expect(run).rejects.toMatchObject({ code: 'ERR_CHECKPOINT_WRITE', kind: 'run' });
  });

  test('without a listener of batches they are the same', async () => {
    const folder = temporaryFolder();
    const run = await train({ fit: { checkpoint: { folder, everySteps: 4 } } });
    expect(run).toEqual(await train({}));
    expect((await readCheckpoint(folder)).step).toBe(21);
  });
});

describe('early stopping', () => {
  /** The validation loss of these epochs, as though it had been measured. */
  const fed = [5, 3, 4, 4, 1, 1];
  const callbacks = (): Callback[] => [
    { onEpochEnd: (epoch, logs) => { logs!['fed'] = fed[epoch]!; } },
    earlyStopping({ monitor: 'fed', patience: 2, restoreBestWeights: true }),
  ];

  test.each([10, 17, 24])('interrupted after step %d remembers the best value, its weights and its patience', async (steps) => {
    const folder = temporaryFolder();
    const abort = abortAfter(steps);
    const first = train({ fit: { epochs: fed.length, ...abort, callbacks: [...callbacks(), abort.callbacks as Callback], checkpoint: { folder } } });
    await expect(first).rejects.toMatchObject({ code: 'ERR_INTERRUPTED' });
    const resumed = await train({ fit: { epochs: fed.length, callbacks: callbacks(), resumeFrom: await readCheckpoint(folder) } });
    expect(resumed).toEqual(await train({ fit: { epochs: fed.length, callbacks: callbacks() } }));
    expect(resumed).toMatchObject({ history: { epoch: [0, 1, 2, 3] } });
  });

  test('that ended a run ends it for good', async () => {
    const folder = temporaryFolder();
    const first = await train({ fit: { epochs: fed.length, callbacks: callbacks(), checkpoint: { folder } } });
    expect(await train({ fit: { epochs: fed.length, callbacks: callbacks(), resumeFrom: await readCheckpoint(folder) } })).toEqual(first);
  });
});

test('a finished run resumed gives its result again', async () => {
  const folder = temporaryFolder();
  const first = await train({ fit: { checkpoint: { folder } } });
  expect(await train({ fit: { resumeFrom: await readCheckpoint(folder) } })).toEqual(first);
});

test('a finished run goes on with more epochs as one of so many', async () => {
  const folder = temporaryFolder();
  await train({ fit: { epochs: 2, checkpoint: { folder } } });
  expect(await train({ fit: { resumeFrom: await readCheckpoint(folder) } })).toEqual(await train({}));
});

describe('a checkpoint of another run is refused, and nothing is changed', () => {
  const tanh = (): tfl.LayersModel => {
    const model = tfl.sequential({ layers: [tfl.layers.dense({ units: 22, activation: 'tanh', inputShape: [13] }), tfl.layers.dropout({ rate: 0.3 }), tfl.layers.dense({ units: 5, activation: 'softmax' })] });
    model.compile({ optimizer: 'adam', loss: 'sparseCategoricalCrossentropy', metrics: ['accuracy'] });
    return fixWeights(model);
  };
  const same = (): tfl.LayersModel => mlp({ dropout: 0.3 });
  const cases: readonly (readonly [string, () => tfl.LayersModel, DistributeOptions, FitOptions, string])[] = [
    ['batch size', same, {}, { batchSize: 29 }, 'batchSize'],
    ['shard size', same, { shardSize: 3 }, {}, 'shardSize'],
    ['seed', same, { seed: 8 }, {}, 'seed'],
    ['arithmetic', same, { kernels: 'fma', engineFlags: true }, {}, 'arithmetic'],
    ['order', same, {}, { shuffle: false }, 'shuffle'],
    ['number of examples', same, {}, { validationData: undefined, validationSplit: 0.1 }, 'examples'],
    ['optimizer', same, { optimizer: optimizers.sgd() }, {}, 'optimizer'],
    ['learning rate', same, { optimizer: optimizers.adam({ learningRate: 0.5 }) }, {}, 'optimizer'],
    ['model of other shapes', () => mlp({ dropout: 0.3, units: 23 }), {}, {}, 'model'],
    ['model of the same shapes', tanh, {}, {}, 'model'],
    ['rate of dropout', () => mlp({ dropout: 0.4 }), {}, {}, 'model'],
  ];

  test.each(cases)('another %s', async (_name, model, options, fit, word) => {
    const folder = temporaryFolder();
    await interrupt({}, 3, folder);
    const resumeFrom = await readCheckpoint(folder);
    await withTrainer(model(), options, async (trainer) => {
      await trainer.evaluate(x, y);
      const { stateSha256 } = trainer.hashes();
      const resumed = trainer.fit(x, y, { batchSize: BATCH_SIZE, epochs: EPOCHS, validationData: [x, y], ...fit, resumeFrom });
      await expect(resumed).rejects.toMatchObject({ code: 'ERR_CHECKPOINT_MODEL', kind: 'input', message: expect.stringContaining(word) as string });
      expect(trainer.hashes().stateSha256).toBe(stateSha256);
    });
  });
});

test('a folder that one fit writes to is refused to another and to save before anybody is told, and free when it has ended', async () => {
  const folder = temporaryFolder();
  let told = 0;
  let refused: unknown[] = [];
  const intrude = async (): Promise<void> => {
    refused = await withTrainer(mlp({ dropout: 0.3 }), {}, async (other) => {
      const runs = [() => other.fit(x, y, { checkpoint: { folder }, callbacks: { onTrainBegin: () => { told++; } } }), () => other.save(folder)];
      const errors: unknown[] = [];
      for (const run of runs) errors.push(await run().catch((error: unknown) => error));
      return errors;
    });
  };
  const callbacks: Callback = { onEpochEnd: (epoch) => (epoch === 1 ? intrude() : undefined) };
  const run = await train({ fit: { checkpoint: { folder }, callbacks } });
  const locked = { code: 'ERR_CHECKPOINT_LOCKED', kind: 'input', message: `process ${process.pid} is writing to ${folder}; wait until it has ended, or choose another folder.` };
  expect(refused).toMatchObject([locked, locked]);
  expect(told).toBe(0);
  expect(run).toEqual(await train({}));
  expect(readdirSync(folder).sort()).toEqual(['run.json', 'step-21']);
});

test('a fit that fails lets its folder go', async () => {
  const folder = temporaryFolder();
  await expect(train({ fit: { checkpoint: { folder }, callbacks: { onBatchEnd: () => { throw new Error('enough'); } } } })).rejects.toThrow('enough');
  expect(readdirSync(folder)).toEqual([]);
});

test('what save wrote holds the model, and no fit to resume', async () => {
  const folder = temporaryFolder();
  await withTrainer(mlp({ dropout: 0.3 }), {}, async (trainer) => {
    await trainer.fit(x, y, { batchSize: BATCH_SIZE });
    await trainer.save(folder);
    const saved = await readCheckpoint(folder);
    expect(saved.step).toBe(7);
    await expect(trainer.fit(x, y, { batchSize: BATCH_SIZE, resumeFrom: saved })).rejects.toMatchObject({ code: 'ERR_CHECKPOINT_MODEL', message: expect.stringContaining('holds no run of fit (its record has no right "trainer")') as string });
  });
});

describe('a checkpoint of a run on other training data is refused, and nothing is changed', () => {
  const values = x.values as Float32Array;
  const other = (change: Partial<ShapedValues>): ShapedValues => ({ ...x, ...change });
  const cases: readonly (readonly [string, ShapedValues, ShapedValues])[] = [
    ['one value differs', other({ values: values.map((value, at) => (at === 77 ? value + 1 : value)) }), y],
    ['one label differs', x, { ...y, values: (y.values as Float32Array).map((label, at) => (at === 202 ? (label + 1) % 5 : label)) }],
    ['the examples stand in another order', other({ values: Float32Array.from(values, (_, at) => values[(at + 13) % values.length]!) }), y],
    ['the scale differs', other({ scale: 0.5 }), y],
  ];

  test.each(cases)('where %s', async (_name, otherX, otherY) => {
    const folder = temporaryFolder();
    await interrupt({}, 3, folder);
    const resumeFrom = await readCheckpoint(folder);
    const elsewhere = join(folder, 'elsewhere');
    await withTrainer(mlp({ dropout: 0.3 }), {}, async (trainer) => {
      await trainer.evaluate(x, y);
      const { stateSha256 } = trainer.hashes();
      const resumed = trainer.fit(otherX, otherY, { batchSize: BATCH_SIZE, epochs: EPOCHS, validationData: [x, y], resumeFrom, checkpoint: { folder: elsewhere } });
      await expect(resumed).rejects.toMatchObject({ code: 'ERR_CHECKPOINT_DATA', kind: 'input', message: expect.stringMatching(/^the checkpoint was made on other training data .*; resume with the same examples/) as string });
      expect(trainer.hashes().stateSha256).toBe(stateSha256);
    });
    expect(existsSync(elsewhere)).toBe(false);
  });

  test('and other validation data is none of that', async () => {
    const folder = temporaryFolder();
    await interrupt({}, 3, folder);
    const resumed = await train({ fit: { resumeFrom: await readCheckpoint(folder), validationData: [sliceOf(x, 50), sliceOf(y, 50)] } });
    expect(resumed.stateSha256).toBe((await train({})).stateSha256);
  });
});

describe('where early stopping decides on validation data, a checkpoint of a run on others is refused', () => {
  const stopping = { callbacks: [earlyStopping({ monitor: 'val_loss', patience: 5 })] };
  test.each<[string, FitOptions, string]>([
    ['other data', { ...stopping, validationData: [sliceOf(x, 50), sliceOf(y, 50)] }, 'the checkpoint was made on other validation data (its SHA-256 begins '],
    ['no data', { ...stopping, validationData: undefined }, 'the checkpoint was made with validation data that early stopping decides on, and this run has none; '],
    ['no early stopping', {}, 'the checkpoint was made with validation data that early stopping decides on, and this run has none; '],
  ])('%s', async (_name, fit, sentence) => {
    const folder = temporaryFolder();
    await interrupt({ fit: stopping }, 3, folder);
    const resumed = train({ fit: { ...fit, resumeFrom: await readCheckpoint(folder) } });
    await expect(resumed).rejects.toMatchObject({ code: 'ERR_CHECKPOINT_DATA', message: expect.stringContaining(sentence) as string });
  });
});

/** The first so many examples. */
function sliceOf({ values, shape }: ShapedValues, count: number): ShapedValues {
  return { values: values.subarray(0, (values.length / shape[0]!) * count), shape: [count, ...shape.slice(1)] };
}
