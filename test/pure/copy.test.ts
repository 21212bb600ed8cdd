import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { Arena, ARITHMETICS, rowStride, seed } from './arena.js';

type Five = readonly [number, number, number, number, number];

/** Offsets, in floats, of all elements of a five-dimensional loop in row-major order. */
function offsets(dims: Five, strides: Five): number[] {
  return dims.reduce<number[]>((starts, size, axis) =>
    starts.flatMap((start) => Array.from({ length: size }, (_, i) => start + i * strides[axis]!)), [0]);
}

/** Strides of a contiguous array of these dims. */
function contiguous(dims: readonly number[]): number[] {
  return dims.map((_, axis) => dims.slice(axis + 1).reduce((product, size) => product * size, 1));
}

const permuted = <T>(values: readonly T[], order: readonly number[]): T[] => order.map((axis) => values[axis]!);

describe.each(ARITHMETICS)('copies, %s', (arithmetic) => {
  const arena = new Arena(arithmetic);

  /** What is in the destination after the copy; NaN where nothing was written. */
  function copyStrided(
    source: readonly number[], outFloats: number, dims: Five, from: Five, to: Five, start = 0, outStart = 0,
  ): number[] {
    arena.reset();
    const [src, dst] = [arena.put(source), arena.slot(outFloats)];
    arena.call('copyStrided', src + start * 4, dst + outStart * 4, ...dims, ...from, ...to);
    expect(arena.isIntactBehind(dst, outFloats)).toBe(true);
    return Array.from(arena.floats(dst, outFloats));
  }

  const length = fc.integer({ min: 1, max: 5 });
  const dimsArbitrary: fc.Arbitrary<Five> = fc.tuple(length, length, length, length, length);
  const orderArbitrary = fc.shuffledSubarray([0, 1, 2, 3, 4], { minLength: 5, maxLength: 5 });

  const someAxes = fc.subarray([0, 1, 2, 3, 4]);

  test(`every transpose of five axes, some axes broadcast, some with gaps in the destination (seed ${seed})`, () => {
    fc.assert(fc.property(dimsArbitrary, orderArbitrary, someAxes, someAxes, (sourceDims, order, broadcast, gaps) => {
      const size = sourceDims.reduce((product, length) => product * length, 1);
      const source = Array.from({ length: size }, (_, i) => i);
      const sourceStrides = contiguous(sourceDims).map((stride, axis) => (broadcast.includes(axis) ? 0 : stride));
      const dims = permuted(sourceDims, order) as unknown as Five;
      const from = permuted(sourceStrides, order) as unknown as Five;
      const outDims = dims.map((length, axis) => length + (gaps.includes(axis) ? 1 : 0));
      const to = contiguous(outDims) as unknown as Five;
      const expected = new Array<number>(outDims.reduce((product, length) => product * length, 1)).fill(NaN);
      const places = offsets(dims, to);
      offsets(dims, from).forEach((offset, i) => (expected[places[i]!] = source[offset]!));
      expect(copyStrided(source, expected.length, dims, from, to)).toEqual(expected);
    }), { seed, numRuns: 300 });
  });

  test('runs of every length up to 200 floats from and to every offset write nothing beside them', () => {
    const source = Array.from({ length: 240 }, (_, i) => i);
    for (let length = 1; length <= 200; length++) {
      const [start, outStart] = [length % 16, (length * 7) % 16];
      const got = copyStrided(source, 240, [1, 1, 1, 1, length], [0, 0, 0, 0, 1], [0, 0, 0, 0, 1], start, outStart);
      const isInside = (i: number): boolean => i >= outStart && i < outStart + length;
      expect(got).toEqual(source.map((_, i) => (isInside(i) ? i - outStart + start : NaN)));
      const filled = copyStrided(source, 240, [1, 1, 1, 1, length], [0, 0, 0, 0, 0], [0, 0, 0, 0, 1], start, outStart);
      expect(filled).toEqual(source.map((_, i) => (isInside(i) ? start : NaN)));
    }
  });

  test('every row count from 1 to 40, from and to every offset, from rows of 5 into columns of rows of 7', () => {
    for (let rowCount = 1; rowCount <= 40; rowCount++) {
      const [start, outStart] = [rowCount % 16, (rowCount * 5) % 16];
      const source = Array.from({ length: start + rowCount * 8 }, (_, i) => i);
      const expected = new Array<number>(outStart + rowCount * 12).fill(NaN);
      for (let row = 0; row < rowCount; row++) for (let column = 0; column < 5; column++) expected[outStart + row * 12 + column] = start + row * 8 + column;
      expect(copyStrided(source, expected.length, [rowCount, 1, 1, 1, 5], [8, 0, 0, 0, 1], [12, 0, 0, 0, 1], start, outStart)).toEqual(expected);
    }
  });

  test('concatenation of two row blocks leaves the other half and the pads alone', () => {
    // Rows of 3 go into columns 2..4 of rows of 5 (8 with pads): three rows, source stride 4.
    const source = [1, 2, 3, -1, 4, 5, 6, -1, 7, 8, 9, -1];
    const _ = NaN;
    const got = copyStrided(source, 24, [1, 1, 1, 3, 3], [0, 0, 0, 4, 1], [0, 0, 0, 8, 1], 0, 2);
    expect(got).toEqual([_, _, 1, 2, 3, _, _, _, _, _, 4, 5, 6, _, _, _, _, _, 7, 8, 9, _, _, _]);
  });

  test('a negative stride reverses; a dim of 0 copies nothing', () => {
    expect(copyStrided([1, 2, 3, 4], 4, [1, 1, 1, 1, 4], [0, 0, 0, 0, -1], [0, 0, 0, 0, 1], 3)).toEqual([4, 3, 2, 1]);
    expect(copyStrided([1, 2], 2, [0, 1, 1, 1, 2], [2, 2, 2, 2, 1], [2, 2, 2, 2, 1])).toEqual([NaN, NaN]);
  });

  test('oneHot marks the index, and an index that is no class gives a row of off', () => {
    const indices = [0, 2, 3, -1, 1.5, NaN, Infinity, 1, -0];
    arena.reset();
    const [groups, depth] = [indices.length, 3];
    const out = arena.slot(groups * depth);
    arena.call('oneHot', arena.put(indices), 0, out, rowStride(groups * depth), 1, groups, depth, 5, -1);
    expect(arena.isIntactBehind(out, groups * depth)).toBe(true);
    const expected = indices.flatMap((index) => [0, 1, 2].map((column) => (column === index ? 5 : -1)));
    expect(Array.from(arena.floats(out, groups * depth))).toEqual(expected);
  });

  test('oneHot for every row count from 1 to 40', () => {
    for (let rowCount = 1; rowCount <= 40; rowCount++) {
      arena.reset();
      const labels = Array.from({ length: rowCount }, (_, r) => [r % 10]);
      const out = arena.slot(rowCount * 12);
      arena.call('oneHot', arena.putRows(labels, 1), rowStride(1), out, rowStride(10), rowCount, 1, 10, 1, 0);
      expect(arena.isIntactBehind(out, rowCount * 12)).toBe(true);
      expect(arena.rows(out, rowCount, 10).map((row) => row.indexOf(1))).toEqual(labels.flat());
    }
  });
});
