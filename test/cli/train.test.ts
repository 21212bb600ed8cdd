import { optimizerByName } from '../../src/optimizers/index.js';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import '@tensorflow/tfjs-backend-cpu';
import { describe, expect, test } from 'vitest';
import { parseTrainOptions } from '../../scripts/cli/options.js';
import { runTrain } from '../../scripts/cli/train.js';
import type { JsonObject } from '../../src/train/json.js';
import { temporaryFolder } from './command.js';
import { parseMarkup } from '../pure/markup.js';
import { fakeRun, HASHES, smallSplit, trainEveryEpoch, type FakeRun, type Script } from './fakes.js';
import { TensorflockError } from '../../src/errors.js';

const train = (run: FakeRun, raw: Record<string, unknown> = {}, target?: string): Promise<number> =>
  runTrain(target, parseTrainOptions(raw), run.context);

const jsonLines = (run: FakeRun): Record<string, unknown>[] =>
  run.context.out.join('').trimEnd().split('\n').map((line) => JSON.parse(line) as Record<string, unknown>);

/** The record that a first run hands to the trainer for its checkpoints. */
async function recordOf(raw: Record<string, unknown>): Promise<JsonObject> {
  const run = fakeRun();
  await train(run, { ...raw, out: join(temporaryFolder(), 'run') });
  return run.trainer.fits[0]!.checkpoint!.record;
}

describe('events', () => {
  test('standard output has the epochs and the result, and nothing else', async () => {
    const run = fakeRun();
    expect(await train(run, { json: true, epochs: '2', batchSize: '5' })).toBe(0);
    // 12 examples in batches of 5 are 3 steps an epoch; the fake's epochs take 0.5 s at 24 examples a second.
    expect(jsonLines(run)).toEqual([
      { event: 'epoch', epoch: 1, loss: 1, accuracy: 0.5, valLoss: 0.75, valAccuracy: 0.25, examplesPerSecond: 24, seconds: 0.5 },
      { event: 'epoch', epoch: 2, loss: 0.5, accuracy: 0.5, valLoss: 0.75, valAccuracy: 0.25, examplesPerSecond: 24, seconds: 0.5 },
      {
        event: 'result', ...HASHES, exact: true, arithmetic: 'fma', trainLoss: 0.5, testLoss: 0.75, testAccuracy: 0.25,
        examplesPerSecond: 24, steps: 6, workers: 2, nodes: 0, seconds: 1,
      },
    ]);
    expect(run.context.err).toEqual(['1 of 2 workers idles.\n']);
    expect(run.trainer.closed).toBe(true);
  });

  test('without --json the last line has the test accuracy and says that nothing was kept', async () => {
    const run = fakeRun();
    await train(run, { epochs: '1' });
    expect(run.context.out).toContain('epoch 1/1  loss 1.000  accuracy 0.500  val loss 0.750  val accuracy 0.250  24 examples/s  0.5 s\n');
    expect(run.context.out.at(-1)).toBe('test accuracy 0.2500, test loss 0.7500, nothing was kept (--out DIR keeps the model and a report)\n');
  });

  test('--quiet leaves the last line', async () => {
    const run = fakeRun();
    await train(run, { quiet: true });
    expect(run.context.out).toHaveLength(1);
  });
});

describe('what the library is given', () => {
  test('the preset has its defaults', async () => {
    const run = fakeRun();
    await train(run);
    expect(run.initialized).toEqual([1]);
    expect(run.distributed).toEqual([
      { workers: 'auto', seed: 1, mode: 'sync', kernels: 'auto', engineFlags: true, optimizer: optimizerByName('adam', { learningRate: 0.001 }) },
    ]);
    expect(run.trainer.fits[0]).toMatchObject({ batchSize: 128, epochs: 10, shuffle: true });
    expect(run.trainer.fits[0]).not.toHaveProperty('checkpoint');
  });

  test('options override them, and each optimizer has its own learning rate', async () => {
    const run = fakeRun();
    await train(run, { optimizer: 'nesterov', batchSize: 'all', seed: '0', shardSize: '4', workers: '3', kernels: 'portable', earlyStopping: '2' });
    expect(run.initialized).toEqual([0]);
    expect(run.distributed).toEqual([
      { workers: 3, seed: 0, mode: 'sync', kernels: 'portable', engineFlags: true, shardSize: 4, optimizer: optimizerByName('nesterov', { learningRate: 0.01 }) },
    ]);
    expect(run.trainer.fits[0]?.batchSize).toBe(12);
    expect(run.trainer.fits[0]?.callbacks).toContainEqual({ patience: 2, monitor: 'val_loss' });
  });

  test.each<[Record<string, string>, object]>([
    [{ mode: 'async' }, { mode: 'async' }],
    [{ mode: 'stale' }, { mode: 'stale', staleness: 1 }],
    [{ mode: 'stale', staleness: '3' }, { mode: 'stale', staleness: 3 }],
    [{ mode: 'local' }, { mode: 'local', period: 16, outerLearningRate: 1, outerMomentum: 0 }],
    [{ mode: 'local', period: '50', outerLearningRate: '0.7', outerMomentum: '0.9' }, { mode: 'local', period: 50, outerLearningRate: 0.7, outerMomentum: 0.9 }],
  ])('%j is a mode with its numbers, and its result is not exact', async (raw, given) => {
    const run = fakeRun();
    await train(run, { ...raw, json: true });
    const { mode, staleness, period, outerLearningRate, outerMomentum } = run.distributed[0]!;
    expect({ mode, staleness, period, outerLearningRate, outerMomentum }).toEqual({ staleness: undefined, period: undefined, outerLearningRate: undefined, outerMomentum: undefined, ...given });
    expect(jsonLines(run).at(-1)).toMatchObject({ exact: false });
  });

  test('--train-examples and --test-examples take the first examples', async () => {
    const run = fakeRun();
    await train(run, { json: true, trainExamples: '7', testExamples: '2', batchSize: '5', epochs: '1' });
    expect(run.trainer.fits[0]?.validationData?.[0][0]?.shape).toEqual([2, 28, 28]);
    expect(jsonLines(run).at(-1)).toMatchObject({ steps: 2 }); // 5 + 2 examples
  });

  test('more examples than there are is bad input', async () => {
    await expect(train(fakeRun(), { trainExamples: '13' })).rejects.toMatchObject({ kind: 'input', message: expect.stringContaining('from 1 to 12') as string });
  });

  test('the trainer is closed when training fails', async () => {
    const run = fakeRun({ script: () => Promise.reject(new Error('a worker died')) });
    await expect(train(run)).rejects.toThrow('a worker died');
    expect(run.trainer.closed).toBe(true);
  });
});

describe('an experiment file', () => {
  const experiment = (fields: string): string => {
    const file = join(temporaryFolder(), 'experiment.mjs');
    const model = `{ loss: 'meanSquaredError', layers: [], getWeights: () => [], compile(args) { this.compiled = args; } }`;
    writeFileSync(file, `export default { model: () => (${model}), data: () => ({ train: { exampleCount: 3, x: [], y: [] }, test: { exampleCount: 2, x: [], y: [] } }), ${fields} };`);
    return file;
  };

  test('brings its own optimizer, and its weights are drawn from the seed', async () => {
    const run = fakeRun();
    await train(run, { seed: '5' }, experiment('batchSize: 2, epochs: 3, shardSize: 1'));
    expect(run.distributed[0]).not.toHaveProperty('optimizer');
    expect(run.distributed[0]).toMatchObject({ shardSize: 1 });
    expect(run.trainer.fits[0]).toMatchObject({ batchSize: 2, epochs: 3 });
    expect(run.initialized).toEqual([5]);
  });

  test('may keep the weights of its model', async () => {
    const run = fakeRun();
    await train(run, {}, experiment("weights: 'keep'"));
    expect(run.initialized).toEqual([]);
  });

  test('refuses --learning-rate alone, for there is no optimizer to give it to', async () => {
    await expect(train(fakeRun(), { learningRate: '0.1' }, experiment(''))).rejects.toThrow('--learning-rate needs --optimizer');
  });

  test('that has changed is not resumed', async () => {
    const file = experiment('epochs: 2');
    const first = fakeRun();
    await train(first, { out: join(temporaryFolder(), 'run') }, file);
    const { record } = first.trainer.fits[0]!.checkpoint!;
    expect(await train(fakeRun({ record }), { resume: temporaryFolder() }, file)).toBe(0);
    writeFileSync(file, `${readFileSync(file, 'utf8')}\n`);
    await expect(train(fakeRun({ record }), { resume: temporaryFolder() }, file)).rejects.toThrow('has changed since the checkpoint was written');
  });
});

describe('a preset', () => {
  test('tells those who watch what its classes are called', async () => {
    const run = fakeRun();
    const { train: examples, test: tests } = smallSplit();
    const named = { train: { ...examples, classNames: ['Coat', 'Bag'] }, test: tests };
    const source = await run.context.dataSource();
    await runTrain(undefined, parseTrainOptions({}), { ...run.context, dataSource: async () => ({ ...source, load: async () => named }) });
    expect(run.trainer.fits[0]?.classNames).toEqual(['Coat', 'Bag']);
  });
});

describe('--out', () => {
  test('holds a report of every epoch and the result', async () => {
    const run = fakeRun();
    const folder = join(temporaryFolder(), 'runs', 'first');
    await train(run, { out: folder, epochs: '2', checkpointEvery: '7' });
    expect(run.trainer.fits[0]?.checkpoint).toMatchObject({ folder, everySteps: 7 });
    const report = JSON.parse(readFileSync(join(folder, 'report.json'), 'utf8')) as { epochs: unknown[]; result: unknown };
    expect(report.epochs).toHaveLength(2);
    expect(report.result).toMatchObject(HASHES);
    expect(readFileSync(join(folder, 'report.html'), 'utf8')).toContain('<td>0.50000</td>');
    expect(run.context.out.at(-1)).toContain(`report in ${join(folder, 'report.html')}, checkpoint in ${folder}`);
    // All four test examples are of class 0, which wins among equal outputs: nothing is wrong, and no temporary file is left.
    const pictures = ['accuracy', 'activations', 'classes', 'confusion', 'gradient-values', 'gradients', 'loss', 'units', 'updates', 'weights'].map((name) => `report-${name}.svg`);
    expect(readdirSync(folder).sort()).toEqual([...pictures, 'report.html', 'report.json']);
    for (const picture of pictures) expect(() => parseMarkup(readFileSync(join(folder, picture), 'utf8'))).not.toThrow();
  });

  test('is whole where its pictures cannot be drawn, and says why', async () => {
    const run = fakeRun();
    const folder = join(temporaryFolder(), 'run');
    run.trainer.predict = () => Promise.reject(new Error('no room'));
    expect(await train(run, { out: folder })).toBe(0);
    expect(run.context.out.join('')).toContain('the report is without pictures of predictions, because drawing failed: no room\n');
    expect(readdirSync(folder)).not.toContain('report-confusion.svg');
    expect(readdirSync(folder)).toContain('report-loss.svg');
    expect(readFileSync(join(folder, 'report.html'), 'utf8')).toContain(HASHES.weightsSha256);
  });

  test('is not made when the data cannot be had', async () => {
    const run = fakeRun();
    const folder = join(temporaryFolder(), 'run');
    const context = { ...run.context, dataSource: () => Promise.reject(new Error('no data')) };
    await expect(runTrain(undefined, parseTrainOptions({ out: folder }), context)).rejects.toThrow('no data');
    expect(existsSync(folder)).toBe(false);
  });

  test('with --overwrite an earlier run goes as a whole', async () => {
    const folder = join(temporaryFolder(), 'latest');
    await train(fakeRun(), { out: folder });
    writeFileSync(join(folder, 'run.json'), 'of the first run');
    await expect(train(fakeRun(), { out: folder })).rejects.toThrow('holds an earlier run');
    expect(await train(fakeRun(), { out: folder, overwrite: true })).toBe(0);
    expect(existsSync(join(folder, 'run.json'))).toBe(false);
    expect(readdirSync(join(folder, '..'))).toEqual(['latest']);
  });
});

describe('--resume', () => {
  test('takes everything from the checkpoint, and notes what was decided when the run began', async () => {
    const record = await recordOf({ optimizer: 'momentum', seed: '9', epochs: '4', batchSize: '6' });
    const run = fakeRun({ record });
    const folder = temporaryFolder();
    expect(await train(run, { resume: folder, workers: '5' })).toBe(0);
    // The first run's trainer had fma and shards of 8.
    expect(run.distributed[0]).toMatchObject({ workers: 5, seed: 9, kernels: 'fma', shardSize: 8, optimizer: optimizerByName('momentum', { learningRate: 0.01 }) });
    expect(run.trainer.fits[0]).toMatchObject({ epochs: 4, batchSize: 6, resumeFrom: { step: 9 }, checkpoint: { folder } });
    expect(run.trainer.fits[0]?.checkpoint?.record).toEqual(record);
  });

  test('may go on for more epochs, and write elsewhere', async () => {
    const run = fakeRun({ record: await recordOf({ epochs: '4' }) });
    const out = join(temporaryFolder(), 'elsewhere');
    await train(run, { resume: temporaryFolder(), epochs: '6', out });
    expect(run.trainer.fits[0]).toMatchObject({ epochs: 6, checkpoint: { folder: out } });
  });

  test.each([
    [{ epochs: '3' }, '--epochs 3 differs from the 4 of the run in'],
    [{ seed: '2' }, '--seed 2 differs from the 1 of the run in'],
    [{ batchSize: '64' }, '--batch-size 64 differs from the 128'],
    [{ kernels: 'portable' }, '--kernels portable differs from the fma'],
    [{ trainExamples: '5' }, '--train-examples 5 differs from the default'],
    [{ checkpointEvery: '5' }, '--checkpoint-every 5 differs from the default'],
    [{ optimizer: 'sgd' }, '--optimizer sgd differs from the adam'],
    [{ learningRate: '0.1' }, '--learning-rate 0.1 differs from the 0.001'],
    [{ mode: 'async' }, '--mode async differs from the sync'],
    [{ staleness: '2' }, '--staleness 2 differs from the default'],
  ])('refuses %j, which differs', async (raw, sentence) => {
    const run = fakeRun({ record: await recordOf({ epochs: '4' }) });
    await expect(train(run, { resume: temporaryFolder(), ...raw })).rejects.toMatchObject({ kind: 'input', message: expect.stringContaining(sentence) as string });
    expect(run.trainer.fits).toEqual([]);
  });

  test('accepts options that say the same', async () => {
    const run = fakeRun({ record: await recordOf({ epochs: '4' }) });
    expect(await train(run, { resume: temporaryFolder(), epochs: '4', seed: '1', optimizer: 'adam', kernels: 'auto' }, 'fashion-mnist-mlp')).toBe(0);
  });

  test('refuses another preset', async () => {
    const run = fakeRun({ record: await recordOf({}) });
    await expect(train(run, { resume: temporaryFolder() }, 'mnist-mlp')).rejects.toThrow('is a run of fashion-mnist-mlp, not of mnist-mlp');
  });

  test('refuses a checkpoint that the library wrote for another program', async () => {
    await expect(train(fakeRun({ record: { mine: 1 } }), { resume: temporaryFolder() })).rejects.toThrow('was not written by tensorflock train');
  });

  test('has the epochs of the first process in its report', async () => {
    // The history of a resumed fit has all epochs, its callbacks see the new one only.
    const script = async (options: Parameters<typeof trainEveryEpoch>[0]) => {
      (options.callbacks?.[0] as { onEpochEnd: (epoch: number, logs: object) => void }).onEpochEnd(1, { loss: 0.5 });
      return { epoch: [0, 1], history: { loss: [1, 0.5], val_loss: [0.9, 0.8] } };
    };
    const run = fakeRun({ record: await recordOf({ epochs: '2', batchSize: '5' }), script });
    const folder = temporaryFolder();
    await train(run, { resume: folder, json: true });
    const { epochs } = JSON.parse(readFileSync(join(folder, 'report.json'), 'utf8')) as { epochs: unknown };
    expect(epochs).toMatchObject([{ epoch: 1, loss: 1, valLoss: 0.9 }, { epoch: 2, loss: 0.5 }]);
    expect(jsonLines(run).map(({ event }) => event)).toEqual(['epoch', 'result']);
    expect(jsonLines(run).at(-1)).toMatchObject({ steps: 6, trainLoss: 0.5 });
  });
});

describe('an interrupt', () => {
  const interruptedBy = (presses: (run: FakeRun) => void): FakeRun => {
    const run: FakeRun = fakeRun({
      script: async (options, context) => {
        presses(run);
        return trainEveryEpoch(options, context);
      },
    });
    return run;
  };

  test('while training stops the fit, says how to go on, and is status 130', async () => {
    const run = interruptedBy(({ context }) => context.press());
    const out = join(temporaryFolder(), "it's here");
    expect(await train(run, { out })).toBe(130);
    expect(run.context.out.at(-1)).toBe(`interrupted; go on with: tensorflock train --resume '${out.replace("'", String.raw`'\''`)}'\n`);
    expect(run.context.exits).toEqual([]);
    expect(run.trainer.closed).toBe(true);
  });

  test('leaves a report of what there is, which says how to go on', async () => {
    const run = interruptedBy(({ context }) => context.press());
    const script: Script = async (options, context) => {
      await trainEveryEpoch({ ...options, epochs: 2 }, context);
      context.press();
      throw new TensorflockError('ERR_INTERRUPTED', 'interrupted after step 7.', 'run');
    };
    const cut = fakeRun({ script });
    const out = join(temporaryFolder(), 'run');
    expect(await train(cut, { out, epochs: '5' })).toBe(130);
    const page = readFileSync(join(out, 'report.html'), 'utf8');
    expect(page).toContain(`<p>Interrupted after step 7. Go on with: tensorflock train --resume ${out}</p>`);
    expect(page).toContain('<td>0.50000</td>');
    expect(readdirSync(out).sort()).toEqual(['report-accuracy.svg', 'report-loss.svg', 'report.html', 'report.json']);
    expect(await train(run)).toBe(130); // without --out nothing is written, and nothing fails
  });

  test.each([[0, 'No epoch has ended.'], [2, 'The checkpoint of epoch 2 or later stays; go on with: tensorflock train --resume']])('a loss that is not finite after %i epochs leaves one too', async (epochs, sentence) => {
    const run = fakeRun({ script: async (options, context) => {
      await trainEveryEpoch({ ...options, epochs }, context);
      throw new TensorflockError('ERR_NAN_LOSS', 'the loss is not finite at step 8.', 'run');
    } });
    const out = join(temporaryFolder(), 'run');
    await expect(train(run, { out, epochs: '5' })).rejects.toThrow('the loss is not finite at step 8.');
    expect(readFileSync(join(out, 'report.html'), 'utf8')).toContain(`The loss is not finite at step 8. ${sentence}`);
    expect(JSON.parse(readFileSync(join(out, 'report.json'), 'utf8'))).toMatchObject({ result: null, cutOff: expect.stringContaining('step 8') as string });
  });

  test.each([[true, 'The checkpoint of step 9 stays; go on with: tensorflock train --resume'], [false, 'No epoch has ended.']])('a loss that is not finite in the first epoch: a checkpoint of a step is named where there is one (%s)', async (isThere, sentence) => {
    const made = fakeRun({ script: () => Promise.reject(new TensorflockError('ERR_NAN_LOSS', 'the loss is not finite at step 12.', 'run')) });
    const run = isThere ? made : { ...made, context: { ...made.context, readCheckpoint: () => Promise.reject(new Error('none')) } };
    const out = join(temporaryFolder(), 'run');
    await expect(train(run, { out, checkpointEvery: '3' })).rejects.toThrow('the loss is not finite at step 12.');
    expect(readFileSync(join(out, 'report.html'), 'utf8')).toContain(`The loss is not finite at step 12. ${sentence}`);
  });

  test('by SIGTERM does the same, and is status 143', async () => {
    const run = interruptedBy(({ context }) => context.press('SIGTERM'));
    expect(await train(run, { out: join(temporaryFolder(), 'run') })).toBe(143);
    expect(run.context.out.at(-1)).toMatch(/^interrupted; go on with: /);
  });

  test('by another signal than the first ends with its own status', async () => {
    const run = interruptedBy(({ context }) => {
      context.press('SIGTERM');
      context.nowMsValue += 2000;
      context.press('SIGINT');
    });
    expect(await train(run)).toBe(143);
    expect(run.context.exits).toEqual([130]);
  });

  test('without --out says that nothing was kept, with --json on standard error', async () => {
    const run = interruptedBy(({ context }) => context.press());
    expect(await train(run, { json: true })).toBe(130);
    expect(run.context.out).toEqual([]);
    expect(run.context.err.at(-1)).toBe('interrupted; nothing was kept, because no --out was given.\n');
  });

  test('that arrives twice at once, from the terminal and from npm, is one', async () => {
    const run = interruptedBy(({ context }) => {
      context.press();
      context.nowMsValue += 20;
      context.press();
    });
    await train(run);
    expect(run.context.exits).toEqual([]);
  });

  test('a second one ends the process at once', async () => {
    const run = interruptedBy(({ context }) => {
      context.press();
      context.nowMsValue += 2000;
      context.press();
    });
    await train(run);
    expect(run.context.exits).toEqual([130]);
  });

  test('before training ends the process at once and says that nothing was written', async () => {
    const run = fakeRun();
    const dataSource = async (): ReturnType<typeof run.context.dataSource> => {
      run.context.press();
      return run.context.dataSource();
    };
    await runTrain(undefined, parseTrainOptions({}), { ...run.context, dataSource });
    expect(run.context.exits).toEqual([130]);
    expect(run.context.out[0]).toBe('interrupted before the first step; nothing was written.\n');
  });
});
