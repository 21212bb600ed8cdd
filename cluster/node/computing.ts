import type { Column } from '../../src/data/dataset.js';
import { needsFeedback, type Codecs } from '../../src/codecs/choice.js';
import { Arena } from '../../src/kernels/arena.js';
import { instantiateKernels } from '../../src/kernels/load.js';
import type { TreeNode } from '../../src/plan/tree.js';
import { ownOrder, shuffledIndices } from '../../src/random/shuffle.js';
import { COMMAND, CONTROL_BYTES, FIELD, viewControl, type Control } from '../../src/train/control.js';
import { placeUpdate } from '../../src/train/placed-update.js';
import { placeColumns, placePenalties, placeProgram } from '../../src/train/programs.js';
import type { Program, SessionRunner, WorkerPool } from '../../src/train/session.js';
import { clusterError } from '../protocol/errors.js';
import type { MessageOf } from '../protocol/messages.js';
import type { Mode } from '../protocol/run-description.js';
import { examplesOf, OwnSteps, type StepRange } from '../own-steps.js';
import type { RunPlan } from '../run-plan.js';
import { TensorCoding } from '../tensor-coding.js';
import { ParametersInbox } from './parameters-inbox.js';
import { Residual } from './residual.js';

/** Shares that lie in memory at once: computed ones wait until the socket has taken them. */
export const SHARE_SLOTS = 16;

/** What a node computes with. */
export interface NodeTools {
  readonly pool: WorkerPool;
  readonly module: WebAssembly.Module;
  readonly tile: number;
}

/** A run as a node sees it, with all of its data. */
export interface NodeTask extends RunPlan {
  readonly inputs: readonly Column[];
  readonly targets: readonly Column[];
  readonly exampleCount: number;
  readonly batchRows: number;
  readonly shardSize: number;
  readonly seed: number;
  readonly shuffle: boolean;
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

export interface Work {
  readonly epoch: number;
  /** Counted over the whole run: epoch * steps an epoch + step of the epoch. */
  readonly step: number;
  readonly version: number;
  /** At most SHARE_SLOTS. */
  readonly subtrees: readonly TreeNode[];
}

/** Computes shares, or steps, with the workers of this machine, in an arena of its own. */
export class NodeComputing {
  readonly inbox: ParametersInbox;
  /** How shares are written. */
  readonly outgoing: TensorCoding;
  /** Where the codec of shares needs one. */
  readonly residual: Residual | undefined;
  readonly #arena = new Arena();
  readonly #control: Control;
  readonly #program: Program;
  readonly #runner: SessionRunner;
  readonly #own: OwnSteps | undefined;
  #orderedEpoch = -1;

  constructor(private readonly task: NodeTask, tools: NodeTools) {
    const arena = this.#arena;
    const { plan, own, parameterFloats, inputs, targets, exampleCount, batchRows, shardSize, seed } = task;
    const { pool, module, tile } = tools;
    const control = arena.slot('the control block', CONTROL_BYTES);
    const parameters = arena.slot('the parameters', parameterFloats * 4);
    arena.floats(parameters, parameterFloats).fill(0);
    const data = { inputs: placeColumns(arena, inputs, 'the run'), targets: placeColumns(arena, targets, 'the run'), examples: exampleCount };
    this.#program = placeProgram(arena, plan, { name: 'the run', workers: pool.workers, parameters, data, batchRows, shardRows: shardSize, shareSlots: SHARE_SLOTS });
    const { codecs: { toNode, toCoordinator } } = task;
    const room = { memory: arena.memory, kernels: instantiateKernels(module, arena.memory), allocate: (name: string, byteLength: number) => arena.slot(name, byteLength) };
    this.inbox = new ParametersInbox(room, { address: parameters, floats: parameterFloats, updatedFloats: plan.sumsOffset }, toNode);
    this.outgoing = new TensorCoding(room, toCoordinator, plan.sumsOffset);
    if (needsFeedback(toCoordinator)) this.residual = new Residual(room, plan.sumsOffset);
    this.#control = viewControl(arena.memory, control);
    this.#control.fields.fill(0);
    this.#control.fields[FIELD.packedVersion] = -1;
    const update = own === undefined ? undefined : placeUpdate(arena, own.optimizer, parameters, plan.sumsOffset);
    const penalties = own?.penalties === undefined ? undefined : placePenalties(arena, own.penalties, parameters);
    const session = { memory: arena.memory, module, workers: pool.workers, tile, seed, shuffle: task.shuffle, control, train: this.#program, faults: [] };
    this.#runner = pool.open({ ...session, ...(update !== undefined && { update }), ...(penalties !== undefined && { penalties }) });
    if (update !== undefined) this.#own = new OwnSteps({ memory: arena.memory, update, control: this.#control, runner: this.#runner, sumCount: plan.sumCount });
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

  /** Computes one share for each subtree; they stay in their slots until the next call. */
  async compute({ epoch, step, version, subtrees }: Work): Promise<ComputedShare[]> {
    const { fields, orders } = this.#control;
    this.#order(epoch);
    const epochStep = step - epoch * Math.ceil(this.task.exampleCount / this.task.batchRows);
    fields[FIELD.version] = version;
    // As the coordinator's workers draw: by the updates made where each is a step of its own, else by the step.
    const draw = this.task.mode.kind === 'sync' ? version : step;
    orders.writeShares({ step: epochStep, draw, shares: subtrees.map((subtree, slot) => ({ ...subtree, slot })) });
    await this.#runner.run(COMMAND.shares);
    return subtrees.map((subtree, slot) => this.#shareIn(slot, subtree, epochStep));
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
    this.#order(steps.epoch);
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
    await this.compute({ epoch: 0, step: 0, version: 0, subtrees: [{ level: 0, index: 0 }] });
  }

  async close(): Promise<void> {
    await this.#runner.end();
  }

  #order(epoch: number): void {
    if (epoch === this.#orderedEpoch) return;
    const { exampleCount, seed, shuffle } = this.task;
    const order = this.#arena.words(this.#program.indices, exampleCount);
    if (shuffle) shuffledIndices(exampleCount, seed, epoch, order);
    else ownOrder(exampleCount, order);
    this.#orderedEpoch = epoch;
  }

  #shareIn(slot: number, subtree: TreeNode, epochStep: number): ComputedShare {
    const { plan, shares, shareBytes } = this.#program;
    const { exampleCount, batchRows, shardSize } = this.task;
    const address = shares + slot * shareBytes;
    const rows = Math.min(batchRows, exampleCount - epochStep * batchRows);
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
