import { spawn, type ChildProcessWithoutNullStreams } from 'node:child_process';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { z } from 'zod';
import { median } from './statistics.js';

/*
 * Measures programs against each other, interleaved: A B C A B C ..., so that a slow minute of the machine slows all alike.
 *
 * The protocol. A contestant is a program that speaks JSON, a line a message, and lives until it is told to quit:
 *
 *   it prints   {"ready":true,"name":…,"version":…,"threads":…,"blas":…,"flags":…}   once, after its own warm-up
 *   it reads    {"run":SECONDS}      and trains for about that long, on shuffled mini-batches, gathering included
 *   it prints   {"examplesPerSecond":…,"examples":…,"seconds":…,"loss":…}            when it has done so
 *   it reads    {"quit":true}, or the end of its input, and exits
 *
 * `examples` were trained on within `seconds`; `loss` is the mean over the first 1,024 training examples, computed after the
 * clock has stopped. Training goes on from run to run. Between runs it blocks on its input and computes nothing. One that
 * cannot run here exits before it is ready, with one sentence on standard error that says why. Whatever else it
 * has to say goes to standard error.
 */

/** A program to measure. */
export interface Contestant {
  readonly name: string;
  readonly command: string;
  readonly args: readonly string[];
  /** The whole environment, not additions to this process's. */
  readonly env: NodeJS.ProcessEnv;
  /** Its machine is so many times as slow as the others', and its runs so many times as long; default 1. */
  readonly slowness?: number;
}

const readyMessage = z.object({
  ready: z.literal(true),
  version: z.string(),
  threads: z.number(),
  blas: z.string(),
  flags: z.string(),
});
const answerMessage = z.object({
  examplesPerSecond: z.number(),
  examples: z.number(),
  seconds: z.number(),
  loss: z.number(),
});

/** What a contestant says of itself. */
export type Ready = z.infer<typeof readyMessage>;
/** One run. */
export type Answer = z.infer<typeof answerMessage>;

/** A contestant that could not be measured, and the sentence why. */
export interface FailedRow {
  readonly name: string;
  readonly failure: string;
}

export interface MeasuredRow {
  readonly name: string;
  readonly ready: Ready;
  readonly answers: readonly Answer[];
  /** Of the examples a second of all rounds. */
  readonly median: number;
  readonly min: number;
  readonly max: number;
}

export type Row = MeasuredRow | FailedRow;

export interface MeasureOptions {
  readonly rounds: number;
  /** Length of one run, on a machine that is not slower than others. */
  readonly seconds: number;
  /** Called before each run. */
  readonly beforeRun?: (name: string) => void;
  /** Called after each run, e.g. to show progress. */
  readonly onRun?: (name: string, round: number, answer: Answer) => void;
}

/** Loading torch and the data, and the warm-up, while other programs may keep the machine busy. */
const READY_TIMEOUT_MS = 120_000;
/** How much longer than asked a run may take: tfjs-cpu needs seconds for its loss alone. */
const RUN_GRACE_MS = 60_000;
const QUIT_TIMEOUT_MS = 5_000;
/** BLAS and OpenMP threads spin for some milliseconds after their last work; the next run starts behind that. */
const SETTLE_MS = 100;
const STDERR_KEPT_CHARACTERS = 4_000;

/**
 * Starts every contestant, one after the other, each with its own warm-up; then `rounds` times lets each run for
 * `seconds`, only one at a time. Gives the rows in the order of the contestants. A contestant that fails has the reason in its row
 * and does not disturb the others. All processes started here have ended when this returns.
 */
export async function measure(contestants: readonly Contestant[], options: MeasureOptions): Promise<Row[]> {
  const entries: Entry[] = [];
  try {
    for (const contestant of contestants) entries.push(await start(contestant));
    for (let round = 1; round <= options.rounds; round++) {
      for (const entry of entries) await runOnce(entry, round, options);
    }
    return entries.map(toRow);
  } finally {
    await Promise.all(entries.map(({ program }) => program.quit()));
  }
}

/** A contestant under measurement. */
interface Entry {
  readonly program: Program;
  readonly slowness: number;
  readonly answers: Answer[];
  ready?: Ready;
  failure?: string;
}

async function start(contestant: Contestant): Promise<Entry> {
  const entry: Entry = { program: new Program(contestant), slowness: contestant.slowness ?? 1, answers: [] };
  await orFail(entry, async () => {
    entry.ready = readyMessage.parse(await entry.program.receive(READY_TIMEOUT_MS));
  });
  return entry;
}

async function runOnce(entry: Entry, round: number, { seconds: asked, beforeRun, onRun }: MeasureOptions): Promise<void> {
  if (entry.failure !== undefined) return;
  const seconds = asked * entry.slowness;
  await orFail(entry, async () => {
    await sleep(SETTLE_MS);
    beforeRun?.(entry.program.name);
    entry.program.send({ run: seconds });
    const answer = answerMessage.parse(await entry.program.receive(seconds * 1000 + RUN_GRACE_MS));
    entry.answers.push(answer);
    onRun?.(entry.program.name, round, answer);
  });
}

/** A failure ends this contestant, and nothing else. */
async function orFail(entry: Entry, act: () => Promise<void>): Promise<void> {
  try {
    await act();
  } catch (error) {
    entry.failure = error instanceof Error ? error.message : String(error);
    await entry.program.quit();
  }
}

function toRow({ program: { name }, ready, failure, answers }: Entry): Row {
  if (failure !== undefined || ready === undefined || answers.length === 0) return { name, failure: failure ?? 'no round was asked for' };
  const speeds = answers.map(({ examplesPerSecond }) => examplesPerSecond);
  return { name, ready, answers, median: median(speeds), min: Math.min(...speeds), max: Math.max(...speeds) };
}

/** A running contestant: messages out, messages in. */
class Program {
  readonly name: string;
  private readonly child: ChildProcessWithoutNullStreams;
  private readonly lines: AsyncIterator<string>;
  private readonly exited: Promise<void>;
  private errors = '';

  constructor({ name, command, args, env }: Contestant) {
    this.name = name;
    this.child = spawn(command, args, { env, stdio: 'pipe' });
    this.lines = createInterface({ input: this.child.stdout })[Symbol.asyncIterator]();
    this.child.stderr.setEncoding('utf8').on('data', (text: string) => {
      this.errors = (this.errors + text).slice(-STDERR_KEPT_CHARACTERS);
    });
    // Writing to a program that has gone is no news: `receive` finds its output at an end.
    this.child.stdin.on('error', () => undefined);
    this.exited = new Promise((resolve) => {
      this.child.on('close', () => resolve());
      this.child.on('error', (error) => {
        this.errors += error.message;
        resolve();
      });
    });
  }

  send(message: { run: number } | { quit: true }): void {
    this.child.stdin.write(`${JSON.stringify(message)}\n`);
  }

  /** The next message; throws if there is none within the time, or no more. */
  async receive(timeoutMs: number): Promise<unknown> {
    const timer = new AbortController();
    const late = sleep(timeoutMs, 'late' as const, { signal: timer.signal }).catch(() => 'late' as const);
    const line = await Promise.race([this.lines.next(), late]);
    timer.abort();
    if (line === 'late') throw new Error(`no answer within ${timeoutMs / 1000} s`);
    if (line.done) throw new Error(await this.lastWords());
    return JSON.parse(line.value);
  }

  /** Asks it to end, and ends it if it does not. */
  async quit(): Promise<void> {
    this.send({ quit: true });
    this.child.stdin.end();
    const timer = setTimeout(() => this.child.kill('SIGKILL'), QUIT_TIMEOUT_MS);
    await this.exited;
    clearTimeout(timer);
  }

  /** The last line of its standard error: the sentence of a peer that cannot run, or the message of an exception. */
  private async lastWords(): Promise<string> {
    await this.exited;
    return this.errors.trim().split('\n').at(-1) || 'it ended without a word';
  }
}
