import { open, readFile, rm, type FileHandle } from 'node:fs/promises';
import { dirname } from 'node:path';
import { ensureFolder } from './cache.js';

/**
 * The bytes of a download so far. They live in memory; a `.part` file on disk follows them, so that a later start can go on
 * where this one was cut off. A disk that fails loses that convenience and nothing else.
 */
export class PartialDownload {
  readonly #path: string;
  readonly #onDiskFault: (error: Error) => void;
  #chunks: Uint8Array[];
  #byteLength: number;
  #file: FileHandle | undefined;
  #diskWorks = true;

  private constructor(path: string, found: Uint8Array, onDiskFault: (error: Error) => void) {
    this.#path = path;
    this.#chunks = found.length > 0 ? [found] : [];
    this.#byteLength = found.length;
    this.#onDiskFault = onDiskFault;
  }

  /** Takes up what an earlier start left at `path`; nothing is written before the first byte arrives. */
  static async resume(path: string, onDiskFault: (error: Error) => void): Promise<PartialDownload> {
    const found = await readFile(path).catch(() => new Uint8Array());
    return new PartialDownload(path, found, onDiskFault);
  }

  get byteLength(): number {
    return this.#byteLength;
  }

  bytes(): Uint8Array {
    const { buffer, byteOffset, byteLength } = Buffer.concat(this.#chunks);
    return new Uint8Array(buffer, byteOffset, byteLength);
  }

  async append(chunk: Uint8Array): Promise<void> {
    const position = this.#byteLength;
    this.#chunks.push(chunk);
    this.#byteLength += chunk.length;
    await this.#onDisk(async (file) => { await file.write(chunk, 0, chunk.length, position); });
  }

  /** Forgets all bytes, on disk too. */
  async restart(): Promise<void> {
    if (this.#byteLength === 0) return;
    this.#chunks = [];
    this.#byteLength = 0;
    await this.#onDisk((file) => file.truncate(0));
  }

  /** Ends the use of the file, which stays for a later start to go on from unless it is empty or no longer needed. */
  async close(file: 'keep' | 'remove'): Promise<void> {
    await this.#file?.close();
    this.#file = undefined;
    if ((file === 'remove' || this.#byteLength === 0) && this.#diskWorks) await rm(this.#path, { force: true });
  }

  async #onDisk(write: (file: FileHandle) => Promise<void>): Promise<void> {
    if (!this.#diskWorks) return;
    try {
      this.#file ??= await this.#openFile();
      await write(this.#file);
    } catch (error) {
      this.#diskWorks = false;
      this.#onDiskFault(error as Error);
    }
  }

  /** Neither `w`, which would empty a part worth resuming, nor `a`, which would ignore positions. */
  async #openFile(): Promise<FileHandle> {
    await ensureFolder(dirname(this.#path));
    return open(this.#path, 'r+').catch(() => open(this.#path, 'wx+'));
  }
}
