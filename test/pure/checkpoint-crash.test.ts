import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { readCheckpoint, writeCheckpoint } from '../../src/train/checkpoint.js';
import type { CheckpointContents } from '../../src/train/checkpoint.js';
import { MemoryDisk, Stopped } from './memory-disk.js';
import type { Choose } from './memory-disk.js';

const FOLDER = '/run';
/** A checkpoint of one step and the next of the same or a later one, as after a resumed run that is interrupted at once. */
const NEXT_STEPS = [4, 3] as const;

function checkpoint(step: number, value: number): CheckpointContents {
  const weights = [{ name: 'dense/kernel', shape: [2], values: Float32Array.of(value, -value) }];
  return { step, tensors: weights, model: { topology: { layers: value }, weights }, record: { value } };
}

async function diskWith(contents: CheckpointContents): Promise<MemoryDisk> {
  const disk = new MemoryDisk();
  await writeCheckpoint(FOLDER, contents, disk.files());
  return disk;
}

/** The operations of one write over a checkpoint that is there. */
async function countOperations(nextStep: number): Promise<number> {
  const disk = await diskWith(checkpoint(3, 1));
  await writeCheckpoint(FOLDER, checkpoint(nextStep, 2), disk.files());
  return disk.operationCount;
}

/** Writes the second checkpoint on a disk that stops after `operations`, and tells whether the write claimed success. */
async function writeUntilStopped(disk: MemoryDisk, nextStep: number, operations: number): Promise<boolean> {
  try {
    await writeCheckpoint(FOLDER, checkpoint(nextStep, 2), disk.files(operations));
    return true;
  } catch (error) {
    expect(error).toMatchObject({ code: 'ERR_CHECKPOINT_WRITE', kind: 'run', cause: expect.any(Stopped) as Stopped });
    return false;
  }
}

async function valueOnDisk(disk: MemoryDisk): Promise<number> {
  const { step, tensors, model, record } = await readCheckpoint(FOLDER, disk.files());
  const value = Number(record['value']);
  // Every part speaks of the same checkpoint.
  const { tensors: expectedTensors, model: expectedModel } = checkpoint(step, value);
  expect({ tensors, model }).toEqual({ tensors: expectedTensors, model: expectedModel });
  return value;
}

async function expectNextWriteToTidy(disk: MemoryDisk): Promise<void> {
  await writeCheckpoint(FOLDER, checkpoint(5, 3), disk.files());
  expect(await valueOnDisk(disk)).toBe(3);
  expect(disk.paths()).toEqual(['/run/run.json', '/run/step-5/model.json', '/run/step-5/model.safetensors', '/run/step-5/weights.bin']);
}

describe.each(NEXT_STEPS)('a checkpoint of step 3, then one of step %i', (nextStep) => {
  test('a process killed after any operation leaves the previous checkpoint or the new one', async () => {
    const count = await countOperations(nextStep);
    const found = [];
    for (let operations = 0; operations <= count; operations += 1) {
      const disk = await diskWith(checkpoint(3, 1));
      await writeUntilStopped(disk, nextStep, operations);
      found.push(await valueOnDisk(disk));
      await expectNextWriteToTidy(disk);
    }
    // First the previous one, from some operation on (the rename) the new one, and both do occur.
    expect(found).toEqual([...found].sort());
    expect(new Set(found)).toEqual(new Set([1, 2]));
  });

  test('a machine that loses power after any operation does too, and keeps what the write reported as done', async () => {
    const count = await countOperations(nextStep);
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 0, max: count }), fc.gen(), async (operations, generate) => {
        const choose: Choose = (most) => generate(fc.nat, { max: most });
        const disk = await diskWith(checkpoint(3, 1));
        const done = await writeUntilStopped(disk, nextStep, operations);
        disk.losePower(choose);
        expect(await valueOnDisk(disk)).toBeOneOf(done ? [2] : [1, 2]);
        await expectNextWriteToTidy(disk);
      }),
      { numRuns: 500 },
    );
  });

  test('a write that fails at any operation leaves a checkpoint and no half of one', async () => {
    const count = await countOperations(nextStep);
    const full = Object.assign(new Error('ENOSPC: no space left on device, write'), { code: 'ENOSPC' });
    for (let failing = 1; failing <= count; failing += 1) {
      const disk = await diskWith(checkpoint(3, 1));
      const failure: unknown = await writeCheckpoint(FOLDER, checkpoint(nextStep, 2), disk.filesFailingOnce(failing, full)).catch((error: unknown) => error);
      const value = await valueOnDisk(disk);
      if (failure !== undefined) expect(failure).toMatchObject({ code: 'ERR_CHECKPOINT_WRITE', cause: full });
      if (failure === undefined) expect(value).toBe(2);
      await expectNextWriteToTidy(disk);
    }
  });
});

test('a first checkpoint that is stopped before the rename leaves none, and the next one tidies up', async () => {
  const disk = new MemoryDisk();
  await writeUntilStopped(disk, 4, 9);
  await expect(readCheckpoint(FOLDER, disk.files())).rejects.toMatchObject({ code: 'ERR_CHECKPOINT_MISSING' });
  await expectNextWriteToTidy(disk);
});

test('a write that fails anywhere before the rename takes its unfinished set away', async () => {
  const full = Object.assign(new Error('ENOSPC: no space left on device, write'), { code: 'ENOSPC' });
  // list and createFolder; create, write, sync, close of three files; two folders synced; the four of run.json.tmp
  const operationsBeforeRename = 2 + 3 * 4 + 2 + 4;
  for (let failing = 1; failing <= operationsBeforeRename; failing += 1) {
    const disk = await diskWith(checkpoint(3, 1));
    const before = disk.paths();
    await expect(writeCheckpoint(FOLDER, checkpoint(4, 2), disk.filesFailingOnce(failing, full))).rejects.toThrow(/step 4 .*\/run: ENOSPC/);
    expect(disk.paths()).toEqual(before);
  }
});

test('two writes asked for at once follow one another, also for one step', async () => {
  const disk = new MemoryDisk();
  const files = disk.files();
  await Promise.all([writeCheckpoint(FOLDER, checkpoint(7, 1), files), writeCheckpoint(FOLDER, checkpoint(7, 2), files), writeCheckpoint(FOLDER, checkpoint(7, 3), files)]);
  expect(await valueOnDisk(disk)).toBe(3);
  expect(disk.paths()).toHaveLength(4);
});

test('a write goes on after one that failed', async () => {
  const disk = await diskWith(checkpoint(3, 1));
  const stopped = writeCheckpoint(FOLDER, checkpoint(4, 2), disk.filesFailingOnce(4, new Error('once')));
  const next = writeCheckpoint(FOLDER, checkpoint(5, 3), disk.files());
  await expect(stopped).rejects.toMatchObject({ code: 'ERR_CHECKPOINT_WRITE' });
  await next;
  expect(await valueOnDisk(disk)).toBe(3);
});

test('a reader that a writer overtakes reads the new checkpoint', async () => {
  const disk = await diskWith(checkpoint(3, 1));
  const files = disk.files();
  let overtaken = false;
  const slow = {
    ...files,
    async byteLength(path: string): Promise<number> {
      if (!overtaken) {
        overtaken = true;
        await writeCheckpoint(FOLDER, checkpoint(4, 2), files);
      }
      return files.byteLength(path);
    },
  };
  expect((await readCheckpoint(FOLDER, slow)).step).toBe(4);
});
