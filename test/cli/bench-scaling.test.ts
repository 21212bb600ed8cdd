import { readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { measure, type Answer } from '../../scripts/bench/harness.js';
import { findDataFolder } from '../../scripts/bench/data-folder.js';
import { FASHION_MNIST } from '../../src/data/image-sets.js';
import { findRealSet } from '../data/real-sets.js';
import { PROGRAM, tensorflock, tensorflockIn, temporaryFolder } from './command.js';

const set = findRealSet(FASHION_MNIST);
const OURS = fileURLToPath(new URL('../../scripts/bench/ours.js', import.meta.url));

test('bench --scaling leaves its report, and --compare reads two of them', (context) => {
  if ('missing' in set) return context.skip(set.missing);
  const folder = join(temporaryFolder(), 'scaling');
  const bench = (...args: string[]) => tensorflockIn({ TENSORFLOCK_DATA: set.cacheFolder }, 'bench', '--sizes', 'linear', '--accuracy', '0.5', '--rounds', '2', '--seconds', '0.05', '--fetch', 'none', ...args);
  const first = bench('--scaling', 'workers,accuracy', '--worker-counts', '1,2', '--out', folder);
  expect(first.status).toBe(0);
  expect(first.stderr).toMatch(/^4 contestants, 2 rounds: about 1\d\.\d s$/m);
  expect(first.stdout).toMatch(/^linear {2}2 workers, batch 32 /m);
  expect(first.stdout).toMatch(/^linear: Amdahl's law fits a serial part of /m);
  expect(first.stdout).toMatch(/^linear, 2 workers: validation accuracy 0\.5 after 1 epochs, /m);
  expect(readdirSync(folder).sort()).toEqual(['bench.csv', 'bench.json', 'index.html', 'strong.svg', 'weak.svg']);
  expect(bench('--scaling', '--out', folder)).toMatchObject({ status: 2, stderr: `--out ${folder} holds an earlier bench; replace it by --overwrite, or choose another folder.\n` });
  const kept = join(folder, 'bench.json');
  const compared = tensorflock('bench', '--compare', kept, kept);
  expect(compared).toMatchObject({ status: 0, stderr: '' });
  expect(compared.stdout).toMatch(/^linear: 2 workers, batch 32 +1\.000 .* within the noise$/m);
  const events = bench('--scaling', '--worker-counts', '1', '--json').stdout.trim().split('\n').map((line) => JSON.parse(line) as { readonly event: string });
  expect(events.map(({ event }) => event)).toEqual(['machine', 'scaling', 'scaling', 'calibration']);
});

test('an outside stopwatch agrees: the time of a run lies within that seen from outside, and its examples are whole steps', async (context) => {
  if ('missing' in set) return context.skip(set.missing);
  const batch = 100; // divides the 60,000 examples, so that no step is short
  const contestant = { name: 'ours', command: process.execPath, args: [OURS, '--model', 'mlp', '--data', findDataFolder({ TENSORFLOCK_DATA: set.cacheFolder }), '--batch', String(batch)], env: process.env };
  let begunMs = 0;
  const seen: { readonly outsideSeconds: number; readonly answer: Answer }[] = [];
  await measure([contestant], {
    rounds: 2, seconds: 0.2,
    beforeRun: () => { begunMs = performance.now(); },
    onRun: (_name, _round, answer) => { seen.push({ outsideSeconds: (performance.now() - begunMs) / 1000, answer }); },
  });
  expect(seen).toHaveLength(2);
  for (const { outsideSeconds, answer: { examples, seconds, examplesPerSecond } } of seen) {
    expect(examples).toBeGreaterThan(0);
    expect(examples % batch).toBe(0);
    expect(examplesPerSecond).toBe(examples / seconds);
    expect(seconds).toBeGreaterThanOrEqual(0.2);
    expect(seconds).toBeLessThanOrEqual(outsideSeconds);
  }
});

test('a training says no more speed than an outside stopwatch allows: its steps by the mini-batch are the examples of its time', (context) => {
  if ('missing' in set) return context.skip(set.missing);
  const [examples, epochs, batch] = [6_000, 3, 100];
  const begunMs = performance.now();
  const { stdout } = tensorflockIn({ TENSORFLOCK_DATA: set.cacheFolder }, 'train', '--train-examples', String(examples), '--epochs', String(epochs), '--batch-size', String(batch), '--fetch', 'none', '--json');
  const outsideSeconds = (performance.now() - begunMs) / 1000;
  const result = JSON.parse(stdout.trim().split('\n').at(-1)!) as { readonly steps: number; readonly examplesPerSecond: number };
  expect(result.steps * batch).toBe(examples * epochs);
  expect((examples * epochs) / result.examplesPerSecond).toBeLessThan(outsideSeconds);
});

test.each([
  [['--scaling', 'worker'], '--scaling "worker" is not a part of a scaling report; did you mean workers (of all, workers, batches, modes, codecs, nodes, accuracy)?'],
  [['--scaling', '--sizes', 'mlpwide'], '--sizes "mlpwide" is not a network; did you mean mlp-wide (of all, linear, mlp, mlp-wide)?'],
  [['--scaling', '--worker-counts', '1,0'], '--worker-counts must be whole numbers from 1 to 64 with commas between them, such as 1,2,4, not "1,0".'],
  [['--sizes', 'mlp'], '--sizes is for a scaling report; give --scaling too.'],
  [['--compare', 'one.json'], '--compare needs two files, the bench.json of two reports: --compare before.json after.json.'],
  [['--compare', '/nowhere/a.json', '/nowhere/b.json'], '--compare: there is no file /nowhere/a.json; name two bench.json of bench --scaling --out.'],
  [['--compare', PROGRAM, PROGRAM], `--compare: ${PROGRAM} is not a bench.json; name two that bench --scaling --out has written.`],
])('bench %j is refused', (args, sentence) => {
  expect(tensorflock('bench', ...args)).toEqual({ status: 2, stdout: '', stderr: `${sentence}\n` });
});

test('what a report would replace is refused before anything is measured', () => {
  const folder = temporaryFolder();
  writeFileSync(join(folder, 'mine.txt'), 'mine');
  expect(tensorflock('bench', '--scaling', '--out', folder, '--overwrite')).toMatchObject({ status: 2, stderr: expect.stringContaining('holds files that are not a bench') as string });
  expect(readFileSync(join(folder, 'mine.txt'), 'utf8')).toBe('mine');
});
