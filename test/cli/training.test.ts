import { once } from 'node:events';
import { existsSync, mkdirSync, readFileSync, readdirSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { fashionMnist } from '../../src/data/index.js';
import { readCheckpoint } from '../../src/train/checkpoint.js';
import { startTensorflock, temporaryFolder, tensorflock, type Ended } from './command.js';

const PICTURES = ['accuracy', 'activations', 'classes', 'confusion', 'gradient-values', 'gradients', 'loss', 'mistakes', 'units', 'updates', 'weights'].map((name) => `report-${name}.svg`);

/** A run of the default preset that takes a second: 8 steps an epoch. */
const SMALL = ['--train-examples', '1000', '--test-examples', '200', '--kernels', 'portable', '--workers', '2'];
const EPOCH_KEYS = ['event', 'epoch', 'loss', 'accuracy', 'valLoss', 'valAccuracy', 'examplesPerSecond', 'seconds'];
const RESULT_KEYS = [
  'event', 'weightsSha256', 'stateSha256', 'exact', 'arithmetic', 'trainLoss', 'testLoss', 'testAccuracy', 'examplesPerSecond', 'steps', 'workers', 'nodes', 'seconds',
];

type Line = Readonly<Record<string, unknown>>;

let missing: string | undefined;

beforeAll(async () => {
  missing = await fashionMnist({ fetch: 'none' }).then(() => undefined, (error: Error) => error.message);
});

/** JSON objects, one a line, and nothing else. */
function linesOf({ stdout }: Pick<Ended, 'stdout'>): Line[] {
  expect(stdout.endsWith('\n') || stdout === '').toBe(true);
  return stdout.split('\n').slice(0, -1).map((line) => JSON.parse(line) as Line);
}

function resultOf(ended: Ended): Line {
  expect(ended).toMatchObject({ status: 0, stderr: '' });
  return linesOf(ended).at(-1)!;
}

/** What two runs that did the same have in common: times and who helped aside. */
function essence({ weightsSha256, stateSha256, trainLoss, testLoss, testAccuracy, steps, arithmetic, exact }: Line): Line {
  return { weightsSha256, stateSha256, trainLoss, testLoss, testAccuracy, steps, arithmetic, exact };
}

/** Starts a run and sends it a signal as soon as it has finished an epoch. */
async function signalled(signal: 'SIGINT' | 'SIGKILL', ...args: string[]): Promise<Ended> {
  const child = startTensorflock('train', ...args);
  const output = { stdout: '', stderr: '' };
  child.stderr!.on('data', (chunk: Buffer) => (output.stderr += chunk.toString()));
  child.stdout!.on('data', (chunk: Buffer) => {
    if (output.stdout === '') child.kill(signal);
    output.stdout += chunk.toString();
  });
  const [status] = (await once(child, 'close')) as [number | null];
  return { status, ...output };
}

describe('on Fashion-MNIST', () => {
  beforeEach((context) => {
    if (missing !== undefined) context.skip(missing);
  });

  test('--json prints a line an epoch and the result, and nothing else', () => {
    const ended = tensorflock('train', ...SMALL, '--epochs', '2', '--json');
    expect(ended).toMatchObject({ status: 0, stderr: '' });
    const [first, second, result, ...more] = linesOf(ended);
    expect(more).toEqual([]);
    for (const [index, line] of [first!, second!].entries()) {
      expect(Object.keys(line)).toEqual(EPOCH_KEYS);
      expect(line).toMatchObject({ event: 'epoch', epoch: index + 1 });
      expect(Object.values(line).slice(1).every((value) => Number.isFinite(value))).toBe(true);
    }
    expect(Object.keys(result!)).toEqual(RESULT_KEYS);
    expect(result).toMatchObject({ event: 'result', exact: true, arithmetic: 'portable', steps: 16, workers: 2, nodes: 0, trainLoss: second!['loss'] });
    expect(result!['testLoss']).toBe(second!['valLoss']);
    expect(result!['testAccuracy']).toBe(second!['valAccuracy']);
    expect(result!['weightsSha256']).toMatch(/^[0-9a-f]{64}$/);
    expect(result!['testAccuracy']).toBeGreaterThan(0.5); // 1,000 examples twice; guessing gives 0.1
  });

  test('without --json people get a banner, a line an epoch and the accuracy', () => {
    const ended = tensorflock('train', ...SMALL, '--epochs', '1');
    expect(ended).toMatchObject({ status: 0, stderr: '' });
    expect(ended.stdout).toMatch(/test accuracy 0\.\d{4}/);
    expect(ended.stdout).toContain('nothing was kept (--out DIR keeps the model and a report)');
  });

  test.each(['fma', 'portable'])('--workers 1 and 3 give the same bytes with --kernels %s', (kernels) => {
    const run = (workers: string): Line => essence(resultOf(tensorflock('train', 'fashion-mnist-dropout', '--train-examples', '500', '--test-examples', '100', '--epochs', '1', '--json', '--kernels', kernels, '--workers', workers)));
    const one = run('1');
    expect(one['arithmetic']).toBe(kernels);
    expect(run('3')).toEqual(one);
  });

  test('--early-stopping ends before the last epoch', () => {
    const ended = tensorflock('train', ...SMALL, '--epochs', '40', '--early-stopping', '0', '--optimizer', 'sgd', '--learning-rate', '2', '--json');
    const losses = linesOf(ended).filter(({ event }) => event === 'epoch').map(({ valLoss }) => valLoss as number);
    expect(losses.length).toBeLessThan(40);
    expect(losses.at(-1)).toBeGreaterThanOrEqual(losses.at(-2)!);
    for (let epoch = 1; epoch < losses.length - 1; epoch++) expect(losses[epoch]).toBeLessThan(losses[epoch - 1]!);
    expect(resultOf(ended)['steps']).toBe(losses.length * 8);
  });

  describe('--out', () => {
    test('keeps the model, the checkpoint and the report, and evaluate and predict use them', async () => {
      const folder = join(temporaryFolder(), 'run');
      const result = resultOf(tensorflock('train', ...SMALL, '--epochs', '1', '--json', '--out', folder));
      expect(readdirSync(folder).sort()).toEqual([...PICTURES, 'report.html', 'report.json', 'run.json', 'step-8']);
      expect(readdirSync(join(folder, 'step-8')).sort()).toEqual(['model.json', 'model.safetensors', 'weights.bin']);
      const report = JSON.parse(readFileSync(join(folder, 'report.json'), 'utf8')) as { readonly result: Line; readonly epochs: unknown[] };
      expect(essence(report.result)).toEqual(essence(result));
      expect(report.epochs).toHaveLength(1);
      expect(readFileSync(join(folder, 'report.html'), 'utf8')).toMatch(/^<!doctype html>/i);
      expect((await readCheckpoint(folder)).step).toBe(8);

      const evaluation = resultOf(tensorflock('evaluate', folder, '--json'));
      expect(evaluation).toMatchObject({ testLoss: result['testLoss'], testAccuracy: result['testAccuracy'], weightsSha256: result['weightsSha256'], examples: 200 });

      const { test: images } = await fashionMnist({ fetch: 'none' });
      const file = join(temporaryFolder(), 'images.idx');
      const header = Buffer.from([0, 0, 8, 3, 0, 0, 0, 20, 0, 0, 0, 28, 0, 0, 0, 28]);
      writeFileSync(file, Buffer.concat([header, (images.x[0]!.values as Uint8Array).subarray(0, 20 * 784)]));
      const predicted = tensorflock('predict', folder, file);
      expect(predicted).toMatchObject({ status: 0, stderr: '' });
      const rows = linesOf(predicted);
      expect(rows.map(({ row }) => row)).toEqual(Array.from({ length: 20 }, (_, row) => row));
      const right = rows.filter((line, row) => line['class'] === images.y[0]!.values[row]).length;
      expect(right).toBeGreaterThan(8); // guessing is right twice in twenty
      expect(tensorflock('predict', folder, file, '--json')).toEqual(predicted);
    });

    test('of a run under way is refused to a second process by every way, and taken by --resume as soon as the first was killed', async () => {
      const folder = join(temporaryFolder(), 'run');
      const args = [...SMALL, '--epochs', '300', '--json'];
      const first = startTensorflock('train', ...args, '--out', folder);
      await once(first.stdout!, 'data');
      const ways = [['--out', folder], ['--out', folder, '--overwrite'], ['--resume', folder]];
      for (const way of ways) {
        const ended = tensorflock('train', ...(way[0] === '--resume' ? [] : args), ...way);
        expect(ended).toMatchObject({ status: 2, stdout: '', stderr: `process ${first.pid!} is writing to ${folder}; wait until it has ended, or choose another folder.\n` });
      }
      expect(first.exitCode).toBeNull();
      first.kill('SIGKILL');
      await once(first, 'close');
      const { step } = await readCheckpoint(folder);
      const second = startTensorflock('train', '--resume', folder, '--json');
      const [line] = (await once(second.stdout!, 'data')) as [Buffer];
      expect(JSON.parse(line.toString().split('\n')[0]!)).toMatchObject({ event: 'epoch', epoch: step / 8 + 1 });
    });

    test('where a run was killed before its first checkpoint is taken as an empty folder', () => {
      const folder = temporaryFolder();
      writeFileSync(join(folder, 'run.lock-1'), JSON.stringify({ pid: process.pid, host: 'before this one was started' }));
      utimesSync(join(folder, 'run.lock-1'), 1, 1);
      resultOf(tensorflock('train', ...SMALL, '--epochs', '1', '--json', '--out', folder));
      expect(readdirSync(folder).sort()).toEqual([...PICTURES, 'report.html', 'report.json', 'run.json', 'step-8']);
    });

    test('of an earlier run is refused, and the run is as it was', async () => {
      const folder = join(temporaryFolder(), 'run');
      resultOf(tensorflock('train', ...SMALL, '--epochs', '1', '--json', '--out', folder));
      const before = readFileSync(join(folder, 'run.json'));
      expect(tensorflock('train', ...SMALL, '--epochs', '1', '--out', folder)).toMatchObject({ status: 2, stdout: '' });
      expect(readFileSync(join(folder, 'run.json'))).toEqual(before);
    });
  });

  describe('SIGINT', () => {
    test('with --out writes a checkpoint and says how to resume, and another process ends as an undisturbed run', async () => {
      const folder = join(temporaryFolder(), 'run');
      const args = [...SMALL, '--epochs', '60', '--json'];
      const ended = await signalled('SIGINT', ...args, '--out', folder);
      expect(ended.status).toBe(130);
      expect(ended.stderr).toMatch(/^interrupted; go on with: .*tensorflock .*\n$/); // by way of npm where npm started this
      expect(ended.stderr).toContain(` train --resume ${folder}\n`);
      expect(linesOf(ended).every(({ event }) => event === 'epoch')).toBe(true);
      expect((await readCheckpoint(folder)).step).toBeLessThan(480);
      const resumed = tensorflock('train', '--resume', folder, '--json');
      expect(essence(resultOf(resumed))).toEqual(essence(resultOf(tensorflock('train', ...args))));
      expect(linesOf(resumed).length).toBeLessThan(61);
    });

    test('without --out writes nothing and says so', async () => {
      const ended = await signalled('SIGINT', ...SMALL, '--epochs', '100', '--json');
      expect(ended).toMatchObject({ status: 130, stderr: 'interrupted; nothing was kept, because no --out was given.\n' });
    });
  });

  describe('--resume', () => {
    test('after a kill in the middle ends as an undisturbed run, with other workers too', async () => {
      const folder = join(temporaryFolder(), 'run');
      const args = [...SMALL, '--epochs', '25', '--batch-size', '50', '--checkpoint-every', '7', '--json'];
      await signalled('SIGKILL', ...args, '--out', folder);
      const { step } = await readCheckpoint(folder);
      expect(step).toBeLessThan(25 * 20);
      const resumed = resultOf(tensorflock('train', '--resume', folder, '--json', '--workers', '3'));
      const undisturbed = resultOf(tensorflock('train', ...args));
      expect(essence(resumed)).toEqual(essence(undisturbed));
    });

    test('of a finished run gives its result again, and goes on for more epochs', () => {
      const folder = join(temporaryFolder(), 'run');
      const first = resultOf(tensorflock('train', ...SMALL, '--epochs', '1', '--json', '--out', folder));
      const again = tensorflock('train', '--resume', folder, '--json');
      expect(essence(resultOf(again))).toEqual(essence(first));
      const more = resultOf(tensorflock('train', '--resume', folder, '--epochs', '2', '--json'));
      expect(essence(more)).toEqual(essence(resultOf(tensorflock('train', ...SMALL, '--epochs', '2', '--json'))));
    });

    test('with an option that differs is refused, and nothing is written', () => {
      const folder = join(temporaryFolder(), 'run');
      resultOf(tensorflock('train', ...SMALL, '--epochs', '1', '--json', '--out', folder));
      const before = statSync(join(folder, 'run.json')).mtimeMs;
      const refused = tensorflock('train', '--resume', folder, '--seed', '2', '--json');
      expect(refused).toMatchObject({ status: 2, stdout: '' });
      expect(refused.stderr).toBe(`--seed 2 differs from the 1 of the run in ${folder}; leave it out, or start a new run.\n`);
      expect(statSync(join(folder, 'run.json')).mtimeMs).toBe(before);
    });
  });

  test('a loss that is not finite is status 1 and a sentence, and the last good checkpoint is kept', async () => {
    const folder = join(temporaryFolder(), 'run');
    const ended = tensorflock('train', ...SMALL, '--optimizer', 'sgd', '--learning-rate', '1e30', '--checkpoint-every', '1', '--epochs', '2', '--json', '--out', folder);
    expect(ended).toMatchObject({ status: 1, stdout: '' });
    expect(ended.stderr).toMatch(/^the loss is not finite at step \d+; .*lower the learning rate.*\n$/);
    const step = Number(/at step (\d+)/.exec(ended.stderr)![1]);
    const { step: kept, tensors } = await readCheckpoint(folder);
    expect(kept).toBe(step - 1);
    expect(tensors.length).toBeGreaterThan(0);
  });
});

describe('an experiment file', () => {
  const DOOR = new URL('../../src/index.js', import.meta.url).href;

  /** A straight line to learn; it imports what a user's file imports. */
  const experimentFile = (): string => {
    // Beside the compiled tests, where tfjs can be found.
    const folder = fileURLToPath(new URL('./experiments/', import.meta.url));
    mkdirSync(folder, { recursive: true });
    const file = join(folder, 'line.mjs');
    writeFileSync(file, `
      import * as tfl from '@tensorflow/tfjs-layers';
      import { datasets, defineExperiment } from ${JSON.stringify(DOOR)};
      const values = Float32Array.from({ length: 64 }, (_, index) => index / 64);
      const data = () => datasets.arrays({ values, shape: [64, 1] }, { values, shape: [64, 1] });
      export default defineExperiment({
        name: 'a line',
        model: () => tfl.sequential({ layers: [tfl.layers.dense({ units: 1, inputShape: [1] })] }),
        data: () => ({ train: data(), test: data() }),
        loss: 'meanSquaredError', optimizer: 'sgd', metrics: ['mae'], batchSize: 8, epochs: 30,
      });
    `);
    return file;
  };

  test('is trained, kept, evaluated and resumed', () => {
    const file = experimentFile();
    const folder = join(temporaryFolder(), 'run');
    const ended = tensorflock('train', file, '--workers', '1', '--optimizer', 'adam', '--learning-rate', '0.05', '--json', '--out', folder);
    const result = resultOf(ended);
    expect(result).toMatchObject({ steps: 240, testAccuracy: null });
    expect(result['testLoss']).toBeLessThan(0.01);
    expect(linesOf(ended)[0]).toMatchObject({ event: 'epoch', accuracy: null, valAccuracy: null });
    expect(resultOf(tensorflock('evaluate', folder, '--workers', '1', '--json'))).toMatchObject({ testLoss: result['testLoss'] });
    expect(essence(resultOf(tensorflock('train', '--resume', folder, '--workers', '1', '--json')))).toEqual(essence(result));
  });

  test('is not resumed on other data', () => {
    const file = experimentFile();
    const folder = join(temporaryFolder(), 'run');
    const data = join(temporaryFolder(), 'rows.csv');
    writeFileSync(data, 'x,y\n1,2\n3,4\n5,6\n');
    writeFileSync(file, readFileSync(file, 'utf8').replace('data: () => ({ train: data(), test: data() })', `data: async () => { const rows = await datasets.csv(${JSON.stringify(data)}, { label: 'y' }); return { train: rows, test: rows }; }`));
    resultOf(tensorflock('train', file, '--workers', '1', '--epochs', '2', '--json', '--out', folder));
    writeFileSync(data, 'x,y\n1,2\n3,4\n5,7\n');
    const before = readFileSync(join(folder, 'run.json'));
    const refused = tensorflock('train', '--resume', folder, '--workers', '1', '--epochs', '3', '--json');
    expect(refused).toMatchObject({ status: 2, stdout: '' });
    expect(refused.stderr).toMatch(/^the checkpoint was made on other training data \(its SHA-256 begins \w{12}, that of this run \w{12}\); resume with the same examples, in the same order and types\.\n$/);
    expect(readFileSync(join(folder, 'run.json'))).toEqual(before);
  });

  test('whose model does not fit its data is refused before anything is written', () => {
    const folder = join(temporaryFolder(), 'run');
    const broken = join(fileURLToPath(new URL('./experiments/', import.meta.url)), 'broken.mjs');
    writeFileSync(broken, readFileSync(experimentFile(), 'utf8').replace('inputShape: [1]', 'inputShape: [2]'));
    const ended = tensorflock('train', broken, '--workers', '1', '--json', '--out', folder);
    expect(ended).toMatchObject({ status: 2, stdout: '' });
    expect(ended.stderr).toMatch(/^x has shape \[64, 1\] and the model expects \[N, 2\].*\n$/);
    expect(existsSync(folder)).toBe(false);
  });
});
