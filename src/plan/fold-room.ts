// What the folds of one worker need beside their operands.
import { FOLD_ROWS, foldGroupsBytes } from '../kernels/tiles.js';
import type { Instruction, Plan } from './plan.js';
import { scheduleStep } from './schedule.js';
import { SPARSE_MIN_COLUMNS } from './zeros.js';

/** Rows that a fold takes at a time: its factors then stay in the first-level cache. */
const BLOCK_ROWS = 128;

/** Floats of a sum that are handled together, or two times FOLD_ROWS rows: with parameters and moments they stay in the caches. */
const CHUNK_FLOATS = 3_840;

/** Rows of a block: an aligned subtree of shards. */
export function blockRowsFor(shardRows: number): number {
  return shardRows * 2 ** Math.floor(Math.log2(Math.max(1, BLOCK_ROWS / shardRows)));
}

/** Rows, `stride` floats apart, of a fold's sum that are asked for at once. */
export function chunkRowsFor(stride: number): number {
  return FOLD_ROWS * Math.max(2, Math.floor(CHUNK_FLOATS / (stride * FOLD_ROWS)));
}

/** Byte offsets from `Areas.folds`, and the bytes of all. */
export interface FoldRoom {
  /** Columns of the data, gathered for one chunk and block. */
  readonly strip: number;
  /** Columns of the data or of activations without zeros. */
  readonly groups: number;
  /** Sums of blocks that wait for their sibling, a chunk each. */
  readonly waiting: number;
  readonly chunkBytes: number;
  readonly byteLength: number;
}

/** Whether a product tries to leave zeros out. */
export function leavesZerosOut({ perRow, n }: Extract<Instruction, { readonly op: 'matmulFold' }>): boolean {
  return perRow === 1 && n >= SPARSE_MIN_COLUMNS;
}

export function foldRoom(plan: Plan, pieceRows: number, shardRows: number): FoldRoom {
  const products = plan.folds.filter((fold): fold is Extract<Instruction, { readonly op: 'matmulFold' }> => fold.op === 'matmulFold');
  const gathers = products.filter(({ column }) => column !== undefined);
  const blockRows = Math.min(blockRowsFor(shardRows), pieceRows);
  const stripBytes = gathers.length > 0 ? blockRows * FOLD_ROWS * 4 : 0;
  const groupsBytes = products.some(leavesZerosOut) ? foldGroupsBytes(blockRows, Math.ceil(blockRows / shardRows)) : 0;
  const chunkBytes = Math.max(0, ...products.map(({ outStride }) => chunkRowsFor(outStride) * outStride * 4));
  const { depth } = scheduleStep(pieceRows, shardRows, blockRows);
  const groups = stripBytes;
  const waiting = groups + Math.ceil(groupsBytes / 64) * 64;
  return { strip: 0, groups, waiting, chunkBytes, byteLength: waiting + (depth - 1) * chunkBytes };
}
