import { describe, expect, test } from 'vitest';
import {
  checkFinite, checkLabels, columnSha256, createDataset, datasetSha256, findNonFinite, take, withScale, type Column,
} from '../../src/data/dataset.js';

const bytes: Column = { values: Uint8Array.of(1, 2, 3, 4, 5, 6), shape: [3, 2] };
const labels: Column = { values: Int32Array.of(0, 2, 1), shape: [3] };

describe('createDataset', () => {
  test('takes the example count from the columns', () => {
    expect(createDataset('two', [bytes], [labels]).exampleCount).toBe(3);
  });

  test('refuses columns of different example counts, naming both', () => {
    const four: Column = { values: new Int32Array(4), shape: [4] };
    expect(() => createDataset('odd', [bytes], [four])).toThrow(/odd has columns of 3 and of 4 examples/);
  });
});

describe('withScale', () => {
  test('carries the scale and leaves the values alone', () => {
    const scaled = withScale(bytes, 0.5);
    expect(scaled.scale).toBe(0.5);
    expect(scaled.values).toBe(bytes.values);
    expect(withScale(bytes, undefined)).toBe(bytes);
  });

  test.each([0, Number.NaN, Infinity])('refuses a scale of %s', (scale) => {
    expect(() => withScale(bytes, scale)).toThrow(expect.objectContaining({ code: 'ERR_SCALE' }));
  });
});

describe('take', () => {
  const dataset = createDataset('small', [withScale(bytes, 0.5)], [labels], ['a', 'b', 'c']);

  test('gives views of the first examples and keeps scale, name and class names', () => {
    const first = take(dataset, 2);
    expect(first).toEqual({
      name: 'small',
      x: [{ values: Uint8Array.of(1, 2, 3, 4), shape: [2, 2], scale: 0.5 }],
      y: [{ values: Int32Array.of(0, 2), shape: [2] }],
      exampleCount: 2,
      classNames: ['a', 'b', 'c'],
    });
    expect(first.x[0]!.values.buffer).toBe(bytes.values.buffer);
  });

  test.each([0, -1, 1.5, 4, Number.NaN])('refuses %s of 3 examples', (count) => {
    expect(() => take(dataset, count)).toThrow(/whole number from 1 to 3/);
  });
});

describe('hashes', () => {
  // printf 'uint8[3,2]\n\001\002\003\004\005\006' | sha256sum
  test('a column hashes its type, shape and bytes', () => {
    expect(columnSha256(bytes)).toBe('653127f6d062a7c11167396bf59c0794d5893a4f8e39e40873fd5fbe1542b7dd');
  });

  test.each<[string, Column, Column]>([
    ['another value', bytes, { ...bytes, values: Uint8Array.of(1, 2, 3, 4, 5, 7) }],
    ['another shape', bytes, { ...bytes, shape: [2, 3] }],
    ['another type of the same bytes', { values: new Int32Array(6), shape: [6] }, { values: new Float32Array(6), shape: [6] }],
  ])('%s gives another hash', (_, one, other) => {
    expect(columnSha256(one)).not.toBe(columnSha256(other));
  });

  test('a view hashes its own bytes alone', () => {
    const inner: Column = { values: Uint8Array.of(9, 1, 2, 3, 4, 5, 6, 9).subarray(1, 7), shape: [3, 2] };
    expect(columnSha256(inner)).toBe(columnSha256(bytes));
  });

  // (printf 'uint8[2147483748]\n'; head -c 2147483748 /dev/zero) | sha256sum
  test('a column of more bytes than Node hashes in one call has its hash', () => {
    const zeros = new Uint8Array(2 ** 31 + 100); // never written to, so it takes no memory
    expect(columnSha256({ values: zeros, shape: [zeros.length] })).toBe('a5ec97f4b4ac8624b19d62741b467ca20a569ba26cf545204a1e4e0758b70330');
  });

  test('a data set hashes columns, scales and roles, not its names', () => {
    const base = datasetSha256(createDataset('a', [bytes], [labels]));
    expect(datasetSha256(createDataset('b', [bytes], [labels], ['x', 'y', 'z']))).toBe(base);
    expect(datasetSha256(createDataset('a', [withScale(bytes, 0.5)], [labels]))).not.toBe(base);
    expect(datasetSha256(createDataset('a', [labels], [bytes]))).not.toBe(base);
  });
});

describe('findNonFinite', () => {
  test.each([Number.NaN, Infinity, -Infinity])('names the row of %s, counted from 0', (bad) => {
    expect(findNonFinite({ values: Float32Array.of(1, 2, 3, 4, 5, bad), shape: [3, 2] })).toBe(2);
    expect(findNonFinite({ values: Float32Array.of(bad, 2, 3, 4, 5, bad), shape: [3, 2] })).toBe(0);
  });

  test('finds nothing in finite floats and in integers', () => {
    expect(findNonFinite({ values: Float32Array.of(0, -3.4e38), shape: [2] })).toBeUndefined();
    expect(findNonFinite(bytes)).toBeUndefined();
  });

  test('checkFinite says which row of what', () => {
    const column: Column = { values: Float32Array.of(1, Number.NaN), shape: [2] };
    expect(() => { checkFinite(column, 'x'); }).toThrow(/^x holds NaN.* in row 1 \(counted from 0\)/);
  });
});

describe('checkLabels', () => {
  test('accepts classes from 0 to the last', () => {
    expect(() => { checkLabels(labels, 3); }).not.toThrow();
    expect(() => { checkLabels({ values: Float32Array.of(0, 2), shape: [2, 1] }, 3); }).not.toThrow();
  });

  test.each([3, -1, 0.5, Number.NaN])('refuses the label %s and names its row', (bad) => {
    const column: Column = { values: Float32Array.of(1, bad), shape: [2] };
    expect(() => { checkLabels(column, 3); }).toThrow(`the label ${bad} in row 1 (counted from 0) is outside the classes 0 to 2`);
  });
});
