import type { Kernels } from '../src/kernels/instance.js';
import { normScale, rateAt, stepScalars } from '../src/optimizers/index.js';
import { BoundPlan } from '../src/plan/bind.js';
import type { ScheduledPiece } from '../src/plan/schedule.js';
import { FIELD, type Control } from '../src/train/control.js';
import type { Fault, Session } from '../src/train/session.js';
import type { Barrier } from './barrier.js';
import { Chunks, type Chunk } from './chunks.js';
import { Computation } from './computation.js';
import { causeFault } from './faults.js';
import { BLOCK_FLOATS, SegmentUpdate } from './updating.js';

/** Steps between two snapshots: copying parameters and moments costs about a fifth of a small step, so 0.2 % here. */
const SNAPSHOT_EVERY_STEPS = 128;

/** What the commands of one worker have in common: sums that all workers make together, updates, snapshots. */
export class Steps {
  /** Undefined where the session does not train, as is `chunks`. */
  readonly train: Computation | undefined;
  readonly chunks: Chunks | undefined;
  /** Undefined where no updates are made. */
  readonly update: SegmentUpdate | undefined;
  /** Computes the penalties, where this worker is the one to do it. */
  readonly penalties: (() => void) | undefined;

  constructor(private readonly session: Session, kernels: Kernels, readonly control: Control, readonly barrier: Barrier, readonly index: number) {
    this.penalties = this.#bindPenalties(kernels);
    if (session.train === undefined) return;
    const train = new Computation(kernels, session, session.train, control.rowClaims, index);
    this.train = train;
    this.chunks = new Chunks(train, control.chunkClaims, index, session.workers);
    if (session.update !== undefined) this.update = new SegmentUpdate(kernels, session.update, train, index, session.workers);
  }

  /** The penalties' plan is bound by the last worker alone. */
  #bindPenalties(kernels: Kernels): (() => void) | undefined {
    const { penalties, tile, workers, memory } = this.session;
    if (penalties === undefined || this.index !== workers - 1) return undefined;
    const piece = { rows: 0, shardRows: 1, firstRow: 0, start: 0, indices: 0, share: 0, step: 0, key0: 0, key1: 0, inputs: [], targets: [], predictions: [] };
    const bound = new BoundPlan(penalties.plan, memory, kernels, tile, penalties.areas, piece, { worker: 0, workers: 1 });
    return () => {
      bound.packWeights();
      bound.runOnce();
    };
  }

  /** The parameters may be others than at the last command. */
  packWeights({ bound }: Computation): void {
    const { fields, rowClaims } = this.control;
    bound.packWeights();
    this.barrier.wait(() => {
      rowClaims.reset();
      if (bound === this.train?.bound) fields[FIELD.packedVersion] = fields[FIELD.version]!;
    });
  }

  /** All rows of a piece are computed: the last to arrive does `last`; sums of gradients and the next rows are free to be taken. */
  meetForFolds(last: () => void): void {
    this.barrier.wait(() => {
      this.control.rowClaims.reset();
      this.control.chunkClaims.reset();
      last();
    });
  }

  /** Sums a piece after which others follow. */
  foldPiece(piece: ScheduledPiece): void {
    const train = this.train!;
    this.meetForFolds(() => { train.foldSums(piece); });
    this.chunks!.fold(piece);
    this.barrier.wait(); // the next piece's rows take the place of these
  }

  /** Keeps a snapshot every so many updates. */
  snapshotIfDue(): void {
    const { fields } = this.control;
    const kept = fields[FIELD.snapshotVersion]!;
    if (kept < 0 || fields[FIELD.version]! - kept >= SNAPSHOT_EVERY_STEPS) this.#snapshot();
  }

  /** Copies the live state; while that goes on the live state is whole, afterwards the snapshot is. */
  #snapshot(): void {
    const { fields, sums, snapshotSums } = this.control;
    Atomics.store(fields, FIELD.snapshotBusy, 1);
    this.update!.snapshot(new Uint8Array(this.session.memory.buffer));
    this.fault('snapshot');
    this.barrier.wait(() => {
      snapshotSums.set(sums);
      fields[FIELD.snapshotEpochStep] = fields[FIELD.epochStep]!;
      fields[FIELD.snapshotVersion] = fields[FIELD.version]!;
      Atomics.store(fields, FIELD.snapshotBusy, 0); // last: until then a recovery uses the live state
    });
  }

  /** The rate that the schedule has for the step of this number. */
  scheduledRate(number: number): number {
    return rateAt(this.session.update!.optimizer.learningRate, number);
  }

  /** Adds the step's sums of loss and metrics to the running sums; for an update with some rate, derives its scalars. */
  total(computation: Computation, rows: number, rate?: number): void {
    const { fields, sums, scalars } = this.control;
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
  updateChunks(rows: number, isStep: boolean, sum: (update: (chunk: Chunk) => void) => void): void {
    const update = this.update!;
    const { fields, scalars } = this.control;
    const clipsNorm = this.session.update!.optimizer.clip.some(({ kind }) => kind === 'norm');
    update.beginPacking();
    sum((chunk) => {
      if (clipsNorm) return this.mean(chunk, rows);
      update.applyMean(chunk, rows, this.penaltiesAddress, scalars);
      update.pack(chunk);
    });
    if (clipsNorm) this.#applyClipped(this.#normScale());
    this.barrier.wait(() => { advance(fields, isStep); });
  }

  #applyClipped(factor: number): void {
    for (const chunk of this.chunks!.own) {
      this.update!.applyScaled(chunk, factor, this.control.scalars);
      this.update!.pack(chunk);
    }
  }

  /** Makes the sum of a chunk the mean over the examples, with the penalties' gradient. */
  mean(chunk: Chunk, examples: number): void {
    this.update!.mean(chunk, examples, this.penaltiesAddress);
  }

  /** Of the penalties' gradient; 0 where there are none. */
  get penaltiesAddress(): number {
    return this.session.penalties?.areas.penalties ?? 0;
  }

  /** The factor of a clip by norm: over blocks that do not end where segments do, so all gradients must be there first. */
  #normScale(): number {
    const { scalars } = this.control;
    const { blockSums, floats, optimizer } = this.session.update!;
    this.barrier.wait();
    this.update!.blockNorms();
    this.barrier.wait(() => {
      const sums = new Float32Array(this.session.memory.buffer, blockSums, Math.ceil(floats / BLOCK_FLOATS));
      scalars[scalars.length - 1] = normScale(optimizer, sums);
    });
    return scalars[scalars.length - 1]!;
  }

  /** Where a test asked for one. */
  fault(phase: Fault['phase']): void {
    if (this.session.faults.length > 0) causeFault(this.session.faults, this.index, this.control.fields[FIELD.version]!, phase);
  }
}

/** An update is whole; with it a step has ended, but for those of single shares. */
export function advance(fields: Int32Array, isStep: boolean): void {
  fields[FIELD.version]!++;
  fields[FIELD.packedVersion] = fields[FIELD.version]!;
  if (!isStep) return;
  const next = fields[FIELD.epochStep]! + 1;
  fields[FIELD.epochStep] = next;
  if (Atomics.load(fields, FIELD.stopRequested) !== 0 || Atomics.load(fields, FIELD.handBack) !== 0) fields[FIELD.stepLimit] = next;
}
