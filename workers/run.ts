import { instantiateKernels, type Kernels } from '../src/kernels/instance.js';
import { normScale, rateAt, stepScalars } from '../src/optimizers/index.js';
import { BoundPlan } from '../src/plan/bind.js';
import type { ScheduledPiece } from '../src/plan/schedule.js';
import { COMMAND, DECISION, FIELD, viewControl, type CommandKind, type Control, type UpdateOrder } from '../src/train/control.js';
import { asyncRate } from '../src/train/mode.js';
import type { Diagnosis, Fault, Program, Session } from '../src/train/session.js';
import { awaitCommand, awaitDecision, awaitFloats, Barrier } from './barrier.js';
import { Chunks, type Chunk } from './chunks.js';
import { Computation } from './computation.js';
import { firstBadValue } from './diagnosis.js';
import { causeFault } from './faults.js';
import { RacingWorker } from './racing.js';
import { BLOCK_FLOATS, SegmentUpdate } from './updating.js';

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
  readonly #chunks: Chunks | undefined;
  readonly #update: SegmentUpdate | undefined;
  readonly #penalties: (() => void) | undefined;
  readonly #racing: RacingWorker | undefined;

  /** @param cores of this machine: with more workers, a waiter lets the others run */
  constructor(private readonly session: Session, private readonly index: number, cores: number) {
    this.#kernels = instantiateKernels(session.module, session.memory);
    this.#control = viewControl(session.memory, session.control);
    this.#barrier = new Barrier(this.#control.fields, session.workers, cores);
    this.#train = this.#computation(session.train);
    this.#evaluate = this.#computation(session.evaluate);
    this.#predict = this.#computation(session.predict);
    if (this.#train !== undefined) {
      this.#chunks = new Chunks(this.#train, this.#control.chunkClaims, index, session.workers);
      if (session.update !== undefined) this.#update = new SegmentUpdate(this.#kernels, session.update, this.#train, index, session.workers);
    }
    this.#penalties = this.#bindPenalties();
    const { racers } = session;
    if (racers !== undefined) {
      this.#racing = new RacingWorker({ session, racers, kernels: this.#kernels, control: this.#control, barrier: this.#barrier, index, fault: (phase) => { this.#fault(phase); } });
    }
  }

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
    return program === undefined ? undefined : new Computation(this.#kernels, this.session, program, this.#control.rowClaims, this.index);
  }

  /** The penalties' plan is bound by the last worker alone. */
  #bindPenalties(): (() => void) | undefined {
    const { penalties, tile, workers, memory } = this.session;
    if (penalties === undefined || this.index !== workers - 1) return undefined;
    const piece = { rows: 0, shardRows: 1, firstRow: 0, start: 0, indices: 0, share: 0, step: 0, key0: 0, key1: 0, inputs: [], targets: [], predictions: [] };
    const bound = new BoundPlan(penalties.plan, memory, this.#kernels, tile, penalties.areas, piece, { worker: 0, workers: 1 });
    return () => {
      bound.packWeights();
      bound.runOnce();
    };
  }

  #carryOut(kind: CommandKind): Diagnosis | undefined {
    switch (kind) {
      case COMMAND.train: return this.#racing === undefined ? this.#trainSteps() : this.#racing.run();
      case COMMAND.evaluate: return this.#evaluateAll();
      case COMMAND.gradients: return this.#gradients();
      case COMMAND.predict: return this.#predictAll();
      case COMMAND.shares: return this.#computeShares();
      case COMMAND.apply: return this.#applyShares();
      case COMMAND.applyArriving: return this.#applyArriving();
      case COMMAND.diagnose: return this.index === 0 ? firstBadValue(this.session, this.#kernels) : undefined;
    }
  }

  /** The parameters may be others than at the last command. */
  #packWeights({ bound }: Computation): void {
    const { fields, rowClaims } = this.#control;
    bound.packWeights();
    this.#barrier.wait(() => {
      rowClaims.reset();
      if (bound === this.#train?.bound) fields[FIELD.packedVersion] = fields[FIELD.version]!;
    });
  }

  /** Steps of the epoch up to the limit, which a request to stop brings down to the step after the current one. */
  #trainSteps(): undefined {
    const { fields } = this.#control;
    this.#packWeights(this.#train!);
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
    const schedule = train.schedule(step);
    this.#fault('compute');
    this.#penalties?.();
    const number = fields[FIELD.firstStep]! + step;
    train.openStep(step, number);
    const last = schedule.pieces.at(-1)!;
    for (const piece of schedule.pieces) {
      train.runRows(piece);
      if (piece === last) break;
      this.#foldPiece(piece);
    }
    this.#fault('barrier');
    this.#meetForFolds(() => {
      train.foldSums(last);
      this.#total(train, schedule.rows, this.#scheduledRate(number));
    });
    if (fields[FIELD.badLoss] !== 0) return false;
    this.#fault('update');
    this.#updateChunks(schedule.rows, true, (update) => { this.#chunks!.fold(last, update); });
    return true;
  }

  /** Computes the shares that are ordered, each into its slot. */
  #computeShares(): undefined {
    const { fields, orders } = this.#control;
    const train = this.#train!;
    if (fields[FIELD.packedVersion] !== fields[FIELD.version]) this.#packWeights(train);
    const { step, draw, shares } = orders.readShares();
    let startMs = performance.now();
    this.#fault('compute');
    train.openStep(step, draw);
    for (const [index, order] of shares.entries()) {
      train.useSlot(order.slot);
      const { pieces } = train.scheduleSubtree(step, order);
      const last = pieces.at(-1)!;
      for (const piece of pieces) {
        train.runRows(piece);
        if (piece === last) startMs = this.#foldShare(piece, index, startMs);
        else this.#foldPiece(piece);
      }
    }
    train.useSlot(0);
  }

  /** Makes an update of shares that are in their slots; none where the loss is not finite. */
  #applyShares(): undefined {
    const { fields, orders } = this.#control;
    const train = this.#train!;
    const order = orders.readUpdate();
    const { rows, result, additions, single } = order;
    if (this.#snapshotDue()) this.#snapshot();
    train.useSlot(result);
    this.#penalties?.();
    this.#meetForFolds(() => {
      for (const { into, from } of additions) train.addSums(into, from);
      this.#total(train, rows, this.#rateOf(order));
    });
    if (fields[FIELD.badLoss] === 0) {
      this.#fault('update');
      this.#updateChunks(rows, single === undefined, (update) => {
        this.#chunks!.takeAll((chunk) => {
          for (const { into, from } of additions) train.addSlots(into, from, chunk.offset, chunk.floats);
          update(chunk);
        });
      });
    }
    train.useSlot(0);
  }

  /**
   * Makes an update of shares while they arrive, chunk by chunk, and tells how far it has come, so that it can be sent on at once.
   * Whether it counts is decided when all have arrived; else all of it is taken back.
   */
  #applyArriving(): undefined {
    const { fields, orders, progress, scalars } = this.#control;
    const [train, update] = [this.#train!, this.#update!];
    const { rows, sums } = orders.readArriving();
    if (this.#snapshotDue()) this.#snapshot();
    train.useSlot(sums.at(-1)!.to);
    this.#penalties?.();
    const rate = this.#scheduledRate(fields[FIELD.firstStep]! + fields[FIELD.epochStep]!);
    this.#meetForFolds(() => {
      scalars.set(stepScalars(this.session.update!.optimizer, fields[FIELD.version]!, rate));
      progress.begin(0);
    });
    this.#fault('update');
    update.beginPacking();
    const changed: Chunk[] = [];
    this.#chunks!.takeInOrder((chunk) => {
      progress.reach(this.index, chunk.offset / 4);
      if (!awaitFloats(fields, chunk.offset / 4 + chunk.floats)) return;
      changed.push(chunk);
      update.keep(chunk);
      for (const sum of sums) train.sumSlots(sum, chunk.offset, chunk.floats);
      update.applyMean(chunk, rows, this.#penaltiesAddress, scalars);
      update.pack(chunk);
    });
    progress.reach(this.index);
    const decision = awaitDecision(fields);
    this.#barrier.wait(() => {
      if (decision === DECISION.counts) {
        for (const sum of sums) train.sumSums(sum);
        this.#total(train, rows, rate);
        if (fields[FIELD.badLoss] === 0) advance(fields, true);
      }
    });
    train.useSlot(0);
    if (decision === DECISION.counts && fields[FIELD.badLoss] === 0) return;
    for (const chunk of changed) update.takeBack(chunk);
    fields[FIELD.packedVersion] = -1;
  }

  /** All rows of a piece are computed: the last to arrive does `last`; sums of gradients and the next rows are free to be taken. */
  #meetForFolds(last: () => void): void {
    this.#barrier.wait(() => {
      this.#control.rowClaims.reset();
      this.#control.chunkClaims.reset();
      last();
    });
  }

  /** Sums a piece after which others follow. */
  #foldPiece(piece: ScheduledPiece): void {
    const train = this.#train!;
    this.#meetForFolds(() => { train.foldSums(piece); });
    this.#chunks!.fold(piece);
    this.#barrier.wait(); // the next piece's rows take the place of these
  }

  /** Sums the last piece of a share, whose sums may be read while they are made. @returns when it is done; it was begun at `startMs` */
  #foldShare(piece: ScheduledPiece, share: number, startMs: number): number {
    const { progress } = this.#control;
    const train = this.#train!;
    this.#meetForFolds(() => {
      train.foldSums(piece);
      progress.begin(share);
    });
    this.#chunks!.foldInOrder(piece, ({ offset }) => { progress.reach(this.index, offset / 4); });
    const nowMs = performance.now();
    // Told here, since whoever follows may come to it late.
    if (this.index === 0) progress.spentMs[share] = nowMs - startMs;
    progress.reach(this.index);
    this.#barrier.wait();
    return nowMs;
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

  #scheduledRate(number: number): number {
    return rateAt(this.session.update!.optimizer.learningRate, number);
  }

  /** A share that is an update of its own counts by its examples and its age. */
  #rateOf({ rows, single }: UpdateOrder): number {
    const { fields } = this.#control;
    const first = fields[FIELD.firstStep]!;
    if (single === undefined) return this.#scheduledRate(first + fields[FIELD.epochStep]!);
    return asyncRate({ rate: this.#scheduledRate(first + single.step), examples: rows, batchExamples: this.#train!.rowsOf(single.step), age: single.age });
  }

  /** Adds the step's sums of loss and metrics to the running sums; for an update with some rate, derives its scalars. */
  #total(computation: Computation, rows: number, rate?: number): void {
    const { fields, sums, scalars } = this.#control;
    const loss = computation.total(0) + this.#penalty() * rows;
    if (rate !== undefined && !Number.isFinite(loss)) {
      fields[FIELD.badLoss] = 1;
      return;
    }
    sums[0] = sums[0]! + rows;
    sums[1] = sums[1]! + loss;
    for (let index = 1; index < computation.sumCount; index++) sums[index + 1] = sums[index + 1]! + computation.total(index);
    if (rate !== undefined) scalars.set(stepScalars(this.session.update!.optimizer, fields[FIELD.version]!, rate));
  }

  /** The sum of all penalties, undivided. */
  #penalty(): number {
    const { penalties, memory } = this.session;
    return penalties === undefined ? 0 : new Float32Array(memory.buffer, penalties.areas.penalties + penalties.plan.sumsOffset * 4, 1)[0]!;
  }

  /** Updates the parameters: `sum` finishes the sum of each chunk that this worker gets and hands it on at once. */
  #updateChunks(rows: number, isStep: boolean, sum: (update: (chunk: Chunk) => void) => void): void {
    const update = this.#update!;
    const { fields, scalars } = this.#control;
    const clipsNorm = this.session.update!.optimizer.clip.some(({ kind }) => kind === 'norm');
    update.beginPacking();
    sum((chunk) => {
      if (clipsNorm) return this.#mean(chunk, rows);
      update.applyMean(chunk, rows, this.#penaltiesAddress, scalars);
      update.pack(chunk);
    });
    if (clipsNorm) this.#applyClipped(this.#normScale());
    this.#barrier.wait(() => { advance(fields, isStep); });
  }

  #applyClipped(factor: number): void {
    for (const chunk of this.#chunks!.own) {
      this.#update!.applyScaled(chunk, factor, this.#control.scalars);
      this.#update!.pack(chunk);
    }
  }

  #mean(chunk: Chunk, examples: number): void {
    this.#update!.mean(chunk, examples, this.#penaltiesAddress);
  }

  /** Of the penalties' gradient; 0 where there are none. */
  get #penaltiesAddress(): number {
    return this.session.penalties?.areas.penalties ?? 0;
  }

  /** The factor of a clip by norm: over blocks that do not end where segments do, so all gradients must be there first. */
  #normScale(): number {
    const { scalars } = this.#control;
    const { blockSums, floats, optimizer } = this.session.update!;
    this.#barrier.wait();
    this.#update!.blockNorms();
    this.#barrier.wait(() => {
      const sums = new Float32Array(this.session.memory.buffer, blockSums, Math.ceil(floats / BLOCK_FLOATS));
      scalars[scalars.length - 1] = normScale(optimizer, sums);
    });
    return scalars[scalars.length - 1]!;
  }

  /** Loss and metrics of all examples, as one step without an update. */
  #evaluateAll(): undefined {
    const evaluate = this.#evaluate!;
    this.#packWeights(evaluate);
    this.#penalties?.();
    evaluate.openStep(0, 0);
    const schedule = evaluate.schedule(0);
    const last = schedule.pieces.at(-1)!;
    for (const piece of schedule.pieces) {
      evaluate.runRows(piece);
      this.#fault('evaluate');
      this.#meetForFolds(() => {
        evaluate.foldSums(piece);
        if (piece === last) this.#total(evaluate, schedule.rows);
      });
    }
  }

  #predictAll(): undefined {
    const predict = this.#predict!;
    this.#packWeights(predict);
    predict.openStep(0, 0);
    for (const piece of predict.schedule(0).pieces) {
      predict.runRows(piece);
      this.#fault('predict');
      this.#meetForFolds(() => undefined);
    }
  }

  /** The mean gradient of all examples, left in share 0. */
  #gradients(): undefined {
    const train = this.#train!;
    this.#packWeights(train);
    this.#penalties?.();
    train.openStep(0, 0);
    const schedule = train.schedule(0);
    const last = schedule.pieces.at(-1)!;
    for (const piece of schedule.pieces) {
      train.runRows(piece);
      this.#fault('gradients');
      if (piece !== last) this.#foldPiece(piece);
    }
    this.#meetForFolds(() => {
      train.foldSums(last);
      this.#total(train, schedule.rows);
    });
    this.#chunks!.fold(last, (chunk) => { this.#mean(chunk, schedule.rows); });
  }

  #fault(phase: Fault['phase']): void {
    if (this.session.faults.length > 0) causeFault(this.session.faults, this.index, this.#control.fields[FIELD.version]!, phase);
  }
}

/** An update is whole; with it a step has ended, but for those of single shares. */
function advance(fields: Int32Array, isStep: boolean): void {
  fields[FIELD.version]!++;
  fields[FIELD.packedVersion] = fields[FIELD.version]!;
  if (!isStep) return;
  const next = fields[FIELD.epochStep]! + 1;
  fields[FIELD.epochStep] = next;
  if (Atomics.load(fields, FIELD.stopRequested) !== 0 || Atomics.load(fields, FIELD.handBack) !== 0) fields[FIELD.stepLimit] = next;
}
