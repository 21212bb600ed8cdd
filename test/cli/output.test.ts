import { PassThrough } from 'node:stream';
import { stripVTControlCharacters } from 'node:util';
import { describe, expect, test } from 'vitest';
import type { Context } from '../../scripts/cli/context.js';
import { openOutput, type Output } from '../../scripts/cli/output.js';
import { fakeRun } from './fakes.js';

interface Screen {
  readonly output: Output;
  /** All that was written since the last call, without what moves the cursor. */
  readonly text: () => string;
}

/** The output of a command whose standard output is a terminal, or a pipe. */
async function screen(isTTY: boolean, options: { readonly json?: boolean; readonly quiet?: boolean } = {}): Promise<Screen> {
  const stdout = Object.assign(new PassThrough(), { isTTY, columns: 100 });
  const context: Context = { ...fakeRun().context, stdout };
  const output = await openOutput(context, { json: false, quiet: false, ...options });
  return { output, text: () => stripVTControlCharacters(String(stdout.read() ?? '')) };
}

const PROGRESS = { epoch: 2, epochs: 4, step: 5, steps: 10, examplesPerSecond: 123_456.7 };
const ROW = { epoch: 2, loss: 0.5, accuracy: 0.75, valLoss: null, valAccuracy: null, examplesPerSecond: 1_000, seconds: 1 };

describe('progress on a terminal', () => {
  test('is a bar over the whole run with examples per second and the time left', async () => {
    const { output, text } = await screen(true);
    output.progress(PROGRESS);
    // 15 of 40 steps are 37 %, and 11 of the bar's 30 blocks.
    expect(text()).toMatch(/epoch 2 {2}█{11}░{19} 37 % {2}123,457 examples\/s {2}\S+ left/);
    output.close();
  });

  test('goes before a line is written, and comes again', async () => {
    const { output, text } = await screen(true);
    output.progress(PROGRESS);
    text();
    output.epoch(ROW, 4);
    expect(text()).toMatch(/^\s*epoch 2\/4 {2}loss 0\.500 .*\n$/);
    output.progress({ ...PROGRESS, epoch: 3 });
    expect(text()).toContain('epoch 3  █');
    output.close();
  });

  test('of a download is a bar for each file', async () => {
    const { output, text } = await screen(true);
    const file = { file: 'train-images', mirror: 'http://mirror', totalBytes: 20_000_000 };
    output.download({ ...file, receivedBytes: 5_000_000 });
    expect(text()).toMatch(/train-images {2}█{8}░{22} 25 % {2}5\.0 MB {2}\S+ left/);
    output.download({ ...file, receivedBytes: 20_000_000 });
    text();
    output.progress(PROGRESS);
    expect(text()).toContain('epoch 2  █');
    output.close();
  });
});

test.each([
  ['a pipe', false, {}],
  ['a terminal with --quiet', true, { quiet: true }],
  ['a terminal with --json', true, { json: true }],
])('%s has no bar', async (_name, isTTY, options) => {
  const { output, text } = await screen(isTTY, options);
  output.progress(PROGRESS);
  output.download({ file: 'train-images', mirror: 'http://mirror', receivedBytes: 1, totalBytes: 2 });
  expect(text()).toBe('');
  output.close();
});

describe('the closing line', () => {
  const RESULT = { weightsSha256: 'ab'.repeat(32), stateSha256: 'cd'.repeat(32), exact: true, arithmetic: 'fma', trainLoss: 0.5, testLoss: 0.6, testAccuracy: 0.7, examplesPerSecond: 1_000, steps: 10, workers: 2, nodes: 0, seconds: 1 };

  test.each([
    ['on a terminal', true, {}, true],
    ['on a terminal with NO_COLOR', true, { NO_COLOR: '1' }, false],
    ['in a pipe', false, {}, false],
  ])('%s', async (_name, isTTY, environment, isBold) => {
    const stdout = Object.assign(new PassThrough(), { isTTY, columns: 100 });
    const output = await openOutput({ ...fakeRun().context, stdout, environment }, { json: false, quiet: true });
    output.result(RESULT, 'not kept');
    const text = String(stdout.read());
    expect(text).toContain('test accuracy 0.7000');
    expect(text !== stripVTControlCharacters(text)).toBe(isBold);
    output.close();
  });
});
