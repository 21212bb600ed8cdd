import { JoinStack, rootAdditions, type ShareAddition } from './joins.js';
import { leavesOf, splitLeaves, subtreesOf, type LeafRange, type TreeNode } from './tree.js';

/** One piece of a worker's part of a step: an aligned subtree of shards. */
export interface ScheduledPiece {
  /** Position of its first row in the mini-batch. */
  readonly firstRow: number;
  readonly rows: number;
  /** Place on the worker's stack of shares that it is computed into. */
  readonly slot: number;
  /** How many times afterwards the topmost share is added to the one below it. */
  readonly joins: number;
}

/** A share that a worker leaves for the others. */
export interface ShareRef {
  readonly worker: number;
  readonly slot: number;
}

/** Who computes what in a step of so many rows, and how the shares become one. */
export interface Schedule {
  readonly rows: number;
  readonly shardRows: number;
  readonly pieces: readonly (readonly ScheduledPiece[])[];
  /** Shares on each worker's stack at most. */
  readonly depths: readonly number[];
  readonly shares: readonly ShareRef[];
  /** Performed in order, they leave the sum of all shards in share 0. */
  readonly additions: readonly ShareAddition[];
}

/**
 * Cuts `rows` into shards and hands them to the workers as even as whole shards allow. A piece has at most `maxRows`
 * rows. Pure: the same on every thread.
 */
export function scheduleStep(rows: number, shardRows: number, workers: number, maxRows: number): Schedule {
  const leafCount = Math.ceil(rows / shardRows);
  const maxLevel = Math.max(0, Math.floor(Math.log2(maxRows / shardRows)));
  const parts = splitLeaves(leafCount, workers).map((range) => schedulePart(range, leafCount, rows, shardRows, maxLevel));
  const shares = parts.flatMap((part, worker) => part.remaining.map((_, slot) => ({ worker, slot })));
  const nodes = parts.flatMap((part) => part.remaining);
  return {
    rows,
    shardRows,
    pieces: parts.map((part) => part.pieces),
    depths: parts.map((part) => part.depth),
    shares,
    additions: rootAdditions(nodes, leafCount),
  };
}

interface Part {
  readonly pieces: readonly ScheduledPiece[];
  readonly remaining: readonly TreeNode[];
  readonly depth: number;
}

function schedulePart(range: LeafRange, leafCount: number, rows: number, shardRows: number, maxLevel: number): Part {
  const stack = new JoinStack<null>(leafCount);
  let depth = 0;
  const pieces = subtreesOf(range, leafCount, maxLevel).map((node) => {
    const { start, end } = leavesOf(node, leafCount);
    const slot = stack.held.length;
    depth = Math.max(depth, slot + 1);
    const firstRow = start * shardRows;
    return { firstRow, rows: Math.min(rows, end * shardRows) - firstRow, slot, joins: stack.push(node, null).length };
  });
  return { pieces, remaining: stack.held.map(({ node }) => node), depth };
}
