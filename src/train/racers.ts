// Mode `async` on one machine: every worker makes whole steps by itself, on parameters that all of them change without locks.
import type { Arena } from '../kernels/arena.js';
import type { Plan } from '../plan/plan.js';
import { MAX_SUMS } from './control.js';
import { placePenalties, placeProgram } from './programs.js';
import type { Penalties, Program, Update } from './session.js';

/** What one worker computes with: places of its own for all but parameters, states and data. */
export interface Racer {
  readonly program: Program;
  readonly penalties: Penalties | undefined;
  readonly update: Update;
}

export interface Racers {
  /** One a worker. */
  readonly racers: readonly Racer[];
  /** Address of what they tell each other: see `RaceControl`. */
  readonly words: number;
}

/** In the place of a step: there is none. */
export const NO_STEP = 2 ** 31 - 1;

/** What the racing workers tell each other. */
export interface RaceControl {
  /** [0]: the next step of the epoch that nobody has taken; [1]: 1 while they race, also after the death of one. */
  readonly head: Int32Array;
  /** By worker: the step it is at, or one that it is about to take. */
  readonly steps: Int32Array;
  /** Steps that workers were at when one died. */
  readonly unfinished: Int32Array;
  /** By worker, and behind them the epoch's before the race: sums of examples, loss and metrics. */
  readonly sums: readonly Float64Array[];
}

/** Float64 sums begin on a cache line. */
const LINE_BYTES = 64;
const HEAD_WORDS = 2;

function wordBytes(workers: number): number {
  return Math.ceil(((HEAD_WORDS + 2 * workers) * 4) / LINE_BYTES) * LINE_BYTES;
}

/** @param train the program of all workers together, whose data and order the racers use */
export function placeRacers(arena: Arena, train: Program, { update, penalties, workers }: { readonly update: Update; readonly penalties: Plan | undefined; readonly workers: number }): Racers {
  const { plan, inputs, targets, examples, batchRows, shardRows, indices } = train;
  const racers = Array.from({ length: workers }, (): Racer => ({
    program: placeProgram(arena, plan, { name: 'the training', workers: 1, parameters: update.parameters, data: { inputs, targets, examples }, batchRows, shardRows, indices }),
    penalties: penalties === undefined ? undefined : placePenalties(arena, penalties, update.parameters),
    update: { ...update, blockSums: arena.slot('the sums of squares', Math.ceil(update.floats / 1_024) * 4) },
  }));
  const words = arena.slot('what racing workers tell each other', wordBytes(workers) + (workers + 1) * MAX_SUMS * 8);
  const { head, steps, unfinished } = viewRace(arena.memory, { racers, words });
  head.fill(0);
  steps.fill(NO_STEP);
  unfinished.fill(NO_STEP);
  return { racers, words };
}

export function viewRace(memory: WebAssembly.Memory, { racers, words }: Racers): RaceControl {
  const count = racers.length;
  const sumsAt = words + wordBytes(count);
  return {
    head: new Int32Array(memory.buffer, words, HEAD_WORDS),
    steps: new Int32Array(memory.buffer, words + HEAD_WORDS * 4, count),
    unfinished: new Int32Array(memory.buffer, words + (HEAD_WORDS + count) * 4, count),
    sums: Array.from({ length: count + 1 }, (_, at) => new Float64Array(memory.buffer, sumsAt + at * MAX_SUMS * 8, MAX_SUMS)),
  };
}
