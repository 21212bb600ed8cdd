import { columnSha256, type Column } from '../../src/data/dataset.js';
import { startSha256 } from '../../src/sha256.js';
import type { ManifestColumn } from '../protocol/run-description.js';

/** About 10 ms of hashing: heartbeats get their turn between two slices. */
const SLICE_BYTES = 8 * 1024 * 1024;

/** Computes the SHA-256 of each column once. The columns must not change while it lives: it belongs to one run. */
export class ColumnHashes {
  readonly #known = new WeakMap<Column, string>();

  sha256(column: Column): string {
    const sha256 = this.#known.get(column) ?? columnSha256(column);
    this.#known.set(column, sha256);
    return sha256;
  }
}

/** What `columnSha256` gives for these bytes as such a column, in slices that leave the thread free in between. */
export async function hashColumn({ type, shape, exampleCount }: ManifestColumn, bytes: Uint8Array): Promise<string> {
  const hash = startSha256().update(`${type}[${[exampleCount, ...shape].join(',')}]\n`);
  for (let start = 0; start < bytes.byteLength; start += SLICE_BYTES) {
    if (start > 0) await new Promise((resolve) => { setTimeout(resolve); });
    hash.update(bytes.subarray(start, start + SLICE_BYTES));
  }
  return hash.digest();
}
