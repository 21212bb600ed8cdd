import '@tensorflow/tfjs-backend-cpu';
import * as tf from '@tensorflow/tfjs-core';
import * as layers from '@tensorflow/tfjs-layers';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdir, mkdtemp, readFile, readdir, rm, symlink, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, onTestFinished, test } from 'vitest';
import { fileLoader } from './file-loader.js';
import { assertWritableFolder, readCheckpoint, writeCheckpoint } from '../../src/train/checkpoint.js';
import type { CheckpointContents } from '../../src/train/checkpoint.js';
import type { NamedTensor } from '../../src/train/safetensors.js';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tensorflock-'));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const weights: readonly NamedTensor[] = [
  { name: 'dense/kernel', shape: [2, 2], values: Float32Array.of(1, -0, Number.NaN, 1e-45) },
  { name: 'dense/bias', shape: [2], values: Float32Array.of(0.1, Number.POSITIVE_INFINITY) },
];
const contents: CheckpointContents = {
  step: 12,
  tensors: [...weights, { name: 'adam/m/dense/kernel', shape: [2, 2], values: new Float32Array(4) }],
  model: { topology: { class_name: 'Sequential' }, weights },
  record: { seed: 0, history: { loss: [0.1 + 0.2, Number.NaN] } },
};

const code = (name: string): object => expect.objectContaining({ code: `ERR_CHECKPOINT_${name}`, kind: 'input' }) as object;

test('what was written is read: every bit of the tensors, every number of the record', async () => {
  await writeCheckpoint(folder, contents);
  const read = await readCheckpoint(folder);
  expect(read).toStrictEqual(contents);
  expect((await readdir(folder)).sort()).toEqual(['run.json', 'step-12']);
});

test('a folder of somebody else and a file in an old step folder are left alone', async () => {
  await writeCheckpoint(folder, contents);
  await mkdir(join(folder, 'step-notes'));
  await writeFile(join(folder, 'step-12', 'notes.txt'), 'mine');
  await symlink(tmpdir(), join(folder, 'step-3'));
  await writeCheckpoint(folder, { ...contents, step: 13 });
  expect((await readdir(folder)).sort()).toEqual(['run.json', 'step-12', 'step-13', 'step-3', 'step-notes']);
  expect(await readdir(join(folder, 'step-12'))).toEqual(['notes.txt']);
});

test('a record that JSON cannot hold is refused before anything is written', async () => {
  const record = { when: new Date(0) } as unknown as CheckpointContents['record'];
  await expect(writeCheckpoint(folder, { ...contents, record })).rejects.toThrow(code('RECORD'));
  await expect(writeCheckpoint(folder, { ...contents, step: 1.5 })).rejects.toThrow(code('RECORD'));
  await expect(writeCheckpoint(folder, { ...contents, tensors: [...weights, ...weights] })).rejects.toThrow(code('TENSORS'));
  expect(await readdir(folder)).toEqual([]);
});

test('the record is taken when the write is asked for', async () => {
  const record = { epoch: 1 };
  const written = writeCheckpoint(folder, { ...contents, record });
  record.epoch = 2;
  await written;
  expect((await readCheckpoint(folder)).record).toEqual({ epoch: 1 });
});

describe('a damaged checkpoint is refused:', () => {
  const step = (name: string): string => join(folder, 'step-12', name);
  test.each(['model.safetensors', 'model.json', 'weights.bin'])('%s missing, shorter, longer, or with one bit changed', async (name) => {
    await writeCheckpoint(folder, contents);
    const whole = await readFile(step(name));
    await rm(step(name));
    await expect(readCheckpoint(folder)).rejects.toThrow(code('TORN'));
    await writeFile(step(name), whole.subarray(0, -1));
    await expect(readCheckpoint(folder)).rejects.toThrow(new RegExp(`${name} has ${String(whole.length - 1)} bytes, and run.json names ${String(whole.length)}`));
    await writeFile(step(name), Buffer.concat([whole, Buffer.alloc(1)]));
    await expect(readCheckpoint(folder)).rejects.toThrow(code('TORN'));
    await writeFile(step(name), whole.map((byte, index) => (index === whole.length - 1 ? byte ^ 1 : byte)));
    await expect(readCheckpoint(folder)).rejects.toThrow(code('EDITED'));
    await writeFile(step(name), whole);
    await expect(readCheckpoint(folder)).resolves.toBeDefined();
  });

  test('run.json cut short', async () => {
    await writeCheckpoint(folder, contents);
    await truncate(join(folder, 'run.json'), 100);
    await expect(readCheckpoint(folder)).rejects.toThrow(code('TORN'));
  });

  test('a folder without run.json, no folder, a file', async () => {
    await expect(readCheckpoint(folder)).rejects.toThrow(code('MISSING'));
    await expect(readCheckpoint(join(folder, 'none'))).rejects.toThrow(code('MISSING'));
    await writeFile(join(folder, 'file'), '');
    await expect(readCheckpoint(join(folder, 'file'))).rejects.toThrow(code('MISSING'));
  });

  test('run.json is a folder', async () => {
    await mkdir(join(folder, 'run.json'));
    await expect(readCheckpoint(folder)).rejects.toThrow(code('UNREADABLE'));
  });
});

test('tf.loadLayersModel loads the written model, and it predicts the same', async () => {
  const model = layers.sequential();
  // Seeded, and without a ReLU that could leave both rows alike.
  const kernelInitializer = layers.initializers.glorotUniform({ seed: 7 });
  model.add(layers.layers.conv2d({ filters: 2, kernelSize: 3, inputShape: [5, 5, 1], activation: 'tanh', kernelInitializer }));
  model.add(layers.layers.batchNormalization());
  model.add(layers.layers.flatten());
  model.add(layers.layers.dense({ units: 3, activation: 'softmax', kernelInitializer }));
  const named = model.weights.map(({ originalName, shape }, index) => ({ name: originalName, shape: shape.map(Number), values: model.getWeights()[index]?.dataSync() as Float32Array }));
  await writeCheckpoint(folder, { ...contents, model: { topology: model.toJSON(null, false), weights: named } });
  const x = tf.reshape(tf.linspace(-1, 1, 50), [2, 5, 5, 1]);
  const before = (model.predict(x) as tf.Tensor).dataSync();
  model.dispose();
  const loaded = await layers.loadLayersModel(fileLoader(join(folder, 'step-12')));
  expect((loaded.predict(x) as tf.Tensor).dataSync()).toEqual(before);
  expect(new Set(before).size).toBe(6);
  const json = JSON.parse(await readFile(join(folder, 'step-12', 'model.json'), 'utf8')) as object;
  expect(json).toMatchObject({ format: 'layers-model', generatedBy: 'tensorflock', convertedBy: null });
  expect((await readCheckpoint(folder)).model.weights).toStrictEqual(named);
});

test('killed again and again at any moment, the folder always holds a whole checkpoint, and the steps go on', async () => {
  const writer = new URL('write-checkpoints.js', import.meta.url).pathname;
  let lastStep = 0;
  for (let round = 0; round < 12; round += 1) {
    const child = spawn(process.execPath, [writer, folder, String(lastStep)], { stdio: ['ignore', 'pipe', 'inherit'] });
    onTestFinished(() => void child.kill('SIGKILL'));
    // The child prints a line for each checkpoint; it is killed a varying time after its second.
    while (!String((await once(child.stdout, 'data'))[0]).includes('\n')) continue;
    await new Promise((resolve) => setTimeout(resolve, (round * 7) % 25));
    child.kill('SIGKILL');
    await once(child, 'exit');
    const { step, tensors, record } = await readCheckpoint(folder);
    expect(step).toBeGreaterThan(lastStep);
    expect(record).toEqual({ step });
    expect(tensors[0]?.values.every((value) => value === step)).toBe(true);
    lastStep = step;
  }
}, 60_000);

describe('a folder for checkpoints', () => {
  test('is made with the folders above it, and nothing is in it', async () => {
    await assertWritableFolder(join(folder, 'a', 'b'));
    expect(await readdir(join(folder, 'a', 'b'))).toEqual([]);
    await assertWritableFolder(join(folder, 'a', 'b'));
  });

  test('may hold other files, but no run unless it is to be resumed', async () => {
    await writeFile(join(folder, 'notes.txt'), '');
    await writeFile(join(folder, 'run.json.probe'), '');
    await assertWritableFolder(folder);
    await writeCheckpoint(folder, contents);
    await expect(assertWritableFolder(folder)).rejects.toThrow(code('EXISTS'));
    await assertWritableFolder(folder, 'resume');
    expect((await readdir(folder)).sort()).toEqual(['notes.txt', 'run.json', 'step-12']);
  });

  test('is refused where a file is in the way, and what was made is removed', async () => {
    await writeFile(join(folder, 'file'), 'x');
    await expect(assertWritableFolder(join(folder, 'file'))).rejects.toThrow(`${folder}/file is not a folder; choose another`);
    await expect(assertWritableFolder(join(folder, 'file', 'a', 'b'))).rejects.toThrow(`${folder}/file is not a folder; choose another`);
    await symlink(join(folder, 'nowhere'), join(folder, 'link'));
    await expect(assertWritableFolder(join(folder, 'link'))).rejects.toThrow(code('FOLDER'));
    expect((await readdir(folder)).sort()).toEqual(['file', 'link']);
  });

  test('is refused at once under /proc, where mkdir with recursive would never return', { skip: process.platform !== 'linux' }, async () => {
    await expect(assertWritableFolder('/proc/tensorflock/run')).rejects.toThrow(code('FOLDER'));
  });

  test('is refused where its name is too long, and the folders made for it are removed', async () => {
    await expect(assertWritableFolder(join(folder, 'a', 'b', 'n'.repeat(300)))).rejects.toThrow(code('FOLDER'));
    expect(await readdir(folder)).toEqual([]);
  });

  test('is refused without the permission to write', async (context) => {
    if (process.getuid?.() === 0) return context.skip('root may write everywhere');
    await chmod(folder, 0o500);
    onTestFinished(() => chmod(folder, 0o700));
    await expect(assertWritableFolder(folder)).rejects.toThrow(code('FOLDER'));
    await expect(assertWritableFolder(join(folder, 'a'))).rejects.toThrow(code('FOLDER'));
  });
});

test('a disk that refuses is an error of the run, with its cause', async () => {
  await rm(folder, { recursive: true });
  await expect(writeCheckpoint(folder, contents)).rejects.toMatchObject({ code: 'ERR_CHECKPOINT_WRITE', kind: 'run', cause: { code: 'ENOENT' } });
});
