import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import { csv, idx } from '../../src/data/index.js';
import { fill, temporaryFolder } from './fake-set.js';

const IMAGES = Uint8Array.of(0, 0, 8, 3, 0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0, 2, 1, 2, 3, 4); // 2 of 1 x 2
const LABELS = Uint8Array.of(0, 0, 8, 1, 0, 0, 0, 2, 1, 0);
const FLOATS_WITH_NAN = Uint8Array.of(0, 0, 13, 1, 0, 0, 0, 2, 0x3f, 0x80, 0, 0, 0x7f, 0xc0, 0, 0); // 1, NaN

async function folderOf(files: Record<string, Uint8Array>): Promise<(name: string) => string> {
  const folder = await temporaryFolder();
  await fill(folder, files);
  return (name) => join(folder, name);
}

describe('idx', () => {
  test.each([['plain', IMAGES, LABELS], ['gzip', gzipSync(IMAGES), gzipSync(LABELS)]])('reads %s files', async (_, images, labels) => {
    const path = await folderOf({ images, labels });
    expect(await idx(path('images'), path('labels'), { classNames: ['no', 'yes'] })).toEqual({
      name: 'images',
      x: [{ values: Uint8Array.of(1, 2, 3, 4), shape: [2, 1, 2], scale: 1 / 255 }],
      y: [{ values: Uint8Array.of(1, 0), shape: [2] }],
      exampleCount: 2,
      classNames: ['no', 'yes'],
    });
  });

  test('scales what it is told to, and only images by itself', async () => {
    const path = await folderOf({ images: IMAGES, labels: LABELS });
    expect((await idx(path('images'), path('labels'), { scale: 0.5 })).x[0]!.scale).toBe(0.5);
    expect((await idx(path('labels'), path('labels'))).x[0]).not.toHaveProperty('scale');
  });

  test('reads gzip of several members', async () => {
    const twice = Buffer.concat([gzipSync(IMAGES.subarray(0, 9)), gzipSync(IMAGES.subarray(9))]);
    const path = await folderOf({ images: twice, labels: LABELS });
    expect((await idx(path('images'), path('labels'))).exampleCount).toBe(2);
  });

  test.each<[string, Uint8Array | undefined, string, RegExp]>([
    ['missing', undefined, 'ERR_FILE_MISSING', /images" does not exist; check its path$/],
    ['empty', new Uint8Array(), 'ERR_FILE_EMPTY', /images" is empty \(0 bytes\)/],
    ['damaged gzip', gzipSync(IMAGES).subarray(0, 20), 'ERR_FILE_GZIP', /images" of 20 bytes is damaged or cut short/],
    ['gzip of nothing', gzipSync(''), 'ERR_IDX_FORMAT', /begins with the bytes \(none\)/],
    ['cut short', IMAGES.subarray(0, 18), 'ERR_IDX_LENGTH', /images" has 18 bytes where uint8 of 2 x 1 x 2 needs 20/],
    ['not finite', FLOATS_WITH_NAN, 'ERR_NOT_FINITE', /images" holds NaN.* in row 1/],
    ['of more examples', Uint8Array.of(0, 0, 8, 1, 0, 0, 0, 3, 1, 2, 3), 'ERR_EXAMPLE_COUNT', /images" has 3 examples and ".*labels" has 2/],
  ])('refuses a file that is %s', async (_, images, code, sentence) => {
    const path = await folderOf({ labels: LABELS, ...(images && { images }) });
    await expect(idx(path('images'), path('labels'))).rejects.toMatchObject({ code, message: expect.stringMatching(sentence) });
  });

  test('refuses a folder, and labels beyond the class names', async () => {
    const path = await folderOf({ images: IMAGES, labels: LABELS });
    await expect(idx(path('.'), path('labels'))).rejects.toThrow(/is a folder; name a file in it$/);
    await expect(idx(path('images'), path('labels'), { classNames: ['only'] })).rejects.toThrow(/label 1 in row 0/);
  });
});

describe('csv', () => {
  test('reads a file and names the data set after it', async () => {
    const path = await folderOf({ 'small.csv': Buffer.from('a,y\n1,2\n') });
    expect(await csv(path('small.csv'), { label: 'y' })).toMatchObject({ name: 'small.csv', exampleCount: 1 });
  });

  test.each([1, 100_000])('refuses what is wrong in the first lines of a file by its own sentence, however much of the file is unread (%i rows)', async (rows) => {
    const rest = '1,2,3\n'.repeat(rows);
    const path = await folderOf({ 'rows.csv': Buffer.from(`a,b,y\nx,2,3\n${rest}`), 'quotes.csv': Buffer.from(`a,b,y\n1,"2"2,3\n${rest}`) });
    for (let attempt = 0; attempt < 10; attempt++) {
      await expect(csv(path('quotes.csv'), { label: 'y' })).rejects.toMatchObject({ code: 'ERR_CSV_SYNTAX' });
      await expect(csv(path('rows.csv'), { label: 'z' })).rejects.toMatchObject({ code: 'ERR_CSV_COLUMN' });
      await expect(csv(path('rows.csv'), { label: 'y' })).rejects.toMatchObject({ code: 'ERR_CSV_CELL' });
    }
  });

  test('refuses a missing file and a folder', async () => {
    const path = await folderOf({});
    await expect(csv(path('none.csv'), { label: 'y' })).rejects.toMatchObject({ code: 'ERR_FILE_MISSING' });
    await expect(csv(path('.'), { label: 'y' })).rejects.toMatchObject({ code: 'ERR_FILE_UNREADABLE' });
  });
});
