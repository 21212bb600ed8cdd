import { createHash } from 'node:crypto';
import { mkdtemp, mkdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { onTestFinished } from 'vitest';
import { startStallTimer } from '../../src/data/download.js';
import type { Machine } from '../../src/data/image-set-loader.js';
import type { ImageSet, SetFile } from '../../src/data/image-sets.js';

export const TRAIN_COUNT = 40;
export const TEST_COUNT = 10;

/** An IDX file of bytes that gzip can hardly shorten (a multiplicative sequence), so that half of it is in the middle. */
function idxBytes(shape: readonly number[], seed: number, largest: number): Buffer {
  const count = shape.reduce((product, size) => product * size, 1);
  const header = Buffer.alloc(4 + 4 * shape.length);
  header.set([0, 0, 8, shape.length]);
  shape.forEach((size, axis) => header.writeUInt32BE(size, 4 + 4 * axis));
  let state = seed;
  const values = Uint8Array.from({ length: count }, () => {
    state = Math.imul(state, 48271) % 0x7fffffff;
    return (Math.abs(state) >> 8) % (largest + 1);
  });
  return Buffer.concat([header, values]);
}

/** The decoded files by name. */
export const DECODED: Readonly<Record<string, Buffer>> = {
  'train-images': idxBytes([TRAIN_COUNT, 6, 6], 1, 255),
  'train-labels': idxBytes([TRAIN_COUNT], 2, 2),
  'test-images': idxBytes([TEST_COUNT, 6, 6], 3, 255),
  'test-labels': idxBytes([TEST_COUNT], 4, 2),
};

/** What a mirror serves, by request path. */
export const SERVED: Readonly<Record<string, Buffer>> = Object.fromEntries(
  Object.entries(DECODED).map(([name, bytes]) => [`/${name}.gz`, gzipSync(bytes)]),
);

export const TRAIN_IMAGES_PATH = '/train-images.gz';

function setFile(name: string): SetFile {
  const bytes = DECODED[name]!;
  return { name, byteLength: bytes.length, sha256: createHash('sha256').update(bytes).digest('hex') };
}

export function fakeSet(options: Partial<ImageSet> = {}): ImageSet {
  return {
    title: 'Fake-Set',
    folder: 'fake-set',
    files: {
      trainImages: setFile('train-images'),
      trainLabels: setFile('train-labels'),
      testImages: setFile('test-images'),
      testLabels: setFile('test-labels'),
    },
    classNames: ['a', 'b', 'c'],
    systemFolders: [],
    mirrors: [],
    ...options,
  };
}

/** A machine without settings, on which no command may run and no timer goes off unless a test provides one. */
export function fakeMachine(machine: Partial<Machine> = {}): Machine {
  return {
    environment: {},
    run: () => Promise.reject(new Error('no command was expected')),
    startStallTimer: (_, onStall) => startStallTimer(60_000, onStall),
    ...machine,
  };
}

/** A folder of its own for a test, gone afterwards. */
export async function temporaryFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'tensorflock-test-'));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

/** Writes files into a folder, which is made. */
export async function fill(folder: string, files: Readonly<Record<string, Uint8Array>>): Promise<void> {
  await mkdir(folder, { recursive: true });
  for (const [name, bytes] of Object.entries(files)) await writeFile(join(folder, name), bytes);
}
