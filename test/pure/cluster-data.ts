// Columns, a disk and answers for the tests of cluster/data.
import { createHash } from 'node:crypto';
import { dirname } from 'node:path';
import type { CacheDisk } from '../../cluster/data/cache-disk.js';
import type { ColumnBytes, PlaceOf } from '../../cluster/data/columns.js';
import { manifestOf } from '../../cluster/data/manifest.js';
import { MAX_CHUNK_BYTES } from '../../cluster/protocol/limits.js';
import type { DataChunkMessage, DataRequestMessage } from '../../cluster/protocol/messages.js';
import type { ManifestColumn } from '../../cluster/protocol/run-description.js';
import type { Files, OpenFile } from '../../src/train/durable-files.js';
import { MemoryDisk } from './memory-disk.js';

export const CHUNK = MAX_CHUNK_BYTES;

export const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

/** A column of bytes that differ between chunks and between seeds. */
export function bytesColumn(byteLength: number, seed = 1): ColumnBytes {
  const bytes = new Uint8Array(byteLength);
  for (let index = 0; index < byteLength; index++) bytes[index] = index * 31 + (index >> 12) + seed;
  const [column] = manifestOf([{ values: bytes, shape: [byteLength] }], 'input', 'train');
  return { column: column!, bytes };
}

export function chunkOf(bytes: Uint8Array, { column, offset, byteLength }: DataRequestMessage): DataChunkMessage {
  const part = bytes.slice(offset, offset + byteLength);
  return { type: 'dataChunk', column, offset, sha256: sha256(part), bytes: part };
}

/** Memory for columns, made when it is asked for. */
export class Places {
  readonly #bytes = new Map<string, Uint8Array>();

  readonly of: PlaceOf = ({ sha256: hash, byteLength }: ManifestColumn) => {
    const bytes = this.#bytes.get(hash) ?? new Uint8Array(byteLength);
    this.#bytes.set(hash, bytes);
    return bytes;
  };
}

export const CACHE = '/run/columns';

/** A memory disk with an end, on which every change is one tick of the clock. */
export class CacheMemoryDisk {
  readonly memory = new MemoryDisk();
  /** Made once: `files` counts the operations anew. */
  readonly #files = this.memory.files();
  readonly #usedMs = new Map<string, number>();
  #tickMs = 0;

  constructor(public capacityBytes = Number.MAX_SAFE_INTEGER) {}

  disk(files: Files = this.memory.files()): CacheDisk {
    const use = (path: string): void => { this.#usedMs.set(path, this.#tickMs++); };
    return {
      ...files,
      createFile: async (path) => {
        const file = await files.createFile(path);
        use(path);
        return this.#bounded(file);
      },
      rename: async (from, to) => {
        await files.rename(from, to);
        this.#usedMs.set(to, this.#usedMs.get(from)!);
        use(dirname(to));
      },
      freeBytes: async () => this.capacityBytes - (await this.usedBytes()),
      lastUsedMs: async (path) => this.#usedMs.get(path) ?? 0,
      touch: async (path) => { use(path); },
    };
  }

  async usedBytes(): Promise<number> {
    const lengths = await Promise.all(this.memory.paths().map((path) => this.#files.byteLength(path)));
    return lengths.reduce((sum, length) => sum + length, 0);
  }

  /** Names in the cache folder, with hashes cut to 4 digits. */
  names(): string[] {
    return this.memory.paths().map((path) => path.slice(CACHE.length + 1).replace(/([0-9a-f]{4})[0-9a-f]{60}/g, '$1'));
  }

  #bounded(file: OpenFile): OpenFile {
    return {
      ...file,
      write: async (bytes) => {
        const room = this.capacityBytes - (await this.usedBytes());
        await file.write(bytes.subarray(0, Math.max(0, room)));
        if (bytes.byteLength > room) throw Object.assign(new Error('ENOSPC: no space left on device'), { code: 'ENOSPC' });
      },
    };
  }
}
