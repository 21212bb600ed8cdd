import type { TreeNode } from '../../src/plan/tree.js';

/** Of a share that cannot be kept: its leaves are asked for again. */
export const NO_SLOT = -1;

/** What a subtree of leaves adds to a step, without its bytes. */
export interface Share {
  readonly source: number;
  readonly generation: number;
  readonly step: number;
  /** The parameters that it was computed from. */
  readonly version: number;
  readonly subtree: TreeNode;
  /** Names its bytes; equal for equal bytes only. It is read only to compare shares, so a getter may compute it then. */
  readonly digest: string;
  /** Whether every number of it is finite. */
  readonly isFinite: boolean;
  /** Euclidean norm of its gradient divided by its examples, where shares are checked by it. */
  readonly normPerExample?: number | undefined;
  /** Time that its source says it spent on this share alone, in milliseconds; NaN when it says nothing. */
  readonly computeMs: number;
  /** The same of encoding it for the wire; 0 where it took none. */
  readonly encodeMs: number;
  /** Where the executor keeps its bytes, as long as `heldSlots` names it; `NO_SLOT` where it has no room for them. */
  readonly slot: number;
}
