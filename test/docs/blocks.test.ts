import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { codeBlocks, README, ROOT } from './documents.js';

// The programs of the README, run as a user would run them: from a folder of their own, on the built package.
const EXPERIMENT_MARK = '// experiment.js\n';
const blocks = codeBlocks(README, 'js');
const programs = blocks.filter(({ code }) => !code.startsWith(EXPERIMENT_MARK));
const experiment = blocks.find(({ code }) => code.startsWith(EXPERIMENT_MARK));

let folder: string;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'tensorflock-docs-'));
  mkdirSync(join(folder, 'node_modules'));
  symlinkSync(ROOT, join(folder, 'node_modules', 'tensorflock'), 'junction');
  symlinkSync(join(ROOT, 'node_modules', '@tensorflow'), join(folder, 'node_modules', '@tensorflow'), 'junction');
  writeFileSync(join(folder, 'package.json'), '{"type":"module"}');
});

afterAll(() => rmSync(folder, { recursive: true, force: true }));

function node(...args: string[]): { readonly status: number | null; readonly stdout: string; readonly stderr: string } {
  return spawnSync(process.execPath, args, { cwd: folder, encoding: 'utf8' });
}

/** What the comments `// prints …` of a program promise, line by line. */
function promised(code: string): string[] {
  return [...code.matchAll(/\/\/ prints (.*)$/gm)].map((match) => match[1]!);
}

describe('a program of the README runs and prints what it says', () => {
  test.for(programs)('line $line', ({ code, line }, context) => {
    const file = join(folder, `line-${line}.js`);
    writeFileSync(file, code);
    const { status, stdout, stderr } = node(file);
    if (stderr.includes('ERR_DATASET_NOT_FOUND')) return context.skip('Fashion-MNIST is not on this machine');
    expect({ status, stderr: status === 0 ? '' : stderr }).toEqual({ status: 0, stderr: '' });
    expect(ownLines(stdout)).toEqual(promised(code));
  });
});

/** tfjs greets on the console of whoever loads it without a native backend. */
function ownLines(stdout: string): string[] {
  return stdout.split('\n').filter((line) => line !== '' && !/^(=+|Hi, looks like|Hi there)/.test(line));
}

test('the experiment of the README trains, and its events have the fields of the README', () => {
  writeFileSync(join(folder, 'experiment.js'), experiment!.code);
  const { status, stdout, stderr } = node(join(ROOT, 'dist/scripts/tensorflock.js'), 'train', 'experiment.js', '--json', '--workers', '1');
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
  const events = stdout.trim().split('\n').map((line) => JSON.parse(line) as Record<string, unknown>);
  const [json] = codeBlocks(README, 'json');
  for (const documented of json!.code.trim().split('\n').map((line) => JSON.parse(line) as Record<string, unknown>)) {
    const real = events.find(({ event }) => event === documented['event']);
    expect(Object.keys(real ?? {})).toEqual(Object.keys(documented));
  }
  expect(events.map(({ event }) => event)).toEqual(['epoch', 'epoch', 'result']);
});
