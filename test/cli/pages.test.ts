import { readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { describe, expect, test } from 'vitest';
import { PRESETS } from '../../scripts/cli/presets.js';
import { startTensorflock, tensorflock } from './command.js';

const PACKAGE = JSON.parse(readFileSync(new URL('../../../package.json', import.meta.url), 'utf8')) as { version: string };

test('--version prints the version of package.json and nothing else', () => {
  expect(tensorflock('--version')).toEqual({ status: 0, stdout: `${PACKAGE.version}\n`, stderr: '' });
});

describe('--help', () => {
  test.each(['train', 'evaluate', 'predict', 'report', 'init', 'bench', 'doctor', 'join'])('%s has a page with an example', (command) => {
    const { status, stdout, stderr } = tensorflock(command, '--help');
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
    expect(stdout).toContain(`Usage: tensorflock ${command}`);
    expect(stdout).toMatch(new RegExp(`Examples?:\n(.*\n)*  tensorflock ${command}`));
  });

  test('names every command on the first page', () => {
    const { stdout } = tensorflock('--help');
    for (const command of ['train', 'evaluate', 'predict', 'report', 'init', 'bench', 'doctor', 'join']) expect(stdout).toMatch(new RegExp(`^  ${command} `, 'm'));
  });

  test('of train names every preset and every option of the contract', () => {
    const { stdout } = tensorflock('train', '--help');
    for (const preset of Object.keys(PRESETS)) expect(stdout).toContain(preset);
    for (const option of ['workers', 'epochs', 'batch-size', 'shard-size', 'optimizer', 'learning-rate', 'seed', 'mode', 'train-examples', 'test-examples', 'kernels', 'out', 'resume', 'json', 'checkpoint-every']) {
      expect(stdout).toContain(`--${option}`);
    }
  });
});

test('doctor names the cores and whether data are there', () => {
  const { status, stdout } = tensorflock('doctor');
  expect(status).toBe(0);
  expect(stdout).toContain(`--workers auto is ${availableParallelism()}\n`);
  expect(stdout).toMatch(/^data +fashion-mnist: (found|not on this machine)/m);
});

test('a reader that closes the pipe early is no error', async () => {
  const child = startTensorflock('train', '--help');
  child.stdout?.destroy();
  let stderr = '';
  child.stderr?.on('data', (text: Buffer) => (stderr += String(text)));
  const status = await new Promise((resolve) => child.once('close', resolve));
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
});
