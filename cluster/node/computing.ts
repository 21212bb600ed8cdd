import type { Column } from '../../src/data/dataset.js';
import { Arena } from '../../src/kernels/arena.js';
import type { Plan } from '../../src/plan/plan.js';
import type { TreeNode } from '../../src/plan/tree.js';
import { ownOrder, shuffledIndices } from '../../src/random/shuffle.js';
import { COMMAND, CONTROL_BYTES, FIELD, viewControl, type Control } from '../../src/train/control.js';
import { placeColumns, placeProgram } from '../../src/train/programs.js';
import type { Program, SessionRunner, WorkerPool } from '../../src/train/session.js';

/** Shares that lie in memory at once: computed ones wait until the socket has taken them. */
export const SHARE_SLOTS = 16;

/** What a node computes with. */
export interface NodeTools {
  readonly pool: WorkerPool;
  readonly module: WebAssembly.Module;
  readonly tile: number;
}

/** A run as a node sees it, with all of its data. */
export interface NodeTask {
  readonly plan: Plan;
  /** Floats of all parameters, and of those that are updated, as the plan lays them out. */
  readonly parameterFloats: number;
  readonly inputs: readonly Column[];
  readonly targets: readonly Column[];
  readonly exampleCount: number;
  readonly batchRows: number;
  readonly shardSize: number;
  readonly seed: number;
  readonly shuffle: boolean;
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

/** Computes shares with the workers of this machine, in an arena of its own. */
export class NodeComputing {
  readonly #arena = new Arena();
  readonly #control: Control;
  readonly #parameters: number;
  readonly #program: Program;
  readonly #runner: SessionRunner;
  #orderedEpoch = -1;

  constructor(private readonly task: NodeTask, tools: NodeTools) {
    const arena = this.#arena;
    const { plan, parameterFloats, inputs, targets, exampleCount, batchRows, shardSize, seed } = task;
    const { pool, module, tile } = tools;
    const control = arena.slot('the control block', CONTROL_BYTES);
    this.#parameters = arena.slot('the parameters', parameterFloats * 4);
    arena.floats(this.#parameters, parameterFloats).fill(0);
    const data = { inputs: placeColumns(arena, inputs, 'the run'), targets: placeColumns(arena, targets, 'the run'), examples: exampleCount };
    this.#program = placeProgram(arena, plan, { name: 'the run', workers: pool.workers, parameters: this.#parameters, data, batchRows, shardRows: shardSize, shareSlots: SHARE_SLOTS });
    this.#control = viewControl(arena.memory, control);
    this.#control.fields.fill(0);
    this.#control.fields[FIELD.packedVersion] = -1;
    this.#runner = pool.open({ memory: arena.memory, module, workers: pool.workers, tile, seed, shuffle: task.shuffle, control, train: this.#program, faults: [] });
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
    fields[FIELD.epochStep] = epochStep;
    fields[FIELD.version] = version;
    orders.writeShares(subtrees.map((subtree, slot) => ({ ...subtree, slot })));
    await this.#runner.run(COMMAND.shares);
    return subtrees.map((subtree, slot) => this.#shareIn(slot, subtree, epochStep));
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
