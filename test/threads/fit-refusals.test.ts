import { existsSync } from 'node:fs';
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs-core';
import * as tfl from '@tensorflow/tfjs-layers';
import { describe, expect, test } from 'vitest';
import { datasets, distribute, type DistributeOptions, type FitOptions, type Trainer } from '../../src/index.js';
import type { DataLike } from '../../src/train/columns.js';
import { classification, mlp } from './models.js';
import { temporaryFolder, withTrainer } from './trainers.js';

const { x, y } = classification(40, 13, 5);
const anything = (value: unknown) => value as never;
const containing = (text: string): string => expect.stringContaining(text) as string;

async function expectRefusal(run: Promise<unknown>, code: string, ...words: string[]): Promise<void> {
  const error: unknown = await run.then(() => undefined, (reason: unknown) => reason);
  expect(error).toMatchObject({ name: 'TensorflockError', code, kind: 'input' });
  for (const word of words) expect((error as Error).message).toContain(word);
}

describe('options of distribute', () => {
  test.each([
    ['workers', [0, -1, 1.5, 65, '2', null, Number.NaN, Infinity]],
    ['shardSize', [0, -8, 2.5, '8', null]],
    ['seed', [-1, 0.5, '1', null, 2 ** 53, Number.NaN]],
    ['mode', ['asink', 'fast', 1]],
    ['staleness', [-1, 17, 1.5, '1', 1]],
    ['period', [0, 1.5, '4', 4]],
    ['outerLearningRate', [0, 11, '1', 0.7]],
    ['outerMomentum', [-0.1, 1, 0.9]],
    ['kernels', ['native', 'fast', 1]],
    ['engineFlags', ['yes', 1]],
    ['optimizer', ['fast', 3, null]],
    ['audit', [-0.1, 1.1, '1', 0.5]],
    ['checkShares', [1, true]],
    ['shardsize', [8]],
  ])('%s is refused by name', async (name, values) => {
    for (const value of values) await expectRefusal(distribute(mlp(), { [name]: value } as DistributeOptions), 'ERR_OPTION', name);
  });
});

test.each([[{ mode: 'stale' }], [{ mode: 'async' }], [{ codec: 'bfloat16' }], [{ codec: { toCoordinator: 'int8' } }]] as const)('audits of shares that cannot be compared are refused: %j', async (options) => {
  await expectRefusal(distribute(mlp(), { ...options, serve: '127.0.0.1:0', audit: 0.1 }), 'ERR_OPTION', '"audit"', 'only mode "sync" with codec "float32"');
});

describe('options of fit', () => {
  test.each([
    ['batchSize', [0, -1, 1.5, '32', null]],
    ['epochs', [0, -1, 1.5, '3', null]],
    ['initialEpoch', [-1, 0.5, '1']],
    ['shuffle', ['batch', 1]],
    ['validationSplit', [-0.1, 1, 1.5, '0.1', Number.NaN]],
    ['sampleWeight', [tf.tensor1d([1])]],
    ['classWeight', [{ 0: 2 }]],
    ['stepsPerEpoch', [3]],
    ['validationSteps', [3]],
    ['callbacks', ['mine', 3, [null]]],
    ['checkpoint', ['folder', {}, { folder: '' }, { folder: 3 }]],
    ['resumeFrom', ['folder', {}]],
    ['onProgress', ['bar']],
    ['signal', ['now']],
    ['epoch', [3]],
  ])('%s is refused by name', async (name, values) => {
    await withTrainer(mlp(), {}, async (trainer) => {
      for (const value of values) await expectRefusal(trainer.fit(x, y, { [name]: value } as FitOptions), 'ERR_OPTION', name);
    });
  });

  test.each([0, -1, 1.5, '2'])('a checkpoint every %j steps is refused by name, and its folder is not made', async (everySteps) => {
    const folder = join(temporaryFolder(), 'never');
    await withTrainer(mlp(), {}, async (trainer) => {
      await expectRefusal(trainer.fit(x, y, anything({ checkpoint: { folder, everySteps } })), 'ERR_OPTION', 'everySteps');
    });
    expect(existsSync(folder)).toBe(false);
  });

  test('those of tfjs that only print or yield are accepted', async () => {
    await withTrainer(mlp(), {}, (trainer) => trainer.fit(x, y, anything({ verbose: 1, yieldEvery: 'auto' })));
  });

  test('a validationSplit that leaves nothing to train on is refused', async () => {
    await withTrainer(mlp(), {}, async (trainer) => {
      await expectRefusal(trainer.fit({ values: x.values.slice(0, 13), shape: [1, 13] }, { values: y.values.slice(0, 1), shape: [1] }, { validationSplit: 0.5 }), 'ERR_OPTION', 'validationSplit');
    });
  });

  test('weights of validation examples are refused', async () => {
    await withTrainer(mlp(), {}, async (trainer) => {
      await expectRefusal(trainer.fit(x, y, { validationData: anything([x, y, y]) }), 'ERR_OPTION', 'validationData');
    });
  });
});

describe('data', () => {
  const at = (values: Float32Array, index: number, value: number): Float32Array => values.map((each, place) => (place === index ? value : each));
  const cases: readonly (readonly [string, DataLike, DataLike | null | undefined, string, readonly string[]])[] = [
    ['NaN', { ...x, values: at(x.values as Float32Array, 13 * 4 + 2, Number.NaN) }, y, 'ERR_NOT_FINITE', ['x', 'row 4']],
    ['an infinity', { ...x, values: at(x.values as Float32Array, 0, Infinity) }, y, 'ERR_NOT_FINITE', ['x', 'row 0']],
    ['a value beyond float32', { values: Float64Array.from(x.values).fill(1e300, 39 * 13), shape: x.shape }, y, 'ERR_NOT_FINITE', ['x', 'row 39']],
    ['a label past the classes', x, { ...y, values: at(y.values as Float32Array, 7, 5) }, 'ERR_LABEL_RANGE', ['5', 'row 7', '0 to 4']],
    ['a negative label', x, { ...y, values: at(y.values as Float32Array, 0, -1) }, 'ERR_LABEL_RANGE', ['-1', 'row 0']],
    ['a broken label', x, { ...y, values: at(y.values as Float32Array, 39, 0.5) }, 'ERR_LABEL_RANGE', ['0.5', 'row 39']],
    ['inputs of another width', { values: x.values.subarray(0, 12 * 40), shape: [40, 12] }, y, 'ERR_DATA_SHAPE', ['[40, 12]', '[N, 13]']],
    ['inputs with an axis too many', { values: x.values, shape: [40, 13, 1, 1] }, y, 'ERR_DATA_SHAPE', ['[40, 13, 1, 1]']],
    ['values that do not fill their shape', { values: x.values.subarray(0, 100), shape: [40, 13] }, y, 'ERR_ARRAY_SHAPE', ['x', '520', '100']],
    ['one-hot labels for a sparse loss', x, { values: new Float32Array(200), shape: [40, 5] }, 'ERR_DATA_SHAPE', ['y', '[40, 5]']],
    ['a number', anything(3), y, 'ERR_ARRAY_TYPE', ['x']],
    ['nothing', anything(null), y, 'ERR_ARRAY_TYPE', ['x']],
    ['nested arrays', anything([[1, 2], [3, 4]]), y, 'ERR_DATA_SHAPE', ['x']],
    ['plain arrays as values', { values: anything([1, 2]), shape: [2, 1] }, y, 'ERR_ARRAY_TYPE', ['x', 'typed array']],
    ['a tensor of words', tf.tensor2d([['a']]), y, 'ERR_ARRAY_TYPE', ['x', 'string']],
    ['a data set and labels', datasets.arrays(x, y), y, 'ERR_DATA_SHAPE', ['leave y out']],
    ['no labels', x, undefined, 'ERR_DATA_SHAPE', ['y']],
    ['two inputs for one', [x, x], y, 'ERR_DATA_SHAPE', ['2 columns', '1']],
    ['fewer labels than examples', x, { values: y.values.subarray(0, 39), shape: [39] }, 'ERR_DATA_COUNT', ['40 and 39']],
    ['no examples', { values: new Float32Array(0), shape: [0, 13] }, { values: new Float32Array(0), shape: [0] }, 'ERR_DATA_EMPTY', ['no examples']],
    ['an empty tensor', tf.zeros([0, 13]), tf.zeros([0]), 'ERR_DATA_EMPTY', ['no examples']],
    ['a scalar', tf.scalar(1), y, 'ERR_DATA_SHAPE', ['x', '[]']],
  ];

  test.each(cases)('%s is refused by fit, evaluate and gradients, and the trainer goes on', async (_name, badX, badY, code, words) => {
    await withTrainer(mlp(), { workers: 1 }, async (trainer) => {
      const runs: ((trainer: Trainer) => Promise<unknown>)[] = [
        (each) => each.fit(badX, badY),
        (each) => each.fit(x, y, { validationData: anything([badX, badY]) }),
        (each) => each.evaluate(badX, badY),
        (each) => each.gradients(badX, badY),
      ];
      for (const run of runs) await expectRefusal(run(trainer), code, ...words);
      expect((await trainer.fit(x, y)).epoch).toEqual([0]);
    });
  });
});

describe('what is too big for the arena is refused with the bytes needed and available', () => {
  const FULL = /needs [\d,]{13} bytes and the arena has [\d,]+ left; use a smaller model, batch or data set\.$/;

  test('a model, before anything is started', async () => {
    // Parameters of a GiB, Adam's two moments and the snapshot of all three: 6 GiB. Zeros that nobody reads take no memory.
    const model = tfl.sequential({ layers: [tfl.layers.dense({ units: 2 ** 14, inputShape: [2 ** 14], useBias: false, kernelInitializer: 'zeros' })] });
    model.compile({ optimizer: 'adam', loss: 'meanSquaredError' });
    const failure = distribute(model, { workers: 1 });
    await expect(failure).rejects.toMatchObject({ code: 'ERR_ARENA_FULL', kind: 'input', message: expect.stringMatching(FULL) as string });
    model.dispose();
  });

  test('data, before a folder is made or anybody is told', async () => {
    const model = tfl.sequential({ layers: [tfl.layers.dense({ units: 1, inputShape: [2 ** 20] })] });
    model.compile({ optimizer: 'sgd', loss: 'meanSquaredError' });
    const huge = { values: new Uint8Array(2 ** 32), shape: [2 ** 12, 2 ** 20] };
    const folder = join(temporaryFolder(), 'never');
    let told = 0;
    await withTrainer(model, { workers: 1 }, async (trainer) => {
      const failure = trainer.fit(huge, { values: new Uint8Array(2 ** 12), shape: [2 ** 12] }, { checkpoint: { folder }, callbacks: { onTrainBegin: () => { told++; } } });
      await expect(failure).rejects.toMatchObject({ code: 'ERR_ARENA_FULL', kind: 'input', message: expect.stringMatching(FULL) as string });
    });
    expect(told).toBe(0);
    expect(existsSync(folder)).toBe(false);
  });
});

describe('a trainer', () => {
  /** Every run that a trainer can do; `folder` is where it would save. */
  const everyRun = (trainer: Trainer, folder: string): Promise<unknown>[] =>
    [trainer.fit(x, y), trainer.evaluate(x, y), trainer.predict(x), trainer.gradients(x, y), trainer.save(folder)];

  test('in the middle of a run refuses another, writes nothing, and finishes the first', async () => {
    const folder = join(temporaryFolder(), 'never');
    await withTrainer(mlp(), {}, async (trainer) => {
      const first = trainer.fit(x, y, { epochs: 2 });
      for (const run of await Promise.allSettled(everyRun(trainer, folder))) expect(run).toMatchObject({ reason: { code: 'ERR_BUSY' } });
      expect((await first).epoch).toEqual([0, 1]);
    });
    expect(existsSync(folder)).toBe(false);
  });

  test('that is closed refuses every run, and writes nothing', async () => {
    const folder = join(temporaryFolder(), 'never');
    const trainer = await withTrainer(mlp(), {}, async (each) => each);
    for (const run of await Promise.allSettled(everyRun(trainer, folder))) expect(run).toMatchObject({ reason: { code: 'ERR_CLOSED' } });
    expect(existsSync(folder)).toBe(false);
  });
});

describe('a loss that is not finite', () => {
  test('names the step and the layer, and leaves the parameters as before the step', async () => {
    const model = mlp({ optimizer: tf.train.sgd(1e30) });
    await withTrainer(model, {}, async (trainer) => {
      const failure = trainer.fit(x, y, { shuffle: false, batchSize: 10, epochs: 3 });
      await expect(failure).rejects.toMatchObject({ code: 'ERR_NAN_LOSS', kind: 'run', message: containing('step 2') });
      // Weights of about 1e29 leave the first layer finite, and the second multiplies two of them.
      await expect(failure).rejects.toThrow(`layer "${model.layers[1]!.name}"`);
      expect(trainer.parts.state.version).toBe(1);
    });
    // One step of the same run gives the same weights.
    const once = mlp({ optimizer: tf.train.sgd(1e30) });
    await withTrainer(once, {}, (trainer) => trainer.fit({ values: x.values.subarray(0, 130), shape: [10, 13] }, { values: y.values.subarray(0, 10), shape: [10] }, { shuffle: false, batchSize: 10 }));
    expect(model.getWeights().map((weight) => [...weight.dataSync()])).toEqual(once.getWeights().map((weight) => [...weight.dataSync()]));
  });

  test('of infinite weights names their layer at step 1, and with better weights the trainer goes on', async () => {
    const model = mlp();
    const good = model.getWeights().map((weight) => weight.clone());
    const bad = model.getWeights();
    model.setWeights([bad[0]!, bad[1]!, tf.fill(bad[2]!.shape, Infinity), bad[3]!]);
    await withTrainer(model, {}, async (trainer) => {
      const failure = trainer.fit(x, y);
      await expect(failure).rejects.toMatchObject({ code: 'ERR_NAN_LOSS', message: containing('step 1;') });
      await expect(failure).rejects.toThrow(`layer "${model.layers[1]!.name}"`);
      model.setWeights(good);
      expect((await trainer.fit(x, y)).epoch).toEqual([0]);
    });
  });

  test('in validation alone stops nothing', async () => {
    const model = tfl.sequential({ layers: [tfl.layers.dense({ units: 1, useBias: false, inputShape: [1] })] });
    model.compile({ optimizer: tf.train.sgd(0.01), loss: 'meanSquaredError', metrics: ['mae'] });
    model.setWeights([tf.tensor2d([[2]])]);
    const one = { values: Float32Array.of(1), shape: [1, 1] };
    const huge = { values: Float32Array.of(1e30), shape: [1, 1] }; // its square is beyond float32
    await withTrainer(model, {}, async (trainer) => {
      const { history } = await trainer.fit(one, one, { epochs: 2, validationData: [huge, one] });
      expect(history['val_loss']).toEqual([Infinity, Infinity]);
      expect(history['val_mae']![0]).toBeGreaterThan(1e30);
      expect((await trainer.evaluate(huge, one)).loss).toBe(Infinity);
    });
  });
});
