// Who writes to a run's folder: two processes would take each other's checkpoints away.
//
// A lock is a file run.lock-<n> that names its process, and the highest number counts. Whoever finds none, or one whose
// process is gone, creates the next number, which the system lets one of them do: so nobody removes a file that another may
// have replaced meanwhile.
import { readdir, readFile, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { hostname, uptime } from 'node:os';
import { join, resolve } from 'node:path';
import { inputError } from '../errors.js';
import { codeOf } from './durable-files.js';

export interface FolderLock {
  /** Lets others write to the folder. */
  release(): Promise<void>;
}

interface Holder {
  readonly pid: number;
  readonly host: string;
}

const LOCK_NAME = /^run\.lock-([1-9]\d*)$/;

/** A process of another machine cannot be looked for: it touches its lock so often, and is gone when it has not for so long. */
const TOUCH_INTERVAL_MS = 10_000;
const GONE_AFTER_MS = 60_000;

/** The lock files of this process, by path. */
const held = new Set<string>();

export function isLockName(name: string): boolean {
  return LOCK_NAME.test(name);
}

/**
 * Makes this process the one that writes to `folder`, which exists, until the lock is released or the process ends.
 * @throws ERR_CHECKPOINT_LOCKED where another one does, with its number
 */
export async function lockFolder(folder: string, touchIntervalMs = TOUCH_INTERVAL_MS): Promise<FolderLock> {
  const whole = resolve(folder);
  for (;;) {
    const newest = await refuseLiveLock(whole);
    const number = newest + 1;
    const path = lockPath(whole, number);
    if (!(await create(path))) continue; // another was faster: look again
    const numbers = await lockNumbers(whole);
    if (Math.max(...numbers) > number) {
      await remove(path); // the number had come free again below that of another process
      continue;
    }
    for (const older of numbers) if (older < number) await rm(lockPath(whole, older), { force: true });
    return startTouching(path, touchIntervalMs);
  }
}

/** @throws ERR_CHECKPOINT_LOCKED where a process writes to `folder`, which need not exist */
export async function assertUnlocked(folder: string): Promise<void> {
  await refuseLiveLock(resolve(folder));
}

/** The highest number there is, 0 where there is none; refuses a lock whose process lives. */
async function refuseLiveLock(folder: string): Promise<number> {
  const newest = Math.max(0, ...(await lockNumbers(folder)));
  if (newest === 0) return 0;
  const path = lockPath(folder, newest);
  const [holder, touchedMs] = await Promise.all([readHolder(path), touchedAt(path)]);
  if (touchedMs !== undefined && isAlive(path, holder, touchedMs)) throw locked(folder, holder);
  return newest;
}

/** Where the process cannot be told or looked for (the file is still being written, or of another machine), time must tell. */
function isAlive(path: string, holder: Holder | undefined, touchedMs: number): boolean {
  if (holder?.host !== hostname()) return Date.now() - touchedMs < GONE_AFTER_MS;
  if (holder.pid === process.pid) return held.has(path); // else of an earlier process with our number
  const bootedMs = Date.now() - uptime() * 1000;
  return touchedMs > bootedMs && exists(holder.pid);
}

function exists(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return codeOf(error) === 'EPERM';
  }
}

function startTouching(path: string, touchIntervalMs: number): FolderLock {
  const timer = setInterval(() => void touch(path), touchIntervalMs);
  timer.unref();
  return {
    release: async () => {
      clearInterval(timer);
      await remove(path);
    },
  };
}

/** A folder that was taken away has no lock to touch. */
async function touch(path: string): Promise<void> {
  const now = new Date();
  await utimes(path, now, now).catch(() => undefined);
}

/** False where somebody has this lock. */
async function create(path: string): Promise<boolean> {
  if (held.has(path)) return false;
  held.add(path); // before the file is there: nobody else of this process may take it for one that was left
  try {
    await writeFile(path, JSON.stringify({ pid: process.pid, host: hostname() } satisfies Holder), { flag: 'wx' });
    return true;
  } catch (error) {
    held.delete(path);
    if (codeOf(error) === 'EEXIST') return false;
    throw error;
  }
}

async function remove(path: string): Promise<void> {
  await rm(path, { force: true });
  held.delete(path);
}

async function lockNumbers(folder: string): Promise<number[]> {
  const names = await readdir(folder).catch(() => []);
  return names.flatMap((name) => Number(LOCK_NAME.exec(name)?.[1] ?? []));
}

/** Undefined where the file is gone, or not whole. */
async function readHolder(path: string): Promise<Holder | undefined> {
  try {
    const { pid, host } = JSON.parse(await readFile(path, 'utf8')) as Partial<Holder>;
    return typeof pid === 'number' && typeof host === 'string' ? { pid, host } : undefined;
  } catch {
    return undefined;
  }
}

/** Undefined where the file is gone. */
async function touchedAt(path: string): Promise<number | undefined> {
  return (await stat(path).catch(() => undefined))?.mtimeMs;
}

function lockPath(folder: string, number: number): string {
  return join(folder, `run.lock-${number}`);
}

function locked(folder: string, holder: Holder | undefined): Error {
  const who = holder === undefined ? 'another process' : `process ${holder.pid}${holder.host === hostname() ? '' : ` on ${holder.host}`}`;
  return inputError('ERR_CHECKPOINT_LOCKED', `${who} is writing to ${folder}; wait until it has ended, or choose another folder.`);
}
