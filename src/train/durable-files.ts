// The file operations that checkpoints are made of, as an interface, so that a test can stop the machine after any of them.
import { createHash } from 'node:crypto';
import { mkdir, open, readdir, rename, rmdir, stat, unlink } from 'node:fs/promises';
import type { FileHandle } from 'node:fs/promises';
import { dirname } from 'node:path';

export interface OpenFile {
  /** Appends all the bytes. */
  write(bytes: Uint8Array): Promise<void>;
  /** Returns once the contents would survive a loss of power. */
  sync(): Promise<void>;
  close(): Promise<void>;
}

export type EntryKind = 'file' | 'folder' | 'other';

export interface FolderEntry {
  readonly name: string;
  readonly kind: EntryKind;
}

/** Every operation rejects with an error that has a system `code`, as those of node:fs do. */
export interface Files {
  kind(path: string): Promise<EntryKind | 'missing'>;
  byteLength(path: string): Promise<number>;
  read(path: string): Promise<Uint8Array>;
  list(folder: string): Promise<FolderEntry[]>;
  /** Refuses a path that exists. */
  createFile(path: string): Promise<OpenFile>;
  /** Makes one level and refuses a path that exists. */
  createFolder(path: string): Promise<void>;
  /** Replaces `to` in one step. */
  rename(from: string, to: string): Promise<void>;
  removeFile(path: string): Promise<void>;
  /** Refuses a folder that is not empty. */
  removeFolder(path: string): Promise<void>;
  /** Returns once the folder's names (not its files' contents) would survive a loss of power. */
  syncFolder(path: string): Promise<void>;
}

/** How a file was written: its length, and the SHA-256 of its bytes in hexadecimal. */
export interface FileDigest {
  readonly byteLength: number;
  readonly sha256: string;
}

/** Large enough for the disk, small enough that copying and hashing a chunk leaves the thread free after about a millisecond: a run goes on meanwhile. */
const CHUNK_BYTES = 1024 * 1024;

/**
 * Writes a new file and syncs it. The parts are copied through one chunk of memory that is hashed and then written, so the
 * digest describes the file even if a part's memory changes meanwhile, and shared memory never reaches the system.
 */
export async function writeDurably(files: Files, path: string, parts: readonly Uint8Array[]): Promise<FileDigest> {
  const hash = createHash('sha256');
  let byteLength = 0;
  const file = await files.createFile(path);
  try {
    for (const chunk of chunksOf(parts)) {
      hash.update(chunk);
      await file.write(chunk);
      byteLength += chunk.byteLength;
    }
    await file.sync();
  } finally {
    await file.close();
  }
  return { byteLength, sha256: hash.digest('hex') };
}

export function digestOf(bytes: Uint8Array): FileDigest {
  const hash = createHash('sha256');
  for (let start = 0; start < bytes.byteLength; start += CHUNK_BYTES) hash.update(bytes.subarray(start, start + CHUNK_BYTES));
  return { byteLength: bytes.byteLength, sha256: hash.digest('hex') };
}

/**
 * Makes the folder and the missing ones above it, one level at a time (`mkdir` with `recursive` never returns for a path
 * under /proc on Node 20), and adds each to `created`, outermost first, as soon as it is there.
 */
export async function createFolders(files: Files, folder: string, created: string[]): Promise<void> {
  const missing: string[] = [];
  let present = folder;
  let kind = await files.kind(present);
  while (kind === 'missing' && dirname(present) !== present) {
    missing.unshift(present);
    present = dirname(present);
    kind = await files.kind(present);
  }
  if (kind !== 'folder') throw new Error(`${present} is not a folder`);
  for (const path of missing) {
    await files.createFolder(path);
    created.push(path);
    await syncFolderIfAllowed(files, dirname(path));
  }
}

/** A folder above ours may be writable and yet not readable, which syncing needs: then its new name is as durable as the system makes it. */
async function syncFolderIfAllowed(files: Files, folder: string): Promise<void> {
  try {
    await files.syncFolder(folder);
  } catch (error) {
    if (codeOf(error) !== 'EACCES') throw error;
  }
}

/** The system's code of an error (`ENOENT`), or undefined. */
export function codeOf(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined;
}

/** Each chunk is valid only until the next is asked for. */
function* chunksOf(parts: readonly Uint8Array[]): Iterable<Uint8Array> {
  const byteLength = parts.reduce((sum, part) => sum + part.byteLength, 0);
  const chunk = new Uint8Array(Math.min(CHUNK_BYTES, byteLength));
  let filled = 0;
  for (const part of parts) {
    for (let start = 0; start < part.byteLength; ) {
      const piece = part.subarray(start, start + chunk.byteLength - filled);
      chunk.set(piece, filled);
      filled += piece.byteLength;
      start += piece.byteLength;
      if (filled < chunk.byteLength) continue;
      yield chunk;
      filled = 0;
    }
  }
  if (filled > 0) yield chunk.subarray(0, filled);
}

/** Links are followed, except that a folder's listing calls them 'other'. */
export const nodeFiles: Files = {
  async kind(path) {
    try {
      return kindOf(await stat(path));
    } catch (error) {
      if (codeOf(error) === 'ENOENT' || codeOf(error) === 'ENOTDIR') return 'missing';
      throw error;
    }
  },
  async byteLength(path) {
    return (await stat(path)).size;
  },
  async read(path) {
    const handle = await open(path, 'r');
    try {
      return await readAll(handle);
    } finally {
      await handle.close();
    }
  },
  async list(folder) {
    const entries = await readdir(folder, { withFileTypes: true });
    return entries.map((entry) => ({ name: entry.name, kind: kindOf(entry) }));
  },
  async createFile(path) {
    const handle = await open(path, 'wx');
    return {
      write: (bytes) => writeAll(handle, bytes),
      sync: () => handle.sync(),
      close: () => handle.close(),
    };
  },
  createFolder: async (path) => {
    await mkdir(path);
  },
  rename,
  removeFile: unlink,
  removeFolder: (path) => rmdir(path),
  async syncFolder(path) {
    // Windows opens no folders; its file system keeps the order of names itself.
    if (process.platform === 'win32') return;
    const handle = await open(path, 'r');
    try {
      await handle.sync();
    } catch (error) {
      // Some network file systems sync no folders; there is nothing stronger to ask of them.
      if (codeOf(error) !== 'EINVAL') throw error;
    } finally {
      await handle.close();
    }
  },
};

function kindOf(entry: { isFile(): boolean; isDirectory(): boolean }): EntryKind {
  if (entry.isFile()) return 'file';
  return entry.isDirectory() ? 'folder' : 'other';
}

/** One read of the system is at most 2 GiB - 1 bytes, and may give less than was asked for. */
async function readAll(handle: FileHandle): Promise<Uint8Array> {
  const { size } = await handle.stat();
  const bytes = new Uint8Array(size);
  let filled = 0;
  while (filled < size) {
    const { bytesRead } = await handle.read(bytes, filled, Math.min(CHUNK_BYTES, size - filled), filled);
    if (bytesRead === 0) break;
    filled += bytesRead;
  }
  return bytes.subarray(0, filled);
}

async function writeAll(handle: FileHandle, bytes: Uint8Array): Promise<void> {
  let written = 0;
  while (written < bytes.byteLength) {
    const { bytesWritten } = await handle.write(bytes, written, bytes.byteLength - written);
    written += bytesWritten;
  }
}
