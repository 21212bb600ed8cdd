import type { TreeNode } from '../../src/plan/tree.js';
import type { Program } from '../../src/train/session.js';
import { mostOpenSteps, type Mode } from '../rounds/modes.js';

/** Most leaves of a round: each may have a share in a slot of its own. Where steps overlap, each has a part of them, but so many. */
const MOST_LEAVES = 32;
const LEAST_LEAVES = 8;

/** Slots for shares that are compared with others. */
const SPARE_SLOTS = 8;

/** In `async` a share leaves its slot at once, whatever the steps that are open. */
function mostLeaves(mode: Mode): number {
  return mode.kind === 'stale' ? Math.max(LEAST_LEAVES, Math.floor(MOST_LEAVES / mostOpenSteps(mode))) : MOST_LEAVES;
}

/** Slots for the shares of all open steps, of so many shards each. In `local` there are none, and in `async` shares of many steps may come at once. */
export function coordinatorShareSlots(mode: Mode, shards = Infinity): number {
  if (mode.kind === 'local') return 1;
  if (mode.kind === 'async') return MOST_LEAVES + SPARE_SLOTS;
  return Math.min(shards, mostLeaves(mode)) * mostOpenSteps(mode) + SPARE_SLOTS;
}

/** The leaves of a round: a step of very many shards is handed out in groups of 2^level. */
export class LeafGroups {
  /** Examples of a leaf. */
  readonly examples: number;
  readonly #level: number;

  constructor({ batchRows, examples, shardRows }: Pick<Program, 'batchRows' | 'examples' | 'shardRows'>, mode: Mode) {
    this.#level = Math.max(0, Math.ceil(Math.log2(Math.ceil(Math.min(batchRows, examples) / shardRows) / mostLeaves(mode))));
    this.examples = shardRows * 2 ** this.#level;
  }

  toShards({ level, index }: TreeNode): TreeNode {
    return { level: level + this.#level, index };
  }

  /** Undefined for a subtree of shards that was never handed out. */
  toLeaves({ level, index }: TreeNode): TreeNode | undefined {
    return level < this.#level ? undefined : { level: level - this.#level, index };
  }
}
