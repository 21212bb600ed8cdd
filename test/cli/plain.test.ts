import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { createProgram } from '../../scripts/cli/program.js';
import { fashionMnist } from '../../src/data/index.js';
import { tensorflock } from './command.js';
import { fakeRun } from './fakes.js';

// What is written where there is no terminal, and with --quiet.

const ESCAPE = '\u001b';
const names = createProgram(fakeRun().context, () => undefined).commands.map((command) => command.name()).filter((name) => name !== 'complete');

test.each(names)('the page of %s has no codes of a terminal in a pipe', (name) => {
  const { status, stdout, stderr } = tensorflock(name, '--help');
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
  expect(stdout).toContain(`Usage: tensorflock ${name}`);
  expect(stdout).not.toContain(ESCAPE);
});

describe('commands', () => {
  let missing: string | undefined;
  let folder: string;
  const at = (name: string): string => join(folder, name);
  const SMALL = ['--train-examples', '256', '--test-examples', '64', '--epochs', '1', '--workers', '1', '--kernels', 'portable', '--fetch', 'none'];
  const BENCH = ['bench', '--scaling', '--sizes', 'linear', '--worker-counts', '1', '--rounds', '1', '--seconds', '0.05', '--fetch', 'none'];

  beforeAll(async () => {
    missing = await fashionMnist({ fetch: 'none' }).then(() => undefined, (error: Error) => error.message);
    folder = mkdtempSync(join(tmpdir(), 'tensorflock-plain-'));
    if (missing !== undefined) return;
    expect(tensorflock('train', 'fashion-mnist-linear', ...SMALL, '--out', at('run')).status).toBe(0);
  });
  afterAll(() => { rmSync(folder, { recursive: true, force: true }); });
  beforeEach((context) => {
    if (missing !== undefined) context.skip(missing);
  });

  test.each<[name: string, args: () => string[]]>([
    ['train', () => ['train', 'fashion-mnist-linear', ...SMALL]],
    ['evaluate', () => ['evaluate', at('run'), '--test-examples', '10']],
    ['report', () => ['report', at('run'), '--out', at('comparison.html')]],
    ['init', () => ['init', at('experiment.ts')]],
    ['lesson', () => ['lesson']],
    ['bench', () => BENCH],
    ['doctor', () => ['doctor']],
    ['completion', () => ['completion', 'bash']],
  ])('%s writes no codes of a terminal', (_, args) => {
    const { status, stdout, stderr } = tensorflock(...args());
    expect(status, stderr).toBe(0);
    expect(stdout).not.toBe('');
    expect(stdout + stderr).not.toContain(ESCAPE);
  });

  test.each<[name: string, args: () => string[], lines: number | undefined]>([
    ['train', () => ['train', 'fashion-mnist-linear', ...SMALL], 1],
    ['evaluate', () => ['evaluate', at('run'), '--test-examples', '10'], 1],
    ['bench', () => BENCH, undefined],
  ])('%s --quiet writes its result and nothing beside it', (_, args, lines) => {
    const { status, stdout, stderr } = tensorflock(...args(), '--quiet');
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
    expect(stdout).not.toBe('');
    if (lines !== undefined) expect(stdout.trimEnd().split('\n')).toHaveLength(lines);
  });
});

test('join --quiet says only what went wrong', () => {
  const args = ['join', 'http://127.0.0.1:9/#k=AAAAAAAAAAAAAAAAAAAAAA', '--give-up-after', '1.5'];
  const [loud, quiet] = [tensorflock(...args), tensorflock(...args, '--quiet')];
  expect(loud.stderr.trimEnd().split('\n').length).toBeGreaterThan(1);
  expect({ status: quiet.status, stdout: quiet.stdout }).toEqual({ status: loud.status, stdout: '' });
  expect(quiet.stderr.trimEnd()).toBe(loud.stderr.trimEnd().split('\n').at(-1));
});
