// The command line as real processes.
import { spawn, type ChildProcess } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeEach } from 'vitest';

const BIN = fileURLToPath(new URL('../../scripts/tensorflock.js', import.meta.url));

/** Data that no machine has: a node must fetch them. */
export const EXPERIMENT = fileURLToPath(new URL('./experiment.js', import.meta.url));

/** Where columns are cached; empty at first, gone after the tests of a file. */
export const cache = mkdtempSync(join(tmpdir(), 'tensorflock-cluster-'));

/** Of the test that runs; what is started before the first one is there for all, and outlives one that fails. */
const processes: ChildProcess[] = [];
const shared: ChildProcess[] = [];
let isTesting = false;
beforeEach(() => { isTesting = true; });
afterEach(() => { for (const child of processes.splice(0)) child.kill('SIGKILL'); });
afterAll(() => {
  for (const child of shared) child.kill('SIGKILL');
  rmSync(cache, { recursive: true, force: true });
});

export interface Program {
  readonly child: ChildProcess;
  /** A line of standard error, said already or to come; of several the one with that index. */
  readonly said: (pattern: RegExp, index?: number) => Promise<string>;
  /** Resolves when so many lines of standard output have come. */
  readonly printed: (count: number) => Promise<void>;
  /** Exit status and the last line of standard output. */
  readonly ended: Promise<{ readonly status: number | null; readonly last: Record<string, unknown> }>;
}

/** How to run a command somewhere else than here. */
export type Place = (command: string, args: readonly string[]) => { readonly command: string; readonly args: readonly string[] };

const HERE: Place = (command, args) => ({ command, args });

/** Runs `tensorflock` with these arguments; it is killed at the end of its test. */
export function start(...args: string[]): Program {
  return startAt(HERE, ...args);
}

export function startAt(place: Place, ...args: string[]): Program {
  const { command, args: all } = place(process.execPath, [BIN, ...args]);
  const child = spawn(command, all, { stdio: ['ignore', 'pipe', 'pipe'], env: { ...process.env, TENSORFLOCK_DATA: cache } });
  (isTesting ? processes : shared).push(child);
  const lines: string[] = [];
  const listeners = new Set<() => void>();
  createInterface({ input: child.stderr }).on('line', (line) => {
    lines.push(line);
    for (const listener of listeners) listener();
  });
  let last = '{}';
  let printedLines = 0;
  createInterface({ input: child.stdout }).on('line', (line) => {
    last = line;
    printedLines++;
    for (const listener of listeners) listener();
  });
  const exited = new Promise<number | null>((resolve) => { child.on('close', resolve); });
  const said = (pattern: RegExp, index = 0): Promise<string> => new Promise((resolve, reject) => {
    const look = (): void => {
      const found = lines.filter((line) => pattern.test(line))[index];
      if (found === undefined) return;
      listeners.delete(look);
      resolve(found);
    };
    listeners.add(look);
    look();
    void exited.then(() => { reject(new Error(`it ended before it said ${String(pattern)}; it said: ${lines.join(' | ')}`)); });
  });
  const printed = (count: number): Promise<void> => new Promise((resolve) => {
    const look = (): void => { if (printedLines >= count) resolve(); };
    listeners.add(look);
    look();
  });
  return { child, said, printed, ended: exited.then((status) => ({ status, last: JSON.parse(last) as Record<string, unknown> })) };
}

/** The link behind "tensorflock join" that a coordinator prints. */
export async function linkOf(coordinator: Program): Promise<string> {
  return /'(.*)'/.exec(await coordinator.said(/tensorflock join '/))![1]!;
}
