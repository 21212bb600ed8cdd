import { existsSync, readFileSync } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import type { RunCommand } from '../../src/data/apt.js';
import { defaultCacheFolder, ensureFolder } from '../../src/data/cache.js';
import { columnSha256 } from '../../src/data/dataset.js';
import { loadImageSet, type ImageSetOptions, type Machine } from '../../src/data/image-set-loader.js';
import { FASHION_MNIST, MNIST, type ImageSet } from '../../src/data/image-sets.js';
import { fashionMnist, mnist } from '../../src/data/index.js';
import { DECODED, fakeMachine, fakeSet, fill, temporaryFolder, TRAIN_COUNT } from './fake-set.js';
import { breakingAt, right, startMirror } from './mirror.js';
import { findRealSet } from './real-sets.js';

const GZIPPED = Object.fromEntries(Object.entries(DECODED).map(([name, bytes]) => [`${name}.gz`, gzipSync(bytes)]));

async function load(set: ImageSet, options: ImageSetOptions, machine: Partial<Machine> = {}) {
  const notices: string[] = [];
  const split = await loadImageSet(set, { onNotice: (sentence) => notices.push(sentence), ...options }, fakeMachine(machine));
  expect(split.train.exampleCount).toBe(TRAIN_COUNT);
  expect(split.train.x[0]!.values).toEqual(new Uint8Array(DECODED['train-images']!.subarray(16)));
  return { split, notices };
}

describe('defaultCacheFolder', () => {
  test.each<[string, NodeJS.ProcessEnv, string]>([
    ['TENSORFLOCK_DATA', { TENSORFLOCK_DATA: '/data', XDG_CACHE_HOME: '/xdg' }, '/data'],
    ['XDG_CACHE_HOME', { TENSORFLOCK_DATA: '', XDG_CACHE_HOME: '/xdg' }, '/xdg/tensorflock'],
    ['the home folder, beside a relative XDG_CACHE_HOME', { XDG_CACHE_HOME: 'xdg' }, join(homedir(), '.cache/tensorflock')],
    ['the home folder', {}, join(homedir(), '.cache/tensorflock')],
  ])('follows %s', (_, environment, folder) => {
    expect(defaultCacheFolder(environment)).toBe(folder);
  });
});

describe('ensureFolder', () => {
  test('makes the folders above, and is content with what exists', async () => {
    const folder = join(await temporaryFolder(), 'a', 'b', 'c');
    await ensureFolder(folder);
    await ensureFolder(folder);
    expect(existsSync(folder)).toBe(true);
  });

  test.runIf(existsSync('/proc'))('returns with an error where no folder can be made', async () => {
    await expect(ensureFolder('/proc/tensorflock/cache')).rejects.toThrow();
  });
});

describe('files on this machine', () => {
  test.each([['plain', DECODED], ['gzip', GZIPPED]])('are read as %s from the cache folder of the environment', async (_, files) => {
    const cache = await temporaryFolder();
    await fill(join(cache, 'fake-set'), files);
    const { split, notices } = await load(fakeSet(), { fetch: 'none' }, { environment: { TENSORFLOCK_DATA: cache } });
    expect(split.train.name).toBe('fake-set');
    expect(notices).toEqual([]);
    expect((await readdir(join(cache, 'fake-set'))).sort(), 'nothing is added').toEqual(Object.keys(files).sort());
  });

  test('are read from a system folder, and the cache stays as it was', async () => {
    const [cache, system] = [await temporaryFolder(), await temporaryFolder()];
    await fill(system, GZIPPED);
    await load(fakeSet({ systemFolders: [system] }), { cacheFolder: cache, fetch: 'none' });
    expect(await readdir(cache)).toEqual([]);
  });

  test.each<[string, Uint8Array, RegExp]>([
    ['of another length', Buffer.from('short'), /it has 5 bytes, expected 1456/],
    ['far too long', Buffer.alloc(10_000), /it has 10000 bytes, expected at most 1456/],
    ['of the right length and other bytes', Buffer.alloc(1456), /its SHA-256 begins \w{12}, expected \w{12}/],
    ['of damaged gzip', GZIPPED['train-images.gz']!.subarray(0, 500), /its 500 bytes of gzip are damaged/],
    ['empty', Buffer.alloc(0), /it has 0 bytes, expected 1456/],
  ])('are skipped, and left alone, where %s', async (_, wrong, fault) => {
    const [cache, system] = [await temporaryFolder(), await temporaryFolder()];
    await fill(join(cache, 'fake-set'), { ...DECODED, 'train-images': wrong });
    await fill(system, GZIPPED);
    const { notices } = await load(fakeSet({ systemFolders: [system] }), { cacheFolder: cache, fetch: 'none' });
    expect(notices).toEqual([expect.stringMatching(fault)]);
    expect(notices[0]).toContain(`"${join(cache, 'fake-set', 'train-images')}" is not the file it should be`);
    expect(await readFile(join(cache, 'fake-set', 'train-images'))).toEqual(Buffer.from(wrong));
  });

  test('that are wrong are fetched anew, alone, and replaced by the right ones', async () => {
    const cache = await temporaryFolder();
    await fill(join(cache, 'fake-set'), { ...DECODED, 'test-labels': Buffer.from('wrong') });
    const mirror = await startMirror(right);
    await load(fakeSet({ mirrors: [mirror.url] }), { cacheFolder: cache });
    expect(mirror.requests).toEqual(['/test-labels.gz']);
    expect(await readFile(join(cache, 'fake-set', 'test-labels'))).toEqual(DECODED['test-labels']);
  });

  test('that are folders are reported and skipped', async () => {
    const [cache, system] = [await temporaryFolder(), await temporaryFolder()];
    await fill(join(cache, 'fake-set', 'train-images'), {});
    await fill(system, GZIPPED);
    const { notices } = await load(fakeSet({ systemFolders: [system] }), { cacheFolder: cache, fetch: 'none' });
    expect(notices).toEqual([expect.stringMatching(/train-images" is not the file it should be: it is not a file/)]);
  });

  test('that are folders in the way of a download are told of, and no temporary file stays', async () => {
    const cache = await temporaryFolder();
    await fill(join(cache, 'fake-set', 'train-images'), {});
    const mirror = await startMirror(right);
    const { notices } = await load(fakeSet({ mirrors: [mirror.url] }), { cacheFolder: cache });
    expect(notices.at(-1)).toMatch(/cannot be written \(EISDIR\)/);
    expect((await readdir(join(cache, 'fake-set'))).sort()).toEqual(Object.keys(DECODED).sort());
  });
});

describe('apt', () => {
  const set = fakeSet({ debianPackage: 'dataset-fake', systemFolders: ['/nowhere/datasets/fake'] });

  /** Does what the two commands would do, and notes them. */
  function fakeApt(commands: string[]): RunCommand {
    return async (command, args, folder) => {
      commands.push([command, ...args.map((arg) => arg.replace(folder, 'FOLDER'))].join(' '));
      if (command === 'apt-get') await fill(folder, { 'dataset-fake_1_all.deb': Buffer.from('deb') });
      else await fill(join(folder, 'root/nowhere/datasets/fake'), GZIPPED);
      commands.push(folder);
    };
  }

  test('is asked after the mirrors, said aloud, and its files are kept', async () => {
    const cache = await temporaryFolder();
    const commands: string[] = [];
    const options: ImageSetOptions = { cacheFolder: cache, mirrors: ['http://127.0.0.1:1'], fetch: 'apt' };
    const { notices } = await load(set, options, { run: fakeApt(commands) });
    const [download, folder, unpack] = commands;
    expect([download, unpack]).toEqual(['apt-get download dataset-fake', 'dpkg-deb -x dataset-fake_1_all.deb FOLDER/root']);
    expect(existsSync(folder!), 'the temporary folder is gone').toBe(false);
    expect(notices.map((notice) => notice.split(' ').slice(0, 4).join(' '))).toEqual([
      'downloading Fake-Set from http://127.0.0.1:1',
      expect.stringContaining('http://127.0.0.1:1/train-images.gz failed'),
      'downloading the Debian package',
    ]);
    expect((await readdir(join(cache, 'fake-set'))).sort()).toEqual(Object.keys(DECODED).sort());
  });

  test('is not asked when nothing is missing', async () => {
    const cache = await temporaryFolder();
    await fill(join(cache, 'fake-set'), DECODED);
    const commands: string[] = [];
    await load(set, { cacheFolder: cache, fetch: 'apt' }, { run: fakeApt(commands) });
    expect(commands).toEqual([]);
  });

  test('is not asked for a set without a package', async () => {
    const options: ImageSetOptions = { cacheFolder: await temporaryFolder(), fetch: 'apt' };
    await expect(load(fakeSet(), options)).rejects.toThrow(/; no Debian package holds it\)/);
  });

  test('is not asked unless told', async () => {
    const commands: string[] = [];
    const loading = load(set, { cacheFolder: await temporaryFolder(), mirrors: [] }, { run: fakeApt(commands) });
    await expect(loading).rejects.toMatchObject({ code: 'ERR_DATASET_NOT_FOUND', kind: 'run' });
    expect(commands).toEqual([]);
  });

  test.each<[string, RunCommand, RegExp]>([
    ['fails', () => Promise.reject(new Error('E: Unable to locate package dataset-fake')), /apt failed: E: Unable to locate package dataset-fake\)/],
    ['leaves no archive', () => Promise.resolve(), /apt failed: "apt-get download dataset-fake" left no .deb file\)/],
  ])('that %s is part of the sentence', async (_, run, sentence) => {
    const loading = load(set, { cacheFolder: await temporaryFolder(), mirrors: [], fetch: 'apt' }, { run });
    await expect(loading).rejects.toThrow(sentence);
    await expect(loading).rejects.toThrow(/or install the Debian package dataset-fake, or go online/);
  });
});

describe.each([FASHION_MNIST, MNIST])('$title', (set) => {
  test('is 60,000 + 10,000 images with their labels', async (context) => {
    const found = findRealSet(set);
    if ('missing' in found) return context.skip(found.missing);
    const { train, test: tested } = await loadImageSet(set, { ...found, fetch: 'none' });
    expect(train.x[0]).toMatchObject({ shape: [60_000, 28, 28], scale: 1 / 255 });
    expect(tested.x[0]).toMatchObject({ shape: [10_000, 28, 28], scale: 1 / 255 });
    expect([train.y[0]!.shape, tested.y[0]!.shape]).toEqual([[60_000], [10_000]]);
    expect([...new Set(train.y[0]!.values)].sort()).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
    expect(train.classNames).toHaveLength(10);
  });

  test('is downloaded whole from a server that breaks off half-way, and kept', async (context) => {
    const found = findRealSet(set);
    if ('missing' in found) return context.skip(found.missing);
    const places = [join(found.cacheFolder, set.folder), ...set.systemFolders];
    const served = (url: string): Buffer => {
      const [name] = /[\w-]+\.gz$/.exec(url) ?? [''];
      const file = places.map((place) => join(place, name)).find((path) => existsSync(path));
      // The cache may hold plain files; zlib's fastest level is enough for a server.
      return file === undefined ? gzipSync(readFileSync(join(places[0]!, name.replace('.gz', ''))), { level: 1 }) : readFileSync(file);
    };
    let broken = 0;
    const mirror = await startMirror((request, response) => {
      const bytes = served(request.url!);
      if (broken++ === 0) return breakingAt(Math.floor(bytes.length / 2))(request, response, bytes);
      right(request, response, bytes);
    });
    const cacheFolder = await temporaryFolder();
    // Where the system has the files nothing would be downloaded.
    const { train } = await loadImageSet({ ...set, systemFolders: [] }, { cacheFolder, mirrors: [mirror.url] });
    expect(mirror.requests).toHaveLength(5);
    expect((await readdir(join(cacheFolder, set.folder))).sort()).toEqual(Object.values(set.files).map(({ name }) => name).sort());
    const kept = await (set === MNIST ? mnist : fashionMnist)({ cacheFolder, fetch: 'none' });
    expect(columnSha256(kept.train.x[0]!)).toBe(columnSha256(train.x[0]!));
  });
});
