import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { hostname, tmpdir, uptime } from 'node:os';
import { join } from 'node:path';
import { beforeEach, expect, onTestFinished, test } from 'vitest';
import { assertUnlocked, isLockName, lockFolder, type FolderLock } from '../../src/train/folder-lock.js';

const MODULE = new URL('../../src/train/folder-lock.js', import.meta.url).href;

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'tensorflock-lock-'));
  onTestFinished(() => { rmSync(folder, { recursive: true, force: true }); });
});

async function lock(touchIntervalMs?: number): Promise<FolderLock> {
  const taken = await lockFolder(folder, touchIntervalMs);
  onTestFinished(() => taken.release());
  return taken;
}

/** A lock file as some process would have left it so many seconds ago. */
function leave(contents: { readonly pid: number; readonly host: string } | string, secondsAgo = 0, number = 1): void {
  const path = join(folder, `run.lock-${number}`);
  writeFileSync(path, typeof contents === 'string' ? contents : JSON.stringify(contents));
  const then = Date.now() / 1000 - secondsAgo;
  utimesSync(path, then, then);
}

async function expectRefusal(who: string): Promise<void> {
  const refusal = { code: 'ERR_CHECKPOINT_LOCKED', kind: 'input', message: `${who} is writing to ${folder}; wait until it has ended, or choose another folder.` };
  const before = readdirSync(folder);
  await expect(lockFolder(folder)).rejects.toMatchObject(refusal);
  await expect(assertUnlocked(folder)).rejects.toMatchObject(refusal);
  expect(readdirSync(folder)).toEqual(before);
}

async function expectTaken(): Promise<void> {
  await assertUnlocked(folder);
  const taken = await lock();
  expect(readdirSync(folder), 'the lock that was left is gone').toHaveLength(1);
  await expectRefusal(`process ${process.pid}`);
  await taken.release();
  expect(readdirSync(folder)).toEqual([]);
}

test('a folder has one lock at a time, and is free after its release', async () => {
  const first = await lock();
  expect(readdirSync(folder).every(isLockName)).toBe(true);
  expect(JSON.parse(readFileSync(join(folder, readdirSync(folder)[0]!), 'utf8'))).toEqual({ pid: process.pid, host: hostname() });
  await expectRefusal(`process ${process.pid}`);
  await first.release();
  await expectTaken();
});

test('a folder that is not there is not locked', async () => {
  await assertUnlocked(join(folder, 'nothing-here'));
});

test('another process holds its lock while it lives, and leaves it to the next when it is killed', async () => {
  const program = `import { lockFolder } from ${JSON.stringify(MODULE)}; await lockFolder(${JSON.stringify(folder)}); console.log('locked'); setInterval(() => {}, 1e6);`;
  const child = spawn(process.execPath, ['--input-type=module', '--eval', program], { stdio: ['ignore', 'pipe', 'inherit'] });
  onTestFinished(() => void child.kill('SIGKILL'));
  await once(child.stdout, 'data');
  await expectRefusal(`process ${child.pid!}`);
  child.kill('SIGKILL');
  await once(child, 'close');
  await expectTaken();
});

test.each<[string, () => void]>([
  ['from before the machine was started, whoever has its number now', () => { leave({ pid: process.ppid, host: hostname() }, uptime() + 10); }],
  ['of an earlier process with our own number', () => { leave({ pid: process.pid, host: hostname() }); }],
  ['of another machine that has not touched it for a minute', () => { leave({ pid: 1, host: 'elsewhere' }, 61); }],
  ['that says nothing and is a minute old', () => { leave('', 61); }],
  ['that says nothing we know and is a minute old', () => { leave('{"pid":"1"}', 61); }],
])('a lock %s is taken over', async (_name, left) => {
  left();
  await expectTaken();
});

test.each<[string, () => void, string]>([
  ['of a living process', () => { leave({ pid: process.ppid, host: hostname() }, 61); }, `process ${process.ppid}`], // stopped for a minute, perhaps
  ['of another machine that has just touched it', () => { leave({ pid: 1, host: 'elsewhere' }, 50); }, 'process 1 on elsewhere'],
  ['that is being written', () => { leave(''); }, 'another process'],
])('a lock %s is respected', async (_name, left, who) => {
  left();
  await expectRefusal(who);
});

test('only the highest number counts', async () => {
  leave({ pid: process.ppid, host: hostname() }, 0, 9);
  leave({ pid: 1, host: 'elsewhere' }, 61, 10);
  await expectTaken();
});

test.each([['no lock', () => undefined], ['a lock that was left', () => { leave({ pid: process.pid, host: hostname() }); }]])('of many at once one gets a folder with %s', async (_name, prepare) => {
  prepare();
  const all = await Promise.allSettled(Array.from({ length: 20 }, () => lock()));
  expect(all.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
  expect(readdirSync(folder)).toHaveLength(1);
});

test('a lock is touched as long as it is held', async () => {
  const taken = await lock(1);
  const path = join(folder, readdirSync(folder)[0]!);
  utimesSync(path, 1, 1);
  while (statSync(path).mtimeMs === 1000) await new Promise((resolve) => { setImmediate(resolve); });
  expect(Date.now() - statSync(path).mtimeMs).toBeLessThan(60_000);
  await taken.release();
});

test('a folder that is taken away takes its lock with it', async () => {
  const taken = await lock(1);
  rmSync(folder, { recursive: true });
  await taken.release();
});
