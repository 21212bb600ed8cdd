import type { TreeNode } from '../../src/plan/tree.js';
import type { Program } from '../../src/train/session.js';

/** Most leaves of a round: each may have a share in a slot of its own. */
const MOST_LEAVES = 32;

/** Slots for as many shares, and for some that are compared with them. */
export const COORDINATOR_SHARE_SLOTS = MOST_LEAVES + 8;

/** The leaves of a round: a step of very many shards is handed out in groups of 2^level. */
export class LeafGroups {
  /** Examples of a leaf. */
  readonly examples: number;
  readonly #level: number;

  constructor({ batchRows, examples, shardRows }: Pick<Program, 'batchRows' | 'examples' | 'shardRows'>) {
    this.#level = Math.max(0, Math.ceil(Math.log2(Math.ceil(Math.min(batchRows, examples) / shardRows) / MOST_LEAVES)));
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
