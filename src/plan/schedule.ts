import { JoinStack } from './joins.js';
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

/** The pieces of a step or of a subtree; after the last one, share 0 of the stack is the sum of all shards. */
export interface Schedule {
  /** Rows of the step. */
  readonly rows: number;
  readonly pieces: readonly ScheduledPiece[];
  /** Shares on the stack at most. */
  readonly depth: number;
}

/**
 * Cuts `rows` into shards, and these, or those below a subtree of them, into pieces of at most `maxRows` rows. Pure: the same
 * on every thread.
 */
export function scheduleStep(rows: number, shardRows: number, maxRows: number, subtree?: TreeNode): Schedule {
  const leafCount = Math.ceil(rows / shardRows);
  const range = subtree === undefined ? { start: 0, end: leafCount } : leavesOf(subtree, leafCount);
  const maxLevel = Math.max(0, Math.floor(Math.log2(maxRows / shardRows)));
  const stack = new JoinStack<null>(leafCount);
  let depth = 0;
  const pieces = subtreesOf(range, leafCount, maxLevel).map((node) => {
    const { start, end } = leavesOf(node, leafCount);
    const slot = stack.held.length;
    depth = Math.max(depth, slot + 1);
    const firstRow = start * shardRows;
    return { firstRow, rows: Math.min(rows, end * shardRows) - firstRow, slot, joins: stack.push(node, null).length };
  });
  return { rows, pieces, depth };
}

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
