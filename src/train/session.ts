// What one run (a fit, an evaluation, ...) is to the workers: plain data, cloned to each of them at its start.
import type { Optimizer } from '../optimizers/index.js';
import type { Areas, BoundColumn, PieceSize } from '../plan/bind.js';
import type { Plan } from '../plan/plan.js';
import type { CommandKind } from './control.js';
import type { Racers } from './racers.js';
import type { FitWatcher } from './watcher.js';

/** A plan with the data it runs over and its places in the arena. */
export interface Program {
  readonly plan: Plan;
  /** One entry a worker. */
  readonly areas: readonly Areas[];
  /** Address of the shares: slots for sums, then those that wait for their sibling. */
  readonly shares: number;
  readonly shareSlots: number;
  readonly shareBytes: number;
  /** Most rows and shards of a piece. */
  readonly pieceSize: PieceSize;
  readonly inputs: readonly BoundColumn[];
  readonly targets: readonly BoundColumn[];
  /** Address of the u32 order of the examples. */
  readonly indices: number;
  readonly examples: number;
  /** Rows of a step; the last may be shorter. */
  readonly batchRows: number;
  readonly shardRows: number;
  /** Address of each output's rows, for predictions. */
  readonly predictions: readonly number[];
}

/** The penalties' plan, run once a step by the last worker. */
export interface Penalties {
  readonly plan: Plan;
  readonly areas: Areas;
}

/** What an update works on: segments of the parameters, one a worker. */
export interface Update {
  readonly optimizer: Optimizer;
  readonly parameters: number;
  readonly states: readonly number[];
  /** Floats of the parameters that are updated; each state has as many. */
  readonly floats: number;
  /** Where the parameters and states are kept for a recovery: parameters first, then the states. */
  readonly snapshot: number;
  /** Room for the sums of squares of blocks of 1,024 parameters. */
  readonly blockSums: number;
  /** Room for what an update that may be called off has changed: laid out as the snapshot. Without it there are no such updates. */
  readonly kept?: number;
}

/** Ends or harms a worker at a point of a step; tests of recovery hand these in. */
export interface Fault {
  readonly worker: number;
  /** Version of the parameters at which it happens. */
  readonly version: number;
  /** A part of a step, or another command after its first rows. */
  readonly phase: 'compute' | 'update' | 'snapshot' | 'barrier' | 'evaluate' | 'predict' | 'gradients';
  readonly kind: 'exit' | 'throw' | 'memory';
}

export interface Session {
  readonly memory: WebAssembly.Memory;
  readonly module: WebAssembly.Module;
  readonly workers: number;
  readonly tile: number;
  /** Of masks and noise. */
  readonly seed: number;
  /** Every epoch of the training draws the order of its examples. */
  readonly shuffle: boolean;
  readonly control: number;
  readonly train?: Program;
  readonly evaluate?: Program;
  readonly predict?: Program;
  readonly penalties?: Penalties;
  readonly update?: Update;
  /** Mode `async`: the command `train` has every worker make steps by itself. */
  readonly racers?: Racers;
  readonly faults: readonly Fault[];
}

/** The first bad value of a step, as a diagnosis finds it. */
export interface Diagnosis {
  /** Position of the layer in the model, -1 outside layers. */
  readonly layer: number;
  readonly operation: string;
}

/** Whether a run came to its end, or was stopped or failed before. */
export type RunOutcome = 'finished' | 'stopped';

/** What may be asked of a fit from outside while it runs. Each is done at the end of a step, and resolves with the updates made by then. */
export interface FitControl {
  /** Writes a checkpoint; undefined where the fit keeps none, or has ended before. */
  checkpoint(): Promise<number | undefined>;
  /** Ends the fit as an abort of its signal does. */
  stop(): Promise<number>;
}

/** Runs commands on the workers of one session. */
export interface SessionRunner {
  /** A training begins, with its checkpoints in this folder: from now on others may take part. */
  begin?(folder: string | undefined): Promise<void>;
  /**
   * Resolves when all workers have carried the command out. A worker that dies is replaced and the command goes on from
   * the last snapshot; an error that a worker throws rejects with it as its cause.
   */
  run(kind: CommandKind): Promise<Diagnosis | undefined>;
  /** Is told how to steer the fit that it runs for, where others may. */
  steers?(fit: FitControl): void;
  /** @param outcome for others that take part; by default it has finished */
  end(outcome?: RunOutcome): Promise<void>;
}

/** Where shares come from: the local pool, or a cluster around it. */
export interface WorkerPool {
  readonly workers: number;
  /** Slots that a training with steps of so many shards needs where shares come from elsewhere. */
  shareSlots?(shards: number): number;
  /** Its workers are threads of their own: whoever gives them a command goes on meanwhile, and may tell them more. */
  readonly isBeside?: boolean;
  /** The most nodes that took part at once. */
  readonly mostNodes?: number;
  /** Is told of every fit. */
  readonly watcher?: FitWatcher | undefined;
  open(session: Session): SessionRunner;
  close(): Promise<void>;
}
