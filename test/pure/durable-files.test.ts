import { createHash } from 'node:crypto';
import { expect, test } from 'vitest';
import { assertWritableFolder } from '../../src/train/checkpoint.js';
import { digestOf, writeDurably } from '../../src/train/durable-files.js';
import type { Files } from '../../src/train/durable-files.js';
import { MemoryDisk } from './memory-disk.js';

const MEBIBYTE = 1024 * 1024;
const counting = (byteLength: number, from: number): Uint8Array => Uint8Array.from({ length: byteLength }, (_, index) => index * 31 + from);
const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

test('parts of any size are written one after another, and the digest is that of the file', async () => {
  const files = new MemoryDisk().files();
  // Chunks are 4 MiB: parts that end within, at and beyond their borders.
  const parts = [3, 4 * MEBIBYTE - 3, 0, 1, 9 * MEBIBYTE].map(counting);
  const digest = await writeDurably(files, '/run/file', parts);
  const whole = Buffer.concat(parts);
  expect(Buffer.compare(await files.read('/run/file'), whole)).toBe(0);
  expect(digest).toEqual({ byteLength: whole.byteLength, sha256: sha256(whole) });
  expect(digestOf(whole)).toEqual(digest);
});

test('memory that changes while it is written changes no digest', async () => {
  const files = new MemoryDisk().files();
  const values = counting(5 * MEBIBYTE, 0);
  const changing: Files = {
    ...files,
    async createFile(path) {
      const file = await files.createFile(path);
      return {
        ...file,
        write: (bytes) => {
          values.fill(1);
          return file.write(bytes);
        },
      };
    },
  };
  const digest = await writeDurably(changing, '/run/file', [values]);
  expect(digest).toEqual(digestOf(await files.read('/run/file')));
});

test('an empty file is one', async () => {
  const files = new MemoryDisk().files();
  expect(await writeDurably(files, '/run/file', [])).toEqual({ byteLength: 0, sha256: sha256(new Uint8Array()) });
});

// For /run/a/b: make a, sync /run, make b, sync a, list b; create, close and remove the probe.
test.each([1, 3, 5, 6, 7, 8])('a folder that fails at operation %i is refused, and the folders made for it are removed', async (failing) => {
  const disk = new MemoryDisk();
  const denied = Object.assign(new Error('EACCES: permission denied'), { code: 'EACCES' });
  await expect(assertWritableFolder('/run/a/b', 'refuse', disk.filesFailingOnce(failing, denied))).rejects.toMatchObject({
    code: 'ERR_CHECKPOINT_FOLDER',
    message: 'Checkpoints cannot be written to /run/a/b: EACCES: permission denied; choose another folder for --out.',
  });
  // A probe that cannot be removed keeps its folder.
  if (failing < 8) expect(await disk.files().kind('/run/a')).toBe('missing');
});

test.each([2, 4])('a folder above ours that cannot be synced (operation %i) is none to refuse', async (failing) => {
  const disk = new MemoryDisk();
  const denied = Object.assign(new Error('EACCES: permission denied'), { code: 'EACCES' });
  await assertWritableFolder('/run/a/b', 'refuse', disk.filesFailingOnce(failing, denied));
  expect(await disk.files().kind('/run/a/b')).toBe('folder');
});
