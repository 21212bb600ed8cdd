import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { Arena, ARITHMETICS, bits, randomFrom, rowStride, seed, SPECIAL_VALUES } from './arena.js';

const f = Math.fround;
const random = randomFrom(seed);
const mixed = (count: number): number[] => Array.from({ length: count }, () => f((random() - 0.5) * 4));

/** The documented order: element i joins chain i % 4 from the identity on, then (0 + 1) + (2 + 3). */
function inChains(values: readonly number[], identity: number, join: (a: number, b: number) => number): number {
  const chains = [identity, identity, identity, identity];
  values.forEach((value, i) => (chains[i % 4] = f(join(chains[i % 4]!, value))));
  return f(join(f(join(chains[0]!, chains[1]!)), f(join(chains[2]!, chains[3]!))));
}

const add = (a: number, b: number): number => a + b;

/** First position of the largest by strict comparison, as tfjs: NaN is never larger, and nothing is larger than NaN. */
function argMax(values: readonly number[], sign: number): number {
  let best = 0;
  values.forEach((value, i) => {
    if (sign * value > sign * values[best]!) best = i;
  });
  return best;
}

const REDUCTIONS: Readonly<Record<string, (group: readonly number[]) => number>> = {
  sumLast: (group) => inChains(group, 0, add),
  meanLast: (group) => inChains(group, 0, add) / group.length,
  prodLast: (group) => inChains(group, 1, (a, b) => a * b),
  maxLast: (group) => Math.max(...group),
  minLast: (group) => Math.min(...group),
  anyLast: (group) => (group.some(Boolean) ? 1 : 0),
  allLast: (group) => (group.every(Boolean) ? 1 : 0),
  argMaxLast: (group) => argMax(group, 1),
  argMinLast: (group) => argMax(group, -1),
};

describe.each(ARITHMETICS)('reductions, %s', (arithmetic) => {
  const arena = new Arena(arithmetic);

  /** Runs a reduction over rows of groups; `outLength` is 1, or the group's length for the softmaxes. */
  function reduce(name: string, rows: readonly number[][], groups: number, length: number, outLength = 1): number[][] {
    arena.reset();
    const [x, outFloats] = [arena.putRows(rows, groups * length), groups * outLength];
    const slotFloats = (rows.length * rowStride(outFloats)) / 4;
    const out = arena.slot(slotFloats);
    arena.call(name, x, rowStride(groups * length), out, rowStride(outFloats), rows.length, groups, length);
    expect(arena.isIntactBehind(out, slotFloats)).toBe(true);
    return arena.rows(out, rows.length, outFloats).map((row) => Array.from(row));
  }

  const groupsOf = (row: readonly number[], length: number): number[][] =>
    Array.from({ length: row.length / length }, (_, g) => row.slice(g * length, (g + 1) * length));

  test.each(Object.keys(REDUCTIONS))('%s in its documented order, for every length and group start', (name) => {
    for (let length = 1; length <= 40; length++) {
      for (const groups of [1, 2, 3, 5]) {
        const rows = [mixed(groups * length), mixed(groups * length)];
        const expected = rows.map((row) => bits(groupsOf(row, length).map((group) => REDUCTIONS[name]!(group))));
        expect([length, groups, reduce(name, rows, groups, length).map(bits)]).toEqual([length, groups, expected]);
      }
    }
  });

  test.each(Object.keys(REDUCTIONS))('%s of special values, whole groups of one among them', (name) => {
    const pairs = SPECIAL_VALUES.flatMap((a) => SPECIAL_VALUES.map((b) => [a, b]));
    const triples = pairs.map(([a, b]) => [b!, 0, a!, a!, 1]);
    for (const rows of [SPECIAL_VALUES.map((value) => [value]), pairs, triples] as number[][][]) {
      const expected = rows.map((row) => withoutSignOfZero([REDUCTIONS[name]!(row)]));
      expect(reduce(name, rows, 1, rows[0]!.length).map(withoutSignOfZero)).toEqual(expected);
    }
  });

  const SOFTMAXES = ['softmaxLast', 'logSoftmaxLast'];
  test.each([...Object.keys(REDUCTIONS), ...SOFTMAXES])('%s treats every row count from 1 to 40 alike', (name) => {
    const outLength = SOFTMAXES.includes(name) ? 5 : 1;
    const rows = Array.from({ length: 40 }, () => mixed(15));
    const alone = rows.map((row) => bits(reduce(name, [row], 3, 5, outLength)[0]!));
    for (let count = 1; count <= 40; count++) {
      expect(reduce(name, rows.slice(0, count), 3, 5, outLength).map(bits)).toEqual(alone.slice(0, count));
    }
  });

  const LARGE = 1e4;
  test('softmax and logSoftmax for every length and group start, at ordinary and huge logits', () => {
    for (let length = 1; length <= 40; length++) {
      for (const [groups, scale] of [[1, 1], [3, 10], [2, LARGE]] as const) {
        const row = mixed(groups * length).map((value) => f(value * scale));
        const [probabilities, logs] = SOFTMAXES.map((name) => reduce(name, [row], groups, length, length)[0]!);
        groupsOf(row, length).forEach((group, g) => {
          // The difference is a float32; at huge logits its rounding is seen in e to it.
          const largest = Math.max(...group);
          const total = group.reduce((sum, value) => sum + Math.exp(f(value - largest)), 0);
          group.forEach((value, i) => {
            const exact = Math.exp(f(value - largest)) / total;
            expect(Math.abs(probabilities![g * length + i]! - exact)).toBeLessThan(1e-6 * exact + 1.2e-38);
            const exactLog = value - largest - Math.log(total);
            expect(Math.abs(logs![g * length + i]! - exactLog)).toBeLessThan(5e-7 * Math.max(1, Math.abs(exactLog)));
          });
        });
      }
    }
  });

  test('a group of a softmax has the same bits wherever it starts', () => {
    for (const name of SOFTMAXES) {
      for (const length of [1, 2, 3, 5, 7, 10]) {
        const group = mixed(length);
        const alone = bits(reduce(name, [group], 1, length, length)[0]!);
        for (let before = 0; before < 16; before++) {
          const row = [...mixed(before * length), ...group, ...mixed(length)];
          const got = reduce(name, [row], before + 2, length, length)[0]!;
          expect(bits(got.slice(before * length, (before + 1) * length))).toEqual(alone);
        }
      }
    }
  });

  test('softmax of equal logits is 1 / n; of NaN, Infinity or only -Infinity it is NaN', () => {
    expect(reduce('softmaxLast', [[7, 7, 7, 7]], 1, 4, 4)).toEqual([[0.25, 0.25, 0.25, 0.25]]);
    expect(reduce('softmaxLast', [[-LARGE, LARGE, -Infinity]], 1, 3, 3)).toEqual([[0, 1, 0]]);
    for (const bad of [[1, NaN, 2], [1, Infinity, 2], [-Infinity, -Infinity, -Infinity]]) {
      const got = reduce('softmaxLast', [bad], 1, 3, 3)[0]!;
      expect(got.some(Number.isNaN)).toBe(true);
    }
  });
});

/** The tree of the design: level by level, a last child without sibling goes up unchanged. */
function treeSum(leaves: readonly number[]): number {
  if (leaves.length === 1) return leaves[0]!;
  const parents = Array.from({ length: Math.ceil(leaves.length / 2) }, (_, i) =>
    2 * i + 1 < leaves.length ? f(leaves[2 * i]! + leaves[2 * i + 1]!) : leaves[2 * i]!);
  return treeSum(parents);
}

describe.each(ARITHMETICS)('sumRowsFold, %s', (arithmetic) => {
  const arena = new Arena(arithmetic);
  const STACK_FLOATS = 512;

  function fold(rows: readonly number[][], shardRows: number, floats: number): Float32Array {
    arena.reset();
    const [x, out, stack] = [arena.putRows(rows, floats), arena.slot(floats), arena.slot(STACK_FLOATS)];
    arena.call('sumRowsFold', x, rowStride(floats), out, rows.length, shardRows, floats, stack);
    expect(arena.isIntactBehind(out, floats)).toBe(true);
    expect(arena.isIntactBehind(stack, STACK_FLOATS)).toBe(true);
    return arena.floats(out, floats).slice();
  }

  test(`is a chain within a shard and the fixed tree over shards (seed ${seed})`, () => {
    fc.assert(fc.property(fc.integer({ min: 1, max: 90 }), fc.integer({ min: 1, max: 33 }), fc.integer({ min: 1, max: 70 }),
      (rowCount, shardRows, floats) => {
        const rows = Array.from({ length: rowCount }, () => mixed(floats));
        const expected = Array.from({ length: floats }, (_, j) => {
          const chain = (s: number): number =>
            rows.slice(s * shardRows, (s + 1) * shardRows).reduce((sum, row) => f(sum + row[j]!), 0);
          return treeSum(Array.from({ length: Math.ceil(rowCount / shardRows) }, (_unused, s) => chain(s)));
        });
        expect(bits(fold(rows, shardRows, floats))).toEqual(bits(expected));
      }), { seed, numRuns: 150 });
  });

  test('every row count from 1 to 40 in shards of one row', () => {
    for (let rowCount = 1; rowCount <= 40; rowCount++) {
      const rows = Array.from({ length: rowCount }, () => mixed(3));
      const expected = [0, 1, 2].map((j) => treeSum(rows.map((row) => row[j]!)));
      expect(bits(fold(rows, 1, 3))).toEqual(bits(expected));
    }
  });

  test('no rows sum to +0', () => {
    expect(bits(fold([], 8, 5))).toEqual([0, 0, 0, 0, 0]);
  });
});

function withoutSignOfZero(values: readonly number[]): number[] {
  return bits(values.map((value) => (f(value) === 0 ? 0 : value)));
}
