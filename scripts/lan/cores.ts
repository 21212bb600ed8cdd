// Cores for the machines of a box, though this machine has too few: each process gets two, one for whoever computes and one for all its
// other threads, at a part of the speed of the real ones.
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const CONTROLLER = '/sys/fs/cgroup/cpu';
/** The kernel grants nothing shorter. */
const QUOTA_US = 1_000;
/** A process that begins has all its threads on one core, until one is seen to compute. */
const BEGIN = 'mkdir "$1/$$" && echo "$2" >"$1/$$/cpu.cfs_period_us" && echo "$3" >"$1/$$/cpu.cfs_quota_us" && echo $$ >"$1/$$/tasks" && shift 3 && exec "$@"';
const LOOK_EVERY_MS = 200;
/** Of a kernel's clock for threads; below, a thread has hardly done anything. */
const LEAST_TICKS = 3;
/** In /proc/PID/task/TID/stat, behind the name: utime and stime. */
const [USER_TICKS, SYSTEM_TICKS] = [11, 12];

let groups = 0;

/** Quotas of the kernel's cpu controller. The janitor of the box removes `folder`, when the processes have ended. */
export class Cores {
  readonly folder = join(CONTROLLER, `tensorflock-${process.pid}-${++groups}`);
  readonly #ticks = new Map<string, number>();
  readonly #timer: NodeJS.Timeout;

  /** @param slowness how many times as slow as a real core */
  constructor(private readonly slowness: number) {
    if (!existsSync(join(CONTROLLER, 'cpu.cfs_quota_us'))) throw new Error(`cores for the machines of a box need the cpu controller of cgroups, version 1, at ${CONTROLLER}`);
    mkdirSync(this.folder);
    this.#timer = setInterval(() => { this.#look(); }, LOOK_EVERY_MS).unref();
  }

  /** The program and arguments that run a command with cores of its own; the process is the command's own. */
  on(command: string, args: readonly string[]): { readonly command: string; readonly args: string[] } {
    return { command: 'sh', args: ['-c', BEGIN, 'sh', this.folder, this.#periodUs, String(QUOTA_US), command, ...args] };
  }

  close(): void {
    clearInterval(this.#timer);
  }

  get #periodUs(): string {
    return String(QUOTA_US * this.slowness);
  }

  #look(): void {
    for (const process of readdirSync(this.folder)) if (/^\d+$/.test(process)) this.#sort(process);
  }

  /** Whoever has computed most since the last time has a core of its own. */
  #sort(process: string): void {
    const threads = threadsOf(process).map((thread) => ({ thread, spent: this.#spent(process, thread) })).sort((a, b) => b.spent - a.spent);
    const [first, ...others] = threads;
    if (first === undefined || first.spent < LEAST_TICKS) return;
    move([first.thread], this.#coreOf(`${process}-computing`));
    move(others.map(({ thread }) => thread), join(this.folder, process));
  }

  /** Ticks since the last time. */
  #spent(process: string, thread: string): number {
    const ticks = ticksOf(process, thread);
    const spent = ticks - (this.#ticks.get(thread) ?? ticks);
    this.#ticks.set(thread, ticks);
    return spent;
  }

  #coreOf(name: string): string {
    const core = join(this.folder, name);
    if (existsSync(core)) return core;
    mkdirSync(core);
    writeFileSync(join(core, 'cpu.cfs_period_us'), this.#periodUs);
    writeFileSync(join(core, 'cpu.cfs_quota_us'), String(QUOTA_US));
    return core;
  }
}

function threadsOf(process: string): string[] {
  return orGone([], () => readdirSync(`/proc/${process}/task`));
}

function ticksOf(process: string, thread: string): number {
  return orGone(0, () => {
    const fields = readFileSync(`/proc/${process}/task/${thread}/stat`, 'utf8').split(') ').at(-1)!.split(' ');
    return Number(fields[USER_TICKS]) + Number(fields[SYSTEM_TICKS]);
  });
}

function move(threads: readonly string[], core: string): void {
  for (const thread of threads) orGone(undefined, () => { writeFileSync(join(core, 'tasks'), thread); });
}

/** Processes and threads end at any time. */
function orGone<T>(instead: T, act: () => T): T {
  try {
    return act();
  } catch {
    return instead;
  }
}
