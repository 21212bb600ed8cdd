// The names in the column cache, and nothing but them: `<sha256>` is a column, `<sha256>.part` a folder of its chunks, each named
// `<offset>-<sha256 of the chunk>`, and what ends in `.tmp` is being written. Every name is of validated hex.
import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { codeOf, createFolders, writeDurably, type OpenFile } from '../../src/train/durable-files.js';
import type { CacheDisk } from './cache-disk.js';
import { blockBytes, type CacheEntry } from './cache-room.js';
import { isSha256 } from './columns.js';

export interface NotedChunk {
  readonly name: string;
  readonly offset: number;
  readonly sha256: string;
}

const ENTRY = /^[0-9a-f]{64}(\.part|\.[0-9a-f-]{36}\.tmp)?$/;
const TEMPORARY = /^[0-9a-f-]{36}\.tmp$/;
const CHUNK = /^(0|[1-9][0-9]{0,15})-([0-9a-f]{64})$/;

/** The folder of the cache. Its methods reject with the system's errors, and never leave a temporary file behind a rejection. */
export class CacheFolder {
  constructor(readonly path: string, private readonly disk: CacheDisk) {}

  columnPath(sha256: string): string {
    if (!isSha256(sha256)) throw new RangeError('a path is built of a SHA-256 alone');
    return join(this.path, sha256);
  }

  /** Of everything that is ours; other names in the folder are not looked at. */
  async entries(): Promise<CacheEntry[]> {
    const ours = (await this.disk.list(this.path)).filter(({ name }) => ENTRY.test(name));
    const entries = await Promise.all(ours.map(({ name }) => unlessGone(this.#entry(name))));
    return entries.filter((entry) => entry !== undefined);
  }

  async #entry(name: string): Promise<CacheEntry> {
    const path = join(this.path, name);
    const files = name.endsWith('.part') ? await this.#filesInPart(path) : [path];
    const lengths = await Promise.all(files.map((file) => unlessGone(this.disk.byteLength(file))));
    const byteLength = lengths.reduce<number>((sum, length) => sum + blockBytes(length ?? 0), 0);
    return { name, sha256: name.slice(0, 64), byteLength, lastUsedMs: await this.disk.lastUsedMs(path) };
  }

  /** Those of ours: a folder of this name with anything else in it is not emptied. */
  async #filesInPart(path: string): Promise<string[]> {
    const entries = await this.disk.list(path);
    return entries.filter(({ name }) => CHUNK.test(name) || TEMPORARY.test(name)).map(({ name }) => join(path, name));
  }

  async make(): Promise<void> {
    await this.#makeFolder(this.path);
  }

  /** Writes a column so that others see it whole or not at all, even after a loss of power. */
  async writeColumn(sha256: string, bytes: Uint8Array): Promise<void> {
    const path = this.columnPath(sha256);
    const temporary = `${path}.${randomUUID()}.tmp`;
    await this.#renamed(temporary, path, () => writeDurably(this.disk, temporary, [bytes]));
    await this.disk.syncFolder(this.path);
  }

  /** Writes a chunk. It is not synced: one that a loss of power has spoilt does not have the hash in its name. */
  async writeChunk(sha256: string, offset: number, chunkSha256: string, bytes: Uint8Array): Promise<void> {
    const part = this.#partPath(sha256);
    await this.#makeFolder(part);
    const temporary = join(part, `${randomUUID()}.tmp`);
    await this.#renamed(temporary, join(part, `${offset}-${chunkSha256}`), async () => {
      await written(await this.disk.createFile(temporary), bytes);
    });
  }

  async chunks(sha256: string): Promise<NotedChunk[]> {
    const entries = (await unlessGone(this.disk.list(this.#partPath(sha256)))) ?? [];
    return entries.flatMap(({ name }) => {
      const found = CHUNK.exec(name);
      return found ? [{ name, offset: Number(found[1]), sha256: found[2]! }] : [];
    });
  }

  /** The bytes of a chunk; undefined where it is gone or has another length. */
  async readChunk(sha256: string, { name }: NotedChunk, byteLength: number): Promise<Uint8Array | undefined> {
    return this.#read(join(this.#partPath(sha256), name), byteLength);
  }

  /** The bytes of a column's file; undefined where there is none, or one of another length. */
  async readColumn(sha256: string, byteLength: number): Promise<Uint8Array | undefined> {
    return this.#read(this.columnPath(sha256), byteLength);
  }

  async touch(sha256: string): Promise<void> {
    await unlessGone(this.disk.touch(this.columnPath(sha256)));
  }

  async removeEntry({ name, sha256 }: CacheEntry): Promise<void> {
    if (name.endsWith('.part')) await this.removePart(sha256);
    else await unlessGone(this.disk.removeFile(join(this.path, name)));
  }

  async removeColumn(sha256: string): Promise<void> {
    await unlessGone(this.disk.removeFile(this.columnPath(sha256)));
  }

  async removeChunk(sha256: string, { name }: NotedChunk): Promise<void> {
    await unlessGone(this.disk.removeFile(join(this.#partPath(sha256), name)));
  }

  /** Removes the chunks of a column; those that another process writes at this moment stay, and are its own. */
  async removePart(sha256: string): Promise<void> {
    const path = this.#partPath(sha256);
    for (const file of (await unlessGone(this.#filesInPart(path))) ?? []) await unlessGone(this.disk.removeFile(file));
    await unlessGone(this.disk.removeFolder(path));
  }

  freeBytes(): Promise<number> {
    return this.disk.freeBytes(this.path);
  }

  #partPath(sha256: string): string {
    return `${this.columnPath(sha256)}.part`;
  }

  async #read(path: string, byteLength: number): Promise<Uint8Array | undefined> {
    const isThere = async (): Promise<boolean> => (await this.disk.kind(path)) === 'file' && (await this.disk.byteLength(path)) === byteLength;
    return (await unlessGone(isThere())) === true ? unlessGone(this.disk.read(path)) : undefined;
  }

  /** Another process may make it at the same moment. */
  async #makeFolder(path: string): Promise<void> {
    try {
      await createFolders(this.disk, path, []);
    } catch (error) {
      if (codeOf(error) !== 'EEXIST') throw error;
      await createFolders(this.disk, path, []);
    }
  }

  /** Where another process removes file or folder meanwhile, to make room, the file is not kept, and that is no fault. */
  async #renamed(temporary: string, path: string, write: () => Promise<unknown>): Promise<void> {
    try {
      await write();
      await this.disk.rename(temporary, path);
    } catch (error) {
      await this.disk.removeFile(temporary).catch(() => undefined);
      if (codeOf(error) !== 'ENOENT') throw error;
    }
  }
}

async function written(file: OpenFile, bytes: Uint8Array): Promise<void> {
  try {
    await file.write(bytes);
  } finally {
    await file.close();
  }
}

/** Others remove and rename while we look: what is gone is no fault, nor a folder that they have just filled again. */
async function unlessGone<Result>(looking: Promise<Result>): Promise<Result | undefined> {
  try {
    return await looking;
  } catch (error) {
    if (['ENOENT', 'ENOTDIR', 'ENOTEMPTY'].includes(codeOf(error) ?? '')) return undefined;
    throw error;
  }
}
