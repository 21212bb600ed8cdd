// How much the column cache may hold, and what has to go for something new. Decides; does nothing.

export interface CacheLimits {
  /** Of everything in the folder. */
  readonly maxBytes: number;
  /** Columns and parts of columns in the folder: small ones cost names, not bytes. */
  readonly maxEntries: number;
  /** What the file system keeps for everybody else. */
  readonly minFreeBytes: number;
}

const GIBIBYTE = 1024 ** 3;

/** Room for two of the largest data sets that an arena holds. */
export const CACHE_LIMITS: CacheLimits = { maxBytes: 8 * GIBIBYTE, maxEntries: 1_024, minFreeBytes: GIBIBYTE };

/** A column, a part of one, or what a process that died has left of one. */
export interface CacheEntry {
  readonly name: string;
  /** Of the column. */
  readonly sha256: string;
  /** On the disk, in whole blocks. */
  readonly byteLength: number;
  readonly lastUsedMs: number;
}

const BLOCK_BYTES = 4_096;

/** What bytes take of a disk. */
export function blockBytes(byteLength: number): number {
  return Math.ceil(byteLength / BLOCK_BYTES) * BLOCK_BYTES;
}

/**
 * What to remove so that `byteLength` more bytes may be written, least recently used first; undefined where not even
 * everything would do. Protected columns stay.
 * @param freeBytes of the file system
 */
export function evictionsFor(
  byteLength: number,
  entries: readonly CacheEntry[],
  freeBytes: number,
  limits: CacheLimits,
  isProtected: (sha256: string) => boolean,
): CacheEntry[] | undefined {
  const total = sumOf(entries) + blockBytes(byteLength);
  const excessBytes = Math.max(total - limits.maxBytes, blockBytes(byteLength) + limits.minFreeBytes - freeBytes);
  const excessEntries = entries.length + 1 - limits.maxEntries;
  const candidates = entries.filter(({ sha256 }) => !isProtected(sha256)).sort((a, b) => a.lastUsedMs - b.lastUsedMs);
  for (let count = 0; count <= candidates.length; count++) {
    const evicted = candidates.slice(0, count);
    if (count >= excessEntries && sumOf(evicted) >= excessBytes) return evicted;
  }
  return undefined;
}

function sumOf(entries: readonly CacheEntry[]): number {
  return entries.reduce((sum, { byteLength }) => sum + byteLength, 0);
}
