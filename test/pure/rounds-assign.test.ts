import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { handOut, type Source, type Work } from '../../cluster/rounds/assign.js';
import { bitsIn, fillSources, finishMs, type Filling } from '../../cluster/rounds/fill.js';
import { isOnTrial, observe, UNKNOWN_PACE, type Pace } from '../../cluster/rounds/pace.js';
import { leavesOf, type TreeNode } from '../../src/plan/tree.js';
import { runs } from './properties.js';

const at = (level: number, index: number): TreeNode => ({ level, index });
/** A leaf of 16 examples takes 16 / speed seconds: with 16,000 examples a second, 1 ms. */
const source = (number: number, pace: Partial<Pace> = {}, busyMs = 0): Source => ({ number, pace: { speed: 16_000, latencyMs: 0, frameMs: 0, ...pace }, busyMs });
const whole = (leafCount: number): Work => ({ free: [at(Math.ceil(Math.log2(leafCount)), 0)], leafCount, shardExamples: 16 });
const sizeIn = ({ leafCount }: Work) => (subtree: TreeNode): number => leavesOf(subtree, leafCount).end - leavesOf(subtree, leafCount).start;

function leavesBySource(work: Work, sources: readonly Source[]): Record<number, number> {
  const counts: Record<number, number> = {};
  for (const { source: number, subtree } of handOut(work, sources)) counts[number] = (counts[number] ?? 0) + sizeIn(work)(subtree);
  return counts;
}

const filling = fc.record({ startMs: fc.double({ min: 0, max: 50, noNaN: true }), leafMs: fc.double({ min: 0.01, max: 20, noNaN: true }), frameMs: fc.constant(0) });
const withFrames = fc.record({ startMs: fc.integer({ min: 0, max: 30 }), leafMs: fc.integer({ min: 1, max: 9 }), frameMs: fc.integer({ min: 0, max: 12 }) });
const sum = (counts: readonly number[]): number => counts.reduce((total, count) => total + count, 0);
const latest = (counts: readonly number[], sources: readonly Filling[]): number => Math.max(...sources.map((each, i) => finishMs(each, counts[i]!)));

describe('how many leaves each gets', () => {
  test('all are handed out, and all finish together within one leaf of their own', () => {
    fc.assert(fc.property(fc.integer({ min: 1, max: 400 }), fc.array(filling, { minLength: 1, maxLength: 20 }), (leaves, sources) => {
      const counts = fillSources(leaves, sources);
      expect(sum(counts)).toBe(leaves);
      const end = latest(counts, sources);
      // Nobody, idle ones included, could have done one more leaf before the last has finished.
      sources.forEach(({ startMs, leafMs }, i) => { expect(startMs + (counts[i]! + 1) * leafMs).toBeGreaterThanOrEqual(end * (1 - 1e-9)); });
    }), runs(500));
  });

  test('a source whose start alone is later than the others finish gets nothing', () => {
    // 8 leaves of 1 ms on two are done after 4 ms.
    const one = { leafMs: 1, frameMs: 0 };
    expect(fillSources(8, [{ ...one, startMs: 0 }, { ...one, startMs: 0 }, { ...one, startMs: 4 }])).toEqual([4, 4, 0]);
    // With 11 it is worth it: 5 + 5 + 1, done after 5 ms.
    expect(fillSources(11, [{ ...one, startMs: 0 }, { ...one, startMs: 0 }, { ...one, startMs: 4 }])).toEqual([5, 5, 1]);
  });

  test('ties go to who stands first', () => {
    const alike = { startMs: 0, leafMs: 1, frameMs: 0 };
    expect(fillSources(5, [alike, alike, alike])).toEqual([2, 2, 1]);
  });

  test('where frames cost something, the end is that of the best of all ways', () => {
    fc.assert(fc.property(fc.integer({ min: 1, max: 24 }), fc.array(withFrames, { minLength: 1, maxLength: 3 }), (leaves, sources) => {
      const counts = fillSources(leaves, sources);
      expect(sum(counts)).toBe(leaves);
      const best = Math.min(...waysToSplit(leaves, sources.length).map((way) => latest(way, sources)));
      expect(latest(counts, sources)).toBe(best);
    }), runs(300));
  });

  test('a rest is not left to one whose subtrees it would make ragged', () => {
    // 23 leaves are 4 + 16 + 3: after 27 + 4, 6 + 16 * 2 and 18 + 3 * 5 + 1 ms.
    const sources = [{ startMs: 27, leafMs: 1, frameMs: 12 }, { startMs: 6, leafMs: 2, frameMs: 8 }, { startMs: 18, leafMs: 5, frameMs: 1 }];
    expect(latest(fillSources(23, sources), sources)).toBe(38);
    // More than anybody could do by the time at which enough could be held: 17 + 5 * 3 + 12 and 14 + 18 + 12 ms.
    expect(fillSources(23, [{ startMs: 17, leafMs: 3, frameMs: 12 }, { startMs: 14, leafMs: 1, frameMs: 12 }])).toEqual([5, 18]);
  });

  test('one subtree is taken instead of three when its frames cost more than the others lose', () => {
    const [local, node] = [{ startMs: 0, leafMs: 1, frameMs: 0 }, { startMs: 4, leafMs: 1, frameMs: 4 }];
    // 64 leaves even out at 34 and 30, which is 4 subtrees; 32 and 32 end after 36 ms, as 30 would only after 34 + 3 * 4.
    expect(fillSources(64, [local, node])).toEqual([32, 32]);
    expect(fillSources(64, [local, { ...node, frameMs: 0 }])).toEqual([34, 30]);
  });
});

/** Every way to split so many leaves among so many. */
function waysToSplit(leaves: number, among: number): number[][] {
  if (among === 1) return [[leaves]];
  return Array.from({ length: leaves + 1 }, (_, first) => waysToSplit(leaves - first, among - 1).map((rest) => [first, ...rest])).flat();
}

describe('which leaves', () => {
  const work = fc.record({ leafCount: fc.integer({ min: 1, max: 200 }), taken: fc.array(fc.tuple(fc.nat({ max: 7 }), fc.nat({ max: 200 })), { maxLength: 6 }) });
  const sources = fc.uniqueArray(fc.record({ number: fc.nat({ max: 40 }), pace: fc.record({ speed: fc.option(fc.integer({ min: 1_000, max: 99_000 }), { nil: undefined }), latencyMs: fc.integer({ min: 0, max: 9 }), frameMs: fc.integer({ min: 0, max: 4 }) }), busyMs: fc.integer({ min: 0, max: 9 }) }), { minLength: 1, maxLength: 8, selector: ({ number }) => number });

  /** Free subtrees: single leaves, pairs and so on around what is taken. */
  function freeOf({ leafCount, taken }: { readonly leafCount: number; readonly taken: readonly (readonly [number, number])[] }): Work {
    const isTaken = (start: number, end: number): boolean => taken.some(([level, index]) => { const range = leavesOf(at(level, index), leafCount); return range.start < end && start < range.end; });
    const split = (node: TreeNode): TreeNode[] => {
      const { start, end } = leavesOf(node, leafCount);
      if (start >= end) return [];
      if (!isTaken(start, end)) return [node];
      return node.level === 0 ? [] : [...split(at(node.level - 1, 2 * node.index)), ...split(at(node.level - 1, 2 * node.index + 1))];
    };
    return { free: split(at(Math.ceil(Math.log2(leafCount)), 0)), leafCount, shardExamples: 16 };
  }

  test('every free leaf goes to exactly one source, and no other leaf to any', () => {
    fc.assert(fc.property(work, sources, (about, able) => {
      const each = freeOf(about);
      const leavesIn = (subtrees: readonly TreeNode[]): number[] => subtrees.flatMap((subtree) => { const { start, end } = leavesOf(subtree, each.leafCount); return Array.from({ length: end - start }, (_, i) => start + i); }).sort((a, b) => a - b);
      expect(leavesIn(handOut(each, able).map(({ subtree }) => subtree))).toEqual(leavesIn(each.free));
    }), runs(500));
  });

  test('the order in which sources are given changes nothing', () => {
    fc.assert(fc.property(work, sources, fc.nat(), (about, able, turn) => {
      const turned = [...able.slice(turn % able.length), ...able.slice(0, turn % able.length)];
      expect(handOut(freeOf(about), turned)).toEqual(handOut(freeOf(about), able));
    }), runs(200));
  });

  test('of a tree with 2^n leaves no source gets more subtrees than its number of leaves needs', () => {
    fc.assert(fc.property(fc.integer({ min: 0, max: 8 }), sources, (levels, able) => {
      const each = whole(2 ** levels);
      const handedOut = handOut(each, able);
      for (const [number, leaves] of Object.entries(leavesBySource(each, able))) expect(handedOut.filter((one) => one.source === Number(number))).toHaveLength(bitsIn(leaves));
    }), runs(300));
  });

  test('three sources of speeds 4, 2 and 1 share seven leaves, written out', () => {
    // 4, 2 and 1 leaves take 1 ms each way; the blocks lie largest first.
    expect(handOut(whole(7), [source(3, { speed: 16_000 }), source(1, { speed: 64_000 }), source(2, { speed: 32_000 })])).toEqual([
      { source: 1, subtree: at(2, 0), finishMs: 1 },
      { source: 2, subtree: at(1, 2), finishMs: 1 },
      { source: 3, subtree: at(0, 6), finishMs: 1 },
    ]);
  });

  test('a lost subtree is cut among the others, who still owe something', () => {
    // Leaves 4 to 7; source 1 is busy for 2 ms more: 1 + 3 leaves end after 3 ms each.
    expect(leavesBySource({ free: [at(2, 1)], leafCount: 8, shardExamples: 16 }, [source(1, {}, 2), source(2)])).toEqual({ 1: 1, 2: 3 });
  });

  test('the times are those of one subtree after the other, each with its frame after the first', () => {
    // 3 leaves are 2 + 1: 5 ms latency, 2 leaves of 1 ms; then 1 leaf and a frame of 2 ms.
    expect(handOut({ free: [at(1, 0), at(0, 2)], leafCount: 4, shardExamples: 16 }, [source(1, { latencyMs: 5, frameMs: 2 })])).toEqual([
      { source: 1, subtree: at(1, 0), finishMs: 7 },
      { source: 1, subtree: at(0, 2), finishMs: 10 },
    ]);
  });
});

describe('sources of unknown speed', () => {
  const unknown = (number: number): Source => source(number, UNKNOWN_PACE);

  test('get one leaf each beside others', () => {
    expect(leavesBySource(whole(32), [source(0), unknown(1), unknown(2)])).toEqual({ 0: 30, 1: 1, 2: 1 });
    expect(handOut(whole(32), [source(0), unknown(1)]).find(({ source: number }) => number === 1)?.finishMs).toBe(Infinity);
  });

  test('get at most half of the leaves all together', () => {
    expect(leavesBySource(whole(5), [source(0), unknown(1), unknown(2), unknown(3)])).toEqual({ 0: 3, 1: 1, 2: 1 });
    expect(leavesBySource(whole(1), [source(0), unknown(1)])).toEqual({ 0: 1 });
  });

  test('share alike where no speed is known', () => {
    expect(leavesBySource(whole(7), [unknown(1), unknown(2)])).toEqual({ 1: 4, 2: 3 });
  });

  test('get nothing more while nobody can tell when they begin', () => {
    expect(handOut(whole(7), [source(1, UNKNOWN_PACE, Infinity)])).toEqual([]);
    expect(handOut(whole(7), [])).toEqual([]);
  });
});

describe('speed', () => {
  test('of a first share is what it showed: 100 examples in 20 of 25 ms are 5,000 a second and 5 ms of latency', () => {
    expect(observe(UNKNOWN_PACE, { examples: 100, elapsedMs: 25, computeMs: 20, wasIdle: true })).toEqual({ speed: 5_000, latencyMs: 5, frameMs: 2.5, trials: 1 });
  });

  test('is on trial for four shares, and the least latency of these is its own', () => {
    // The speed is 5,000 each time; the latencies are 9, 5, 7 and 6 ms, then 5 + 0.3 (15 - 5).
    let pace = UNKNOWN_PACE;
    const seen = [29, 25, 27, 26, 35].map((elapsedMs) => {
      pace = observe(pace, { examples: 100, elapsedMs, computeMs: 20, wasIdle: true });
      return [pace.latencyMs, isOnTrial(pace)];
    });
    expect(seen).toEqual([[9, true], [5, true], [5, true], [5, false], [8, false]]);
  });

  test('a trial ends though its source always had other work', () => {
    let pace = UNKNOWN_PACE;
    for (let share = 0; share < 4; share++) pace = observe(pace, { examples: 100, elapsedMs: 25, computeMs: 20, wasIdle: false });
    expect(isOnTrial(pace)).toBe(false);
    // Its first latency is what it shows, and not 0.
    expect(observe({ ...UNKNOWN_PACE, speed: 5_000, trials: 2 }, { examples: 100, elapsedMs: 25, computeMs: 20, wasIdle: true }).latencyMs).toBe(5);
  });

  test('moves by three tenths towards a new share', () => {
    // 5,000 + 0.3 (10,000 - 5,000); 5 + 0.3 (15 - 5).
    expect(observe({ speed: 5_000, latencyMs: 5, frameMs: 2.5 }, { examples: 100, elapsedMs: 25, computeMs: 10, wasIdle: true })).toEqual({ speed: 6_500, latencyMs: 8, frameMs: 4 });
  });

  test('tells nothing about latency when the source had other work before', () => {
    expect(observe({ speed: 5_000, latencyMs: 5, frameMs: 2.5 }, { examples: 100, elapsedMs: 25, computeMs: 20, wasIdle: false })).toEqual({ speed: 5_000, latencyMs: 5, frameMs: 2.5 });
  });

  test.each([0, -1, 26, NaN])('does not believe that 25 ms held %d ms of computing: all of it counts', (computeMs) => {
    expect(observe(UNKNOWN_PACE, { examples: 100, elapsedMs: 25, computeMs, wasIdle: true })).toEqual({ speed: 4_000, latencyMs: 0, frameMs: 0, trials: 1 });
  });
});
