import { execFile } from 'node:child_process';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { Notice } from './cache.js';

/** Runs a command in a folder; rejects with the last line of its standard error where it fails. */
export type RunCommand = (command: string, args: readonly string[], folder: string, signal?: AbortSignal) => Promise<void>;

export const runCommand: RunCommand = async (command, args, folder, signal) => {
  try {
    await promisify(execFile)(command, args, { cwd: folder, ...(signal && { signal }) });
  } catch (error) {
    const { stderr, message } = error as Error & { stderr?: string };
    throw new Error(stderr?.trim().split('\n').at(-1) || message, { cause: error });
  }
};

/**
 * Downloads a Debian package and unpacks it into a temporary folder, which needs no root and installs nothing. `use` is given
 * the folder that stands for `/`; it is removed afterwards.
 * @throws an Error that says which command failed and why
 */
export async function withUnpackedPackage<Result>(
  debianPackage: string,
  run: RunCommand,
  notice: Notice,
  use: (root: string) => Promise<Result>,
  signal?: AbortSignal,
): Promise<Result> {
  const folder = await mkdtemp(join(tmpdir(), 'tensorflock-apt-'));
  try {
    notice(`downloading the Debian package ${debianPackage} by "apt-get download" into ${folder}; nothing is installed`);
    await run('apt-get', ['download', debianPackage], folder, signal);
    const archive = (await readdir(folder)).find((name) => name.endsWith('.deb'));
    if (archive === undefined) throw new Error(`"apt-get download ${debianPackage}" left no .deb file`);
    const root = join(folder, 'root');
    await run('dpkg-deb', ['-x', archive, root], folder, signal);
    return await use(root);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
