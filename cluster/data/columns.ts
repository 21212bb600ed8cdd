// What a column of the manifest is in bytes.
import { MAX_CHUNK_BYTES } from '../protocol/limits.js';
import type { ManifestColumn } from '../protocol/run-description.js';

export const BYTES_PER_VALUE = { uint8: 1, int32: 4, float32: 4 } as const satisfies Record<ManifestColumn['type'], number>;

/** A column with all of its bytes, which may lie in shared memory. */
export interface ColumnBytes {
  readonly column: ManifestColumn;
  readonly bytes: Uint8Array;
}

/** The memory that a column's bytes belong into, `byteLength` of them. */
export type PlaceOf = (column: ManifestColumn) => Uint8Array;

/** Bytes of one example. */
export function rowByteLength({ type, shape }: Pick<ManifestColumn, 'type' | 'shape'>): number {
  return shape.reduce((product, size) => product * size, BYTES_PER_VALUE[type]);
}

/** Each content once: two columns with the same hash are fetched, kept and placed as one. */
export function distinctColumns(columns: readonly ManifestColumn[]): ManifestColumn[] {
  return [...new Map(columns.map((column) => [column.sha256, column])).values()];
}

/** Bytes of the chunk that begins at an offset: all are full but the last. */
export function chunkByteLength({ byteLength }: Pick<ManifestColumn, 'byteLength'>, offset: number): number {
  return Math.min(MAX_CHUNK_BYTES, byteLength - offset);
}

/** Where the chunks of a column begin. */
export function chunkOffsets({ byteLength }: Pick<ManifestColumn, 'byteLength'>): number[] {
  return Array.from({ length: Math.ceil(byteLength / MAX_CHUNK_BYTES) }, (_, index) => index * MAX_CHUNK_BYTES);
}

/** Whether a text may stand in a path: 64 lower-case hex digits and nothing else. */
export function isSha256(text: string): boolean {
  return /^[0-9a-f]{64}$/.test(text);
}
