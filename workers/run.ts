import { availableParallelism } from 'node:os';
import { instantiateKernels, type Kernels } from '../src/kernels/load.js';
import { normScale, stepScalars } from '../src/optimizers/index.js';
import { bindPlan, runOnce } from '../src/plan/bind.js';
import type { Schedule } from '../src/plan/schedule.js';
import { COMMAND, FIELD, viewControl, type CommandKind, type Control } from '../src/train/control.js';
import type { Diagnosis, Fault, Program, Session } from '../src/train/session.js';
import { awaitCommand, Barrier } from './barrier.js';
import { Computation } from './computation.js';
import { firstBadValue } from './diagnosis.js';
import { causeFault } from './faults.js';
import { SegmentUpdate, BLOCK_FLOATS, type AddressPair } from './updating.js';

/** Steps between two snapshots: copying parameters and moments costs about a fifth of a small step, so 0.2 % here. */
const SNAPSHOT_EVERY_STEPS = 128;

/** A worker's whole run: carries out the session's commands until it ends. */
export class WorkerRun {
  readonly #kernels: Kernels;
  readonly #control: Control;
  readonly #barrier: Barrier;
  readonly #train: Computation | undefined;
  readonly #evaluate: Computation | undefined;
  readonly #predict: Computation | undefined;
  readonly #update: SegmentUpdate | undefined;
  readonly #penalties: (() => void) | undefined;

  constructor(private readonly session: Session, private readonly index: number) {
    this.#kernels = instantiateKernels(session.module, session.memory);
    this.#control = viewControl(session.memory, session.control);
    this.#barrier = new Barrier(this.#control.fields, session.workers, availableParallelism());
    this.#train = this.#computation(session.train);
    this.#evaluate = this.#computation(session.evaluate);
    this.#predict = this.#computation(session.predict);
    if (session.update !== undefined) this.#update = new SegmentUpdate(this.#kernels, session.update, index, session.workers);
    this.#penalties = this.#bindPenalties();
  }

  /** All workers, with nothing to do for the last one. */
  readonly #meet = (): void => { this.#barrier.wait(); };

  /** Runs until the end command; `report` is called by worker 0 after each command that all have finished. */
  loop(report: (diagnosis?: Diagnosis) => void): void {
    const { fields } = this.#control;
    for (let seen = 0; ; ) {
      seen = awaitCommand(fields, seen);
      const kind = Atomics.load(fields, FIELD.kind);
      if (kind === COMMAND.end) return;
      const diagnosis = this.#carryOut(kind as CommandKind);
      this.#barrier.wait();
      if (this.index === 0) report(diagnosis);
    }
  }

  #computation(program: Program | undefined): Computation | undefined {
    return program === undefined ? undefined : new Computation(this.#kernels, this.session, program, this.index);
  }

  /** The penalties' plan is bound by the last worker, which has the fewest shards. */
  #bindPenalties(): (() => void) | undefined {
    const { penalties, tile, workers, memory } = this.session;
    if (penalties === undefined || this.index !== workers - 1) return undefined;
    const piece = { rows: 0, shardRows: 1, firstRow: 0, indices: 0, share: 0, step: 0, key0: 0, key1: 0, inputs: [], targets: [], predictions: [] };
    const bound = bindPlan(penalties.plan, memory, this.#kernels, tile, penalties.areas, piece);
    return () => {
      // Alone: there is nobody to divide the packing with.
      bound.share(0, 1);
      bound.takeShared(1);
      runOnce(bound);
    };
  }

  #carryOut(kind: CommandKind): Diagnosis | undefined {
    switch (kind) {
      case COMMAND.train: return this.#trainSteps();
      case COMMAND.evaluate: return this.#sumUp(this.#evaluate!, this.session.evaluate!);
      case COMMAND.gradients: return this.#gradients();
      case COMMAND.predict: this.#predict!.run(0, 0, this.#meet); return undefined;
      case COMMAND.diagnose: return this.index === 0 ? firstBadValue(this.session, this.#kernels) : undefined;
    }
  }

  /** Steps of the epoch up to the limit, which a request to stop brings down to the step after the current one. */
  #trainSteps(): undefined {
    const { fields } = this.#control;
    while (Atomics.load(fields, FIELD.epochStep) < Atomics.load(fields, FIELD.stepLimit)) {
      if (!this.#step()) return;
    }
  }

  /** One update; false where the loss is not finite, with the parameters as they were. */
  #step(): boolean {
    const { fields } = this.#control;
    const train = this.#train!;
    if (this.#snapshotDue()) this.#snapshot();
    const step = fields[FIELD.epochStep]!;
    const schedule = train.schedule(train.rowsOf(step));
    this.#fault('compute');
    this.#penalties?.();
    train.run(step, fields[FIELD.version]!, this.#meet);
    this.#fault('barrier');
    this.#barrier.wait(() => { this.#total(train, this.session.train!, schedule, true); });
    if (fields[FIELD.badLoss] !== 0) return false;
    this.#updateSegment(schedule);
    this.#barrier.wait(() => { advance(fields); });
    return true;
  }

  #snapshotDue(): boolean {
    const { fields } = this.#control;
    const kept = fields[FIELD.snapshotVersion]!;
    return kept < 0 || fields[FIELD.version]! - kept >= SNAPSHOT_EVERY_STEPS;
  }

  /** Copies the live state; while that goes on the live state is whole, afterwards the snapshot is. */
  #snapshot(): void {
    const { fields, sums, snapshotSums } = this.#control;
    Atomics.store(fields, FIELD.snapshotBusy, 1);
    this.#update!.snapshot(new Uint8Array(this.session.memory.buffer));
    this.#fault('snapshot');
    this.#barrier.wait(() => {
      snapshotSums.set(sums);
      fields[FIELD.snapshotEpochStep] = fields[FIELD.epochStep]!;
      fields[FIELD.snapshotVersion] = fields[FIELD.version]!;
      Atomics.store(fields, FIELD.snapshotBusy, 0); // last: until then a recovery uses the live state
    });
  }

  /** Sums of loss and metrics of a step along the tree, into the running sums; where it updates, the update's scalars. */
  #total(computation: Computation, program: Program, schedule: Schedule, updates: boolean): void {
    const { fields, sums, scalars } = this.#control;
    const totals = this.#shareTotals(computation, program, schedule);
    const loss = totals[0]! + this.#penalty() * schedule.rows;
    if (updates && !Number.isFinite(loss)) {
      fields[FIELD.badLoss] = 1;
      return;
    }
    sums[0] = sums[0]! + schedule.rows;
    sums[1] = sums[1]! + loss;
    for (let index = 1; index < totals.length; index++) sums[index + 1] = sums[index + 1]! + totals[index]!;
    if (updates && this.session.update !== undefined) scalars.set(stepScalars(this.session.update.optimizer, fields[FIELD.version]!));
  }

  /** The sums at the tails of the shares, added in the tree's order. */
  #shareTotals(computation: Computation, { plan }: Program, schedule: Schedule): Float32Array {
    const buffer = this.session.memory.buffer;
    const tails = schedule.shares.map((_, share) => {
      const tail = new Float32Array(buffer, computation.shareAddress(schedule, share) + plan.sumsOffset * 4, plan.sumCount * 4);
      return Float32Array.from({ length: plan.sumCount }, (_unused, index) => tail[index * 4]!);
    });
    for (const { into, from } of schedule.additions) {
      // Storing into a Float32Array rounds as an addition of float32 does.
      tails[from]!.forEach((value, index) => { tails[into]![index] = tails[into]![index]! + value; });
    }
    return tails[0]!;
  }

  /** The sum of all penalties, undivided. */
  #penalty(): number {
    const { penalties, memory } = this.session;
    return penalties === undefined ? 0 : new Float32Array(memory.buffer, penalties.areas.penalties + penalties.plan.sumsOffset * 4, 1)[0]!;
  }

  #updateSegment(schedule: Schedule): void {
    const update = this.#update!;
    const { scalars } = this.#control;
    this.#fault('update');
    const { gradient, additions } = this.#addresses(schedule);
    const { optimizer } = this.session.update!;
    const penalties = this.session.penalties?.areas.penalties ?? 0;
    const clipsNorm = optimizer.clip.some((clip) => clip.kind === 'norm');
    for (const chunk of update.chunks()) {
      update.meanGradient(chunk, gradient, additions, schedule.rows, penalties);
      if (!clipsNorm) update.apply(chunk, gradient, scalars);
    }
    if (clipsNorm) this.#clipAndApply(update, gradient);
  }

  #clipAndApply(update: SegmentUpdate, gradient: number): void {
    const { scalars } = this.#control;
    const { blockSums, floats, optimizer } = this.session.update!;
    update.blockNorms(gradient, blockSums);
    this.#barrier.wait(() => {
      const sums = new Float32Array(this.session.memory.buffer, blockSums, Math.ceil(floats / BLOCK_FLOATS));
      scalars[scalars.length - 1] = normScale(optimizer, sums);
    });
    for (const chunk of update.chunks()) {
      update.scale(chunk, gradient, scalars[scalars.length - 1]!);
      update.apply(chunk, gradient, scalars);
    }
  }

  /** Share 0 of a step, where the sum ends, and the additions that lead there. */
  #addresses(schedule: Schedule): { gradient: number; additions: AddressPair[] } {
    const at = (share: number): number => this.#train!.shareAddress(schedule, share);
    return { gradient: at(0), additions: schedule.additions.map(({ into, from }) => ({ into: at(into), from: at(from) })) };
  }

  /** Loss and metrics of all examples, as one step without an update. */
  #sumUp(computation: Computation, program: Program): undefined {
    this.#penalties?.();
    computation.run(0, 0, this.#meet);
    const schedule = computation.schedule(computation.rowsOf(0));
    this.#barrier.wait(() => { this.#total(computation, program, schedule, false); });
  }

  /** The mean gradient of all examples, left in share 0. */
  #gradients(): undefined {
    const train = this.#train!;
    this.#sumUp(train, this.session.train!);
    const schedule = train.schedule(train.rowsOf(0));
    const { gradient, additions } = this.#addresses(schedule);
    for (const chunk of this.#update!.chunks()) {
      this.#update!.meanGradient(chunk, gradient, additions, schedule.rows, this.session.penalties?.areas.penalties ?? 0);
    }
  }

  #fault(phase: Fault['phase']): void {
    if (this.session.faults.length > 0) causeFault(this.session.faults, this.index, this.#control.fields[FIELD.version]!, phase);
  }
}

/** The end of a step: everything of it is in the parameters. */
function advance(fields: Int32Array): void {
  fields[FIELD.version]!++;
  const next = fields[FIELD.epochStep]! + 1;
  fields[FIELD.epochStep] = next;
  if (Atomics.load(fields, FIELD.stopRequested) !== 0) fields[FIELD.stepLimit] = next;
}
