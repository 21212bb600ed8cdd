import { describe, expect, test } from 'vitest';
import { scaleTable, splitScale } from '../../src/kernels/scale.js';
import { Arena, ARITHMETICS, bits, randomFrom, rowStride, seed } from './arena.js';

const ALL_BYTES = Uint8Array.from({ length: 256 }, (_, value) => value);
const BLOCK_LENGTHS = [1, 2, 3, 4, 5, 10, 15, 16, 17, 31, 33, 50];
const random = randomFrom(seed);

/** Rows as a kernel should give them: every example's values, scaled and rounded once. */
function expectedRows(
  column: ArrayLike<number>, blockLength: number, indices: readonly number[], scale: number,
): number[][] {
  const example = (index: number): number[] =>
    Array.from({ length: blockLength }, (_, j) => column[index * blockLength + j]! * scale);
  return indices.map((index) => bits(example(index)));
}

describe.each(ARITHMETICS)('gathering, %s', (arithmetic) => {
  const arena = new Arena(arithmetic);

  /** Gathers examples of a column; what follows the column's address are the kernel's last arguments. */
  function gather(
    kernel: string, column: Uint8Array, blockLength: number, indices: readonly number[], ...last: number[]
  ): number[][] {
    const [source, list] = [arena.putBytes(column), arena.putBytes(new Uint8Array(Uint32Array.from(indices).buffer))];
    const outFloats = (indices.length * rowStride(blockLength)) / 4;
    const out = arena.slot(outFloats);
    arena.call(kernel, source, blockLength, 0, blockLength, list, indices.length, out, rowStride(blockLength), ...last);
    expect(arena.isIntactBehind(out, outFloats)).toBe(true);
    return arena.rows(out, indices.length, blockLength).map(bits);
  }

  const shuffledIndices = (count: number, examples: number): number[] =>
    Array.from({ length: count }, () => Math.floor(random() * examples));

  test('all 256 bytes at scale 1/255 are the float32 nearest to v / 255', () => {
    arena.reset();
    const { high, low } = splitScale(1 / 255);
    const [got] = gather('gatherU8', ALL_BYTES, 256, [0], high, low);
    expect(got).toEqual(bits(Array.from(ALL_BYTES, (value) => value / 255)));
  });

  test.each([1 / 255, 1 / 127.5, 1 / 128, 1, 255, 1 / 3, -0.1])('bytes of every block length at scale %f', (scale) => {
    const split = splitScale(scale);
    for (const blockLength of BLOCK_LENGTHS) {
      arena.reset();
      const column = Uint8Array.from({ length: 20 * blockLength }, () => random() * 256);
      const indices = shuffledIndices(40, 20);
      const expected = expectedRows(column, blockLength, indices, scale);
      if (split.exact) expect(gather('gatherU8', column, blockLength, indices, split.high, split.low)).toEqual(expected);
      const table = arena.put(scaleTable(scale));
      expect(gather('gatherU8Table', column, blockLength, indices, table)).toEqual(expected);
    }
  });

  test.each([1, 1 / 3, 1e-30, -2.5])('float32 and int32 of every block length at scale %f', (scale) => {
    for (const blockLength of BLOCK_LENGTHS) {
      const indices = shuffledIndices(40, 20);
      const floats = Float32Array.from({ length: 20 * blockLength }, () => (random() - 0.5) * 1e6);
      const integers = Int32Array.from({ length: 20 * blockLength }, () => (random() - 0.5) * 2 ** 32);
      for (const [kernel, column] of [['gatherF32', floats], ['gatherI32', integers]] as const) {
        arena.reset();
        const got = gather(kernel, new Uint8Array(column.buffer), blockLength, indices, scale);
        expect(got).toEqual(expectedRows(column, blockLength, indices, scale));
      }
    }
  });

  test('a range of the elements of each example', () => {
    const exampleLength = 50;
    const [bytes, words] = [Uint8Array.from({ length: 500 }, () => random() * 256), Int32Array.from({ length: 500 }, () => random() * 1000)];
    for (const [first, count] of [[0, 50], [1, 16], [7, 20], [33, 17], [49, 1]] as const) {
      const indices = shuffledIndices(9, 10);
      const columns = [['gatherU8', bytes, 1, 0], ['gatherU8Table', bytes, undefined], ['gatherI32', words, 1], ['gatherF32', Float32Array.from(words), 1]] as const;
      for (const [kernel, column, ...last] of columns) {
        arena.reset();
        const table = arena.put(scaleTable(1));
        const [source, list] = [arena.putBytes(new Uint8Array(column.buffer)), arena.putBytes(new Uint8Array(Uint32Array.from(indices).buffer))];
        const out = arena.slot((indices.length * rowStride(count)) / 4);
        arena.call(kernel, source, exampleLength, first, count, list, indices.length, out, rowStride(count), ...last.map((value) => value ?? table));
        const expected = indices.map((index) => Array.from(column.slice(index * exampleLength + first, index * exampleLength + first + count)));
        expect(arena.rows(out, indices.length, count).map((row) => Array.from(row)), `${kernel} ${first}+${count}`).toEqual(expected);
      }
    }
  });

  test('every row count from 0 to 40', () => {
    for (let rowCount = 0; rowCount <= 40; rowCount++) {
      arena.reset();
      const indices = shuffledIndices(rowCount, 25);
      expect(gather('gatherU8', ALL_BYTES, 10, indices, 1, 0)).toEqual(expectedRows(ALL_BYTES, 10, indices, 1));
    }
  });
});

test('splitScale says whether its pieces are exact', () => {
  expect(splitScale(1 / 255).exact).toBe(true);
  expect(splitScale(1)).toEqual({ high: 1, low: 0, exact: true });
  expect(splitScale(0)).toEqual({ high: 0, low: 0, exact: true });
  // The high piece carries 16 bits and the low one 24 more; a scale so small that the low piece is denormal loses them.
  expect(splitScale(1.1e-38 / 3).exact).toBe(false);
});
