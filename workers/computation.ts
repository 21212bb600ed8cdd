import type { Kernels } from '../src/kernels/load.js';
import { BoundPlan, multiplyAddsPerRow, rowUnit, type BoundFold, type Piece } from '../src/plan/bind.js';
import { partsOfPiece, scheduleStep, type PartOfPiece, type Schedule, type ScheduledPiece } from '../src/plan/schedule.js';
import type { TreeNode } from '../src/plan/tree.js';
import { PURPOSE, randomKey } from '../src/random/philox.js';
import type { Claims, SlotSum } from '../src/train/control.js';
import type { Program, Session } from '../src/train/session.js';

/** Multiply-adds of a worker's rows from which on they are cut into parts: each part costs a call of every kernel. */
const PARTS_FROM = 25e6;

/** One worker's view of a program: its plan bound to its own areas, and what it computes of a step. */
export class Computation {
  readonly bound: BoundPlan;
  /** Folds of gradients, in the order of the parameters. */
  readonly gradients: readonly BoundFold[];
  /** Folds of loss and metrics. */
  readonly #sums: readonly BoundFold[];
  readonly #piece: Piece;
  readonly #schedules = new Map<number, Schedule>();
  readonly #unit: number;
  readonly #parts = new Map<number, { readonly parts: PartOfPiece[][]; readonly counts: number[] }>();
  readonly #addInto: (...args: number[]) => number;
  readonly #copyFloats: (...args: number[]) => number;
  /** Slot that the sums of a step or subtree end in. */
  #result = 0;

  constructor(kernels: Kernels, private readonly session: Session, private readonly program: Program, private readonly claims: Claims, private readonly worker: number) {
    const { plan, shardRows, inputs, targets, predictions, areas } = program;
    const [key0, key1] = randomKey(session.seed, PURPOSE.noise);
    this.#piece = { rows: 0, shardRows, firstRow: 0, start: 0, indices: 0, share: 0, step: 0, key0, key1, inputs, targets, predictions };
    this.bound = new BoundPlan(plan, session.memory, kernels, session.tile, areas[worker]!, this.#piece, { worker, workers: session.workers });
    const folds = [...this.bound.folds].sort((a, b) => a.offset - b.offset);
    this.gradients = folds.filter(({ offset }) => offset < plan.sumsOffset * 4);
    this.#sums = folds.filter(({ offset }) => offset >= plan.sumsOffset * 4);
    this.#unit = rowUnit(plan, shardRows);
    this.#addInto = kernels['addInto']!;
    this.#copyFloats = kernels['copyFloats']!;
  }

  /** Rows of step `step` of an epoch; 0 behind the last. */
  rowsOf(step: number): number {
    return Math.max(0, Math.min(this.program.batchRows, this.program.examples - step * this.program.batchRows));
  }

  schedule(step: number): Schedule {
    const rows = this.rowsOf(step);
    let schedule = this.#schedules.get(rows);
    if (schedule === undefined) {
      schedule = scheduleStep(rows, this.program.shardRows, this.program.pieceSize.rows);
      this.#schedules.set(rows, schedule);
    }
    return schedule;
  }

  /** The pieces of a subtree of a step's shards. */
  scheduleSubtree(step: number, subtree: TreeNode): Schedule {
    return scheduleStep(this.rowsOf(step), this.program.shardRows, this.program.pieceSize.rows, subtree);
  }

  /** From now on sums end in this slot. */
  useSlot(slot: number): void {
    this.#result = slot;
  }

  /** Begins a step of the epoch, with parameters that all workers have packed; `draw` keys the random draws. */
  openStep(step: number, draw: number): void {
    this.#piece.step = draw;
    this.#piece.indices = this.program.indices + step * this.program.batchRows * 4;
    this.bound.runOnce();
  }

  /** Computes rows of a piece until all are taken. */
  runRows({ firstRow, rows, slot }: ScheduledPiece): void {
    const piece = this.#piece;
    piece.firstRow = firstRow;
    piece.rows = rows;
    piece.share = this.shareAddress(slot);
    const { parts, counts } = this.#partsOf(rows);
    this.bound.beginRows();
    this.claims.takeAll(this.worker, counts, (owner, part) => { this.bound.runRows(parts[owner]![part]!); });
  }

  #partsOf(rows: number): { readonly parts: PartOfPiece[][]; readonly counts: number[] } {
    let known = this.#parts.get(rows);
    if (known === undefined) {
      const { workers } = this.session;
      const isWorthwhile = workers > 1 && (rows / workers) * multiplyAddsPerRow(this.program.plan) >= PARTS_FROM;
      const parts = partsOfPiece(rows, this.#unit, workers, isWorthwhile ? 2 : 1);
      known = { parts, counts: parts.map(({ length }) => length) };
      this.#parts.set(rows, known);
    }
    return known;
  }

  /** Sums loss and metrics of a piece whose rows all workers have computed: for one worker to do. */
  foldSums({ slot, joins }: ScheduledPiece): void {
    for (const { rows, call } of this.#sums) call(0, rows);
    const { sumsOffset, sumCount } = this.program.plan;
    this.join(slot, joins, sumsOffset * 4, sumCount * 4);
  }

  /** Adds the topmost share, `slot`, to the one below it as often as `joins` says, in a range of floats. */
  join(slot: number, joins: number, byteOffset: number, floats: number): void {
    for (let right = slot; right > slot - joins; right--) {
      this.#addInto(this.shareAddress(right - 1) + byteOffset, this.shareAddress(right) + byteOffset, floats);
    }
  }

  /** Adds a range of floats of the share in one slot to that in another. */
  addSlots(into: number, from: number, byteOffset: number, floats: number): void {
    this.#addInto(this.slotAddress(into) + byteOffset, this.slotAddress(from) + byteOffset, floats);
  }

  /** The sum of a range of floats of two shares, or a copy of one, in a third slot. */
  sumSlots({ left, right, to }: SlotSum, byteOffset: number, floats: number): void {
    this.#copyFloats(this.slotAddress(left) + byteOffset, floats, this.slotAddress(to) + byteOffset);
    if (right !== undefined) this.addSlots(to, right, byteOffset, floats);
  }

  /** The same for sums of loss and metrics. */
  sumSums(sum: SlotSum): void {
    const { sumsOffset, sumCount } = this.program.plan;
    this.sumSlots(sum, sumsOffset * 4, sumCount * 4);
  }

  /** Sums of loss and metrics of slots, added as gradients are. */
  addSums(into: number, from: number): void {
    const { sumsOffset, sumCount } = this.program.plan;
    this.addSlots(into, from, sumsOffset * 4, sumCount * 4);
  }

  /** Address of a share of the stack: the lowest is where sums end, the others wait for their sibling behind all slots. */
  shareAddress(share: number): number {
    return this.slotAddress(share === 0 ? this.#result : this.program.shareSlots + share - 1);
  }

  slotAddress(slot: number): number {
    return this.program.shares + slot * this.program.shareBytes;
  }

  get sumCount(): number {
    return this.program.plan.sumCount;
  }

  /** A sum of loss or metrics of the whole step, after its last piece. */
  total(index: number): number {
    const { sumsOffset } = this.program.plan;
    return new Float32Array(this.session.memory.buffer, this.shareAddress(0) + (sumsOffset + index * 4) * 4, 1)[0]!;
  }
}
