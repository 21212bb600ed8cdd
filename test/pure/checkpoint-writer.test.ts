import { expect, test } from 'vitest';
import { readCheckpoint, type CheckpointContents } from '../../src/train/checkpoint.js';
import { CheckpointWriter } from '../../src/train/checkpoint-writer.js';
import type { Files } from '../../src/train/durable-files.js';
import { MemoryDisk } from './memory-disk.js';

const FOLDER = '/run';

function checkpoint(step: number): CheckpointContents {
  const weights = [{ name: 'dense/kernel', shape: [2], values: Float32Array.of(step, -step) }];
  return { step, tensors: weights, model: { topology: {}, weights }, record: {} };
}

/** A disk on which no name becomes durable before `release` is called. */
function slowDisk(disk: MemoryDisk): { readonly files: Files; readonly release: () => void } {
  let release = (): void => undefined;
  const released = new Promise<void>((resolve) => { release = resolve; });
  const files = disk.files();
  return { files: { ...files, rename: async (from, to) => { await released; await files.rename(from, to); } }, release };
}

test('a run goes on while its checkpoint is written, and the next one is copied when that is done', async () => {
  const disk = new MemoryDisk();
  const { files, release } = slowDisk(disk);
  const writer = new CheckpointWriter(FOLDER, files);
  const copied: number[] = [];
  const write = (step: number): Promise<void> => writer.write(() => {
    copied.push(step);
    return checkpoint(step);
  });
  await write(1);
  const second = write(2);
  await new Promise((resolve) => { setImmediate(resolve); });
  expect(copied).toEqual([1]);
  release();
  await second;
  expect(copied).toEqual([1, 2]);
  expect((await readCheckpoint(FOLDER, files)).step).toBe(1);
  await writer.written();
  expect((await readCheckpoint(FOLDER, files)).step).toBe(2);
});

test('a disk that refuses stops the run, and both the next checkpoint and the end of the run say why', async () => {
  const disk = new MemoryDisk();
  const writer = new CheckpointWriter(FOLDER, disk.filesFailingOnce(3, new Error('no space is left')));
  await writer.write(() => checkpoint(1));
  await writer.settled();
  const refusal = { code: 'ERR_CHECKPOINT_WRITE', kind: 'run', message: expect.stringContaining('no space is left') as string };
  expect(writer.failed.aborted).toBe(true);
  await expect(writer.write(() => checkpoint(2))).rejects.toMatchObject(refusal);
  await expect(writer.written()).rejects.toMatchObject(refusal);
  expect(disk.paths()).toEqual([]);
});
