import { needsFeedback, type Codecs } from '../../src/codecs/choice.js';
import { Arena } from '../../src/kernels/arena.js';
import { instantiateKernels } from '../../src/kernels/instance.js';
import type { TreeNode } from '../../src/plan/tree.js';
import { COMMAND, CONTROL_BYTES, FIELD, viewControl, type Control } from '../../src/train/control.js';
import { placeUpdate } from '../../src/train/placed-update.js';
import type { ProbeTools } from '../../src/train/probe.js';
import { placePenalties, placeProgram } from '../../src/train/programs.js';
import type { Program, SessionRunner } from '../../src/train/session.js';
import { distinctColumns } from '../data/columns.js';
import { positionsOf, rangesOf } from '../data/rows.js';
import { epochStepOf, rowsOfStep, type StepOrder } from '../data/steps.js';
import { clusterError } from '../protocol/errors.js';
import type { MessageOf } from '../protocol/messages.js';
import type { Mode } from '../protocol/run-description.js';
import { examplesOf, OwnSteps, type StepRange } from '../own-steps.js';
import type { RunPlan } from '../run-plan.js';
import { TensorCoding, type TensorRoom } from '../tensor-coding.js';
import { AwaitedRows } from './awaited-rows.js';
import { placeExamples, type ArrivedRows, type Examples, type NodeData } from './examples.js';
import { ParametersInbox } from './parameters-inbox.js';
import { Residual } from './residual.js';

/** Shares that are computed at once, into one half of the slots: those in the other half wait until the socket has taken them. */
export const SHARES_AT_ONCE = 8;
export const SLOT_HALVES = 2;

/** What a node computes with. */
export interface NodeTools extends ProbeTools {
  /** Slots for shares, where others fill some. */
  readonly shareSlots?: number | undefined;
}

/** What shares are ordered with, and where they are. */
export interface ComputingParts {
  readonly room: TensorRoom;
  readonly control: Control;
  readonly program: Program;
  readonly runner: SessionRunner;
}

/** A run as a node sees it. */
export interface NodeTask extends RunPlan, StepOrder {
  readonly data: NodeData;
  readonly shardSize: number;
  readonly mode: Mode;
  readonly codecs: Codecs;
}

/** A share that lies in a slot until it is overwritten. */
export interface ComputedShare {
  readonly subtree: TreeNode;
  readonly exampleCount: number;
  /** Sums of loss and metrics. */
  readonly sums: Float32Array;
  /** Of the sums of gradients, in the slot. */
  readonly address: number;
}

/** A share, and how many of its gradients, from the first on, are there. */
export interface SharePart {
  readonly share: ComputedShare;
  readonly floats: number;
  /** What was spent on it, in ms; 0 as long as it is not whole. */
  readonly computeMs: number;
}

export interface Work {
  readonly epoch: number;
  /** Counted over the whole run: epoch * steps an epoch + step of the epoch. */
  readonly step: number;
  readonly version: number;
  /** At most SHARES_AT_ONCE. */
  readonly subtrees: readonly TreeNode[];
  /** Of the slots; the first where none is given. */
  readonly half?: number;
  /** Where the node has no columns; those of the call before stay where none are given. */
  readonly rows?: ArrivedRows | undefined;
}

/** Computes shares, or steps, with the workers of this machine, in an arena of its own. */
export class NodeComputing {
  readonly inbox: ParametersInbox;
  /** How shares are written. */
  readonly outgoing: TensorCoding;
  /** Where the codec of shares needs one. */
  readonly residual: Residual | undefined;
  readonly #arena: Arena;
  readonly #room: TensorRoom;
  readonly #control: Control;
  readonly #examples: Examples;
  readonly #program: Program;
  readonly #runner: SessionRunner;
  readonly #own: OwnSteps | undefined;

  constructor(readonly task: NodeTask, tools: NodeTools) {
    const arena = new Arena(undefined, tools.isShared);
    this.#arena = arena;
    const { plan, own, parameterFloats, batchRows, shardSize, seed } = task;
    const { pool, module, tile, shareSlots = SLOT_HALVES * SHARES_AT_ONCE } = tools;
    const control = arena.slot('the control block', CONTROL_BYTES);
    const parameters = arena.slot('the parameters', parameterFloats * 4);
    arena.floats(parameters, parameterFloats).fill(0);
    this.#examples = placeExamples(arena, task.data, task);
    this.#program = placeProgram(arena, plan, { name: 'the run', workers: pool.workers, parameters, data: this.#examples.placed, batchRows, shardRows: shardSize, shareSlots, isFollowed: true });
    const { codecs: { toNode, toCoordinator } } = task;
    const room = { memory: arena.memory, kernels: instantiateKernels(module, arena.memory), allocate: (name: string, byteLength: number) => arena.slot(name, byteLength) };
    this.#room = room;
    this.inbox = new ParametersInbox(room, { address: parameters, floats: parameterFloats, updatedFloats: plan.sumsOffset }, toNode);
    this.outgoing = new TensorCoding(room, toCoordinator, plan.sumsOffset);
    if (needsFeedback(toCoordinator)) this.residual = new Residual(room, plan.sumsOffset);
    const update = own === undefined ? undefined : placeUpdate(arena, own.optimizer, parameters, plan.sumsOffset);
    const penalties = own?.penalties === undefined ? undefined : placePenalties(arena, own.penalties, parameters);
    this.#control = viewControl(arena.memory, control); // after the last slot
    this.#control.fields.fill(0);
    this.#control.fields[FIELD.packedVersion] = -1;
    const session = { memory: arena.memory, module, workers: pool.workers, tile, seed, shuffle: task.shuffle, control, train: this.#program, faults: [] };
    this.#runner = pool.open({ ...session, ...(update !== undefined && { update }), ...(penalties !== undefined && { penalties }) });
    if (update !== undefined) this.#own = new OwnSteps({ memory: arena.memory, update, control: this.#control, runner: this.#runner, sumCount: plan.sumCount });
  }

  /** For shares that are ordered elsewhere. */
  get parts(): ComputingParts {
    return { room: this.#room, control: this.#control, program: this.#program, runner: this.#runner };
  }

  get mode(): Mode {
    return this.task.mode;
  }

  /** A connection to a run begins. @param run names it for as long as no step of it is made again */
  begin(run: string): void {
    this.inbox.begin();
    this.residual?.belongTo(run);
  }

  /** The parameters that have come take the place of those before, or are added to them. */
  useParameters(): void {
    this.inbox.apply();
    this.#control.fields[FIELD.packedVersion] = -1;
  }

  /**
   * What must come after an assignment before it can be computed; undefined where the node has the columns.
   * @throws ERR_MESSAGE for shards that the run does not have
   */
  rowsFor(assign: MessageOf<'assign'>): AwaitedRows | undefined {
    const { data, shardSize } = this.task;
    const rowCount = rowsOfStep(this.task, epochStepOf(this.task, assign.epoch, assign.step));
    rangesOf(assign.subtrees, rowCount, shardSize);
    return data.way === 'columns' ? undefined : new AwaitedRows(assign, positionsOf(assign.subtrees, rowCount, shardSize), distinctColumns(data.columns));
  }

  /**
   * Makes ready for shares of a step that are ordered elsewhere; nothing may compute meanwhile.
   * @returns the step of the epoch
   */
  beginStep({ epoch, step, version }: Pick<Work, 'epoch' | 'step' | 'version'>): number {
    const { fields } = this.#control;
    const epochStep = epochStepOf(this.task, epoch, step);
    this.#examples.begin(this.#indices, epoch, epochStep);
    fields[FIELD.version] = version;
    fields[FIELD.firstStep] = step - epochStep;
    return epochStep;
  }

  /**
   * Computes one share for each subtree, one after the other, and hands them on while they are made: each as often as more of it is
   * there, the last time whole. They stay in their slots until the next call for this half.
   */
  async *compute({ epoch, step, version, subtrees, half = 0, rows }: Work): AsyncGenerator<SharePart> {
    const { fields, orders } = this.#control;
    const epochStep = epochStepOf(this.task, epoch, step);
    const ownStep = this.#examples.begin(this.#indices, epoch, epochStep, rows);
    fields[FIELD.version] = version;
    // As the coordinator's workers draw: by the updates made where each is a step of its own, else by the step.
    const draw = this.task.mode.kind === 'sync' ? version : step;
    const slotOf = (at: number): number => half * SHARES_AT_ONCE + at;
    orders.writeShares({ step: ownStep, draw, shares: subtrees.map((subtree, at) => ({ ...subtree, slot: slotOf(at) })) });
    const { progress } = this.#control;
    for await (const { at, floats } of this.#follow(subtrees.length)) {
      yield { share: this.#shareIn(slotOf(at), subtrees[at]!, epochStep), floats, computeMs: floats < this.#program.plan.sumsOffset ? 0 : progress.spentMs[at]! };
    }
  }

  /** Has the workers compute what is ordered. Which share they are at, by its place in the order, and how far. */
  async *#follow(count: number): AsyncGenerator<{ readonly at: number; readonly floats: number }> {
    const { progress } = this.#control;
    const { plan: { sumsOffset }, areas: { length: workers } } = this.#program;
    progress.begin(-1);
    let isDone = false;
    const done = this.#runner.run(COMMAND.shares).finally(() => {
      isDone = true;
      progress.wake();
    });
    done.catch(() => undefined); // thrown below
    try {
      for (let at = 0; at < count; ) {
        const { tick } = progress;
        if (isDone) await done;
        const reached = isDone ? { share: count, floats: 0 } : progress.at(workers);
        // The next share begins to be summed long after this one is whole.
        for (; at < reached.share || (at === reached.share && reached.floats >= sumsOffset); at++) yield { at, floats: sumsOffset };
        if (at === reached.share && reached.floats > 0) yield { at, floats: reached.floats };
        if (at < count && !isDone) await progress.moved(tick);
      }
    } finally {
      await done.catch(() => undefined); // whoever stops reading waits too
    }
  }

  /** Steps of its own that an assignment asks for. @throws ERR_MESSAGE for steps that the run does not have */
  ownSteps({ epoch, step, stepCount }: Pick<MessageOf<'assign'>, 'epoch' | 'step' | 'stepCount'>): StepRange {
    const stepsPerEpoch = Math.ceil(this.task.exampleCount / this.task.batchRows);
    const firstStep = epoch * stepsPerEpoch;
    const epochStep = step - firstStep;
    if (epochStep >= 0 && epochStep + stepCount <= stepsPerEpoch) return { epoch, firstStep, epochStep, stepCount };
    throw clusterError('ERR_MESSAGE', { type: 'assign', problem: `it asks for ${stepCount} steps from step ${step} on, and epoch ${epoch} has the steps ${firstStep} to ${firstStep + stepsPerEpoch - 1}` });
  }

  /** Makes steps of its own, and leaves where they have led in a slot until the next call; the parameters are those from before. */
  async makeSteps(steps: StepRange): Promise<Omit<ComputedShare, 'subtree'>> {
    const { batchRows, exampleCount } = this.task;
    this.#examples.begin(this.#indices, steps.epoch, steps.epochStep);
    const { difference, sums } = await this.#own!.make(steps);
    this.#own!.goBack();
    const address = this.#program.shares;
    this.#arena.floats(address, difference.length).set(difference);
    return { address, sums: Float32Array.from(sums), exampleCount: examplesOf(steps, batchRows, exampleCount) };
  }

  /** What is being made ends after its step. */
  cancel(): void {
    this.#own?.cancel();
  }

  /** Computes a shard for nothing, so that the first share is not as slow as threads that start. */
  async warmUp(): Promise<void> {
    for await (const part of this.compute({ epoch: 0, step: 0, version: 0, subtrees: [{ level: 0, index: 0 }] })) void part;
  }

  async close(): Promise<void> {
    await this.#runner.end();
  }

  get #indices(): Uint32Array {
    const { indices, examples } = this.#program;
    return this.#arena.words(indices, examples);
  }

  #shareIn(slot: number, subtree: TreeNode, epochStep: number): ComputedShare {
    const { plan, shares, shareBytes } = this.#program;
    const { shardSize } = this.task;
    const address = shares + slot * shareBytes;
    const rows = rowsOfStep(this.task, epochStep);
    const first = subtree.index * 2 ** subtree.level * shardSize;
    const sums = this.#arena.floats(address + plan.sumsOffset * 4, plan.sumCount * 4);
    return {
      subtree,
      exampleCount: Math.min(rows, first + 2 ** subtree.level * shardSize) - first,
      sums: Float32Array.from({ length: plan.sumCount }, (_, index) => sums[index * 4]!),
      address,
    };
  }
}
