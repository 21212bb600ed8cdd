import fc from 'fast-check';
import { expect, test } from 'vitest';
import { partsOfPiece, scheduleStep, type Schedule, type ScheduledPiece } from '../../src/plan/schedule.js';
import { segmentsOf } from '../../src/plan/segments.js';
import { leavesOf, subtreesOf } from '../../src/plan/tree.js';
import { runs } from './properties.js';

// Which shards are computed together, and in which order they are added: executed on text, a shard being its number and a
// sum "(left+right)", so that two orders of addition give two texts.

const rows = fc.integer({ min: 1, max: 2_000 });
const shardRows = fc.integer({ min: 1, max: 70 });
const workers = fc.integer({ min: 1, max: 64 });
const maxRows = fc.integer({ min: 1, max: 600 });
const leafCounts = fc.integer({ min: 1, max: 300 });

/** The tree as the design words it: node i is child 2i + child 2i+1, a last child without sibling goes up unchanged. */
function sumLevelByLevel(terms: readonly string[]): string {
  let level = terms;
  while (level.length > 1) {
    level = Array.from({ length: Math.ceil(level.length / 2) }, (_, i) => {
      const [left, right] = [level[2 * i]!, level[2 * i + 1]];
      return right === undefined ? left : `(${left}+${right})`;
    });
  }
  return level[0]!;
}

const leafNames = (start: number, end: number): string[] => Array.from({ length: end - start }, (_, i) => String(start + i));

/** A piece's sum, as the kernels fold it: the tree over its own shards. */
function sumOfPiece({ firstRow, rows: count }: ScheduledPiece, shard: number): string {
  return sumLevelByLevel(leafNames(firstRow / shard, firstRow / shard + Math.ceil(count / shard)));
}

/** Does what the workers do with a schedule: the sum of all, and the most shares held at once. */
function execute({ pieces }: Schedule, shard: number): { readonly root: string; readonly depth: number } {
  const stack: string[] = [];
  let depth = 0;
  for (const piece of pieces) {
    expect(piece.slot).toBe(stack.length);
    stack.push(sumOfPiece(piece, shard));
    depth = Math.max(depth, stack.length);
    for (let join = 0; join < piece.joins; join++) {
      const right = stack.pop()!;
      stack.push(`(${stack.pop()!}+${right})`);
    }
  }
  expect(stack).toHaveLength(1);
  return { root: stack[0]!, depth };
}

test('the subtrees of a range hold each of its leaves once, in order, and as few as can be', () => {
  fc.assert(fc.property(leafCounts, fc.nat(), fc.nat(), fc.integer({ min: 0, max: 9 }), (leafCount, a, b, maxLevel) => {
    const [start, end] = [a % (leafCount + 1), b % (leafCount + 1)].sort((x, y) => x - y) as [number, number];
    const nodes = subtreesOf({ start, end }, leafCount, maxLevel);
    const leaves = nodes.flatMap((node) => {
      const range = leavesOf(node, leafCount);
      return leafNames(range.start, range.end);
    });
    expect(leaves).toEqual(leafNames(start, end));
    expect(nodes.every(({ level }) => level <= maxLevel)).toBe(true);
    expect(nodes).toHaveLength(fewestSubtrees(start, end, leafCount, maxLevel));
  }), runs(300));
});

/** The fewest subtrees that make up [start, end), top down: a node inside counts once, others are halved. */
function fewestSubtrees(start: number, end: number, leafCount: number, maxLevel: number): number {
  const count = (level: number, first: number): number => {
    const last = Math.min(leafCount, first + 2 ** level);
    if (last <= start || first >= end || first >= leafCount) return 0;
    if (first >= start && last <= end && level <= maxLevel) return 1;
    return count(level - 1, first) + count(level - 1, first + 2 ** (level - 1));
  };
  return count(Math.ceil(Math.log2(leafCount)), 0);
}

test('every row of a step is in one piece, in order, and pieces fit', () => {
  fc.assert(fc.property(rows, shardRows, maxRows, (count, shard, most) => {
    let next = 0;
    for (const piece of scheduleStep(count, shard, most).pieces) {
      expect(piece.firstRow).toBe(next);
      expect(piece.rows).toBeGreaterThan(0);
      // A shard is never cut, even where it is larger than what was asked for.
      expect(piece.rows).toBeLessThanOrEqual(Math.max(most, shard));
      next += piece.rows;
    }
    expect(next).toBe(count);
  }), runs(300));
});

test('the additions are those of the tree, for every size of pieces', () => {
  fc.assert(fc.property(rows, shardRows, maxRows, (count, shard, most) => {
    const { root } = execute(scheduleStep(count, shard, most), shard);
    expect(root).toBe(sumLevelByLevel(leafNames(0, Math.ceil(count / shard))));
  }), runs(300));
});

test('never more shares are held than announced, and at some time as many', () => {
  fc.assert(fc.property(rows, shardRows, maxRows, (count, shard, most) => {
    const schedule = scheduleStep(count, shard, most);
    expect(schedule.depth).toBe(execute(schedule, shard).depth);
  }), runs(300));
});

test('seven shards in pieces of two, written out', () => {
  // The last shard has 1 row of 4.
  const schedule = scheduleStep(25, 4, 8);
  expect(schedule.pieces).toEqual([
    { firstRow: 0, rows: 8, slot: 0, joins: 0 },
    { firstRow: 8, rows: 8, slot: 1, joins: 1 },
    { firstRow: 16, rows: 8, slot: 1, joins: 0 },
    { firstRow: 24, rows: 1, slot: 2, joins: 2 },
  ]);
  expect(execute(schedule, 4).root).toBe('(((0+1)+(2+3))+((4+5)+6))');
});

test('the parts of a piece hold each row once, cut at whole units, as even as these allow', () => {
  fc.assert(fc.property(rows, fc.integer({ min: 1, max: 40 }), workers, fc.integer({ min: 1, max: 4 }), (count, unit, workerCount, parts) => {
    const byWorker = partsOfPiece(count, unit, workerCount, parts);
    expect(byWorker).toHaveLength(workerCount);
    let next = 0;
    for (const { first, end } of byWorker.flat()) {
      expect(first).toBe(next);
      expect(end).toBeGreaterThan(first);
      expect(end % unit === 0 || end === count).toBe(true);
      next = end;
    }
    expect(next).toBe(count);
    const units = byWorker.map((list) => Math.ceil(list.reduce((sum, { first, end }) => sum + end - first, 0) / unit));
    expect(Math.max(...units) - Math.min(...units)).toBeLessThanOrEqual(1);
  }), runs(300));
});

test('a worker whose rows are cut in two begins with four fifths of them', () => {
  expect(partsOfPiece(100, 5, 1, 2)).toEqual([[{ first: 0, end: 80 }, { first: 80, end: 100 }]]);
});

test('segments hold each row of each matrix once, cut at whole steps of four rows', () => {
  const matrices = fc.array(fc.record({ rows: fc.integer({ min: 1, max: 90 }), stride: fc.integer({ min: 1, max: 30 }).map((vectors) => vectors * 4) }), { minLength: 1, maxLength: 6 });
  fc.assert(fc.property(matrices, workers, (list, workerCount) => {
    const all = Array.from({ length: workerCount }, (_, worker) => segmentsOf(list, worker, workerCount)).flat();
    list.forEach((matrix, index) => {
      let next = 0;
      for (const { first, end } of all.filter((segment) => segment.matrix === index)) {
        expect(first).toBe(next);
        expect(end % 4 === 0 || end === matrix.rows).toBe(true);
        next = end;
      }
      expect(next).toBe(matrix.rows);
    });
  }), runs(300));
});

test('two workers have half of the floats each, within a step of rows', () => {
  // 784 x 100 and 100 x 12 floats: half of 79,600 is row 398 of the first, and the next multiple of four is taken.
  expect(segmentsOf([{ rows: 784, stride: 100 }, { rows: 100, stride: 12 }], 0, 2)).toEqual([{ matrix: 0, first: 0, end: 400 }]);
});
