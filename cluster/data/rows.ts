// The rows of an assignment, for nodes without room for whole columns (`--data rows`).
import { leavesOf, type TreeNode } from '../../src/plan/tree.js';
import { clusterError, type ClusterError } from '../protocol/errors.js';
import type { Hasher } from '../protocol/hasher.js';
import type { AssignMessage, RowsMessage } from '../protocol/messages.js';
import type { ManifestColumn } from '../protocol/run-description.js';
import { rowByteLength, type ColumnBytes } from './columns.js';

/** Rows [first, end) of the mini-batch. */
interface RowRange {
  readonly first: number;
  readonly end: number;
}

/**
 * The rows below each subtree, of the `rowCount` of a mini-batch; the last shard may have fewer than the others.
 * @throws ERR_MESSAGE where a subtree has no leaf, or two share one
 */
export function rangesOf(subtrees: readonly TreeNode[], rowCount: number, shardSize: number): RowRange[] {
  const ranges = subtrees.map((subtree) => {
    const { start, end } = leavesOf(subtree, Math.ceil(rowCount / shardSize));
    return { first: start * shardSize, end: Math.min(rowCount, end * shardSize) };
  });
  if (ranges.some(({ first, end }) => first >= end)) throw refused('assign', 'a subtree lies behind the last leaf');
  const ordered = [...ranges].sort((a, b) => a.first - b.first);
  if (ordered.some(({ first }, index) => index > 0 && first < ordered[index - 1]!.end)) throw refused('assign', 'two subtrees share a leaf');
  return ranges;
}

/**
 * Positions in the mini-batch of the rows below some subtrees, in the order of the assignment. Both sides compute them, so that
 * rows cross the wire without numbers.
 * @throws ERR_MESSAGE as `rangesOf`
 */
export function positionsOf(subtrees: readonly TreeNode[], rowCount: number, shardSize: number): Uint32Array {
  const ranges = rangesOf(subtrees, rowCount, shardSize);
  return Uint32Array.from(ranges.flatMap(({ first, end }) => Array.from({ length: end - first }, (_, row) => first + row)));
}

/** Copies of the rows with these indices, one behind the other. */
export function rowsOf({ column, bytes }: ColumnBytes, indices: Uint32Array): Uint8Array {
  const rowBytes = rowByteLength(column);
  const rows = new Uint8Array(indices.length * rowBytes);
  indices.forEach((index, place) => { rows.set(bytes.subarray(index * rowBytes, (index + 1) * rowBytes), place * rowBytes); });
  return rows;
}

/** The frame that follows an assignment. `indices` are those of the examples at the assignment's positions. */
export function rowsMessage(
  { generation, assignment }: Pick<AssignMessage, 'generation' | 'assignment'>,
  column: ColumnBytes,
  indices: Uint32Array,
  hasher: Hasher,
): RowsMessage {
  const bytes = rowsOf(column, indices);
  return { type: 'rows', generation, assignment, column: column.column.sha256, rowCount: indices.length, sha256: hasher.sha256(bytes), bytes };
}

/** @throws ERR_MESSAGE where a message has not just so many rows of the column */
export function checkRows({ column: sha256, rowCount, bytes }: RowsMessage, column: ManifestColumn, expected: number): void {
  const rowBytes = rowByteLength(column);
  if (sha256 !== column.sha256) throw refused('rows', `it is of the column ${sha256} where ${column.sha256} comes next`);
  if (rowCount !== expected || bytes.byteLength !== rowCount * rowBytes) {
    throw refused('rows', `it has ${rowCount} rows in ${bytes.byteLength} bytes, and the assignment ${expected} of ${rowBytes} bytes`);
  }
}

/**
 * The inverse of `rowsOf`: puts the rows of a message to `places` of a column that has room for so many examples.
 * @throws ERR_MESSAGE where the message has other rows than the assignment; the target is then as it was
 */
export function placeRows(message: RowsMessage, { column, bytes }: ColumnBytes, places: Uint32Array): void {
  const rowBytes = rowByteLength(column);
  checkRows(message, column, places.length);
  places.forEach((place, row) => { bytes.set(message.bytes.subarray(row * rowBytes, (row + 1) * rowBytes), place * rowBytes); });
}

function refused(type: 'assign' | 'rows', problem: string): ClusterError {
  return clusterError('ERR_MESSAGE', { type, problem });
}
