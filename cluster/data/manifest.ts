// Which data a run has: written by the coordinator, judged by a node before it allocates or writes anything for it.
import { columnType, type Column } from '../../src/data/dataset.js';
import { clusterError, type ClusterError } from '../protocol/errors.js';
import { MAX_AXES, MAX_COLUMNS } from '../protocol/limits.js';
import { COLUMN_TYPES, type ManifestColumn } from '../protocol/run-description.js';
import { ColumnHashes } from './column-hash.js';
import { distinctColumns, isSha256, rowByteLength } from './columns.js';

export interface ManifestLimits {
  /** Of all columns, each content counted once. */
  readonly maxTotalBytes: number;
}

/** What 32-bit addresses reach: no arena holds more. */
export const MANIFEST_LIMITS: ManifestLimits = { maxTotalBytes: 2 ** 32 };

/**
 * The manifest's columns for the inputs or targets of a split, in order. A column is hashed once for each `hashes`, about
 * 0.1 s for 47 MB.
 */
export function manifestOf(
  columns: readonly Column[],
  role: ManifestColumn['role'],
  split: ManifestColumn['split'],
  hashes = new ColumnHashes(),
): ManifestColumn[] {
  return columns.map((column, index) => {
    const [exampleCount = 0, ...shape] = column.shape;
    return {
      name: `${split} ${role} ${index}`,
      role,
      split,
      sha256: hashes.sha256(column),
      byteLength: column.values.byteLength,
      type: columnType(column),
      shape,
      exampleCount,
      scale: column.scale ?? 1,
    };
  });
}

/**
 * Refuses a manifest that contradicts itself or is too large, whoever wrote it.
 * @throws ERR_MESSAGE naming the column and what is wrong; ERR_TOO_LARGE
 */
export function checkManifest(columns: readonly ManifestColumn[], { maxTotalBytes }: ManifestLimits = MANIFEST_LIMITS): void {
  if (columns.length > MAX_COLUMNS) throw clusterError('ERR_TOO_LARGE', { what: 'The data manifest', size: columns.length, unit: 'columns', limit: MAX_COLUMNS });
  for (const column of columns) {
    const problem = problemOf(column) ?? conflictOf(column, columns);
    if (problem !== undefined) throw refused(`the column "${column.name}" ${problem}`);
  }
  const size = distinctColumns(columns).reduce((sum, { byteLength }) => sum + byteLength, 0);
  if (size > maxTotalBytes) throw clusterError('ERR_TOO_LARGE', { what: 'The data of the run', size, unit: 'bytes', limit: maxTotalBytes });
}

function refused(problem: string): ClusterError {
  return clusterError('ERR_MESSAGE', { type: 'welcome', problem });
}

/** What is wrong with a column by itself. Its bytes are compared with a product of factors from 1 on, which no rounding hides. */
function problemOf(column: ManifestColumn): string | undefined {
  const { sha256, type, shape, exampleCount, byteLength, scale } = column;
  if (!isSha256(sha256)) return 'has no SHA-256';
  if (!COLUMN_TYPES.includes(type)) return `has the type "${type}"`;
  if (shape.length > MAX_AXES) return `has ${shape.length} axes and may have ${MAX_AXES}`;
  if (![...shape, exampleCount, byteLength].every((size) => Number.isSafeInteger(size) && size > 0)) return 'has sizes that are no whole numbers from 1';
  if (!Number.isFinite(scale) || scale === 0) return `has the scale ${scale}`;
  const expected = exampleCount * rowByteLength(column);
  return byteLength === expected ? undefined : `has ${byteLength} bytes, and type, shape and examples make ${expected}`;
}

/** What is wrong with a column beside the others. */
function conflictOf(column: ManifestColumn, columns: readonly ManifestColumn[]): string | undefined {
  const other = columns.find(({ split, exampleCount }) => split === column.split && exampleCount !== column.exampleCount);
  if (other) return `has ${column.exampleCount} examples, and "${other.name}" of the same split ${other.exampleCount}`;
  const twin = columns.find(({ sha256 }) => sha256 === column.sha256)!;
  const differs = twin.type !== column.type || twin.exampleCount !== column.exampleCount || twin.shape.join() !== column.shape.join();
  return differs ? `has the SHA-256 of "${twin.name}", and another type or shape` : undefined;
}
