import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { readdir, stat, symlink, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';
import { nodeDisk } from '../../cluster/data/cache-disk.js';
import { CACHE_LIMITS } from '../../cluster/data/cache-room.js';
import { ColumnCache } from '../../cluster/data/column-cache.js';
import { bytesColumn, CHUNK, sha256 } from '../pure/cluster-data.js';
import { temporaryFolder } from './fake-set.js';

const PROCESS = fileURLToPath(new URL('cache-process.js', import.meta.url));

async function runProcess(folder: string, rounds: number): Promise<{ fetched: number; notices: string[] }> {
  const { stdout } = await promisify(execFile)(process.execPath, [PROCESS, folder, String(rounds)]);
  return JSON.parse(stdout) as { fetched: number; notices: string[] };
}

test('processes that share a folder all have the right bytes, nothing to complain of, and leave whole columns alone', async () => {
  const folder = await temporaryFolder();
  const ends = await Promise.all([1, 2, 3].map(() => runProcess(folder, 12)));
  expect(ends.flatMap(({ notices }) => notices)).toEqual([]);
  for (const name of await readdir(folder)) expect(name).toMatch(/^[0-9a-f]{64}$/);
  expect((await runProcess(folder, 3)).fetched, 'all three columns are there').toBe(0);
});

test('a column goes to a real disk and back, by the name of its hash alone', async () => {
  const folder = join(await temporaryFolder(), 'new', 'columns');
  const { column, bytes } = bytesColumn(CHUNK + 5);
  const cache = new ColumnCache(folder, { limits: { ...CACHE_LIMITS, minFreeBytes: 0 } });
  await cache.keepChunk(column, 0, sha256(bytes.subarray(0, CHUNK)), bytes.subarray(0, CHUNK));
  const into = new Uint8Array(CHUNK + 5);
  expect(await cache.resume(column, into)).toEqual([0]);
  expect(Buffer.compare(into.subarray(0, CHUNK), bytes.subarray(0, CHUNK))).toBe(0);
  await cache.store(column, bytes);
  expect(await readdir(folder)).toEqual([column.sha256]);
  expect(await cache.read(column, into)).toBe(true);
  expect(Buffer.compare(into, bytes)).toBe(0);
});

test('reading a column makes it the last used', async () => {
  const folder = await temporaryFolder();
  const { column, bytes } = bytesColumn(9);
  const cache = new ColumnCache(folder);
  await cache.store(column, bytes);
  await utimes(join(folder, column.sha256), 1_000, 1_000);
  await cache.read(column, new Uint8Array(9));
  expect((await stat(join(folder, column.sha256))).mtimeMs).toBeGreaterThan(Date.now() - 60_000);
  expect(await nodeDisk.lastUsedMs(join(folder, column.sha256))).toBeGreaterThan(Date.now() - 60_000);
});

test('a link where a part should be is not followed to remove what it leads to', async () => {
  const [folder, elsewhere] = [await temporaryFolder(), await temporaryFolder()];
  await writeFile(join(elsewhere, 'thesis.txt'), 'mine');
  const { column, bytes } = bytesColumn(9);
  await symlink(elsewhere, join(folder, `${column.sha256}.part`));
  await new ColumnCache(folder).store(column, bytes);
  expect(await readdir(elsewhere)).toEqual(['thesis.txt']);
});

test.runIf(existsSync('/proc'))('a folder that cannot be made is said, and no fault', async () => {
  const { column, bytes } = bytesColumn(9);
  const notices: string[] = [];
  await new ColumnCache('/proc/tensorflock/columns', { notice: (sentence) => notices.push(sentence) }).store(column, bytes);
  expect(notices).toEqual([expect.stringContaining('the cache folder "/proc/tensorflock/columns" cannot be written (ENOENT)')]);
});

test.runIf(process.platform === 'linux')('the free bytes of a file system are those of df', async () => {
  const folder = await temporaryFolder();
  const { stdout } = await promisify(execFile)('df', ['--output=avail', '--block-size=1', folder]);
  const [, available] = stdout.trim().split('\n');
  // Other processes write meanwhile.
  expect(Math.abs((await nodeDisk.freeBytes(folder)) / Number(available) - 1)).toBeLessThan(0.05);
});
