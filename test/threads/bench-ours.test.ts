import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { expect, onTestFinished, test } from 'vitest';
import { measure } from '../../scripts/bench/harness.js';
import { ownContestants, THIS_NODE } from '../../scripts/bench/own.js';

/** More than the 1,024 whose loss is told, and no multiple of the batch of 128: the last step of an epoch is short. */
const EXAMPLES = 1100;
const BATCH = 128;

/** Images that are black but for one row, which is the class. */
function trainingFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'tensorflock-bench-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  const images = Buffer.alloc(EXAMPLES * 784);
  const labels = Buffer.alloc(EXAMPLES);
  for (let index = 0; index < EXAMPLES; index++) {
    labels[index] = index % 10;
    images.fill(255, index * 784 + labels[index]! * 28, index * 784 + (labels[index]! + 1) * 28);
  }
  writeFileSync(join(folder, 'train-images-idx3-ubyte.gz'), gzipSync(Buffer.concat([idxHead(EXAMPLES, 28, 28), images])));
  writeFileSync(join(folder, 'train-labels-idx1-ubyte.gz'), gzipSync(Buffer.concat([idxHead(EXAMPLES), labels])));
  return folder;
}

/** The head of an IDX file of bytes: two zeros, type 8, the number of axes, and each axis as a big-endian word. */
function idxHead(...axes: number[]): Buffer {
  const head = Buffer.alloc(4 + axes.length * 4);
  head.set([0, 0, 8, axes.length]);
  axes.forEach((length, index) => head.writeUInt32BE(length, 4 + index * 4));
  return head;
}

test('our contestant trains on from run to run, counts whole steps, and learns', async () => {
  const workload = { model: 'mlp', batchSize: BATCH, dataFolder: trainingFolder() } as const;
  const contestant = ownContestants([THIS_NODE], workload).find(({ workers, engineFlags }) => workers === 2 && engineFlags)!;
  const [row] = await measure([contestant], { rounds: 2, seconds: 0.1 });
  expect(row).toMatchObject({ name: contestant.name, ready: { threads: 2 } });
  if (row === undefined || !('answers' in row)) throw new Error(row?.failure);
  for (const { examples, loss } of row.answers) {
    // From step a of an epoch to step b of another: b - a steps of 128, give or take whole epochs of 1,100.
    const fromStep = (steps: number): boolean => (examples - steps * BATCH) % EXAMPLES === 0;
    expect(examples).toBeGreaterThan(0);
    expect(Array.from({ length: 17 }, (_, index) => index - 8).some(fromStep)).toBe(true);
    expect(loss).toBeLessThan(0.1); // ten images, each a class: a second of warm-up learns them
  }
}, 60_000);

test('without data our contestant says why', async () => {
  const [contestant] = ownContestants([THIS_NODE], { model: 'mlp', batchSize: BATCH, dataFolder: '/nowhere' });
  const [row] = await measure([contestant!], { rounds: 1, seconds: 0.1 });
  expect(row).toMatchObject({ failure: expect.stringContaining('train-images-idx3-ubyte.gz') });
}, 60_000);
