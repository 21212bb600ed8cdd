import { join } from 'node:path';
import { defaultCacheFolder, type Notice } from '../../src/data/cache.js';
import { codeOf, digestOf } from '../../src/train/durable-files.js';
import type { ManifestColumn } from '../protocol/run-description.js';
import { nodeDisk, type CacheDisk } from './cache-disk.js';
import { CacheFolder } from './cache-folder.js';
import { CACHE_LIMITS, evictionsFor, type CacheLimits } from './cache-room.js';
import { hashColumn } from './column-hash.js';
import { chunkByteLength, chunkOffsets } from './columns.js';

export interface ColumnCacheOptions {
  readonly limits?: CacheLimits;
  readonly notice?: Notice;
  readonly disk?: CacheDisk;
}

/** `TENSORFLOCK_DATA`, else `$XDG_CACHE_HOME/tensorflock`, else `~/.cache/tensorflock`, and in it `columns`. */
export function defaultColumnFolder(environment: NodeJS.ProcessEnv): string {
  return join(defaultCacheFolder(environment), 'columns');
}

/**
 * Columns on a node's disk by their hash, and the chunks of those that are on their way. Everything read is hashed again, and
 * whatever several processes write under a name is the same. A disk that fails or has no room costs the next start a transfer and
 * nothing else: no method rejects for it.
 */
export class ColumnCache {
  readonly #folder: CacheFolder;
  readonly #limits: CacheLimits;
  readonly #told = new Set<string>();
  readonly #inUse = new Set<string>();
  /** Of columns whose part has been given room, or none. */
  readonly #hasRoom = new Map<string, boolean>();
  #writable = true;

  constructor(folder: string, private readonly options: ColumnCacheOptions = {}) {
    this.#folder = new CacheFolder(folder, options.disk ?? nodeDisk);
    this.#limits = options.limits ?? CACHE_LIMITS;
  }

  /** Columns of the run, which do not make room for each other. */
  protect(columns: readonly ManifestColumn[]): void {
    for (const { sha256 } of columns) this.#inUse.add(sha256);
  }

  /** Copies a column into place; false where it is not there, or was damaged and is removed now. */
  async read(column: ManifestColumn, into: Uint8Array): Promise<boolean> {
    const { sha256, byteLength, name } = column;
    const found = await this.#reading(this.#folder.readColumn(sha256, byteLength));
    if (found !== undefined && (await hashColumn(column, found)) === sha256) {
      into.set(found);
      await this.#reading(this.#folder.touch(sha256));
      return true;
    }
    if (found !== undefined) {
      this.#tell(`the cached file of the column "${name}" is damaged, so it is removed and its data fetched again`);
      await this.#reading(this.#folder.removeColumn(sha256));
    }
    return false;
  }

  /** Copies the chunks of an earlier start into place and returns their offsets. A chunk that is not what its name says is removed. */
  async resume(column: ManifestColumn, into: Uint8Array): Promise<number[]> {
    const resumed = new Set<number>();
    const regular = new Set(chunkOffsets(column));
    for (const chunk of (await this.#reading(this.#folder.chunks(column.sha256))) ?? []) {
      const { offset, sha256 } = chunk;
      const length = regular.has(offset) ? chunkByteLength(column, offset) : 0;
      const bytes = await this.#reading(this.#folder.readChunk(column.sha256, chunk, length));
      if (bytes !== undefined && length > 0 && digestOf(bytes).sha256 === sha256) {
        into.set(bytes, offset);
        resumed.add(offset);
      } else {
        await this.#reading(this.#folder.removeChunk(column.sha256, chunk));
      }
    }
    return [...resumed];
  }

  /** Keeps a chunk that has been verified, for a later start to go on from. */
  async keepChunk(column: ManifestColumn, offset: number, sha256: string, bytes: Uint8Array): Promise<void> {
    await this.#writing(async () => {
      if (!this.#hasRoom.has(column.sha256)) this.#hasRoom.set(column.sha256, (await this.#makeRoom(column, 'chunks')) || this.#tellNoRoom(column));
      if (this.#hasRoom.get(column.sha256)) await this.#folder.writeChunk(column.sha256, offset, sha256, bytes);
    });
  }

  /** Keeps a column, whose hash the caller has found right, and forgets its chunks. */
  async store(column: ManifestColumn, bytes: Uint8Array): Promise<void> {
    await this.#writing(async () => {
      const fitsBesideChunks = await this.#makeRoom(column, 'whole');
      if (!fitsBesideChunks) await this.#folder.removePart(column.sha256);
      const fits = fitsBesideChunks || (await this.#makeRoom(column, 'whole')) || this.#tellNoRoom(column);
      if (fits) await this.#folder.writeColumn(column.sha256, bytes);
      await this.#folder.removePart(column.sha256);
    });
  }

  /** Forgets the chunks of a column. */
  async dropPart({ sha256 }: ManifestColumn): Promise<void> {
    await this.#reading(this.#folder.removePart(sha256));
  }

  /** Removes what others have not used for longest, as much as is needed; nothing where that would not do. */
  async #makeRoom({ sha256, byteLength }: ManifestColumn, what: 'whole' | 'chunks'): Promise<boolean> {
    await this.#folder.make();
    const entries = await this.#folder.entries();
    const present = what === 'chunks' ? (entries.find(({ name }) => name === `${sha256}.part`)?.byteLength ?? 0) : 0;
    const isProtected = (other: string): boolean => other === sha256 || this.#inUse.has(other);
    const evicted = evictionsFor(Math.max(0, byteLength - present), entries, await this.#folder.freeBytes(), this.#limits, isProtected);
    for (const entry of evicted ?? []) await this.#folder.removeEntry(entry);
    return evicted !== undefined;
  }

  #tellNoRoom({ name, byteLength }: ManifestColumn): false {
    this.#tell(`the column "${name}" of ${byteLength} bytes finds no room in the cache folder "${this.#folder.path}", so the next start fetches it again`);
    return false;
  }

  async #reading<Result>(looking: Promise<Result>): Promise<Result | undefined> {
    try {
      return await looking;
    } catch (error) {
      this.#tell(`the cache folder "${this.#folder.path}" cannot be used (${reasonOf(error)}), so what is in it may be fetched again`);
      return undefined;
    }
  }

  /** After the first fault nothing more is written: a full disk is left alone. */
  async #writing(write: () => Promise<void>): Promise<void> {
    if (!this.#writable) return;
    try {
      await write();
    } catch (error) {
      this.#writable = false;
      this.#tell(
        `the cache folder "${this.#folder.path}" cannot be written (${reasonOf(error)}), so the next start fetches the data again; ` +
          'set TENSORFLOCK_DATA to a folder that can be written',
      );
    }
  }

  /** A sentence is told once. */
  #tell(sentence: string): void {
    if (this.#told.has(sentence)) return;
    this.#told.add(sentence);
    this.options.notice?.(sentence);
  }
}

function reasonOf(error: unknown): string {
  return codeOf(error) ?? (error as Error).message;
}
