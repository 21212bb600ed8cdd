import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { evictionsFor, type CacheEntry, type CacheLimits } from '../../cluster/data/cache-room.js';
import { ColumnCache, defaultColumnFolder } from '../../cluster/data/column-cache.js';
import { hashColumn } from '../../cluster/data/column-hash.js';
import type { ColumnBytes } from '../../cluster/data/columns.js';
import { fetchColumns, resumeFromCache, type FetchOptions } from '../../cluster/data/fetch-columns.js';
import { FetchPlan } from '../../cluster/data/fetch-plan.js';
import type { DataRequestMessage } from '../../cluster/protocol/messages.js';
import type { Files } from '../../src/train/durable-files.js';
import { bytesColumn, CACHE, CacheMemoryDisk, CHUNK, chunkOf, Places } from './cluster-data.js';
import { runs } from './properties.js';
import { hasher } from './protocol-samples.js';

const LIMITS: CacheLimits = { maxBytes: 64 * CHUNK, maxEntries: 100, minFreeBytes: CHUNK };
const data = bytesColumn(2 * CHUNK + 5);
const short = data.column.sha256.slice(0, 4);

class Ended extends Error {}

interface Started {
  readonly cache: ColumnCache;
  readonly notices: string[];
  readonly places: Places;
}

function start(disk: CacheMemoryDisk, limits = LIMITS, files?: Files): Started {
  const notices: string[] = [];
  return { cache: new ColumnCache(CACHE, { disk: disk.disk(files), limits, notice: (sentence) => notices.push(sentence) }), notices, places: new Places() };
}

/** A fetch as a node makes it: from the cache, else chunk by chunk over a line that ends after so many answers. */
async function fetchOver({ cache, places }: Started, source: ColumnBytes = data, answers = Number.POSITIVE_INFINITY): Promise<DataRequestMessage[]> {
  const asked: DataRequestMessage[] = [];
  if (await cache.read(source.column, places.of(source.column))) return asked;
  const plan = new FetchPlan([source.column], hasher, { inFlight: 1, timeoutMs: 1_000, maxFaults: 3 });
  await resumeFromCache(plan, { cache, placeOf: places.of });
  await fetchColumns(plan, { ...options(places), cache, request: async (message) => {
    if (asked.length >= answers) throw new Ended('the line is cut');
    asked.push(message);
    return chunkOf(source.bytes, message);
  } });
  return asked;
}

function options(places: Places): Omit<FetchOptions, 'request'> {
  return { placeOf: places.of, hashColumn, nowMs: () => 0, sleep: (_, signal) => new Promise((resolve) => { signal.addEventListener('abort', resolve); }) };
}

const offsets = (asked: readonly DataRequestMessage[]): number[] => asked.map(({ offset }) => offset / CHUNK);

function expectWhole({ places }: Started, source: ColumnBytes = data): void {
  expect(Buffer.compare(places.of(source.column), source.bytes)).toBe(0);
}

describe('a column', () => {
  test('that was fetched is read from the cache by the next start, and nothing else is left there', async () => {
    const disk = new CacheMemoryDisk();
    const first = start(disk);
    expect(offsets(await fetchOver(first))).toEqual([0, 1, 2]);
    expectWhole(first);
    expect(disk.names()).toEqual([short]);
    const second = start(disk);
    expect(await fetchOver(second)).toEqual([]);
    expectWhole(second);
    expect([...first.notices, ...second.notices]).toEqual([]);
  });

  test.each([0, 1, 2])('goes on where the line was cut, after %i chunks', async (answers) => {
    const disk = new CacheMemoryDisk();
    await expect(fetchOver(start(disk), data, answers)).rejects.toThrow(Ended);
    const second = start(disk);
    expect(offsets(await fetchOver(second))).toEqual([0, 1, 2].slice(answers));
    expectWhole(second);
    expect(disk.names()).toEqual([short]);
  });

  test('goes on in the same process without a disk', async () => {
    const places = new Places();
    const plan = new FetchPlan([data.column], hasher, { inFlight: 1, timeoutMs: 1_000, maxFaults: 3 });
    const asked: number[] = [];
    const line = (answers: number): FetchOptions['request'] => async (message) => {
      if (answers-- === 0) throw new Ended('the line is cut');
      asked.push(message.offset / CHUNK);
      return chunkOf(data.bytes, message);
    };
    await expect(fetchColumns(plan, { ...options(places), request: line(2) })).rejects.toThrow(Ended);
    await fetchColumns(plan, { ...options(places), request: line(9) });
    expect(asked).toEqual([0, 1, 2]);
    expect(Buffer.compare(places.of(data.column), data.bytes)).toBe(0);
  });

  test('of another hash than its name is removed, said, and fetched again', async () => {
    const disk = new CacheMemoryDisk();
    await fetchOver(start(disk));
    await change(disk, `${CACHE}/${data.column.sha256}`, (bytes) => bytes.with(5, bytes[5]! ^ 1));
    const second = start(disk);
    expect(await second.cache.read(data.column, second.places.of(data.column))).toBe(false);
    expect(second.notices).toEqual(['the cached file of the column "train input 0" is damaged, so it is removed and its data fetched again']);
    expect(disk.names()).toEqual([]);
  });

  test('of another length is not even read', async () => {
    const disk = new CacheMemoryDisk();
    await fetchOver(start(disk));
    await change(disk, `${CACHE}/${data.column.sha256}`, (bytes) => bytes.subarray(1));
    const noReading: Files = { ...disk.memory.files(), read: () => Promise.reject(new Error('it was read')) };
    const second = start(disk, LIMITS, noReading);
    expect(await second.cache.read(data.column, second.places.of(data.column))).toBe(false);
    expect(second.notices).toEqual([]);
  });
});

async function change(disk: CacheMemoryDisk, path: string, how: (bytes: Uint8Array) => Uint8Array): Promise<void> {
  const files = disk.memory.files();
  const bytes = await files.read(path);
  await files.removeFile(path);
  const file = await files.createFile(path);
  await file.write(how(bytes));
  await file.close();
}

describe('a chunk of an earlier start', () => {
  const partOf = async (): Promise<{ disk: CacheMemoryDisk; paths: string[] }> => {
    const disk = new CacheMemoryDisk();
    await expect(fetchOver(start(disk), data, 2)).rejects.toThrow(Ended);
    return { disk, paths: disk.memory.paths() };
  };

  test.each<[string, (bytes: Uint8Array) => Uint8Array]>([
    ['cut short', (bytes) => bytes.subarray(0, 1_000)],
    ['emptied', () => new Uint8Array()],
    ['changed by a bit', (bytes) => bytes.with(0, bytes[0]! ^ 1)],
    ['too long', (bytes) => Buffer.concat([bytes, bytes])],
  ])('that was %s is fetched again, alone', async (_, how) => {
    const { disk, paths } = await partOf();
    await change(disk, paths[0]!, how);
    const second = start(disk);
    expect(offsets(await fetchOver(second))).toEqual([0, 2]);
    expectWhole(second);
  });

  test('of a name that is none of ours, or lies between two chunks, is not taken', async () => {
    const { disk, paths } = await partOf();
    const files = disk.memory.files();
    const [name] = paths[0]!.split('/').slice(-1);
    for (const other of [name!.replace(/^0-/, '1-'), name!.replace(/^0-/, '00-'), '0-..', 'notes']) {
      const file = await files.createFile(paths[0]!.replace(name!, other));
      await file.write(Uint8Array.of(1));
    }
    const second = start(disk);
    expect(offsets(await fetchOver(second))).toEqual([2]);
    expect(disk.names()).toEqual([short, `${short}.part/00-${name!.slice(2, 6)}`, `${short}.part/0-..`, `${short}.part/notes`].sort());
  });

  test('that another coordinator made up costs one more fetch, and then is gone', async () => {
    const disk = new CacheMemoryDisk();
    const liar = { ...data, bytes: data.bytes.with(3, data.bytes[3]! ^ 1) };
    await expect(fetchOver(start(disk), liar, 2)).rejects.toThrow(Ended);
    const second = start(disk);
    expect(offsets(await fetchOver(second))).toEqual([2, 0, 1, 2]);
    expectWhole(second);
    expect(disk.names()).toEqual([short]);
  });

  test('is not kept where the whole of them is another column', async () => {
    const disk = new CacheMemoryDisk();
    const liar = { ...data, bytes: data.bytes.with(3, data.bytes[3]! ^ 1) };
    await expect(fetchOver(start(disk), liar)).rejects.toMatchObject({ code: 'ERR_OTHER_DATA' });
    expect(disk.names()).toEqual([]);
  });
});

test('wherever the machine stops, the fetch itself comes to its end; after a loss of power the next one does too, with the right bytes', async () => {
  const small = bytesColumn(40);
  const operations = new CacheMemoryDisk();
  await fetchOver(start(operations), small);
  const count = operations.memory.operationCount;
  expect(count).toBeGreaterThan(10);
  await fc.assert(
    fc.asyncProperty(fc.integer({ min: 0, max: count }), fc.array(fc.nat({ max: 3 }), { minLength: 40, maxLength: 40 }), async (stopAfter, choices) => {
      const disk = new CacheMemoryDisk();
      const first = start(disk, LIMITS, disk.memory.files(stopAfter));
      await fetchOver(first, small);
      expectWhole(first, small);
      disk.memory.losePower((most) => Math.min(most, choices.pop() ?? 0));
      const second = start(disk);
      await fetchOver(second, small);
      expectWhole(second, small);
      expect(second.notices.filter((sentence) => !sentence.includes('damaged'))).toEqual([]);
      expect(await start(disk).cache.read(small.column, new Uint8Array(40)), 'the third start finds it').toBe(true);
    }),
    runs(300),
  );
});

describe('room', () => {
  const entry = (name: string, byteLength: number, lastUsedMs: number): CacheEntry => ({ name, sha256: name, byteLength, lastUsedMs });
  const entries = [entry('young', 4_096, 3), entry('old', 8_192, 1), entry('middle', 4_096, 2)];
  const limits = { maxBytes: 20_480, maxEntries: 10, minFreeBytes: 4_096 };
  const evicted = (byteLength: number, freeBytes = 1e9, changes: Partial<CacheLimits> = {}, kept = ''): string[] | undefined =>
    evictionsFor(byteLength, entries, freeBytes, { ...limits, ...changes }, (sha256) => sha256 === kept)?.map(({ name }) => name);

  // 16,384 bytes are in use; blocks have 4,096.
  test.each<[string, string[] | undefined, string[] | undefined]>([
    ['what fits needs none', evicted(4_096), []],
    ['one byte more is a block more, and the longest unused goes', evicted(4_097), ['old']],
    ['as many go as are needed, in their order', evicted(12_289), ['old', 'middle']],
    ['all may go', evicted(20_480), ['old', 'middle', 'young']],
    ['what is larger than the cache finds no room, and nothing goes', evicted(20_481), undefined],
    ['protected ones stay', evicted(4_097, 1e9, {}, 'old'), ['middle']],
    ['protected ones stay, and then there may be no room', evicted(16_384, 1e9, {}, 'old'), undefined],
    ['a full disk makes them go as well', evicted(4_096, 4_096), ['old']],
    ['a disk fuller than that finds no room', evicted(4_096, 0, { minFreeBytes: 16_384 }), undefined],
    ['too many names make them go as well', evicted(1, 1e9, { maxEntries: 2 }), ['old', 'middle']],
  ])('%s', (_, found, expected) => {
    expect(found).toEqual(expected);
  });

  test('is made by the longest unused, and reading is a use', async () => {
    const disk = new CacheMemoryDisk();
    const columns = [1, 2, 3].map((seed) => bytesColumn(4_000, seed));
    const bounded = { ...LIMITS, maxBytes: 4 * 4_096 };
    // Chunks and column are there together for a moment: three columns and one part fit.
    for (const one of columns) await fetchOver(start(disk, bounded), one);
    await fetchOver(start(disk, bounded), columns[0]);
    await fetchOver(start(disk, bounded), bytesColumn(4_000, 4));
    const present = [1, 2, 3, 4].filter((seed) => disk.memory.paths().includes(`${CACHE}/${bytesColumn(4_000, seed).column.sha256}`));
    expect(present).toEqual([1, 3, 4]);
  });

  test('that a part has already taken is not asked for again', async () => {
    const disk = new CacheMemoryDisk();
    const exact = { ...LIMITS, maxBytes: 2 * CHUNK + 4_096 };
    await expect(fetchOver(start(disk, exact), data, 2)).rejects.toThrow(Ended);
    const second = start(disk, exact);
    expect(offsets(await fetchOver(second))).toEqual([2]);
    expect(second.notices).toEqual([]);
    expect(disk.names()).toEqual([short]);
  });

  test('is never made by the columns of the run', async () => {
    const disk = new CacheMemoryDisk();
    const columns = [1, 2, 3].map((seed) => bytesColumn(4_000, seed));
    const started = start(disk, { ...LIMITS, maxBytes: 2 * 4_096 });
    started.cache.protect(columns.map(({ column }) => column));
    for (const one of columns) await fetchOver(started, one);
    expect(disk.memory.paths()).toEqual(columns.slice(0, 2).map(({ column }) => `${CACHE}/${column.sha256}`).sort());
    expect(started.notices).toEqual(['the column "train input 0" of 4000 bytes finds no room in the cache folder "/run/columns", so the next start fetches it again']);
    for (const one of columns) expectWhole(started, one);
  });

  test('holds for parts of columns too: a coordinator that never finishes any fills no disk', async () => {
    const disk = new CacheMemoryDisk();
    const bounded = { ...LIMITS, maxBytes: 6 * CHUNK };
    for (let seed = 0; seed < 6; seed++) {
      await expect(fetchOver(start(disk, bounded), bytesColumn(2 * CHUNK + 5, seed), 2)).rejects.toThrow(Ended);
      expect(await disk.usedBytes()).toBeLessThanOrEqual(6 * CHUNK);
    }
  });

  test('is what the other programs are left, and a column larger than that is used without the cache', async () => {
    const disk = new CacheMemoryDisk(3 * CHUNK);
    const started = start(disk);
    await fetchOver(started);
    expectWhole(started);
    expect(disk.names()).toEqual([]);
    expect(started.notices).toEqual([expect.stringContaining('finds no room')]);
  });

  test('is nobody else\'s: other files in the folder are not counted and not removed', async () => {
    const disk = new CacheMemoryDisk();
    await fetchOver(start(disk), bytesColumn(40, 7));
    const file = await disk.memory.files().createFile(`${CACHE}/thesis.txt`);
    await file.write(new Uint8Array(9_000));
    await fetchOver(start(disk, { ...LIMITS, maxBytes: 4_096 }), bytesColumn(40, 8));
    expect(disk.memory.paths()).toEqual([`${CACHE}/${bytesColumn(40, 8).column.sha256}`, `${CACHE}/thesis.txt`]);
  });

  test('for what a process that was killed has left is counted and reclaimed', async () => {
    const disk = new CacheMemoryDisk();
    await fetchOver(start(disk), bytesColumn(40, 7));
    const left = `${CACHE}/${'a'.repeat(64)}.00000000-0000-4000-8000-000000000000.tmp`;
    const file = await disk.memory.files().createFile(left);
    await file.write(new Uint8Array(9_000));
    await fetchOver(start(disk, { ...LIMITS, maxBytes: 2 * 4_096 }), bytesColumn(40, 8));
    expect(disk.memory.paths()).not.toContain(left);
  });
});

describe('a disk', () => {
  test('that is full in the middle costs the cache and not the fetch; it is said once, and nothing half-written stays', async () => {
    const disk = new CacheMemoryDisk(CHUNK + CHUNK / 2);
    const started = start(disk);
    const notices: string[] = [];
    // It was asked how much is free before others filled it.
    const cache = new ColumnCache(CACHE, { disk: { ...disk.disk(), freeBytes: async () => 9 * CHUNK }, limits: LIMITS, notice: (sentence) => notices.push(sentence) });
    await fetchOver({ ...started, cache });
    expectWhole(started);
    expect(notices).toEqual(['the cache folder "/run/columns" cannot be written (ENOSPC), so the next start fetches the data again; set TENSORFLOCK_DATA to a folder that can be written']);
    expect(disk.names()).toEqual([expect.stringMatching(/^[0-9a-f]{4}\.part\/0-[0-9a-f]{4}$/)]);
    expect(offsets(await fetchOver(start(disk)))).toEqual([1, 2]); // the first chunk had found room
  });

  test('on which another process makes a folder at the same moment has that folder', async () => {
    const disk = new CacheMemoryDisk();
    const files = disk.memory.files();
    const raced = async (path: string): Promise<void> => {
      await files.createFolder(path);
      throw Object.assign(new Error('EEXIST: file already exists'), { code: 'EEXIST' });
    };
    const started = start(disk, LIMITS, { ...files, createFolder: raced });
    await fetchOver(started);
    expect(started.notices).toEqual([]);
    expect(disk.names()).toEqual([short]);
  });

  test('that cannot be read is said, and the data fetched', async () => {
    const disk = new CacheMemoryDisk();
    const denied = (): Promise<never> => Promise.reject(Object.assign(new Error('EACCES: permission denied'), { code: 'EACCES' }));
    const started = start(disk, LIMITS, { ...disk.memory.files(), kind: denied, list: denied });
    expect(offsets(await fetchOver(started))).toEqual([0, 1, 2]);
    expectWhole(started);
    expect(started.notices).toEqual([
      'the cache folder "/run/columns" cannot be used (EACCES), so what is in it may be fetched again',
      expect.stringContaining('the cache folder "/run/columns" cannot be written (EACCES)'),
    ]);
  });
});

test('no path is built of anything but a hash', async () => {
  const disk = new CacheMemoryDisk();
  const { cache, notices } = start(disk);
  const hostile = { ...data.column, sha256: `../${'a'.repeat(61)}` };
  await cache.store(hostile, data.bytes);
  await cache.keepChunk(hostile, 0, 'a'.repeat(64), data.bytes);
  expect(await cache.read(hostile, new Uint8Array(3))).toBe(false);
  expect(await cache.resume(hostile, new Uint8Array(3))).toEqual([]);
  expect(disk.memory.paths()).toEqual([]);
  expect(notices.length).toBeGreaterThan(0);
});

test('the folder is columns in that of all cached data', () => {
  expect(defaultColumnFolder({ TENSORFLOCK_DATA: '/data', XDG_CACHE_HOME: '/xdg' })).toBe('/data/columns');
  expect(defaultColumnFolder({ XDG_CACHE_HOME: '/xdg' })).toBe('/xdg/tensorflock/columns');
});
