// Who gets which leaves: numbers by water-filling over measured speeds, places as few aligned subtrees.
import { leavesOf, subtreesOf, type LeafRange, type TreeNode } from '../../src/plan/tree.js';
import { DEEPEST_LEVEL } from './coverage.js';
import { fillSources, type Filling } from './fill.js';
import type { Pace } from './pace.js';

/** Somebody who computes: the local pool, a node, a relay or, in a test, a number. */
export interface Source {
  readonly number: number;
  readonly pace: Pace;
  /** From now until what it still owes should be here; Infinity when nobody can tell. */
  readonly busyMs: number;
  /** It is to get one leaf, as if its speed were not known. */
  readonly isTried?: boolean;
}

/** The leaves to be handed out. */
export interface Work {
  /** Aligned subtrees that do not overlap. */
  readonly free: readonly TreeNode[];
  readonly leafCount: number;
  /** Examples of a leaf; the last leaf's fewer are not worth a distinction. */
  readonly shardExamples: number;
}

export interface HandedOut {
  readonly source: number;
  readonly subtree: TreeNode;
  /** From now until it should be here; Infinity when the source's speed is not known. */
  readonly finishMs: number;
}

/**
 * Hands out leaves so that all sources finish together, each with as few subtrees as their number of leaves allows. A source
 * without a measured speed gets one leaf, while others take the rest; where no speed is known at all, all get the same number.
 * Leaves stay free where nobody can say when it would begin with them. A function of its arguments; sources are taken in the
 * order of their numbers.
 */
export function handOut(work: Work, sources: readonly Source[]): HandedOut[] {
  const able = sources.filter(({ busyMs }) => Number.isFinite(busyMs)).sort((a, b) => a.number - b.number);
  const byNumber = new Map(able.map((source) => [source.number, source]));
  return carve(work, leavesFor(work, able)).flatMap(({ source, subtrees }) => withTimes(work, byNumber.get(source)!, subtrees));
}

/** What each source gets, in the order of its first subtree. */
export function bySource(handedOut: readonly HandedOut[]): Map<number, TreeNode[]> {
  const given = new Map<number, TreeNode[]>();
  for (const { source, subtree } of handedOut) given.set(source, [...(given.get(source) ?? []), subtree]);
  return given;
}

/** How many leaves each source gets, by its number; who gets none is left out. */
function leavesFor(work: Work, sources: readonly Source[]): Map<number, number> {
  const leaves = leavesIn(work);
  const isTried = ({ pace, isTried: asked = false }: Source): boolean => asked || pace.speed === undefined;
  const unmeasured = sources.filter(isTried);
  const measured = sources.filter((source) => !isTried(source));
  if (measured.length === 0) return numbered(unmeasured, fillSources(leaves, unmeasured.map(() => ALIKE)));
  const trials = unmeasured.slice(0, Math.floor(leaves / 2));
  const fillings = measured.map((source) => fillingOf(source, work.shardExamples));
  return new Map([...numbered(trials, trials.map(() => 1)), ...numbered(measured, fillSources(leaves - trials.length, fillings))]);
}

function numbered(sources: readonly Source[], counts: readonly number[]): Map<number, number> {
  return new Map(sources.map(({ number }, index) => [number, counts[index]!] as const).filter(([, count]) => count > 0));
}

/** One leaf each in turn. */
const ALIKE: Filling = { startMs: 0, leafMs: 1, frameMs: 0 };

function leavesIn({ free, leafCount }: Work): number {
  return free.reduce((sum, subtree) => sum + sizeOf(leavesOf(subtree, leafCount)), 0);
}

function fillingOf({ pace, busyMs }: Source, shardExamples: number): Filling {
  // While a source is busy, its next assignment is already under way.
  return { startMs: Math.max(busyMs, pace.latencyMs), leafMs: (shardExamples * 1000) / (pace.speed ?? 0), frameMs: pace.frameMs };
}

/** When each of a source's subtrees should be here: they are computed in order, and each costs its frame. */
function withTimes({ leafCount, shardExamples }: Work, source: Source, subtrees: readonly TreeNode[]): HandedOut[] {
  const { startMs, leafMs, frameMs } = fillingOf(source, shardExamples);
  let doneMs = startMs - frameMs;
  return subtrees.map((subtree) => {
    doneMs += sizeOf(leavesOf(subtree, leafCount)) * leafMs + frameMs;
    return { source: source.number, subtree, finishMs: doneMs };
  });
}

interface Carved {
  readonly source: number;
  readonly subtrees: readonly TreeNode[];
}

/**
 * Places for numbers of leaves, as a buddy allocator finds them: numbers are taken apart into powers of two, and large blocks
 * are placed before small ones, each in the smallest free block that holds it, so that no block is cut without need.
 */
function carve({ free, leafCount }: Work, counts: ReadonlyMap<number, number>): Carved[] {
  const places = new FreeBlocks(free.map((subtree) => leavesOf(subtree, leafCount)));
  const ranges = new Map([...counts.keys()].map((source) => [source, [] as LeafRange[]]));
  let wanted = [...counts].map(([source, leaves]) => ({ source, blocks: leaves }));
  for (let level = places.deepest; level >= 0; level--) {
    const size = 2 ** level;
    wanted = wanted.map(({ source, blocks }) => {
      let rest = blocks;
      for (; rest >= size && places.has(level); rest -= size) ranges.get(source)!.push(places.take(level));
      return { source, blocks: rest };
    });
  }
  return [...ranges].map(([source, held]) => ({ source, subtrees: joined(held).flatMap((range) => subtreesOf(range, leafCount, DEEPEST_LEVEL)) }));
}

/** Free leaves as full aligned blocks of 2^level leaves. */
class FreeBlocks {
  readonly #starts: number[][] = [];

  constructor(ranges: readonly LeafRange[]) {
    for (const range of ranges) {
      // Against a tree without an end no block is ragged.
      for (const { level, index } of subtreesOf(range, Number.MAX_SAFE_INTEGER, DEEPEST_LEVEL)) this.#at(level).push(index * 2 ** level);
    }
    this.#starts.forEach((starts) => starts.sort((a, b) => b - a));
  }

  get deepest(): number {
    return this.#starts.length - 1;
  }

  has(level: number): boolean {
    return this.#starts.some((starts, at) => at >= level && starts.length > 0);
  }

  /** The first of the smallest blocks that hold 2^level leaves; what is left of it stays free. */
  take(level: number): LeafRange {
    const from = this.#starts.findIndex((starts, at) => at >= level && starts.length > 0);
    const start = this.#starts[from]!.pop()!;
    for (let at = from - 1; at >= level; at--) this.#at(at).push(start + 2 ** at);
    return { start, end: start + 2 ** level };
  }

  /** Starts of the blocks of a level, descending: the first block stands last. A split adds where there was none. */
  #at(level: number): number[] {
    while (this.#starts.length <= level) this.#starts.push([]);
    return this.#starts[level]!;
  }
}

function joined(ranges: readonly LeafRange[]): LeafRange[] {
  const result: LeafRange[] = [];
  for (const { start, end } of [...ranges].sort((a, b) => a.start - b.start)) {
    const last = result.at(-1);
    if (last?.end === start) result[result.length - 1] = { start: last.start, end };
    else result.push({ start, end });
  }
  return result;
}

function sizeOf({ start, end }: LeafRange): number {
  return end - start;
}
