import { leavesOf, subtreesOf, type TreeNode } from './tree.js';

/** One piece of a step: an aligned subtree of shards, computed by all workers together. */
export interface ScheduledPiece {
  /** Position of its first row in the mini-batch. */
  readonly firstRow: number;
  readonly rows: number;
  /** Place on the stack of shares that it is summed into. */
  readonly slot: number;
  /** How many times afterwards the topmost share is added to the one below it. */
  readonly joins: number;
}

/** The pieces of a step; after the last one, share 0 is the sum of all shards. */
export interface Schedule {
  readonly rows: number;
  readonly pieces: readonly ScheduledPiece[];
  /** Shares on the stack at most. */
  readonly depth: number;
}

/** Cuts `rows` into shards and these into pieces of at most `maxRows` rows. Pure: the same on every thread. */
export function scheduleStep(rows: number, shardRows: number, maxRows: number): Schedule {
  const leafCount = Math.ceil(rows / shardRows);
  const maxLevel = Math.max(0, Math.floor(Math.log2(maxRows / shardRows)));
  const stack = new JoinStack(leafCount);
  let depth = 0;
  const pieces = subtreesOf({ start: 0, end: leafCount }, leafCount, maxLevel).map((node) => {
    const { start, end } = leavesOf(node, leafCount);
    const slot = stack.height;
    depth = Math.max(depth, slot + 1);
    const firstRow = start * shardRows;
    return { firstRow, rows: Math.min(rows, end * shardRows) - firstRow, slot, joins: stack.push(node) };
  });
  return { rows, pieces, depth };
}

/** Subtrees in order; two siblings on top become their parent, in the left one's place. */
class JoinStack {
  readonly #held: TreeNode[] = [];

  constructor(private readonly leafCount: number) {}

  get height(): number {
    return this.#held.length;
  }

  /** Adds a subtree and returns how many joins it makes possible. */
  push(node: TreeNode): number {
    this.#held.push(this.#promote(node));
    for (let joins = 0; ; joins++) {
      const [left, right] = this.#held.slice(-2);
      if (left === undefined || right === undefined || !areSiblings(left, right)) return joins;
      this.#held.splice(-2, 2, this.#promote(parentOf(left)));
    }
  }

  /** A last child without a sibling goes up unchanged, up to the root. */
  #promote(node: TreeNode): TreeNode {
    let current = node;
    while (2 ** current.level < this.leafCount && current.index % 2 === 0 && (current.index + 1) * 2 ** current.level >= this.leafCount) {
      current = parentOf(current);
    }
    return current;
  }
}

const parentOf = (node: TreeNode): TreeNode => ({ level: node.level + 1, index: Math.floor(node.index / 2) });

const areSiblings = (left: TreeNode, right: TreeNode): boolean =>
  left.level === right.level && left.index % 2 === 0 && right.index === left.index + 1;

/** Rows [first, end) of a piece. */
export interface PartOfPiece {
  readonly first: number;
  readonly end: number;
}

/**
 * The parts of a piece's rows, by worker: each worker's share, as even as whole units of `unit` rows allow, in `count` parts of
 * which the first is the largest: with the others a worker that is done early helps one that is not.
 */
export function partsOfPiece(rows: number, unit: number, workers: number, count: number): PartOfPiece[][] {
  const units = Math.ceil(rows / unit);
  const border = (units: number): number => Math.min(rows, units * unit);
  return Array.from({ length: workers }, (_, worker) => {
    const [first, end] = [Math.floor((worker * units) / workers), Math.floor(((worker + 1) * units) / workers)];
    const borders = Array.from({ length: count + 1 }, (_unused, part) => border(first + Math.round((end - first) * (1 - FIRST_PART_REST ** part))));
    borders[count] = border(end);
    return borders.slice(1).flatMap((last, part) => (last > borders[part]! ? [{ first: borders[part]!, end: last }] : []));
  });
}

/** What each part leaves of what was left before it. */
const FIRST_PART_REST = 0.2;
