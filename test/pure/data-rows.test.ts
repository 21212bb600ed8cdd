import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { placeRows, positionsOf, rowsMessage, rowsOf } from '../../cluster/data/rows.js';
import type { ColumnBytes } from '../../cluster/data/columns.js';
import { manifestOf } from '../../cluster/data/manifest.js';
import { subtreesOf } from '../../src/plan/tree.js';
import { runs } from './properties.js';
import { hasher } from './protocol-samples.js';

const labels = Int32Array.of(10, 11, 12, 13, 14);
const [column] = manifestOf([{ values: labels, shape: [5] }], 'target', 'train');
const target: ColumnBytes = { column: column!, bytes: new Uint8Array(labels.buffer) };
const numbers = (bytes: Uint8Array): number[] => [...new Int32Array(bytes.slice().buffer)];

test('rows are gathered in the order of their indices, one as often as it is named', () => {
  expect(numbers(rowsOf(target, Uint32Array.of(4, 0, 0, 2)))).toEqual([14, 10, 10, 12]);
});

describe('positions', () => {
  // 10 rows in shards of 4 are the leaves 0-3, 4-7 and 8-9.
  test.each([
    ['of a leaf', [{ level: 0, index: 1 }], [4, 5, 6, 7]],
    ['of the last, shorter leaf', [{ level: 0, index: 2 }], [8, 9]],
    ['of a subtree beyond the ragged end', [{ level: 1, index: 1 }], [8, 9]],
    ['of the whole tree', [{ level: 2, index: 0 }], [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]],
    ['of subtrees out of order', [{ level: 0, index: 2 }, { level: 0, index: 0 }], [8, 9, 0, 1, 2, 3]],
  ])('%s', (_, subtrees, expected) => {
    expect([...positionsOf(subtrees, 10, 4)]).toEqual(expected);
  });

  test.each([
    ['a subtree lies behind the last leaf', [{ level: 0, index: 3 }]],
    ['a subtree lies behind the last leaf', [{ level: 40, index: 4_000 }]],
    ['two subtrees share a leaf', [{ level: 1, index: 0 }, { level: 0, index: 1 }]],
    ['two subtrees share a leaf', [{ level: 0, index: 1 }, { level: 0, index: 0 }, { level: 0, index: 1 }]],
  ])('are refused where %s', (problem, subtrees) => {
    expect(() => positionsOf(subtrees, 10, 4)).toThrow(`A message of type "assign" is refused: ${problem}.`);
  });
});

test('any hand-out of the leaves has each row of the mini-batch once', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 300 }), fc.integer({ min: 1, max: 40 }), fc.integer({ min: 1, max: 7 }), fc.integer({ min: 0, max: 4 }), (rowCount, shardSize, nodes, maxLevel) => {
      const leafCount = Math.ceil(rowCount / shardSize);
      const border = (node: number): number => Math.floor((node * leafCount) / nodes);
      const assignments = Array.from({ length: nodes }, (_, node) => subtreesOf({ start: border(node), end: border(node + 1) }, leafCount, maxLevel));
      const positions = assignments.flatMap((subtrees) => [...positionsOf(subtrees, rowCount, shardSize)]);
      expect(positions).toEqual(Array.from({ length: rowCount }, (_, row) => row));
    }),
    runs(200),
  );
});

test('rows that were gathered, sent and placed are where they came from, and nothing else has changed', () => {
  const data = fc.record({
    type: fc.constantFrom('uint8' as const, 'int32' as const, 'float32' as const),
    axes: fc.array(fc.integer({ min: 1, max: 3 }), { maxLength: 2 }),
    indices: fc.uniqueArray(fc.nat({ max: 19 }), { minLength: 1, maxLength: 20 }),
  });
  fc.assert(
    fc.property(data, ({ type, axes, indices }) => {
      const count = axes.reduce((product, size) => product * size, 20);
      const numbersTo = Array.from({ length: count }, (_, index) => index + 1);
      const values = type === 'uint8' ? Uint8Array.from(numbersTo) : type === 'int32' ? Int32Array.from(numbersTo) : Float32Array.from(numbersTo);
      const [of] = manifestOf([{ values, shape: [20, ...axes] }], 'input', 'train');
      const source = { column: of!, bytes: new Uint8Array(values.buffer) };
      const there = { column: of!, bytes: new Uint8Array(source.bytes.byteLength) };
      const message = rowsMessage({ generation: 1, assignment: 2 }, source, Uint32Array.from(indices), hasher);
      placeRows(message, there, Uint32Array.from(indices));
      const rowBytes = source.bytes.byteLength / 20;
      for (let row = 0; row < 20; row++) {
        const bytes = (from: Uint8Array): Uint8Array => from.subarray(row * rowBytes, (row + 1) * rowBytes);
        expect(bytes(there.bytes)).toEqual(indices.includes(row) ? bytes(source.bytes) : new Uint8Array(rowBytes));
      }
      expect(rowsOf(there, Uint32Array.from(indices))).toEqual(message.bytes);
    }),
    runs(100),
  );
});

describe('a message of rows', () => {
  const places = Uint32Array.of(1, 0);
  const message = rowsMessage({ generation: 3, assignment: 9 }, target, Uint32Array.of(3, 4), hasher);
  const room = (): ColumnBytes => ({ column: column!, bytes: new Uint8Array(8) });

  test('names its assignment and has the hash of its bytes', () => {
    expect(message).toMatchObject({ type: 'rows', generation: 3, assignment: 9, column: column!.sha256, rowCount: 2, sha256: hasher.sha256(message.bytes) });
    const target = room();
    placeRows(message, target, places);
    expect(numbers(target.bytes)).toEqual([14, 13]);
  });

  test.each<[string, Partial<typeof message>, RegExp]>([
    ['of another column', { column: 'f'.repeat(64) }, /it is of the column f{64} where/],
    ['with fewer rows than the assignment', { rowCount: 1, bytes: message.bytes.subarray(4) }, /it has 1 rows in 4 bytes, and the assignment 2 of 4 bytes/],
    ['with more rows than the assignment', { rowCount: 3, bytes: new Uint8Array(12) }, /it has 3 rows in 12 bytes/],
    ['with another number of bytes than rows', { bytes: message.bytes.subarray(1) }, /it has 2 rows in 7 bytes/],
  ])('%s is refused, and nothing is placed', (_, changes, problem) => {
    const there = room();
    expect(() => { placeRows({ ...message, ...changes }, there, places); }).toThrow(problem);
    expect(there.bytes).toEqual(new Uint8Array(8));
  });
});
