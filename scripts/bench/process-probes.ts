import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { runError } from '../../src/errors.js';
import { wholeNumber } from '../../src/report/format.js';
import type { MemoryFacts } from './memory.js';
import { judgeAtMost, type Verdict } from './targets.js';

const MEBIBYTE = 2 ** 20;
/** The arena of the mlp may hold so much besides the data set. */
const ARENA_LIMIT_MIB = 16;
/** Resident size wanders with the collector and the allocator; a leak of half a KiB a step would pass it. */
const GROWTH_LIMIT_MIB = 4;
const MEMORY_STEPS = 10_000;
const START_LIMIT_SECONDS = 1.5;
const PROBE_TIMEOUT_MS = 300_000;

const MEMORY_PROGRAM = fileURLToPath(new URL('./memory.js', import.meta.url));
const COMMAND_PROGRAM = fileURLToPath(new URL('../tensorflock.js', import.meta.url));
const FEW_EXAMPLES = ['--train-examples', '1000', '--test-examples', '1000', '--epochs', '1'] as const;

/** Trains the mlp in a process of its own and reads what it holds. @throws ERR_BENCH with the process's last words */
export async function probeMemory(dataFolder: string): Promise<MemoryFacts> {
  const { line } = await firstLine(['--expose-gc', MEMORY_PROGRAM, '--data', dataFolder, '--steps', String(MEMORY_STEPS)]);
  return JSON.parse(line) as MemoryFacts;
}

/** Start-ups one after the other, in seconds; or why there are none. */
export type Starts = { readonly seconds: readonly number[] } | { readonly failure: string };

/**
 * Seconds from starting `tensorflock train` to the line of its first epoch: 8 steps, a test on 1,000 examples and the line
 * itself are in it, so the first step came earlier. It looks for the data set where `train` does.
 */
export async function probeStarts(count: number): Promise<Starts> {
  const seconds: number[] = [];
  try {
    for (let run = 0; run < count; run++) {
      const started = await firstLine([COMMAND_PROGRAM, 'train', 'fashion-mnist-mlp', ...FEW_EXAMPLES, '--fetch', 'none', '--json']);
      seconds.push(started.seconds);
    }
    return { seconds };
  } catch (error) {
    return { failure: error instanceof Error ? error.message : String(error) };
  }
}

/** Runs Node.js to its end; its first line of standard output, and when that came. */
async function firstLine(args: readonly string[]): Promise<{ readonly line: string; readonly seconds: number }> {
  const startMs = performance.now();
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'pipe'], timeout: PROBE_TIMEOUT_MS });
  let errors = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => (errors += text));
  const first: { line: string; seconds: number }[] = [];
  createInterface({ input: child.stdout }).on('line', (line) => {
    if (first.length === 0) first.push({ line, seconds: (performance.now() - startMs) / 1000 });
  });
  await new Promise<void>((resolve, reject) => {
    child.on('close', () => resolve());
    child.on('error', reject);
  });
  if (first[0] === undefined) throw runError('ERR_BENCH', errors.trim().split('\n').at(-1) || 'it ended without a word.');
  return first[0];
}

export function judgeMemory(facts: MemoryFacts): Verdict[] {
  const { steps, dataByteLength, arenaByteLength, residentBefore, residentAfter } = facts;
  return [
    judgeAtMost('MiB of the arena beside the data set, mlp', ARENA_LIMIT_MIB, (arenaByteLength - dataByteLength) / MEBIBYTE, `${wholeNumber(arenaByteLength)} - ${wholeNumber(dataByteLength)} bytes`),
    judgeAtMost(`MiB that the resident size grows in ${wholeNumber(steps)} steps, mlp`, GROWTH_LIMIT_MIB, (residentAfter - residentBefore) / MEBIBYTE, `${mebibytes(residentBefore)} to ${mebibytes(residentAfter)}`),
  ];
}

export function judgeStart(starts: Starts): Verdict {
  const what = 's from the command to its first epoch of 8 steps';
  if ('failure' in starts) return judgeAtMost(what, START_LIMIT_SECONDS, undefined, starts.failure);
  const sorted = [...starts.seconds].sort((a, b) => a - b);
  const times = sorted.map((each) => each.toFixed(2)).join(', ');
  return judgeAtMost(what, START_LIMIT_SECONDS, sorted[Math.floor(sorted.length / 2)], `median of ${times}`);
}

export function formatMemory(facts: MemoryFacts): string {
  const { workers, warmUpEpochs, steps, dataByteLength, arenaByteLength, residentAtStart, residentBefore, residentAfter } = facts;
  return [
    `memory of the mlp with ${workers} workers and validation`,
    `  data set ${mebibytes(dataByteLength)}, arena ${mebibytes(arenaByteLength)}, ${mebibytes(arenaByteLength - dataByteLength)} beside the data`,
    `  resident ${mebibytes(residentAtStart)} before the data, ${mebibytes(residentBefore)} after ${warmUpEpochs} epochs, ${mebibytes(residentAfter)} after ${wholeNumber(steps)} steps more`,
  ].join('\n');
}

function mebibytes(byteLength: number): string {
  return `${(byteLength / MEBIBYTE).toFixed(1)} MiB`;
}
