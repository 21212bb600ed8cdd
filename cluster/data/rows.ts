// The rows of an assignment, for nodes without room for whole columns (`--data rows`).
import { leavesOf, type TreeNode } from '../../src/plan/tree.js';
import { clusterError, type ClusterError } from '../protocol/errors.js';
import type { Hasher } from '../protocol/hasher.js';
import type { AssignMessage, RowsMessage } from '../protocol/messages.js';
import { rowByteLength, type ColumnBytes } from './columns.js';

/**
 * Positions in the mini-batch of the rows below some subtrees, in the order of the assignment. Both sides compute them, so that
 * rows cross the wire without numbers.
 * @param rowCount rows of the mini-batch, of which the last shard may have fewer
 * @throws ERR_MESSAGE where a subtree has no leaf, or two share one
 */
export function positionsOf(subtrees: readonly TreeNode[], rowCount: number, shardSize: number): Uint32Array {
  const ranges = subtrees.map((subtree) => {
    const { start, end } = leavesOf(subtree, Math.ceil(rowCount / shardSize));
    return { first: start * shardSize, end: Math.min(rowCount, end * shardSize) };
  });
  if (ranges.some(({ first, end }) => first >= end)) throw refused('assign', 'a subtree lies behind the last leaf');
  const ordered = [...ranges].sort((a, b) => a.first - b.first);
  if (ordered.some(({ first }, index) => index > 0 && first < ordered[index - 1]!.end)) throw refused('assign', 'two subtrees share a leaf');
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

/**
 * The inverse of `rowsOf`: puts the rows of a message to `places` of a column that has room for so many examples.
 * @throws ERR_MESSAGE where the message has other rows than the assignment; the target is then as it was
 */
export function placeRows({ column: sha256, rowCount, bytes: rows }: RowsMessage, { column, bytes }: ColumnBytes, places: Uint32Array): void {
  const rowBytes = rowByteLength(column);
  if (sha256 !== column.sha256) throw refused('rows', `it is of the column ${sha256} where ${column.sha256} comes next`);
  if (rowCount !== places.length || rows.byteLength !== rowCount * rowBytes) {
    throw refused('rows', `it has ${rowCount} rows in ${rows.byteLength} bytes, and the assignment ${places.length} of ${rowBytes} bytes`);
  }
  places.forEach((place, row) => { bytes.set(rows.subarray(row * rowBytes, (row + 1) * rowBytes), place * rowBytes); });
}

function refused(type: 'assign' | 'rows', problem: string): ClusterError {
  return clusterError('ERR_MESSAGE', { type, problem });
}
