import { ESLint } from 'eslint';
import { describe, expect, test } from 'vitest';
import { ROOT } from './documents.js';

const eslint = new ESLint({ cwd: ROOT, overrideConfigFile: 'scripts/eslint.config.js' });

/** The rules that a file of this text would break. */
async function brokenRules(filePath: string, text: string): Promise<(string | null)[]> {
  const [result] = await eslint.lintText(text, { filePath });
  return result!.messages.map(({ ruleId }) => ruleId);
}

const imports = (specifier: string): string => `export * from '${specifier}';\n`;

describe('an import against the arrows is reported', () => {
  test.each([
    ['src/data/words.ts', '../train/options.js'],
    ['src/kernels/tiles.ts', '../plan/tree.js'],
    ['src/kernels/tiles.ts', '../codecs/codec.js'],
    ['src/codecs/codec.ts', '../plan/tree.js'],
    ['src/train/state.ts', '../../workers/barrier.js'],
    ['src/index.ts', '../workers/barrier.js'],
    ['src/train/state.ts', '../../scripts/cli/version.js'],
    ['workers/faults.ts', '../scripts/cli/version.js'],
    ['cluster/protocol/wire.ts', '../../workers/barrier.js'],
    ['src/train/state.ts', '../../cluster/protocol/wire.js'],
    ['src/report/lesson.ts', '../../examples/lessons/kit.js'],
    ['examples/lessons/kit.ts', '../../workers/barrier.js'],
  ])('%s from %s', async (file, specifier) => {
    expect(await brokenRules(file, imports(specifier))).toContain('import-x/no-restricted-paths');
  });

  test('a cycle', async () => {
    expect(await brokenRules('src/data/words.ts', imports('./csv.js'))).toContain('import-x/no-cycle');
  });
});

test.each([
  ['src/train/state.ts', '../data/words.js'],
  ['workers/faults.ts', '../src/train/control.js'],
  ['src/distribute.ts', '../workers/barrier.js'],
  ['cluster/protocol/wire.ts', '../../src/plan/tree.js'],
])('an import along the arrows is not: %s from %s', async (file, specifier) => {
  expect(await brokenRules(file, imports(specifier))).toEqual([]);
});

test('Math.random and the console are reported', async () => {
  expect(await brokenRules('src/data/words.ts', 'console.log(Math.random());\n')).toEqual(['no-console', 'no-restricted-properties']);
});

test('the protocol imports nothing of Node, and reads no clock', async () => {
  const text = "export * from 'node:crypto';\nexport const nowMs = Date.now() + performance.now();\nsetTimeout(() => Buffer.alloc(process.pid));\n";
  const rules = await brokenRules('cluster/protocol/wire.ts', text);
  expect(rules.sort()).toEqual([...Array.from({ length: 5 }, () => 'no-restricted-globals'), 'no-restricted-imports']);
});

test('a lesson imports what a user could, and its kit', async () => {
  const text = "export * from '../../src/errors.js';\nexport * from './kit.js';\nexport * from 'tensorflock';\n";
  expect(await brokenRules('examples/lessons/01-perceptron.ts', text)).toEqual(['no-restricted-imports']);
  expect(await brokenRules('examples/lessons/kit.ts', imports('../../src/errors.js'))).toEqual([]);
});

test('sockets are reported outside the edge of the cluster, clocks where it decides, and neither within', async () => {
  const text = "export * from 'node:net';\nexport * from 'ws';\nsetTimeout(() => performance.now());\n";
  const ofSockets = ['no-restricted-imports', 'no-restricted-imports'];
  expect((await brokenRules('cluster/rounds/rounds.ts', text)).sort()).toEqual(['no-restricted-globals', 'no-restricted-globals', ...ofSockets]);
  expect(await brokenRules('cluster/coordinator/served-run.ts', text)).toEqual(ofSockets);
  expect(await brokenRules('cluster/net/clock.ts', text)).toEqual([]);
});
