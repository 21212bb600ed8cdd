import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, onTestFinished, test } from 'vitest';

// A checkout on a machine that has nothing but Node: what it holds, in another folder, with an npm cache of its own.

const ROOT = fileURLToPath(new URL('../../..', import.meta.url));
const { version } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as { readonly version: string };
const TIMEOUT_MS = 900_000;
const REGISTRY_FAILURES = /E(NOTFOUND|AI_AGAIN|CONNREFUSED|CONNRESET|TIMEDOUT|NOTCACHED)|network|offline/;

interface Ended {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** `npm run -s tensorflock -- <args>`, without the settings that an outer npm leaves in the environment. */
async function tensorflock(cwd: string, cache: string, ...args: string[]): Promise<Ended> {
  const environment = Object.entries(process.env).filter(([name]) => !/^npm_(config_(loglevel|prefix|local_prefix|cache)|lifecycle|package|command|execpath)/.test(name));
  const child = spawn('npm', ['run', '-s', 'tensorflock', '--', ...args], { cwd, env: { ...Object.fromEntries(environment), npm_config_cache: cache }, shell: process.platform === 'win32' });
  const output = { stdout: '', stderr: '' };
  child.stdout.on('data', (chunk: Buffer) => (output.stdout += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => (output.stderr += chunk.toString()));
  const [status] = (await once(child, 'close')) as [number | null];
  return { status, ...output };
}

test('a clean clone installs and builds itself, silently, though two commands begin at once', { timeout: TIMEOUT_MS }, async (context) => {
  const listed = spawnSync('git', ['ls-files', '-z', '--cached', '--others', '--exclude-standard'], { cwd: ROOT, encoding: 'utf8' });
  if (listed.status !== 0) return context.skip('this is no git checkout, so nobody knows which files a clone has');
  const folder = mkdtempSync(join(tmpdir(), 'tensorflock-clone-'));
  onTestFinished(() => { rmSync(folder, { recursive: true, force: true }); });
  const [clone, cache] = [join(folder, 'clone'), join(folder, 'cache')];
  for (const name of listed.stdout.split('\0')) if (name !== '' && existsSync(join(ROOT, name))) cpSync(join(ROOT, name), join(clone, name));

  const both = await Promise.all([tensorflock(clone, cache, '--version'), tensorflock(clone, cache, '--version')]);
  const failed = both.find(({ status }) => status !== 0);
  if (failed !== undefined && REGISTRY_FAILURES.test(failed.stderr)) return context.skip(`the package registry is out of reach: ${failed.stderr.split('\n')[0]!}`);
  expect(both).toEqual([1, 2].map(() => ({ status: 0, stdout: `${version}\n`, stderr: '' })));

  expect(existsSync(join(clone, 'dist', '.lock'))).toBe(false);
  expect(await tensorflock(clone, cache, 'frobnicate')).toMatchObject({ status: 2, stdout: '', stderr: expect.stringContaining('"frobnicate" is not a command') as string });
});
