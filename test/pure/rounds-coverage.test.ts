import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { accept, acceptedFor, acceptedInOrder, isComplete, isWithin, missing, openCoverage, summation, withdraw, type Coverage } from '../../cluster/rounds/coverage.js';
import { leavesOf, subtreesOf, type TreeNode } from '../../src/plan/tree.js';
import { runs } from './properties.js';
import { add, bitsOf, initialParameters, leafGradient, seededRandom, subtreeSum } from './rounds-arithmetic.js';

const at = (level: number, index: number): TreeNode => ({ level, index });
const STEP = 3;

/** The sum of all leaves as the design words the tree: level by level, left first, a last one alone goes up unchanged. */
function sumLevelByLevel(leafCount: number): Float32Array {
  let level = Array.from({ length: leafCount }, (_, leaf) => leafGradient(initialParameters(), STEP, leaf));
  while (level.length > 1) level = Array.from({ length: Math.ceil(level.length / 2) }, (_, i) => (2 * i + 1 < level.length ? add(level[2 * i]!, level[2 * i + 1]!) : level[2 * i]!));
  return level[0]!;
}

const shareOf = (subtree: TreeNode, leafCount: number): Float32Array => subtreeSum(initialParameters(), STEP, subtree, leafCount);

function sumOf(coverage: Coverage<Float32Array>): Float32Array {
  const { shares, additions } = summation(coverage);
  const sums = [...shares];
  for (const { into, from } of additions) sums[into] = add(sums[into]!, sums[from]!);
  return sums[0]!;
}

/** A random subtree of a tree with so many leaves. */
function drawSubtree(random: () => number, leafCount: number): TreeNode {
  const level = Math.floor(random() * (Math.ceil(Math.log2(leafCount)) + 1));
  return at(level, Math.floor(random() * Math.ceil(leafCount / 2 ** level)));
}

const leafCounts = fc.integer({ min: 1, max: 70 });

test('any shares in any order, with duplicates, overlaps and some taken back, cover each leaf once and give the bytes of the plain tree', () => {
  fc.assert(fc.property(leafCounts, fc.nat(), (leafCount, seed) => {
    const random = seededRandom(seed);
    const coverage = openCoverage<Float32Array>(leafCount);
    const covered = new Set<number>();
    for (let arrivals = 0; !isComplete(coverage); arrivals++) {
      // From some time on, what is missing is handed out again, so that it ends.
      const gaps = missing(coverage);
      const subtree = arrivals > 20 ? gaps[Math.floor(random() * gaps.length)]! : drawSubtree(random, leafCount);
      const { start, end } = leavesOf(subtree, leafCount);
      const leaves = Array.from({ length: end - start }, (_, i) => start + i);
      if (arrivals <= 20 && random() < 0.2 && acceptedFor(coverage, subtree) !== undefined) {
        withdraw(coverage, subtree);
        leaves.forEach((leaf) => covered.delete(leaf));
        continue;
      }
      const overlapsSome = leaves.some((leaf) => covered.has(leaf));
      expect(accept(coverage, subtree, shareOf(subtree, leafCount))).toBe(overlapsSome ? 'overlaps' : 'accepted');
      if (!overlapsSome) leaves.forEach((leaf) => covered.add(leaf));
      expect(coverage.covered).toBe(covered.size);
    }
    expect(bitsOf(sumOf(coverage))).toBe(bitsOf(sumLevelByLevel(leafCount)));
  }), runs(400));
});

test('the order of the additions matters to these numbers', () => {
  const leaves = Array.from({ length: 13 }, (_, leaf) => leafGradient(initialParameters(), STEP, leaf));
  expect(bitsOf(leaves.reduce(add))).not.toBe(bitsOf(sumLevelByLevel(13)));
});

test('a relay covers its subtree alone, and its sum takes its place among the others', () => {
  fc.assert(fc.property(leafCounts, fc.nat(), (leafCount, seed) => {
    const random = seededRandom(seed);
    const whole = openCoverage<Float32Array>(leafCount);
    for (let root = at(0, 0); !isComplete(whole); root = missing(whole)[0] ?? root) {
      if (random() < 0.7) root = drawSubtree(random, leafCount);
      if (accept(whole, root, new Float32Array(0)) === 'overlaps') continue;
      withdraw(whole, root);
      const below = openCoverage<Float32Array>(leafCount, root);
      expect(isWithin(below, drawSubtree(random, leafCount))).toBeTypeOf('boolean');
      while (!isComplete(below)) {
        const subtree = random() < 0.5 ? missing(below).at(-1)! : drawSubtree(random, leafCount);
        if (isWithin(below, subtree)) accept(below, subtree, shareOf(subtree, leafCount));
      }
      accept(whole, root, sumOf(below));
    }
    expect(bitsOf(sumOf(whole))).toBe(bitsOf(sumLevelByLevel(leafCount)));
  }), runs(200));
});

describe('of seven leaves', () => {
  // The tree is ((0 1) (2 3)) ((4 5) 6): leaf 6 alone is subtree 0/6, 1/3, and nothing else.
  test('the additions are written out', () => {
    const coverage = openCoverage<string>(7);
    for (const [subtree, name] of [[at(0, 6), '6'], [at(1, 1), '23'], [at(0, 1), '1'], [at(1, 2), '45'], [at(0, 0), '0']] as const) accept(coverage, subtree, name);
    // (0+1), +(23); then 45+6 as operands 3 and 4; then left plus right.
    expect(summation(coverage)).toEqual({
      shares: ['0', '1', '23', '45', '6'],
      additions: [{ into: 0, from: 1 }, { into: 0, from: 2 }, { into: 3, from: 4 }, { into: 0, from: 3 }],
    });
  });

  test('a last leaf alone is the same leaves at every level that it goes up to', () => {
    const coverage = openCoverage<string>(7);
    accept(coverage, at(1, 3), 'six');
    expect(acceptedFor(coverage, at(0, 6))?.share).toBe('six');
    expect(accept(coverage, at(0, 6), 'again')).toBe('overlaps');
  });

  test('what is missing is few subtrees: beside 2-3 and 5 these are 0-1, 4 and 6', () => {
    const coverage = openCoverage<null>(7);
    accept(coverage, at(1, 1), null);
    accept(coverage, at(0, 5), null);
    expect(missing(coverage)).toEqual([at(1, 0), at(0, 4), at(0, 6)]);
    expect(missing(coverage, [{ start: 0, end: 1 }])).toEqual([at(0, 1), at(0, 4), at(0, 6)]);
    expect(missing(openCoverage<null>(7))).toEqual([at(3, 0)]);
  });

  test.each([
    [at(3, 0), true], [at(0, 6), true], [at(1, 3), true], [at(40, 0), true],
    [at(0, 7), false], [at(2, 2), false], [at(3, 1), false], [at(-1, 0), false], [at(0, -1), false],
    [at(0.5, 0), false], [at(0, 0.5), false], [at(41, 0), false], [at(NaN, 0), false], [at(0, Infinity), false],
  ])('%o is a subtree: %s', (subtree, is) => {
    expect(isWithin(openCoverage<null>(7), subtree)).toBe(is);
  });

  test('of a relay only what lies below its root is', () => {
    const coverage = openCoverage<null>(7, at(2, 1));
    expect([at(1, 2), at(0, 6), at(2, 1)].every((subtree) => isWithin(coverage, subtree))).toBe(true);
    expect([at(1, 1), at(3, 0), at(0, 3)].some((subtree) => isWithin(coverage, subtree))).toBe(false);
    expect(missing(coverage)).toEqual([at(2, 1)]);
  });

  test.each([
    ['a leaf is missing', (coverage: Coverage<null>) => { withdraw(coverage, at(0, 4)); }],
    ['a share is lost from the books', (coverage: Coverage<null>) => { coverage.byLeaf[4] = undefined; }],
    ['two shares cover a leaf', (coverage: Coverage<null>) => { coverage.byLeaf[0] = { subtree: at(1, 0), leaves: { start: 0, end: 2 }, share: null }; }],
    ['the count is wrong', (coverage: Coverage<null>) => { coverage.covered++; }],
  ])('no sum is made when %s', (_, damage) => {
    const coverage = openCoverage<null>(7);
    for (const subtree of [at(2, 0), at(0, 4), at(0, 5), at(0, 6)]) accept(coverage, subtree, null);
    expect(() => summation(coverage)).not.toThrow();
    damage(coverage);
    expect(() => summation(coverage)).toThrow(expect.objectContaining({ code: 'ERR_COVERAGE', kind: 'run' }) as Error);
  });
});

test('what is missing is exactly the leaves that nobody covers or owes, in subtrees that no two of them could be joined to fewer', () => {
  fc.assert(fc.property(leafCounts, fc.nat(), (leafCount, seed) => {
    const random = seededRandom(seed);
    const coverage = openCoverage<null>(leafCount);
    for (let i = 0; i < 6; i++) accept(coverage, drawSubtree(random, leafCount), null);
    const owed = leavesOf(drawSubtree(random, leafCount), leafCount);
    const isFree = (leaf: number): boolean => acceptedInOrder(coverage).every(({ leaves }) => leaf < leaves.start || leaf >= leaves.end) && (leaf < owed.start || leaf >= owed.end);
    const found = missing(coverage, [owed]).flatMap((subtree) => leavesOf(subtree, leafCount)).flatMap(({ start, end }) => Array.from({ length: end - start }, (_, i) => start + i));
    expect(found).toEqual(Array.from({ length: leafCount }, (_, leaf) => leaf).filter(isFree));
    // A run of free leaves has as few subtrees as subtreesOf finds, which a test of its own holds to be the fewest.
    const fewest = runsOf(found).flatMap(([start, end]) => subtreesOf({ start, end }, leafCount, 40));
    expect(missing(coverage, [owed])).toEqual(fewest);
  }), runs(300));
});

/** Consecutive numbers as [first, last + 1]. */
function runsOf(numbers: readonly number[]): [number, number][] {
  const found: [number, number][] = [];
  for (const number of numbers) {
    const last = found.at(-1);
    if (last?.[1] === number) last[1] = number + 1;
    else found.push([number, number + 1]);
  }
  return found;
}
