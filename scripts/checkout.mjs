// What git sees of a checkout, to notice what a run of the tests left in it.
import { spawnSync } from 'node:child_process';
import { realpathSync } from 'node:fs';

/** A line for each changed or unknown file of the checkout at `root`; undefined where there is no checkout or no git. */
export function changesOf(root) {
  const top = git(root, 'rev-parse', '--show-toplevel');
  if (top === undefined || realpathSync(top.trim()) !== realpathSync(root)) return undefined;
  return git(root, 'status', '--porcelain', '--untracked-files=all')?.split('\n').filter((line) => line !== '');
}

/** The lines of `after` that are not in `before`: what became different meanwhile. */
export function newChanges(before, after) {
  if (before === undefined || after === undefined) return [];
  const known = new Set(before);
  return after.filter((line) => !known.has(line));
}

function git(folder, ...args) {
  const { status, stdout } = spawnSync('git', args, { cwd: folder, encoding: 'utf8' });
  return status === 0 ? stdout : undefined;
}
