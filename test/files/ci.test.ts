import { spawnSync } from 'node:child_process';
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, onTestFinished, test } from 'vitest';

// What .ci/run asks of a machine, by programs in front of the machine's own that note their calls.
const SCRIPT = fileURLToPath(new URL('../../../.ci/run', import.meta.url));

/** Runs the script where `present` packages are installed; `apt` is the status that apt-get ends with. */
function run(present: readonly string[], apt: number): { readonly status: number | null; readonly calls: string[]; readonly stderr: string } {
  const folder = mkdtempSync(join(tmpdir(), 'tensorflock-ci-'));
  onTestFinished(() => { rmSync(folder, { recursive: true, force: true }); });
  const log = join(folder, 'calls');
  const program = (name: string, body: string): void => {
    writeFileSync(join(folder, name), `#!/bin/sh\n${body}\n`);
    chmodSync(join(folder, name), 0o755);
  };
  program('dpkg', `case " ${present.join(' ')} " in *" $2 "*) exit 0;; *) exit 1;; esac`);
  program('apt-get', `echo "apt-get $*" >>'${log}'; exit ${apt}`);
  program('npm', `echo "npm $*" >>'${log}'; exit 7`);
  program('id', 'echo 0');
  const { status, stderr } = spawnSync('bash', [SCRIPT], { encoding: 'utf8', env: { ...process.env, PATH: `${folder}:${process.env['PATH'] ?? ''}` } });
  return { status, calls: existsSync(log) ? readFileSync(log, 'utf8').trimEnd().split('\n') : [], stderr };
}

test.skipIf(process.platform === 'win32')('a new machine is given what the tests compare with before they run, and their status is the script\'s', () => {
  expect(run([], 0)).toMatchObject({
    status: 7,
    calls: ['apt-get update -q', 'apt-get install -q -y dataset-fashion-mnist python3-torch python3-numpy iproute2 chromium zsh fish', 'npm test'],
  });
});

test.skipIf(process.platform === 'win32')('only what is missing is installed', () => {
  expect(run(['dataset-fashion-mnist', 'python3-numpy', 'iproute2'], 0).calls).toEqual(['apt-get update -q', 'apt-get install -q -y python3-torch chromium zsh fish', 'npm test']);
  expect(run(['dataset-fashion-mnist', 'python3-numpy', 'python3-torch', 'iproute2', 'chromium', 'zsh', 'fish'], 0).calls).toEqual(['npm test']);
});

test.skipIf(process.platform === 'win32')('where nothing can be installed that is said, and the tests run', () => {
  const { status, calls, stderr } = run([], 100);
  expect({ status, last: calls.at(-1) }).toEqual({ status: 7, last: 'npm test' });
  expect(stderr).toContain('could not install dataset-fashion-mnist python3-torch python3-numpy iproute2 chromium zsh fish; the tests that need them are skipped');
});
