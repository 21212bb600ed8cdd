// Which leaves of a step are covered by accepted shares. Every leaf counts once, whoever sent what in which order.
import { runError } from '../../src/errors.js';
import { rootAdditions, type ShareAddition } from '../../src/plan/joins.js';
import { leavesOf, subtreesOf, type LeafRange, type TreeNode } from '../../src/plan/tree.js';

/** Higher than any tree of shards that fits into memory; keeps 2^level exact. */
export const DEEPEST_LEVEL = 40;

/** An accepted share and the leaves it covers. */
export interface Covering<T> {
  readonly subtree: TreeNode;
  readonly leaves: LeafRange;
  readonly share: T;
}

export interface Coverage<T> {
  /** Leaves of the whole tree, which decide where it is ragged. */
  readonly leafCount: number;
  /** The part of the tree that is to be covered: all of it, or the subtree that a relay was given. */
  readonly root: TreeNode;
  readonly leaves: LeafRange;
  /** For each of `leaves`, what covers it. */
  readonly byLeaf: (Covering<T> | undefined)[];
  /** How many of `leaves` are covered. */
  covered: number;
}

export function wholeTree(leafCount: number): TreeNode {
  return { level: Math.ceil(Math.log2(leafCount)), index: 0 };
}

export function openCoverage<T>(leafCount: number, root: TreeNode = wholeTree(leafCount)): Coverage<T> {
  const leaves = leavesOf(root, leafCount);
  return { leafCount, root, leaves, byLeaf: new Array<undefined>(leaves.end - leaves.start).fill(undefined), covered: 0 };
}

/** Whether a node names a subtree of what is to be covered; nothing else may be handed to the functions below. */
export function isWithin(coverage: Coverage<unknown>, { level, index }: TreeNode): boolean {
  if (!Number.isInteger(level) || level < 0 || level > DEEPEST_LEVEL || !Number.isInteger(index) || index < 0) return false;
  const { start, end } = leavesOf({ level, index }, coverage.leafCount);
  return start >= coverage.leaves.start && start < end && end <= coverage.leaves.end;
}

/** Covers the leaves of a subtree, unless one of them is covered already: then nothing changes. */
export function accept<T>(coverage: Coverage<T>, subtree: TreeNode, share: T): 'accepted' | 'overlaps' {
  if (overlaps(coverage, subtree)) return 'overlaps';
  const leaves = leavesOf(subtree, coverage.leafCount);
  fill(coverage, leaves, { subtree, leaves, share });
  coverage.covered += leaves.end - leaves.start;
  return 'accepted';
}

/** Takes back what was accepted for exactly these leaves: they are missing again. */
export function withdraw(coverage: Coverage<unknown>, subtree: TreeNode): void {
  const found = acceptedFor(coverage, subtree);
  if (found === undefined) return;
  fill(coverage, found.leaves, undefined);
  coverage.covered -= found.leaves.end - found.leaves.start;
}

function fill<T>({ byLeaf, leaves: { start } }: Coverage<T>, leaves: LeafRange, covering: Covering<T> | undefined): void {
  byLeaf.fill(covering, leaves.start - start, leaves.end - start);
}

/** What was accepted for exactly the leaves of a subtree. */
export function acceptedFor<T>(coverage: Coverage<T>, subtree: TreeNode): Covering<T> | undefined {
  const leaves = leavesOf(subtree, coverage.leafCount);
  const found = coverage.byLeaf[leaves.start - coverage.leaves.start];
  return found !== undefined && equalRanges(found.leaves, leaves) ? found : undefined;
}

export function overlaps(coverage: Coverage<unknown>, subtree: TreeNode): boolean {
  const { start, end } = leavesOf(subtree, coverage.leafCount);
  for (let leaf = start; leaf < end; leaf++) if (coverage.byLeaf[leaf - coverage.leaves.start] !== undefined) return true;
  return false;
}

export function isComplete(coverage: Coverage<unknown>): boolean {
  return coverage.covered === coverage.byLeaf.length;
}

/** The leaves that neither an accepted share nor one of `taken` covers, as few aligned subtrees, in order. */
export function missing(coverage: Coverage<unknown>, taken: Iterable<LeafRange> = []): TreeNode[] {
  const first = coverage.leaves.start;
  const isTaken = coverage.byLeaf.map((covering) => covering !== undefined);
  for (const { start, end } of taken) isTaken.fill(true, start - first, end - first);
  const subtrees: TreeNode[] = [];
  for (let start = isTaken.indexOf(false); start >= 0; ) {
    const next = isTaken.indexOf(true, start);
    const end = next < 0 ? isTaken.length : next;
    subtrees.push(...subtreesOf({ start: first + start, end: first + end }, coverage.leafCount, DEEPEST_LEVEL));
    start = isTaken.indexOf(false, end);
  }
  return subtrees;
}

/** The accepted shares in the order of their leaves. */
export function acceptedInOrder<T>({ byLeaf, leaves }: Coverage<T>): Covering<T>[] {
  const found: Covering<T>[] = [];
  for (let leaf = leaves.start; leaf < leaves.end; ) {
    const covering = byLeaf[leaf - leaves.start];
    if (covering !== undefined) found.push(covering);
    leaf = covering?.leaves.end ?? leaf + 1;
  }
  return found;
}

/** Shares in the order of their leaves, and the additions that leave their sum in the first of them. */
export interface Summation<T> {
  readonly shares: readonly T[];
  readonly additions: readonly ShareAddition[];
}

/**
 * How a complete coverage becomes one sum: the additions of the fixed tree, whatever shares cover it.
 * @throws ERR_COVERAGE when a leaf is not covered, or more than once: the bookkeeping is wrong, and no update may be made of it
 */
export function summation<T>(coverage: Coverage<T>): Summation<T> {
  const found = acceptedInOrder(coverage);
  assertTiles(found, coverage);
  return { shares: found.map(({ share }) => share), additions: rootAdditions(found.map(({ subtree }) => subtree), coverage.leafCount) };
}

function assertTiles(found: readonly Covering<unknown>[], { leaves, covered, leafCount }: Coverage<unknown>): void {
  let next = leaves.start;
  for (const { subtree } of found) {
    const { start, end } = leavesOf(subtree, leafCount);
    if (start !== next) throw notCovered(Math.min(start, next));
    next = end;
  }
  if (next !== leaves.end || covered !== leaves.end - leaves.start) throw notCovered(next);
}

function notCovered(leaf: number): Error {
  return runError('ERR_COVERAGE', `shard ${String(leaf)} of a step is not covered exactly once by the shares that came in; this is a fault in tensorflock, please report it with the event log.`);
}

export function equalRanges(a: LeafRange, b: LeafRange): boolean {
  return a.start === b.start && a.end === b.end;
}

export function rangesOverlap(a: LeafRange, b: LeafRange): boolean {
  return a.start < b.end && b.start < a.end;
}
