import fc from 'fast-check';
import { expect, test } from 'vitest';
import { scheduleStep, type Schedule, type ScheduledPiece } from '../../src/plan/schedule.js';
import { leavesOf, splitLeaves, subtreesOf } from '../../src/plan/tree.js';
import { runs } from './properties.js';

// Who computes which shards, and in which order they are added: executed on text, a shard being its number and a sum
// "(left+right)", so that two orders of addition give two texts.

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
function sumOfPiece({ firstRow, rows: count }: ScheduledPiece, { shardRows: shard }: Schedule): string {
  return sumLevelByLevel(leafNames(firstRow / shard, firstRow / shard + Math.ceil(count / shard)));
}

interface Execution {
  readonly root: string;
  /** Most shares held at once, of each worker. */
  readonly depths: readonly number[];
}

/** Does what the workers do with a schedule. */
function execute(schedule: Schedule): Execution {
  const depths: number[] = [];
  const stacks = schedule.pieces.map((pieces) => {
    const stack: string[] = [];
    let depth = 0;
    for (const piece of pieces) {
      expect(piece.slot).toBe(stack.length);
      stack.push(sumOfPiece(piece, schedule));
      depth = Math.max(depth, stack.length);
      for (let join = 0; join < piece.joins; join++) {
        const right = stack.pop()!;
        stack.push(`(${stack.pop()!}+${right})`);
      }
    }
    depths.push(depth);
    return stack;
  });
  const shares = schedule.shares.map(({ worker, slot }) => stacks[worker]![slot]!);
  expect(shares).toEqual(stacks.flat());
  for (const { into, from } of schedule.additions) shares[into] = `(${shares[into]!}+${shares[from]!})`;
  return { root: shares[0]!, depths };
}

test('leaves are split in order, without gaps, as even as whole leaves allow', () => {
  fc.assert(fc.property(fc.integer({ min: 0, max: 2_000 }), workers, (leafCount, count) => {
    const ranges = splitLeaves(leafCount, count);
    expect(ranges).toHaveLength(count);
    expect(ranges[0]!.start).toBe(0);
    expect(ranges.at(-1)!.end).toBe(leafCount);
    ranges.slice(1).forEach(({ start }, i) => { expect(start).toBe(ranges[i]!.end); });
    const sizes = ranges.map(({ start, end }) => end - start);
    expect(Math.max(...sizes) - Math.min(...sizes)).toBeLessThanOrEqual(1);
  }), runs(200));
});

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

test('every row of a step is computed once, in order, in pieces that fit', () => {
  fc.assert(fc.property(rows, shardRows, workers, maxRows, (count, shard, workerCount, most) => {
    const { pieces } = scheduleStep(count, shard, workerCount, most);
    expect(pieces).toHaveLength(workerCount);
    let next = 0;
    for (const piece of pieces.flat()) {
      expect(piece.firstRow).toBe(next);
      expect(piece.rows).toBeGreaterThan(0);
      // A shard is never cut, even where it is larger than what was asked for.
      expect(piece.rows).toBeLessThanOrEqual(Math.max(most, shard));
      next += piece.rows;
    }
    expect(next).toBe(count);
  }), runs(300));
});

test('the additions are those of the tree, for every number of workers and every size of pieces', () => {
  fc.assert(fc.property(rows, shardRows, workers, maxRows, (count, shard, workerCount, most) => {
    const { root } = execute(scheduleStep(count, shard, workerCount, most));
    expect(root).toBe(sumLevelByLevel(leafNames(0, Math.ceil(count / shard))));
  }), runs(300));
});

test('a worker never holds more shares than announced, and at some time as many', () => {
  fc.assert(fc.property(rows, shardRows, workers, maxRows, (count, shard, workerCount, most) => {
    const schedule = scheduleStep(count, shard, workerCount, most);
    expect(schedule.depths).toEqual(execute(schedule).depths);
  }), runs(300));
});

test('seven shards on three workers, written out', () => {
  // Workers have shards 0-1, 2-3 and 4-6; pieces of two shards at most. The last shard has 1 row of 4.
  const schedule = scheduleStep(25, 4, 3, 8);
  expect(schedule.pieces).toEqual([
    [{ firstRow: 0, rows: 8, slot: 0, joins: 0 }],
    [{ firstRow: 8, rows: 8, slot: 0, joins: 0 }],
    [{ firstRow: 16, rows: 8, slot: 0, joins: 0 }, { firstRow: 24, rows: 1, slot: 1, joins: 1 }],
  ]);
  expect(schedule.additions).toEqual([{ into: 0, from: 1 }, { into: 0, from: 2 }]);
  expect(execute(schedule).root).toBe('(((0+1)+(2+3))+((4+5)+6))');
});
