import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';

// What `npm test` compares before and after: scripts/checkout.mjs, run as it is.
const MODULE = new URL('../../../scripts/checkout.mjs', import.meta.url).href;

function folder(): string {
  const made = mkdtempSync(join(tmpdir(), 'tensorflock-checkout-'));
  onTestFinished(() => { rmSync(made, { recursive: true, force: true }); });
  return made;
}

function git(cwd: string, ...args: string[]): void {
  expect(spawnSync('git', args, { cwd, encoding: 'utf8' })).toMatchObject({ status: 0 });
}

/** The lines that become new at `root` while `meanwhile` (a program) runs; null where nothing can be compared. */
function left(root: string, meanwhile: string): unknown {
  const program = `
    import { changesOf, newChanges } from ${JSON.stringify(MODULE)};
    import { writeFileSync } from 'node:fs';
    const before = changesOf('.');
    ${meanwhile}
    process.stdout.write(JSON.stringify(before === undefined ? null : newChanges(before, changesOf('.'))));`;
  const { stdout, stderr } = spawnSync(process.execPath, ['--input-type=module', '--eval', program], { cwd: root, encoding: 'utf8' });
  expect(stderr).toBe('');
  return JSON.parse(stdout);
}

function checkout(): string {
  const root = folder();
  git(root, 'init', '-q');
  writeFileSync(join(root, '.gitignore'), 'ignored\n');
  writeFileSync(join(root, 'changed-before'), 'one');
  git(root, 'add', '.');
  git(root, '-c', 'user.name=a', '-c', 'user.email=a@b', 'commit', '-qm', 'first');
  writeFileSync(join(root, 'changed-before'), 'two');
  return root;
}

test('what a run leaves in a checkout is named, what was there before is not', (context) => {
  if (spawnSync('git', ['--version']).status !== 0) return context.skip('there is no git here');
  const root = checkout();
  mkdirSync(join(root, 'never'));
  expect(left(root, '')).toEqual([]);
  expect(left(root, `writeFileSync('ignored', '')`)).toEqual([]);
  expect(left(root, `writeFileSync('never/run.json', ''); writeFileSync('.gitignore', 'ignored')`)).toEqual([' M .gitignore', '?? never/run.json']);
});

test('a folder that is no checkout has nothing to compare, one inside a checkout of others neither', () => {
  expect(left(folder(), '')).toBeNull();
  const inner = join(checkout(), 'inner');
  mkdirSync(inner);
  expect(left(inner, '')).toBeNull();
});
