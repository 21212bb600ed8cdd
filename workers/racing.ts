import type { Kernels } from '../src/kernels/load.js';
import { normScale, rateAt, stepScalars } from '../src/optimizers/index.js';
import { BoundPlan } from '../src/plan/bind.js';
import { Claims, CLAIMS_BYTES, FIELD, type Control } from '../src/train/control.js';
import { asyncRate } from '../src/train/mode.js';
import { NO_STEP, viewRace, type RaceControl, type Racer, type Racers } from '../src/train/racers.js';
import type { Fault, Session } from '../src/train/session.js';
import type { Barrier } from './barrier.js';
import { Chunks, type Chunk } from './chunks.js';
import { Computation } from './computation.js';
import { BLOCK_FLOATS, SegmentUpdate } from './updating.js';

/** Words of `RaceControl.head`. */
const [TAKEN, RACING] = [0, 1] as const;

export interface RacingOptions {
  readonly session: Session;
  readonly racers: Racers;
  readonly kernels: Kernels;
  readonly control: Control;
  readonly barrier: Barrier;
  readonly index: number;
  readonly fault: (phase: Fault['phase']) => void;
}

/**
 * One worker of mode `async`: it takes step after step and makes each by itself. It reads parameters while others write them, and
 * adds its update to what they have become; of two that write one number at once, one is lost. Niu et al., Hogwild!, 2011. The rate
 * falls with the updates that were made meanwhile: see `asyncRate`.
 */
export class RacingWorker {
  readonly #race: RaceControl;
  readonly #racer: Racer;
  readonly #computation: Computation;
  readonly #claims = new Claims(new ArrayBuffer(CLAIMS_BYTES), 0);
  readonly #chunkClaims = new Claims(new ArrayBuffer(CLAIMS_BYTES), 0);
  readonly #chunks: Chunks;
  readonly #update: SegmentUpdate;
  readonly #penalties: (() => void) | undefined;

  constructor(private readonly options: RacingOptions) {
    const { session, racers, kernels, index } = options;
    const racer = racers.racers[index]!;
    this.#race = viewRace(session.memory, racers);
    this.#racer = racer;
    this.#computation = new Computation(kernels, { ...session, workers: 1 }, racer.program, this.#claims, 0);
    this.#chunks = new Chunks(this.#computation, this.#chunkClaims, 0, 1);
    this.#update = new SegmentUpdate(kernels, racer.update, this.#computation, 0, 1);
    this.#penalties = this.#bindPenalties();
  }

  /** Makes steps of the epoch until all are taken, or somebody asks to stop. */
  run(): undefined {
    const { barrier, index } = this.options;
    barrier.wait(() => { this.#begin(); });
    for (let step = this.#take(); step !== undefined; step = this.#take()) {
      const isGood = this.#step(step);
      Atomics.store(this.#race.steps, index, NO_STEP);
      if (!isGood) break;
      this.#noteProgress();
    }
    barrier.wait(() => { this.#end(); });
  }

  #bindPenalties(): (() => void) | undefined {
    const { penalties } = this.#racer;
    if (penalties === undefined) return undefined;
    const { session: { memory, tile }, kernels } = this.options;
    const piece = { rows: 0, shardRows: 1, firstRow: 0, start: 0, indices: 0, share: 0, step: 0, key0: 0, key1: 0, inputs: [], targets: [], predictions: [] };
    const bound = new BoundPlan(penalties.plan, memory, kernels, tile, penalties.areas, piece, { worker: 0, workers: 1 });
    return () => {
      bound.packWeights();
      bound.runOnce();
    };
  }

  #begin(): void {
    const { fields, sums } = this.options.control;
    const { head, steps, unfinished, sums: parts } = this.#race;
    const goesOn = head[RACING] === 1;
    head[RACING] = 1;
    unfinished.fill(NO_STEP);
    if (goesOn) unfinished.set(steps); // a worker died; the others ended the step that they were at
    steps.fill(NO_STEP);
    // The parameters are never those of one version: there is nothing to return to, and a death leaves them as good as they are.
    fields[FIELD.snapshotVersion] = -1;
    fields[FIELD.packedVersion] = -1;
    if (goesOn) return;
    head[TAKEN] = fields[FIELD.epochStep]!;
    for (const part of parts) part.fill(0);
    parts.at(-1)!.set(sums);
  }

  /** The next step that nobody has made or is at; undefined when this worker is to stop. */
  #take(): number | undefined {
    const { control: { fields }, barrier, index } = this.options;
    const { head, steps } = this.#race;
    barrier.throwIfPoisoned();
    if ([FIELD.stopRequested, FIELD.handBack, FIELD.badLoss].some((field) => Atomics.load(fields, field) !== 0)) return undefined;
    Atomics.store(steps, index, Atomics.load(head, TAKEN)); // before it is taken: whoever looks never misses it
    const step = this.#takeUnfinished() ?? Atomics.add(head, TAKEN, 1);
    const isThere = step < fields[FIELD.stepLimit]!;
    if (!isThere) Atomics.sub(head, TAKEN, 1);
    Atomics.store(steps, index, isThere ? step : NO_STEP);
    return isThere ? step : undefined;
  }

  #takeUnfinished(): number | undefined {
    const { unfinished } = this.#race;
    for (let at = 0; at < unfinished.length; at++) {
      const step = Atomics.exchange(unfinished, at, NO_STEP);
      if (step !== NO_STEP) return step;
    }
    return undefined;
  }

  /** One update; false where the loss is not finite, with none. */
  #step(step: number): boolean {
    const { control: { fields, scalars }, fault } = this.options;
    const computation = this.#computation;
    const number = fields[FIELD.firstStep]! + step;
    const seen = Atomics.load(fields, FIELD.version);
    fault('compute');
    computation.bound.packWeights();
    this.#penalties?.();
    computation.openStep(step, number);
    const { rows, pieces } = computation.schedule(step);
    const last = pieces.at(-1)!;
    for (const piece of pieces) {
      this.#claims.reset();
      computation.runRows(piece);
      computation.foldSums(piece);
      if (piece !== last) this.#fold(() => { this.#chunks.fold(piece); });
    }
    const loss = computation.total(0) + this.#penalty() * rows;
    if (!Number.isFinite(loss)) {
      Atomics.store(fields, FIELD.badLoss, 1);
      fields[FIELD.epochStep] = step; // where a diagnosis looks
      return false;
    }
    const version = Atomics.add(fields, FIELD.version, 1);
    fault('update');
    const { optimizer } = this.#racer.update;
    const rate = asyncRate({ rate: rateAt(optimizer.learningRate, number), examples: rows, batchExamples: rows, age: version - seen });
    const own = new Float32Array(scalars.length);
    own.set(stepScalars(optimizer, version, rate));
    this.#apply(rows, own, (then) => { this.#fold(() => { this.#chunks.fold(last, then); }); });
    this.#count(rows, loss);
    return true;
  }

  #fold(act: () => void): void {
    this.#chunkClaims.reset();
    act();
  }

  #apply(rows: number, scalars: Float32Array, sum: (then: (chunk: Chunk) => void) => void): void {
    const update = this.#update;
    const { optimizer, blockSums, floats } = this.#racer.update;
    const clipsNorm = optimizer.clip.some(({ kind }) => kind === 'norm');
    const penalties = this.#racer.penalties?.areas.penalties ?? 0;
    update.beginPacking();
    sum((chunk) => {
      if (clipsNorm) update.mean(chunk, rows, penalties);
      else update.applyMean(chunk, rows, penalties, scalars);
    });
    if (!clipsNorm) return;
    update.blockNorms();
    const sums = new Float32Array(this.options.session.memory.buffer, blockSums, Math.ceil(floats / BLOCK_FLOATS));
    const factor = normScale(optimizer, sums);
    for (const chunk of this.#chunks.own) update.applyScaled(chunk, factor, scalars);
  }

  /** The sum of all penalties, undivided. */
  #penalty(): number {
    const { penalties } = this.#racer;
    return penalties === undefined ? 0 : new Float32Array(this.options.session.memory.buffer, penalties.areas.penalties + penalties.plan.sumsOffset * 4, 1)[0]!;
  }

  /** Adds the step's loss and metrics to this worker's sums. */
  #count(rows: number, loss: number): void {
    const sums = this.#race.sums[this.options.index]!;
    sums[0] = sums[0]! + rows;
    sums[1] = sums[1]! + loss;
    for (let at = 1; at < this.#computation.sumCount; at++) sums[at + 1] = sums[at + 1]! + this.#computation.total(at);
  }

  #noteProgress(): void {
    const { control: { fields }, index } = this.options;
    if (Atomics.load(fields, FIELD.badLoss) === 0) Atomics.store(fields, FIELD.epochStep, this.#firstOpen());
    if (index === 0) this.#sumUp();
  }

  /** The epoch has got as far as its first step that is not made. */
  #firstOpen(): number {
    const { head, steps, unfinished } = this.#race;
    let first = Atomics.load(head, TAKEN); // before the workers' own: a step taken from now on is not below it
    for (let worker = 0; worker < steps.length; worker++) first = Math.min(first, Atomics.load(steps, worker), Atomics.load(unfinished, worker));
    return Math.min(first, this.options.control.fields[FIELD.stepLimit]!);
  }

  #sumUp(): void {
    const { sums } = this.options.control;
    const parts = this.#race.sums;
    for (let at = 0; at < sums.length; at++) sums[at] = parts.reduce((sum, part) => sum + part[at]!, 0);
  }

  /** All that was taken is made. */
  #end(): void {
    const { fields } = this.options.control;
    this.#race.head[RACING] = 0;
    this.#sumUp();
    if (fields[FIELD.badLoss] === 0) fields[FIELD.epochStep] = this.#firstOpen();
  }
}
