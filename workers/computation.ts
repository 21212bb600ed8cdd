import type { Kernels } from '../src/kernels/load.js';
import { bindPlan, runOnce, runPiece, type BoundPlan, type Piece } from '../src/plan/bind.js';
import { scheduleStep, type Schedule } from '../src/plan/schedule.js';
import { PURPOSE, randomKey } from '../src/random/philox.js';
import type { Program, Session } from '../src/train/session.js';

/** One worker's view of a program: its plan bound to its own areas, and who computes what. */
export class Computation {
  readonly #bound: BoundPlan;
  readonly #piece: Piece;
  readonly #schedules = new Map<number, Schedule>();
  private readonly workers: number;

  constructor(private readonly kernels: Kernels, session: Session, private readonly program: Program, private readonly worker: number) {
    this.workers = session.workers;
    const [key0, key1] = randomKey(session.update?.seed ?? 0, PURPOSE.noise);
    this.#piece = {
      rows: 0, shardRows: program.shardRows, firstRow: 0, indices: 0, share: 0, step: 0, key0, key1,
      inputs: program.inputs, targets: program.targets, predictions: program.predictions,
    };
    this.#bound = bindPlan(program.plan, session.memory, kernels, session.tile, program.areas[worker]!, this.#piece);
  }

  /** Rows of step `step` of an epoch; 0 behind the last. */
  rowsOf(step: number): number {
    return Math.max(0, Math.min(this.program.batchRows, this.program.examples - step * this.program.batchRows));
  }

  schedule(rows: number): Schedule {
    let schedule = this.#schedules.get(rows);
    if (schedule === undefined) {
      schedule = scheduleStep(rows, this.program.shardRows, this.workers, this.program.plan.capacity.rows);
      this.#schedules.set(rows, schedule);
    }
    return schedule;
  }

  /** Address of a share that some worker left. */
  shareAddress(schedule: Schedule, share: number): number {
    const { worker, slot } = schedule.shares[share]!;
    return this.program.shares[worker]! + slot * this.program.shareBytes;
  }

  /**
   * Computes this worker's part of a step and leaves its shares; `version` keys the random draws. The workers `meet` when
   * what they make together is made.
   */
  run(step: number, version: number, meet: () => void): void {
    const { program, kernels } = this;
    const piece = this.#piece;
    const part = this.schedule(this.rowsOf(step)).pieces[this.worker]!;
    const shares = program.shares[this.worker]!;
    const addInto = kernels['addInto']!;
    this.#bound.share(this.worker, this.workers);
    if (this.workers > 1) meet();
    this.#bound.takeShared(this.workers);
    if (part.length > 0) runOnce(this.#bound);
    piece.step = version;
    for (const { firstRow, rows, slot, joins } of part) {
      piece.rows = rows;
      piece.firstRow = firstRow;
      piece.indices = program.indices + (step * program.batchRows + firstRow) * 4;
      piece.share = shares + slot * program.shareBytes;
      runPiece(this.#bound, piece);
      for (let join = 0; join < joins; join++) {
        const right = shares + (slot - join) * program.shareBytes;
        addInto(right - program.shareBytes, right, program.plan.shareFloats);
      }
    }
  }
}
