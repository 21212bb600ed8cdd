import * as tf from '@tensorflow/tfjs-core';
import { inputError, runError } from '../errors.js';
import type { Column } from '../data/dataset.js';
import { hasRelaxedSimd, type Arithmetic } from '../kernels/load.js';
import { TILES } from '../kernels/tiles.js';
import type { Optimizer } from '../optimizers/index.js';
import { rowUnit } from '../plan/bind.js';
import { readSlot } from '../plan/parameters.js';
import { ownOrder } from '../random/shuffle.js';
import { weightsOf, type LayersModel } from '../trace/model.js';
import { bringColumns, exampleCountOf, isDataset, type DataLike } from './columns.js';
import { COMMAND, type Control } from './control.js';
import { runFit, type FitOptions, type History } from './fitting.js';
import type { Logs } from './fit.js';
import { withAliases } from './logs.js';
import type { Mode, OuterOptimizer } from './mode.js';
import type { ModelPlans } from './model-plans.js';
import { defaultShardSize, idleNote } from './options.js';
import { placeRacers } from './racers.js';
import { capacityFor, placeColumns, placePenalties, placeProgram, type PlacedData } from './programs.js';
import { withKept } from './placed-update.js';
import type { Fault, Penalties, Program, RunOutcome, Session, SessionRunner, WorkerPool } from './session.js';
import { saveModel } from './saving.js';
import { TrainingState } from './state.js';
import type { Hashes } from './weights.js';

/** What a run is made of: shown in banners, kept in checkpoints and results. */
export interface TrainerFacts {
  readonly workers: number;
  readonly arithmetic: Arithmetic;
  /** Rows x columns of the matrix product's tile; never changes a bit. */
  readonly tile: string;
  readonly engineFlags: readonly string[];
  /** Set where `distribute` was given one; else a function of the batch size. */
  readonly shardSize?: number;
  readonly seed: number;
  /** What is applied when; `sync` alone is exact. */
  readonly mode: Mode;
  /** Mode `local`: how the machines' results are joined. */
  readonly outer?: OuterOptimizer;
}

/** The facts of a fit with some batch size, before it begins. */
export interface FitDescription extends TrainerFacts {
  readonly shardSize: number;
  /** Sentences for people: what slows the run or changes its meaning. */
  readonly notes: readonly string[];
}

/** Means over the examples by name. */
export type Evaluation = { loss: number } & Logs;

/** What the door puts together for a trainer. */
export interface TrainerParts {
  readonly model: LayersModel;
  readonly plans: ModelPlans;
  readonly state: TrainingState;
  readonly pool: WorkerPool;
  readonly module: WebAssembly.Module;
  readonly tile: number;
  readonly optimizer: Optimizer;
  readonly facts: Omit<TrainerFacts, 'tile'>;
  /** Tests of recovery only. */
  readonly faults?: readonly Fault[];
}

/** Examples brought to what the model expects. */
export interface Examples {
  readonly inputs: readonly Column[];
  readonly targets: readonly Column[];
  readonly count: number;
  /** The words for labels 0, 1, ..., where the data set they come from has any. */
  readonly classNames?: readonly string[];
}

/** A run's session, with what its commands need. */
export interface OpenSession {
  readonly runner: SessionRunner;
  readonly control: Control;
  readonly session: Session;
}

/** Programs of a session before they are placed. */
export interface SessionWish {
  /** `shareSlots`: room for shares of subtrees, where others than this pool compute too. */
  readonly train?: { readonly examples: Examples; readonly batchSize: number; readonly shuffle?: boolean; readonly shareSlots?: number };
  readonly evaluate?: Examples;
  readonly predict?: Examples;
}

/** Trains, evaluates and applies one model with the workers of this machine. */
export class Trainer {
  #closed = false;
  #busy = false;

  constructor(readonly parts: TrainerParts) {}

  get facts(): TrainerFacts {
    const { facts, tile } = this.parts;
    return { ...facts, tile: TILES[tile]!.name };
  }

  /** What a fit with this batch size will be: for banners. */
  describe(batchSize: number): FitDescription {
    const { facts } = this;
    const shardSize = this.shardSize(batchSize);
    const plan = this.parts.plans.training(capacityFor(batchSize, shardSize));
    const notes = [
      idleNote(facts.workers, batchSize, rowUnit(plan, shardSize)),
      plan.mixesRows ? `a kernel mixes the examples of a shard: the result depends on the shard size, ${shardSize}` : undefined,
      facts.arithmetic === 'portable' && !hasRelaxedSimd() ? 'this engine offers no fused multiply-add by default: engineFlags: true or Node 22 is up to twice as fast' : undefined,
    ];
    return { ...facts, shardSize, notes: notes.filter((note) => note !== undefined) };
  }

  /** Trains the model; options, defaults and the result are those of tfjs's `model.fit`. */
  async fit(x: DataLike, y?: DataLike | null, options: FitOptions = {}): Promise<History> {
    return this.exclusively(() => runFit(this, x, y, options));
  }

  /** Loss and metrics over all examples, by name; `accuracy` has tfjs's alias `acc`. */
  async evaluate(x: DataLike, y?: DataLike | null): Promise<Evaluation> {
    return this.exclusively(async () => {
      const examples = await this.examples(x, y);
      await this.parts.state.readModel(this.parts.model);
      return withAliases(await this.withSession({ evaluate: examples }, (open) => this.sumsOf(open))) as Evaluation;
    });
  }

  /** The model's output for each example, shape [examples, ...]. */
  async predict(x: DataLike): Promise<tf.Tensor> {
    const { outputs } = this.parts.model;
    if (outputs.length > 1) throw inputError('ERR_MODEL_OUTPUTS', `the model has ${outputs.length} outputs; call predictAll.`);
    return (await this.predictAll(x))[0]!;
  }

  /** As `predict`, for each of the model's outputs. */
  async predictAll(x: DataLike): Promise<tf.Tensor[]> {
    return this.exclusively(async () => {
      const inputs = await bringColumns(x, 'x', this.parts.plans.inputs);
      await this.parts.state.readModel(this.parts.model);
      return this.withSession({ predict: { inputs, targets: [], count: exampleCountOf(inputs) } }, async ({ runner, session }) => {
        await runner.run(COMMAND.predict);
        return this.#outputs(session.predict!);
      });
    });
  }

  /**
   * Loss and gradients of all examples as one mini-batch, in training mode with the masks of step 0, means over the
   * examples with the penalties added. A weight without a gradient path has zeros.
   */
  async gradients(x: DataLike, y?: DataLike | null): Promise<{ loss: number; gradients: Map<string, Float32Array> }> {
    return this.exclusively(async () => {
      const examples = await this.examples(x, y);
      await this.parts.state.readModel(this.parts.model);
      return this.withSession({ train: { examples, batchSize: examples.count } }, async ({ runner, control, session }) => {
        await runner.run(COMMAND.gradients);
        return { loss: control.sums[1]! / control.sums[0]!, gradients: this.#gradients(session.train!) };
      });
    });
  }

  /** Saves the model (tfjs's model.json and weights) with the optimizer's state into a folder. */
  async save(folder: string): Promise<void> {
    await this.exclusively(() => saveModel(this.parts, folder));
  }

  /** The most nodes that took part at once. */
  get mostNodes(): number {
    return this.parts.pool.mostNodes ?? 0;
  }

  /** Hashes of the current weights and state, as in the result of a run. */
  hashes(): Hashes {
    return this.parts.state.hashes();
  }

  /** Ends the threads. The model keeps its weights; the trainer can do nothing more. */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    await this.parts.pool.close();
  }

  /** One run at a time: they share the arena. */
  async exclusively<T>(run: () => Promise<T>): Promise<T> {
    if (this.#closed) throw runError('ERR_CLOSED', 'this trainer is closed; call distribute again.');
    if (this.#busy) throw runError('ERR_BUSY', 'this trainer is in the middle of a run; await it first.');
    this.#busy = true;
    try {
      return await run();
    } catch (cause) {
      throw this.#closed ? runError('ERR_CLOSED', 'this trainer was closed in the middle of a run.', { cause }) : cause;
    } finally {
      this.#busy = false;
    }
  }

  /** Brings data to the model's shapes. */
  async examples(x: DataLike, y: DataLike | null | undefined): Promise<Examples> {
    const { plans } = this.parts;
    if (plans.targets.length === 0) plans.refuseUncompiled();
    if (isDataset(x) && y !== undefined && y !== null) throw inputError('ERR_DATA_SHAPE', 'x is a data set, which holds its targets, and y is given too; leave y out (null before options).');
    const inputs = await bringColumns(x, 'x', plans.inputs);
    const targets = await bringColumns(isDataset(x) ? x : (y ?? []), 'y', plans.targets);
    const classNames = isDataset(x) ? x.classNames : undefined;
    return { inputs, targets, count: exampleCountOf([...inputs, ...targets]), ...(classNames && { classNames }) };
  }

  /** Opens a session, runs `body` in it, and gives back every byte of the arena that it took. */
  async withSession<T>(wish: SessionWish, body: (open: OpenSession) => Promise<T>): Promise<T> {
    const { arena } = this.parts.state;
    const mark = arena.mark();
    try {
      const session = this.#place(wish);
      const control = this.parts.state.openControl();
      const runner = this.parts.pool.open(session);
      let outcome: RunOutcome = 'stopped';
      try {
        const result = await body({ runner, control, session });
        outcome = 'finished';
        return result;
      } finally {
        await runner.end(outcome);
      }
    } finally {
      arena.release(mark);
    }
  }

  /** Loss and metrics of the session's evaluation, by tfjs's names. */
  async sumsOf({ runner, control }: OpenSession): Promise<Logs> {
    control.sums.fill(0);
    await runner.run(COMMAND.evaluate);
    const names = this.parts.plans.sumNames;
    return Object.fromEntries(names.map((name, index) => [name, control.sums[index + 1]! / control.sums[0]!]));
  }

  shardSize(batchSize: number): number {
    return this.parts.facts.shardSize ?? defaultShardSize(batchSize);
  }

  #place(wish: SessionWish): Session {
    const { state, pool, module, tile, facts, faults = [] } = this.parts;
    const { train, evaluate, predict } = wish;
    const penalties = train === undefined && evaluate === undefined ? undefined : this.#placePenalties();
    const program = train === undefined ? undefined : this.#placeTraining(train.examples, train.batchSize, train.shareSlots);
    // Where shares come from elsewhere, steps are updated while they arrive.
    const mayTakeBack = program !== undefined && program.shareSlots > 1 && pool.isBeside === true && facts.mode.kind === 'sync';
    return {
      memory: state.arena.memory,
      module,
      workers: pool.workers,
      tile,
      seed: facts.seed,
      shuffle: train?.shuffle ?? false,
      control: state.control,
      faults,
      update: mayTakeBack ? withKept(state.arena, state.update) : state.update,
      ...(program === undefined ? {} : { train: program }),
      ...(program === undefined || facts.mode.kind !== 'async' ? {} : { racers: placeRacers(state.arena, program, { update: state.update, penalties: penalties?.plan, workers: pool.workers }) }),
      ...(evaluate === undefined ? {} : { evaluate: this.#placeWhole('evaluation', evaluate) }),
      ...(predict === undefined ? {} : { predict: this.#placeWhole('prediction', predict) }),
      ...(penalties === undefined ? {} : { penalties }),
    };
  }

  #placePenalties(): Penalties | undefined {
    const plan = this.parts.plans.penalties();
    return plan === undefined ? undefined : placePenalties(this.parts.state.arena, plan, this.parts.state.parameters);
  }

  #placeTraining(examples: Examples, batchSize: number, shareSlots?: number): Program {
    const shardRows = this.shardSize(batchSize);
    const { plans, pool } = this.parts;
    const plan = plans.training(capacityFor(batchSize, shardRows));
    const shards = Math.ceil(Math.min(batchSize, examples.count) / shardRows);
    return this.#placeProgram('the training', plan, examples, batchSize, shardRows, shareSlots ?? pool.shareSlots?.(shards));
  }

  /** All examples as one step, in shards that their number alone decides: an evaluation is the same after any training. */
  #placeWhole(kind: 'evaluation' | 'prediction', examples: Examples): Program {
    const shardRows = defaultShardSize(examples.count);
    const plan = this.parts.plans[kind](capacityFor(examples.count, shardRows));
    return this.#placeProgram(`the ${kind}`, plan, examples, examples.count, shardRows);
  }

  #placeProgram(name: string, plan: Program['plan'], examples: Examples, batchRows: number, shardRows: number, shareSlots?: number): Program {
    const { state, pool } = this.parts;
    const data: PlacedData = {
      inputs: placeColumns(state.arena, examples.inputs, name),
      targets: placeColumns(state.arena, examples.targets, name),
      examples: examples.count,
    };
    const program = placeProgram(state.arena, plan, { name, workers: pool.workers, parameters: state.parameters, data, batchRows, shardRows, ...(shareSlots === undefined ? {} : { shareSlots }) });
    ownOrder(examples.count, state.arena.words(program.indices, examples.count));
    return program;
  }

  #outputs(program: Program): tf.Tensor[] {
    const { arena } = this.parts.state;
    return program.plan.predictions.map(({ floats, stride }, index) => {
      const rows = arena.floats(program.predictions[index]!, program.examples * stride);
      const values = new Float32Array(program.examples * floats);
      for (let row = 0; row < program.examples; row++) values.set(rows.subarray(row * stride, row * stride + floats), row * floats);
      const shape = this.parts.model.outputs[index]!.shape.slice(1) as number[];
      return tf.tensor(values, [program.examples, ...shape]);
    });
  }

  /** The mean gradient lies in the first share. */
  #gradients(program: Program): Map<string, Float32Array> {
    const { plans, state } = this.parts;
    const weights = weightsOf(this.parts.model);
    const gradient = state.arena.floats(program.shares, plans.layout.updatedFloats);
    return new Map(
      plans.layout.slots.map((slot, index) => {
        const values = plans.updated[index]! ? readSlot(slot, gradient) : new Float32Array(slot.rows * slot.columns);
        return [weights[index]!.name, values];
      }),
    );
  }
}
