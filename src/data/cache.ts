import { randomUUID } from 'node:crypto';
import { mkdir, open, readFile, rename, rm, stat } from 'node:fs/promises';
import { homedir } from 'node:os';
import { dirname, isAbsolute, join } from 'node:path';
import type { SetFile } from './image-sets.js';
import { verify } from './verify.js';

/** Tells the user a sentence about what happens to the data. */
export type Notice = (sentence: string) => void;

/** The folder of all cached data: `TENSORFLOCK_DATA`, else `$XDG_CACHE_HOME/tensorflock`, else `~/.cache/tensorflock`. */
export function defaultCacheFolder(environment: NodeJS.ProcessEnv): string {
  if (environment['TENSORFLOCK_DATA']) return environment['TENSORFLOCK_DATA'];
  const xdg = environment['XDG_CACHE_HOME'];
  // The XDG specification has relative paths ignored.
  return join(xdg && isAbsolute(xdg) ? xdg : join(homedir(), '.cache'), 'tensorflock');
}

/**
 * The decoded bytes of a file from the first folder that holds it, plain or gzip. Wrong and unreadable files are reported,
 * left as they are, and skipped.
 */
export async function findInFolders(file: SetFile, folders: readonly string[], notice: Notice): Promise<Uint8Array | undefined> {
  for (const folder of folders) {
    for (const name of [file.name, `${file.name}.gz`]) {
      const bytes = await readVerified(join(folder, name), file, notice);
      if (bytes) return bytes;
    }
  }
  return undefined;
}

async function readVerified(path: string, file: SetFile, notice: Notice): Promise<Uint8Array | undefined> {
  const found = await readIfThere(path, file).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT' || error.code === 'ENOTDIR') return undefined;
    return { fault: `it cannot be read (${error.code ?? error.message})` };
  });
  if (found === undefined) return undefined;
  const verified = 'fault' in found ? found : await verify(found.bytes, file);
  if ('bytes' in verified) return verified.bytes;
  notice(`"${path}" is not the file it should be: ${verified.fault}; it is left as it is and skipped`);
  return undefined;
}

/** Reads no file that is longer than the decoded one: gzip makes these images shorter, never longer. */
async function readIfThere(path: string, file: SetFile): Promise<{ bytes: Uint8Array } | { fault: string }> {
  const status = await stat(path);
  if (!status.isFile()) return { fault: 'it is not a file' };
  const { size } = status;
  if (size > longestTransfer(file)) return { fault: `it has ${size} bytes, expected at most ${file.byteLength}` };
  const { buffer, byteOffset, byteLength } = await readFile(path);
  return { bytes: new Uint8Array(buffer, byteOffset, byteLength) };
}

/** The most bytes that a file may take plain or as gzip, which adds little to what it cannot compress (RFC 1951: 5 in 65,535). */
export function longestTransfer(file: SetFile): number {
  return Math.ceil(file.byteLength * 1.001) + 1024;
}

/**
 * Writes a file so that others see it whole or not at all: a temporary file beside it, synced, then renamed.
 * @throws the file system's error, with no temporary file left
 */
export async function writeAtomically(path: string, bytes: Uint8Array): Promise<void> {
  const temporary = `${path}.${randomUUID()}.tmp`;
  await ensureFolder(dirname(path));
  try {
    const handle = await open(temporary, 'wx');
    try {
      await handle.writeFile(bytes);
      await handle.sync();
    } finally {
      await handle.close();
    }
    await rename(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
}

/** Makes a folder and those above it, one by one: Node 20's recursive `mkdir` never returns for a path under `/proc`. */
export async function ensureFolder(folder: string): Promise<void> {
  try {
    await mkdir(folder);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'EEXIST' && (await stat(folder)).isDirectory()) return;
    if (code !== 'ENOENT' || dirname(folder) === folder) throw error;
    await ensureFolder(dirname(folder));
    await mkdir(folder).catch(ignoreExisting);
  }
}

function ignoreExisting(error: NodeJS.ErrnoException): void {
  if (error.code !== 'EEXIST') throw error;
}
