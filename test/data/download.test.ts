import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import type { DatasetSplit } from '../../src/data/dataset.js';
import { startStallTimer, type DownloadProgress, type StartStallTimer } from '../../src/data/download.js';
import { loadImageSet, type ImageSetOptions } from '../../src/data/image-set-loader.js';
import {
  DECODED, fakeMachine, fakeSet, fill, SERVED, temporaryFolder, TEST_COUNT, TRAIN_COUNT, TRAIN_IMAGES_PATH,
} from './fake-set.js';
import {
  breakingAt, endless, ignoringRange, redirectingTo, redirectingToItself, right, serving, shiftedRange, stallingAt, startMirror,
  status, type Answer,
} from './mirror.js';

const FILE = SERVED[TRAIN_IMAGES_PATH]!;
const HALF = Math.floor(FILE.length / 2);
const STALL_TIMEOUT_MS = 7_000;

interface Loaded {
  readonly split: DatasetSplit;
  readonly notices: string[];
  readonly progress: DownloadProgress[];
}

/** A stall timer that goes off when told: the stall of a test costs no time and cannot come too early. */
function manualStall(): { readonly start: StartStallTimer; readonly now: () => void; readonly restarts: () => number } {
  let goOff: () => void = () => undefined;
  let restarts = 0;
  return {
    start: (timeoutMs, onStall) => {
      expect(timeoutMs).toBe(STALL_TIMEOUT_MS);
      goOff = onStall;
      return { restart: () => { restarts += 1; }, stop: () => { goOff = () => undefined; } };
    },
    now: () => { goOff(); },
    restarts: () => restarts,
  };
}

/** Loads the fake set and holds it to what it should be. */
async function load(
  cacheFolder: string,
  mirrors: readonly string[],
  options: ImageSetOptions = {},
  stall = manualStall(),
): Promise<Loaded> {
  const notices: string[] = [];
  const progress: DownloadProgress[] = [];
  const split = await loadImageSet(fakeSet({ mirrors }), {
    cacheFolder,
    stallTimeoutMs: STALL_TIMEOUT_MS,
    onNotice: (sentence) => notices.push(sentence),
    onProgress: (each) => progress.push(each),
    ...options,
  }, fakeMachine({ startStallTimer: stall.start }));
  expectRight(split);
  return { split, notices, progress };
}

function expectRight({ train, test: tested }: DatasetSplit): void {
  expect(train.x).toEqual([{ values: new Uint8Array(DECODED['train-images']!.subarray(16)), shape: [TRAIN_COUNT, 6, 6], scale: 1 / 255 }]);
  expect(train.y).toEqual([{ values: new Uint8Array(DECODED['train-labels']!.subarray(8)), shape: [TRAIN_COUNT] }]);
  expect(tested.x[0]!.values).toEqual(new Uint8Array(DECODED['test-images']!.subarray(16)));
  expect(tested.y[0]!.values).toEqual(new Uint8Array(DECODED['test-labels']!.subarray(8)));
  expect([train.exampleCount, tested.exampleCount]).toEqual([TRAIN_COUNT, TEST_COUNT]);
  expect(train.classNames).toEqual(['a', 'b', 'c']);
}

async function refusal(promise: Promise<unknown>): Promise<{ code: string; message: string }> {
  return promise.then(() => { throw new Error('was not refused'); }, (error: { code: string; message: string }) => error);
}

describe('a download', () => {
  test('is verified, inflated and kept, and the next start asks nobody', async () => {
    const cache = await temporaryFolder();
    const mirror = await startMirror(right);
    const stall = manualStall();
    const { progress, notices } = await load(cache, [mirror.url], {}, stall);
    expect(mirror.requests).toEqual(Object.keys(SERVED));
    expect(stall.restarts(), 'all bytes that arrive put the stall off').toBe(progress.length);
    expect(progress.findLast(({ file }) => file === 'train-images')).toEqual({
      file: 'train-images', mirror: mirror.url, receivedBytes: FILE.length, totalBytes: FILE.length,
    });
    expect(notices).toEqual([`downloading Fake-Set from ${mirror.url}`]);
    expect((await readdir(join(cache, 'fake-set'))).sort()).toEqual(Object.keys(DECODED).sort());
    expect(await readFile(join(cache, 'fake-set', 'train-images'))).toEqual(DECODED['train-images']);

    await load(cache, [mirror.url]);
    expect(mirror.requests).toHaveLength(4);
  });

  test('follows redirects', async () => {
    const target = await startMirror(right);
    const mirror = await startMirror(redirectingTo(target.url));
    await load(await temporaryFolder(), [`${mirror.url}/`]);
    expect(target.requests).toEqual(Object.keys(SERVED));
  });

  test('takes a plain file under the gzip name', async () => {
    const mirror = await startMirror(serving(() => DECODED['train-images']!), right);
    await load(await temporaryFolder(), [mirror.url]);
  });

  test.each<[string, Answer, RegExp]>([
    ['answers 404', status(404), /answered 404$/],
    ['answers 500', status(500), /answered 500$/],
    ['answers 416 to a whole request', status(416), /answered 416$/],
    ['sends half the file as if whole', serving((file) => file.subarray(0, HALF)), /wrong file: its \d+ bytes of gzip are damaged, cut short/],
    ['sends a corrupt file', serving((file) => Buffer.concat([file.subarray(0, HALF), Buffer.alloc(FILE.length - HALF)])), /wrong file: its/],
    ['sends another file', serving(() => gzipSync(Buffer.alloc(DECODED['train-images']!.length))), /its SHA-256 begins \w{12}, expected \w{12}$/],
    ['sends a shorter file', serving(() => gzipSync('short')), /wrong file: it has 5 bytes, expected 1456$/],
    ['sends a small file that inflates to a huge one', serving(() => gzipSync(Buffer.alloc(1_000_000))), /wrong file: its \d+ bytes of gzip/],
    ['sends a page', serving(() => Buffer.from('<html>')), /wrong file: it has 6 bytes, expected 1456$/],
    ['never stops sending', endless, /sent more than the \d+ bytes/],
    ['breaks before the first byte', (_, response) => { response.socket?.destroy(); }, /failed \(UND_ERR_SOCKET\)$/],
  ])('comes from the second mirror when the first %s', async (_, answer, reason) => {
    const cache = await temporaryFolder();
    const first = await startMirror(answer);
    const second = await startMirror(right);
    const { notices } = await load(cache, [first.url, second.url]);
    expect(notices).toHaveLength(3);
    expect(notices[1]).toMatch(reason);
    expect(notices[1]).toContain(`${first.url}${TRAIN_IMAGES_PATH}`);
    expect(first.requests, 'a mirror that failed is asked no more').toEqual([TRAIN_IMAGES_PATH]);
    expect((await readdir(join(cache, 'fake-set'))).sort()).toEqual(Object.keys(DECODED).sort());
  });

  test('comes from the second mirror when the first accepts and stays silent', async () => {
    const stall = manualStall();
    const first = await startMirror(() => { stall.now(); });
    const second = await startMirror(right);
    const { notices } = await load(await temporaryFolder(), [first.url, second.url], {}, stall);
    expect(notices[1]).toMatch(/sent nothing for 7000 ms$/);
  });

  test('goes on at the second mirror when the first stalls half-way, and stalls again', async () => {
    const stall = manualStall();
    const first = await startMirror(stallingAt(HALF), () => { stall.now(); });
    const second = await startMirror(right);
    const onProgress = ({ receivedBytes }: DownloadProgress): void => { if (receivedBytes === HALF) stall.now(); };
    const { notices } = await load(await temporaryFolder(), [first.url, second.url], { onProgress }, stall);
    expect(notices[1]).toMatch(/sent nothing for 7000 ms$/);
    expect(first.requests).toEqual([TRAIN_IMAGES_PATH, `${TRAIN_IMAGES_PATH} bytes=${HALF}-`]);
    expect(second.requests[0]).toBe(`${TRAIN_IMAGES_PATH} bytes=${HALF}-`);
  });

  test('waits no longer than the real timer says', async () => {
    const mirror = await startMirror(() => undefined);
    const options = { cacheFolder: await temporaryFolder(), stallTimeoutMs: 20 };
    const loading = loadImageSet(fakeSet({ mirrors: [mirror.url] }), options, fakeMachine({ startStallTimer }));
    expect((await refusal(loading)).message).toContain('sent nothing for 20 ms');
  });

  test('comes from the second mirror when the first redirects in a circle', async () => {
    const first = await startMirror(redirectingToItself);
    const second = await startMirror(right);
    const { notices } = await load(await temporaryFolder(), [first.url, second.url]);
    expect(notices[1]).toMatch(/failed \(redirect count exceeded\)$/);
  });

  test('comes from the second mirror when nobody listens at the first', async () => {
    const second = await startMirror(right);
    const { notices } = await load(await temporaryFolder(), ['http://127.0.0.1:1', second.url]);
    expect(notices[1]).toMatch(/failed \((ECONNREFUSED|bad port)\)$/);
  });
});

describe('a resumption', () => {
  test('asks for the bytes after a break and joins them', async () => {
    const mirror = await startMirror(breakingAt(HALF), breakingAt(HALF + 100), right);
    await load(await temporaryFolder(), [mirror.url]);
    expect(mirror.requests.slice(0, 3)).toEqual([
      TRAIN_IMAGES_PATH, `${TRAIN_IMAGES_PATH} bytes=${HALF}-`, `${TRAIN_IMAGES_PATH} bytes=${HALF + 100}-`,
    ]);
  });

  test('is given up after five breaks, and the next mirror goes on', async () => {
    const first = await startMirror(...[1, 2, 3, 4, 5, 6].map((part) => breakingAt(part * 100)));
    const second = await startMirror(right);
    await load(await temporaryFolder(), [first.url, second.url]);
    expect(first.requests).toHaveLength(5);
    expect(second.requests[0]).toBe(`${TRAIN_IMAGES_PATH} bytes=500-`);
  });

  test('begins anew where the server ignores the range', async () => {
    const mirror = await startMirror(breakingAt(HALF), ignoringRange);
    const { progress } = await load(await temporaryFolder(), [mirror.url]);
    expect(mirror.requests.slice(0, 2)).toEqual([TRAIN_IMAGES_PATH, `${TRAIN_IMAGES_PATH} bytes=${HALF}-`]);
    expect(progress.filter(({ file }) => file === 'train-images').at(-1)!.receivedBytes).toBe(FILE.length);
  });

  test('does not take bytes from another place than asked for', async () => {
    const first = await startMirror(breakingAt(HALF), shiftedRange);
    const second = await startMirror(right);
    const { notices } = await load(await temporaryFolder(), [first.url, second.url]);
    expect(notices[1]).toMatch(new RegExp(`answered with the range "bytes 0-.*" where bytes from ${HALF} were asked for$`));
    expect(second.requests[0]).toBe(`${TRAIN_IMAGES_PATH} bytes=${HALF}-`);
  });

  test('goes on from what a killed start left', async () => {
    const cache = await temporaryFolder();
    await fill(join(cache, 'fake-set'), { 'train-images.gz.part': FILE.subarray(0, HALF) });
    const mirror = await startMirror(right);
    await load(cache, [mirror.url]);
    expect(mirror.requests[0]).toBe(`${TRAIN_IMAGES_PATH} bytes=${HALF}-`);
    expect((await readdir(join(cache, 'fake-set'))).sort()).toEqual(Object.keys(DECODED).sort());
  });

  test.each<[string, Uint8Array, number]>([
    ['a complete part needs no more than the answer 416', FILE, 1],
    ['a complete but wrong part is fetched again', Buffer.alloc(FILE.length), 2],
    ['a part longer than the file is fetched again', Buffer.alloc(FILE.length + 5), 2],
    ['a wrong half is found out at the end and fetched again', Buffer.alloc(HALF), 2],
  ])('%s', async (_, part, requestCount) => {
    const cache = await temporaryFolder();
    await fill(join(cache, 'fake-set'), { 'train-images.gz.part': part });
    const mirror = await startMirror(right);
    await load(cache, [mirror.url]);
    const expected = [`${TRAIN_IMAGES_PATH} bytes=${part.length}-`, TRAIN_IMAGES_PATH].slice(0, requestCount);
    expect(mirror.requests.filter((request) => request.startsWith(TRAIN_IMAGES_PATH))).toEqual(expected);
  });

  test('is possible after all mirrors failed: the part is kept', async () => {
    const cache = await temporaryFolder();
    const broken = await startMirror(breakingAt(HALF), breakingAt(HALF + 100), status(500));
    const { code, message } = await refusal(load(cache, [broken.url]));
    expect(code).toBe('ERR_DATASET_NOT_FOUND');
    expect(message).toContain('answered 500');
    expect(await readFile(join(cache, 'fake-set', 'train-images.gz.part'))).toEqual(FILE.subarray(0, HALF + 100));
  });

  test('is not misled by what a wrong part left on the disk', async () => {
    const cache = await temporaryFolder();
    await fill(join(cache, 'fake-set'), { 'train-images.gz.part': Buffer.alloc(FILE.length) });
    const broken = await startMirror(status(416), breakingAt(HALF), status(500));
    await refusal(load(cache, [broken.url]));
    expect(await readFile(join(cache, 'fake-set', 'train-images.gz.part'))).toEqual(FILE.subarray(0, HALF));
  });
});

describe('a failure', () => {
  test('is one sentence of what was tried and what to do, and leaves nothing behind', async () => {
    const cache = await temporaryFolder();
    const missing = await startMirror(status(404));
    const failing = await startMirror(status(503));
    const { code, message } = await refusal(load(cache, [missing.url, failing.url]));
    expect(code).toBe('ERR_DATASET_NOT_FOUND');
    expect(message).toBe(
      `Fake-Set was not found (no right "train-images" (plain or .gz) in ${join(cache, 'fake-set')}; ` +
        `${missing.url}/train-images.gz answered 404; ${failing.url}/train-images.gz answered 503): put its IDX files into a ` +
        'folder "fake-set" and set TENSORFLOCK_DATA to the folder that holds it, or go online and start again',
    );
    expect(missing.requests, 'a mirror that failed is not asked for the other files').toHaveLength(1);
    expect(await readdir(cache)).toEqual([]);
  });

  test('of the disk is told once, and the data stays in memory', async () => {
    const folder = await temporaryFolder();
    await fill(folder, { file: Buffer.from('no folder') });
    const mirror = await startMirror(right);
    const { notices } = await load(join(folder, 'file', 'cache'), [mirror.url]);
    expect(notices.slice(1)).toEqual([expect.stringMatching(/cannot be written \(ENOTDIR\).* stays in memory .* set TENSORFLOCK_DATA/)]);
  });

  test('by an abort says so and keeps what has arrived', async () => {
    const cache = await temporaryFolder();
    const mirror = await startMirror(stallingAt(HALF));
    const controller = new AbortController();
    const loading = load(cache, [mirror.url], {
      signal: controller.signal,
      onProgress: ({ receivedBytes }) => { if (receivedBytes === HALF) controller.abort(); },
    });
    expect(await refusal(loading)).toMatchObject({ code: 'ERR_ABORTED', message: expect.stringContaining('loading Fake-Set was aborted') });
    expect(await readFile(join(cache, 'fake-set', 'train-images.gz.part'))).toEqual(FILE.subarray(0, HALF));
  });

  test.each<[ImageSetOptions, RegExp]>([
    [{ fetch: 'always' as 'none' }, /fetch is "always"; give one of none, mirrors, apt/],
    [{ stallTimeoutMs: 0 }, /stallTimeoutMs is 0/],
    [{ stallTimeoutMs: Number.NaN }, /stallTimeoutMs is NaN/],
    [{ mirrors: ['ftp://host/folder'] }, /the mirror "ftp:\/\/host\/folder" is no http or https address/],
  ])('of the options %o is refused', async (options, sentence) => {
    await expect(loadImageSet(fakeSet(), options)).rejects.toThrow(sentence);
  });
});
