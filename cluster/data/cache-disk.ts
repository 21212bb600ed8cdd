import { stat, statfs, utimes } from 'node:fs/promises';
import { nodeFiles, type Files } from '../../src/train/durable-files.js';

/** The file operations of the column cache, as an interface for the same reason as `Files`: tests bring a disk of their own. */
export interface CacheDisk extends Files {
  /** Bytes that this user may still write to the file system of a folder. */
  freeBytes(folder: string): Promise<number>;
  /** When a file was written or `touch`ed last, or a folder's names changed last; ms since 1970. */
  lastUsedMs(path: string): Promise<number>;
  /** Notes that a file is used now. */
  touch(path: string): Promise<void>;
}

export const nodeDisk: CacheDisk = {
  ...nodeFiles,
  async freeBytes(folder) {
    const { bavail, bsize } = await statfs(folder);
    return bavail * bsize;
  },
  async lastUsedMs(path) {
    return (await stat(path)).mtimeMs;
  },
  async touch(path) {
    const now = new Date();
    await utimes(path, now, now);
  },
};
