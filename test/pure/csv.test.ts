import { Readable } from 'node:stream';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { readCsv, type CsvOptions } from '../../src/data/csv.js';
import type { Dataset } from '../../src/data/dataset.js';
import { TensorflockError } from '../../src/errors.js';
import { runs } from './properties.js';

/** Reads a text, cut into pieces of `pieceBytes` as a stream would. */
function read(text: string, options: CsvOptions, pieceBytes = 65_536): Promise<Dataset> {
  const bytes = Buffer.from(text);
  const pieces = Array.from({ length: Math.ceil(bytes.length / pieceBytes) }, (_, index) =>
    bytes.subarray(index * pieceBytes, (index + 1) * pieceBytes));
  return readCsv(() => Readable.from(pieces), 'some.csv', options);
}

const FLOWERS = 'width,height,kind\n1,2.5,rose\n-3e2,.5,aster\n+4,5.,rose\n';

describe('csv', () => {
  test('reads features as float32 and words as classes in sorted order', async () => {
    expect(await read(FLOWERS, { label: 'kind' })).toEqual({
      name: 'some.csv',
      x: [{ values: Float32Array.of(1, 2.5, -300, 0.5, 4, 5), shape: [3, 2] }],
      y: [{ values: Int32Array.of(1, 0, 1), shape: [3] }],
      exampleCount: 3,
      classNames: ['aster', 'rose'],
    });
  });

  test('numeric labels stay numbers, without class names', async () => {
    const { y, classNames } = await read('a,b\n1,7\n2,0.5\n', { label: 'b' });
    expect(y).toEqual([{ values: Float32Array.of(7, 0.5), shape: [2] }]);
    expect(classNames).toBeUndefined();
  });

  test('several labels stand side by side', async () => {
    const { x, y } = await read('a,b,c\n1,2,3\n4,5,6\n', { label: ['c', 'a'] });
    expect(x[0]!.values).toEqual(Float32Array.of(2, 5));
    expect(y).toEqual([{ values: Float32Array.of(3, 1, 6, 4), shape: [2, 2] }]);
  });

  test('features come in the order asked for, others are left unread', async () => {
    const { x } = await read('a,note,b,y\n1,one,2,0\n3,three,4,1\n', { label: 'y', features: ['b', 'a'] });
    expect(x[0]).toEqual({ values: Float32Array.of(2, 1, 4, 3), shape: [2, 2] });
  });

  test.each<[string, string, CsvOptions]>([
    ['a byte order mark', '\ufeffa,y\n1,2\n3,4\n', { label: 'y', features: ['a'] }],
    ['a byte order mark and tabs', '\ufeffa\ty\n1\t2\n3\t4\n', { label: 'y', features: ['a'], delimiter: '\t' }],
    ['Windows line ends', 'a,y\r\n1,2\r\n3,4\r\n', { label: 'y' }],
    ['mixed line ends', 'a,y\r\n1,2\n3,4', { label: 'y' }],
    ['quotes', '"a","y"\n"1",2\n3,"4"\n', { label: 'y' }],
    ['spaces around cells', 'a , y\n 1, 2 \n3 ,"4"\n', { label: 'y' }],
    ['blank lines', '\na,y\n\n1,2\n\n3,4\n\n', { label: 'y' }],
    ['semicolons', 'a;y\n1;2\n3;4\n', { label: 'y', delimiter: ';' }],
    ['tabs', 'a\ty\n1\t2\n3\t4\n', { label: 'y', delimiter: '\t' }],
  ])('reads %s, however the bytes arrive', async (_, text, options) => {
    for (let pieceBytes = 1; pieceBytes < 8; pieceBytes++) {
      const { x, y } = await read(text, options, pieceBytes);
      expect([...x[0]!.values, ...y[0]!.values], `pieces of ${pieceBytes}`).toEqual([1, 3, 2, 4]);
    }
  });

  test('reads UTF-16 that begins with its mark', async () => {
    const bytes = Buffer.from('\ufeffa,y\n1,é\n', 'utf16le');
    expect((await readCsv(() => Readable.from([bytes]), 'wide.csv', { label: 'y' })).classNames).toEqual(['é']);
  });

  test('a quoted word keeps its delimiter, quote and line end', async () => {
    const { classNames } = await read('a,y\n1,"x, ""y""\nz"\n2,b\n', { label: 'y' });
    expect(classNames).toEqual(['b', 'x, "y"\nz']);
  });

  test.each([
    ['words', 'a,y\n1,no\n2,yes\n3,no\n'],
    ['numbers', 'a,y\n1,1\n2,0\n3,1\n'],
  ])('given class names number the labels written as %s', async (_, text) => {
    const { y, classNames } = await read(text, { label: 'y', classNames: ['yes', 'no'] });
    expect(y[0]).toEqual({ values: Int32Array.of(1, 0, 1), shape: [3] });
    expect(classNames).toEqual(['yes', 'no']);
  });

  test('carries scale and name', async () => {
    const dataset = await read('a,y\n1,2\n', { label: 'y', scale: 0.5, name: 'tiny' });
    expect([dataset.name, dataset.x[0]!.scale]).toEqual(['tiny', 0.5]);
  });

  test.each<[string, string, CsvOptions, RegExp]>([
    ['an empty file', '', { label: 'y' }, /"some.csv" is empty/],
    ['blank lines alone', '\n\n', { label: 'y' }, /"some.csv" is empty/],
    ['a header alone', 'a,y\n', { label: 'y' }, /has a header line and no rows/],
    ['a missing label', FLOWERS, { label: 'kin' }, /no column "kin", the nearest is "kind"; its columns are "width", "height", "kind"$/],
    ['a missing feature', FLOWERS, { label: 'kind', features: ['Hight'] }, /no column "Hight", the nearest is "height"/],
    ['another delimiter', 'a;y\n1;2\n', { label: 'y' }, /no column "y".* check the delimiter too/],
    ['two columns of a name', 'a,a,y\n1,2,3\n', { label: 'y' }, /two columns "a"/],
    ['no features', 'y\n1\n', { label: 'y' }, /no feature columns beside "y"/],
    ['no label columns', FLOWERS, { label: [] }, /list of label columns is empty/],
    ['a label among the features', FLOWERS, { label: 'kind', features: ['width', 'kind'] }, /"kind" is both a feature and a label/],
    ['a word', 'a,b,y\n1,2,3\n4,five,6\n', { label: 'y' }, /"some.csv", line 3, column "b": the word "five" stands where a number/],
    ['hexadecimal', 'a,y\n0x10,1\n', { label: 'y' }, /line 2, column "a": the word "0x10"/],
    ['an empty cell', 'a,b,y\n1,2,3\n4,,6\n', { label: 'y' }, /line 3, column "b": the cell is empty/],
    ['an empty cell between tabs', 'a\tb\ty\n1\t2\t3\n4\t\t6\n', { label: 'y', delimiter: '\t' }, /line 3, column "b": the cell is empty/],
    ['an empty cell before a tab', 'a\tb\ty\n\t2\t3\n', { label: 'y', delimiter: '\t' }, /line 2, column "a": the cell is empty/],
    ['NaN', 'a,y\n1,2\nNaN,3\n', { label: 'y' }, /line 3, column "a": "NaN" is not a finite/],
    ['an infinity', 'a,y\n-Infinity,3\n', { label: 'y' }, /line 2, column "a": "-Infinity" is not a finite/],
    ['a number beyond float32', 'a,y\n1e39,3\n', { label: 'y' }, /line 2, column "a": "1e39" is not a finite float32/],
    ['NaN as a label', 'a,y\n1,nan\n', { label: 'y' }, /line 2, column "y": "nan" is not a finite/],
    ['a short row', 'a,y\n1,2\n3\n', { label: 'y' }, /"some.csv", line 3: the row has 1 fields, the header 2/],
    ['a long row after a blank line', 'a,y\n\n1,2,3\n', { label: 'y' }, /line 3: the row has 3 fields, the header 2/],
    ['an empty label', 'a,y\n1,b\n2,\n', { label: 'y' }, /line 3, column "y": the label is empty/],
    ['a word after numbers', 'a,y\n1,1\n2,x\n', { label: 'y' }, /line 3, column "y": the label "x" is a word where/],
    ['a number after words', 'a,y\n1,x\n2,1\n', { label: 'y' }, /line 3, column "y": the label "1" is a number where/],
    ['an unknown class', 'a,y\n1,yes\n2,maybe\n', { label: 'y', classNames: ['yes', 'no'] }, /line 3, .*"maybe" is not one of the 2 classNames \("yes", "no"\)/],
    ['a label beyond the classes', 'a,y\n1,0\n2,2\n', { label: 'y', classNames: ['yes', 'no'] }, /line 3, .*"2" is not one of the 2/],
    ['classes among several labels', FLOWERS, { label: ['kind', 'width'] }, /"kind" of "some.csv" holds classes/],
    ['an open quote', 'a,y\n1,"2\n', { label: 'y' }, /"some.csv", line \d+, is not readable as CSV \(CSV_QUOTE_NOT_CLOSED\)/],
    ['a quote within a cell', 'a,y\n1,2\n1,2"3\n', { label: 'y' }, /"some.csv", line 3, is not readable as CSV/],
    ['a delimiter of two characters', FLOWERS, { label: 'kind', delimiter: '||' }, /the delimiter is "\|\|"/],
  ])('refuses %s', async (_, text, options, sentence) => {
    await expect(read(text, options)).rejects.toThrow(sentence);
    await expect(read(text, options)).rejects.toBeInstanceOf(TensorflockError);
  });

  test('what is written is read', async () => {
    const cell = fc.float({ noNaN: true, noDefaultInfinity: true });
    const word = fc.string().map((text) => `w${text}w`);
    const rows = fc.array(fc.tuple(cell, cell, word), { minLength: 1, maxLength: 20 });
    const quote = (text: string): string => `"${text.replaceAll('"', '""')}"`;
    await fc.assert(fc.asyncProperty(rows, fc.constantFrom('\n', '\r\n'), fc.integer({ min: 1, max: 50 }), async (written, end, pieceBytes) => {
      const text = ['a,b,y', ...written.map(([a, b, y]) => `${a},"${b}",${quote(y)}`)].join(end);
      const { x, y, classNames } = await read(text, { label: 'y' }, pieceBytes);
      expect([...x[0]!.values]).toEqual(written.flatMap(([a, b]) => [a, b]).map((value) => value + 0));
      expect([...y[0]!.values].map((label) => classNames![label])).toEqual(written.map(([, , name]) => name));
      expect(classNames).toEqual([...new Set(written.map(([, , name]) => name))].sort());
    }), runs(200));
  });

  test('any text is read or refused in one sentence, never anything else', async () => {
    const characters = fc.constantFrom('a', 'y', '1', '.', '-', ',', ',', ';', '"', '\n', '\n', '\r', ' ', '\ufeff', 'é', '\0');
    const texts = fc.oneof(fc.string({ unit: characters, maxLength: 60 }), fc.string({ unit: characters }).map((rest) => `a,y\n1,2\n${rest}`));
    await fc.assert(fc.asyncProperty(texts, async (text) => {
      try {
        const { exampleCount, x } = await read(text, { label: 'y' });
        expect(x[0]!.values.length).toBe(exampleCount * x[0]!.shape[1]!);
      } catch (error) {
        expect(error).toBeInstanceOf(TensorflockError);
        expect((error as Error).message).not.toMatch(/undefined|\n/);
      }
    }), runs(1000));
  });
});
