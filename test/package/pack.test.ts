import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test, type TestContext } from 'vitest';

const ROOT = fileURLToPath(new URL('../../..', import.meta.url));
const PACKAGE = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as {
  readonly version: string;
  readonly peerDependencies: Record<string, string>;
};
const SET_UP_TIMEOUT_MS = 300_000;
const REGISTRY_FAILURES = /E(NOTFOUND|AI_AGAIN|CONNREFUSED|CONNRESET|TIMEDOUT|NOTCACHED|404)|network|offline/;

let folder = '';
let user = '';
let outOfReach: string | undefined;

/** npm as a user calls it: without the settings that an outer `npm test` leaves in the environment. */
function npm(cwd: string, ...args: string[]): { readonly status: number | null; readonly stdout: string; readonly stderr: string } {
  const environment = Object.entries(process.env).filter(([name]) => !/^npm_(config_(loglevel|prefix|local_prefix)|lifecycle|package|command|execpath)/.test(name));
  return spawnSync('npm', args, { cwd, encoding: 'utf8', env: Object.fromEntries(environment), shell: process.platform === 'win32' });
}

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'tensorflock-pack-'));
  user = join(folder, 'user');
  mkdirSync(user);
  // Packed without `prepack`: the build is there, and building again would change files under the tests that run.
  const packed = npm(ROOT, 'pack', '--ignore-scripts', '--pack-destination', folder);
  expect(packed.stderr.replace(/^npm (warn|notice).*\n/gm, '')).toBe('');
  writeFileSync(join(user, 'package.json'), JSON.stringify({ name: 'user', private: true, type: 'module' }));
  const tarball = readdirSync(folder).find((name) => name.endsWith('.tgz'));
  const peers = Object.entries(PACKAGE.peerDependencies).map(([name, range]) => `${name}@${range}`);
  const installed = npm(user, 'install', '--ignore-scripts', '--no-audit', '--no-fund', join(folder, tarball ?? 'missing.tgz'), ...peers);
  if (installed.status === 0) return;
  if (!REGISTRY_FAILURES.test(installed.stderr)) throw new Error(installed.stderr);
  outOfReach = `the package registry is out of reach: ${installed.stderr.split('\n')[0]}`;
}, SET_UP_TIMEOUT_MS);

afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** Runs Node in the user's folder, where nothing of the checkout is. */
function node(context: TestContext, ...args: string[]): { readonly status: number | null; readonly stdout: string; readonly stderr: string } {
  if (outOfReach !== undefined) context.skip(outOfReach);
  return spawnSync(process.execPath, args, { cwd: user, encoding: 'utf8' });
}

test('the installed command prints its version', (context) => {
  const command = join(user, 'node_modules', '.bin', 'tensorflock');
  expect(node(context, command, '--version')).toMatchObject({ status: 0, stdout: `${PACKAGE.version}\n`, stderr: '' });
});

test('the installed command refuses bad input as the contract says', (context) => {
  const ended = node(context, join(user, 'node_modules', '.bin', 'tensorflock'), 'train', 'fashion-mnist-mpl');
  expect(ended).toMatchObject({ status: 2, stdout: '' });
  expect(ended.stderr).toContain('did you mean fashion-mnist-mlp');
});

test('the door can be imported, and nothing behind it', (context) => {
  const program = `
    const door = await import('tensorflock');
    const deep = await import('tensorflock/dist/src/errors.js').then(() => 'open', (error) => error.code);
    process.stdout.write(JSON.stringify({ distribute: typeof door.distribute, initialize: typeof door.initialize, deep }));`;
  const ended = node(context, '--input-type=module', '--eval', program);
  expect(ended.stderr).toBe('');
  expect(JSON.parse(ended.stdout)).toEqual({ distribute: 'function', initialize: 'function', deep: 'ERR_PACKAGE_PATH_NOT_EXPORTED' });
});

test('the kernels are shipped, and neither tests nor install scripts', (context) => {
  if (outOfReach !== undefined) context.skip(outOfReach);
  const shipped = join(user, 'node_modules', 'tensorflock');
  const { scripts } = JSON.parse(readFileSync(join(shipped, 'package.json'), 'utf8')) as { scripts: Record<string, string> };
  expect(Object.keys(scripts).filter((name) => /^(pre|post)?install$/.test(name))).toEqual([]);
  expect(existsSync(join(shipped, 'dist', 'test'))).toBe(false);
  expect(existsSync(join(shipped, 'dist', 'src', 'kernels', 'fma.wasm'))).toBe(true);
});

/** A model and data small enough for a second of training, as a user writes them. */
const EXPERIMENT = `
  import '@tensorflow/tfjs-backend-cpu';
  import * as tfl from '@tensorflow/tfjs-layers';
  import { datasets, defineExperiment } from 'tensorflock';
  const values = Float32Array.from({ length: 64 }, (_, index) => index / 64);
  const data = () => datasets.arrays({ values, shape: [64, 1] }, { values, shape: [64, 1] });
  export const experiment = defineExperiment({
    model: () => tfl.sequential({ layers: [tfl.layers.dense({ units: 1, inputShape: [1] })] }),
    data: () => ({ train: data(), test: data() }),
    loss: 'meanSquaredError', optimizer: 'sgd', batchSize: 16, epochs: 2,
  });`;

test('a program of the user trains', (context) => {
  writeFileSync(join(user, 'experiment.mjs'), EXPERIMENT);
  writeFileSync(join(user, 'program.mjs'), `
    import { distribute } from 'tensorflock';
    import { experiment } from './experiment.mjs';
    const model = experiment.model();
    model.compile({ optimizer: 'adam', loss: 'meanSquaredError' });
    const trainer = await distribute(model, { workers: 2, engineFlags: true });
    const { train } = experiment.data();
    const { epoch, history } = await trainer.fit(train, null, { epochs: 3 });
    const { loss } = await trainer.evaluate(train);
    await trainer.close();
    process.stdout.write(JSON.stringify({ epoch, finite: [...history.loss, loss].every(Number.isFinite), ...trainer.facts }));`);
  const ended = node(context, 'program.mjs');
  expect(ended.status).toBe(0);
  expect(JSON.parse(ended.stdout)).toMatchObject({ epoch: [0, 1, 2], finite: true, workers: 2, arithmetic: 'fma' });
});

test('the installed command trains an experiment of the user, and keeps it', (context) => {
  writeFileSync(join(user, 'experiment.mjs'), EXPERIMENT);
  const command = join(user, 'node_modules', '.bin', 'tensorflock');
  const ended = node(context, command, 'train', 'experiment.mjs', '--workers', '2', '--json', '--out', 'run');
  expect(ended).toMatchObject({ status: 0, stderr: '' });
  const result = JSON.parse(ended.stdout.trimEnd().split('\n').at(-1)!) as Record<string, unknown>;
  expect(result).toMatchObject({ event: 'result', steps: 8, workers: 2 });
  const evaluated = node(context, command, 'evaluate', 'run', '--workers', '1', '--json');
  expect(JSON.parse(evaluated.stdout)).toMatchObject({ testLoss: result['testLoss'], weightsSha256: result['weightsSha256'] });
});

test('the installed command runs a lesson, and has its code', (context) => {
  const ended = node(context, join(user, 'node_modules', '.bin', 'tensorflock'), 'lesson', 'by-hand', '--out', 'page');
  expect(ended).toMatchObject({ status: 0, stderr: '' });
  expect(readFileSync(join(user, 'page', 'index.html'), 'utf8')).toContain('const LEARNING_RATE = 0.5;');
});
