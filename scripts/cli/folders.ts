import { accessSync, constants, existsSync, readdirSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { inputError } from '../../src/errors.js';
import { assertWritableFolder } from '../../src/train/checkpoint.js';
import { assertUnlocked, isLockName } from '../../src/train/folder-lock.js';

/** What a command keeps in a folder. */
type Kind = 'run' | 'lesson' | 'bench';

/** Files that show a folder to be of ours: of a run the keys of one that is served, its report from the first epoch on, its checkpoint. */
const MARKS: Readonly<Record<Kind, readonly string[]>> = { run: ['cluster.json', 'report.json', 'run.json'], lesson: ['lesson.json'], bench: ['bench.json'] };
/** What may be done where an earlier one is. */
const REMEDIES: Readonly<Record<Kind, (folder: string) => string>> = {
  run: (folder) => `go on with it by --resume ${folder}, replace it by --overwrite, or choose another folder.`,
  lesson: () => 'replace it by --overwrite, or choose another folder.',
  bench: () => 'replace it by --overwrite, or choose another folder.',
};

/**
 * Refuses an `--out` that cannot become the folder of a new run or lesson, before anything is loaded or written.
 * @throws ERR_OUT naming what is in the way; ERR_CHECKPOINT_LOCKED where another process writes there
 */
export async function checkOut(folder: string, overwrite: boolean, kind: Kind = 'run'): Promise<void> {
  const whole = resolve(folder);
  const above = nearestExisting(whole);
  if (!statSync(above).isDirectory()) {
    throw inputError('ERR_OUT', `--out ${folder} cannot be a folder because ${above} is a file; choose another place.`);
  }
  if (!isWritable(above)) {
    throw inputError('ERR_OUT', `--out ${folder} cannot be written because ${above} may not be; choose another place or change its rights.`);
  }
  if (above !== whole) return;
  await assertUnlocked(whole);
  checkContents(folder, overwrite, kind);
}

/**
 * Makes the folder of a new run, lesson or report. With `overwrite` an earlier one there is first moved aside and then deleted, so that
 * the folder never holds files of both.
 */
export async function createOut(folder: string, overwrite: boolean, kind: Kind = 'run'): Promise<void> {
  await checkOut(folder, overwrite, kind);
  const whole = resolve(folder);
  const holdsEarlier = existsSync(whole) && readdirSync(whole).length > 0;
  const aside = `${whole}.old-${process.pid}`;
  if (holdsEarlier) renameSync(whole, aside);
  await assertWritableFolder(whole);
  if (holdsEarlier) rmSync(aside, { recursive: true, force: true });
}

/** Writes a file so that a reader finds either the old text or the new, never a part. */
export function replaceFile(file: string, text: string): void {
  const temporary = `${file}.new-${process.pid}`;
  writeFileSync(temporary, text);
  renameSync(temporary, file);
}

function checkContents(folder: string, overwrite: boolean, kind: Kind): void {
  const names = readdirSync(folder).filter((name) => !isLockName(name));
  if (names.length === 0) return;
  if (!MARKS[kind].some((mark) => names.includes(mark))) {
    throw inputError('ERR_OUT', `--out ${folder} holds files that are not a ${kind}; choose an empty or a new folder.`);
  }
  if (!overwrite) throw inputError('ERR_OUT', `--out ${folder} holds an earlier ${kind}; ${REMEDIES[kind](folder)}`);
}

function nearestExisting(path: string): string {
  return existsSync(path) ? path : nearestExisting(dirname(path));
}

function isWritable(folder: string): boolean {
  try {
    accessSync(folder, constants.W_OK | constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

/** The files a run leaves in its folder beside its checkpoint. */
export const reportFiles = (folder: string): { readonly json: string; readonly page: string } => ({
  json: join(folder, 'report.json'),
  page: join(folder, 'report.html'),
});
