import type { Column } from '../../src/data/dataset.js';
import { Arena } from '../../src/kernels/arena.js';
import type { TreeNode } from '../../src/plan/tree.js';
import { ownOrder, shuffledIndices } from '../../src/random/shuffle.js';
import { COMMAND, CONTROL_BYTES, FIELD, viewControl, type Control } from '../../src/train/control.js';
import { placeUpdate } from '../../src/train/placed-update.js';
import { placeColumns, placePenalties, placeProgram } from '../../src/train/programs.js';
import type { Program, SessionRunner, WorkerPool } from '../../src/train/session.js';
import { clusterError } from '../protocol/errors.js';
import type { MessageOf } from '../protocol/messages.js';
import type { Mode } from '../protocol/run-description.js';
import { examplesOf, OwnSteps, type OwnResult, type StepRange } from '../own-steps.js';
import type { RunPlan } from '../run-plan.js';

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
}

/** A share that lies in a slot until it is overwritten. */
export interface ComputedShare {
  readonly subtree: TreeNode;
  readonly exampleCount: number;
  /** Sums of loss and metrics. */
  readonly sums: Float32Array;
  /** Sums of gradients, in the slot. */
  readonly bytes: Uint8Array;
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
  readonly #arena = new Arena();
  readonly #control: Control;
  readonly #parameters: number;
  readonly #program: Program;
  readonly #runner: SessionRunner;
  readonly #own: OwnSteps | undefined;
  #orderedEpoch = -1;

  constructor(private readonly task: NodeTask, tools: NodeTools) {
    const arena = this.#arena;
    const { plan, own, parameterFloats, inputs, targets, exampleCount, batchRows, shardSize, seed } = task;
    const { pool, module, tile } = tools;
    const control = arena.slot('the control block', CONTROL_BYTES);
    this.#parameters = arena.slot('the parameters', parameterFloats * 4);
    arena.floats(this.#parameters, parameterFloats).fill(0);
    const data = { inputs: placeColumns(arena, inputs, 'the run'), targets: placeColumns(arena, targets, 'the run'), examples: exampleCount };
    this.#program = placeProgram(arena, plan, { name: 'the run', workers: pool.workers, parameters: this.#parameters, data, batchRows, shardRows: shardSize, shareSlots: SHARE_SLOTS });
    this.#control = viewControl(arena.memory, control);
    this.#control.fields.fill(0);
    this.#control.fields[FIELD.packedVersion] = -1;
    const update = own === undefined ? undefined : placeUpdate(arena, own.optimizer, this.#parameters, plan.sumsOffset);
    const penalties = own?.penalties === undefined ? undefined : placePenalties(arena, own.penalties, this.#parameters);
    const session = { memory: arena.memory, module, workers: pool.workers, tile, seed, shuffle: task.shuffle, control, train: this.#program, faults: [] };
    this.#runner = pool.open({ ...session, ...(update !== undefined && { update }), ...(penalties !== undefined && { penalties }) });
    if (update !== undefined) this.#own = new OwnSteps({ memory: arena.memory, update, control: this.#control, runner: this.#runner, sumCount: plan.sumCount });
  }

  get mode(): Mode {
    return this.task.mode;
  }

  /** Bytes of the parameters from value `firstValue` on; the caller checked that they fit. They count when `version` is computed. */
  writeParameters(firstValue: number, bytes: Uint8Array): void {
    this.#arena.bytes(this.#parameters + firstValue * 4, bytes.byteLength).set(bytes);
    this.#control.fields[FIELD.packedVersion] = -1;
  }

  /** Computes one share for each subtree; their bytes stay until the next call. */
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

  /** Makes steps of its own; the parameters are then those from before. */
  async makeSteps(steps: StepRange): Promise<OwnResult & { readonly exampleCount: number }> {
    const { batchRows, exampleCount } = this.task;
    this.#order(steps.epoch);
    const result = await this.#own!.make(steps);
    this.#own!.goBack();
    return { ...result, exampleCount: examplesOf(steps, batchRows, exampleCount) };
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
      bytes: this.#arena.bytes(address, plan.sumsOffset * 4),
    };
  }
}
