import { runError } from '../errors.js';
import { ownOrder, shuffledIndices } from '../random/shuffle.js';
import { COMMAND, FIELD, type Control } from './control.js';
import type { Mode } from './mode.js';
import type { FitRequests } from './requests.js';
import type { SessionRunner } from './session.js';

/** Loss and metrics by tfjs's names. */
export type Logs = Record<string, number>;

/** What a fit tells its surroundings; each is awaited before the run goes on. */
export interface FitListener {
  /** Somebody hears every batch: the run then pauses at each step. */
  readonly wantsBatches: boolean;
  epochBegin(epoch: number): Promise<void>;
  batchBegin(batch: number, size: number): Promise<void>;
  batchEnd(batch: number, size: number, logs: Logs): Promise<void>;
  /** All steps of the epoch are done, at so many examples a second; validation comes next. */
  epochTrained(examplesPerSecond: number): void;
  /** The parameters are those after the epoch. */
  epochEnd(epoch: number, logs: Logs): Promise<void>;
  /** The parameters are those after `position`, and a checkpoint is due. */
  checkpoint(position: FitPosition): Promise<void>;
  /** Somebody asked to end the training. */
  shouldStop(): boolean;
}

/** Where a fit stands: the next step is `epochStep` of `epoch` (from 0). */
export interface FitPosition {
  readonly epoch: number;
  readonly epochStep: number;
  /** Sums of the epoch so far: examples, loss, metrics. */
  readonly sums: readonly number[];
}

export interface FitSettings {
  readonly epochs: number;
  readonly batchSize: number;
  readonly examples: number;
  readonly shuffle: boolean;
  readonly seed: number;
  readonly mode: Mode['kind'];
  /** Checkpoint every so many steps, beside one an epoch; undefined: none but at an interruption. */
  readonly checkpointEverySteps: number | undefined;
  readonly sumNames: readonly string[];
  /** In model order, for messages. */
  readonly layerNames: readonly string[];
  readonly signal: AbortSignal | undefined;
  /** What is asked of it from outside, where somebody can. */
  readonly requests?: Pick<FitRequests, 'wantsCheckpoint' | 'interrupt'>;
}

/** Drives the workers through the epochs of one fit. */
export class FitLoop {
  readonly #stepsPerEpoch: number;
  /** Examples trained on in this epoch and process, and the milliseconds that its commands took. */
  #trained = { examples: 0, ms: 0 };

  constructor(
    private readonly settings: FitSettings,
    private readonly session: SessionRunner,
    private readonly control: Control,
    private readonly order: Uint32Array,
    /** Loss and metrics of the validation data under the current parameters, if there is any. */
    private readonly validate: (() => Promise<Logs>) | undefined,
    private readonly listener: FitListener,
  ) {
    this.#stepsPerEpoch = Math.ceil(settings.examples / settings.batchSize);
  }

  /** @throws ERR_NAN_LOSS, ERR_INTERRUPTED */
  async run(from: FitPosition): Promise<void> {
    let position = from;
    while (position.epoch < this.settings.epochs && !this.listener.shouldStop()) {
      if (position.epochStep === 0) await this.listener.epochBegin(position.epoch);
      this.#openEpoch(position);
      const logs = await this.#trainEpoch(position.epoch);
      this.listener.epochTrained((this.#trained.examples / this.#trained.ms) * 1000);
      if (this.validate !== undefined) Object.assign(logs, await this.#validated());
      await this.listener.epochEnd(position.epoch, logs);
      position = { epoch: position.epoch + 1, epochStep: 0, sums: [] };
      await this.listener.checkpoint(position);
      if (this.#aborted() && position.epoch < this.settings.epochs) throw this.#interruption();
    }
  }

  /** Orders the examples and puts the counters and sums where the epoch begins, or was left. */
  #openEpoch({ epoch, epochStep, sums }: FitPosition): void {
    const { examples, seed, shuffle } = this.settings;
    if (shuffle) shuffledIndices(examples, seed, epoch, this.order);
    else ownOrder(examples, this.order);
    const { fields } = this.control;
    this.#trained = { examples: 0, ms: 0 };
    fields[FIELD.epoch] = epoch;
    fields[FIELD.epochStep] = epochStep;
    // In `sync` steps are counted as updates, beyond one fit; elsewhere there may be more or fewer updates than steps.
    fields[FIELD.firstStep] = this.settings.mode === 'sync' ? fields[FIELD.version]! - epochStep : epoch * this.#stepsPerEpoch;
    fields[FIELD.snapshotVersion] = -1; // the last snapshot is of another epoch's order
    this.control.sums.fill(0);
    this.control.sums.set(sums);
  }

  async #trainEpoch(epoch: number): Promise<Logs> {
    const { fields } = this.control;
    while (fields[FIELD.epochStep]! < this.#stepsPerEpoch) {
      const step = fields[FIELD.epochStep]!;
      const limit = this.#nextStop(epoch, step);
      if (this.listener.wantsBatches) await this.#reportedStep(step);
      else await this.#train(limit);
      const reached = fields[FIELD.epochStep]!;
      if (this.listener.shouldStop() || reached === this.#stepsPerEpoch) break;
      if (this.#aborted() || this.#checkpointDue(epoch, reached) || this.settings.requests?.wantsCheckpoint === true) await this.listener.checkpoint(this.#position(epoch, reached));
      if (this.#aborted()) throw this.#interruption();
    }
    return this.#means();
  }

  /** The end of the epoch, or the step before which a checkpoint is due. */
  #nextStop(epoch: number, step: number): number {
    const every = this.settings.checkpointEverySteps;
    if (every === undefined) return this.#stepsPerEpoch;
    return Math.min(this.#stepsPerEpoch, step + every - (this.#number(epoch, step) % every));
  }

  #checkpointDue(epoch: number, step: number): boolean {
    const every = this.settings.checkpointEverySteps;
    return every !== undefined && this.#number(epoch, step) % every === 0;
  }

  /** Of a step, counted from the first of the first epoch. */
  #number(epoch: number, step: number): number {
    return epoch * this.#stepsPerEpoch + step;
  }

  /** One step, with its own loss and metrics told to the listener. */
  async #reportedStep(step: number): Promise<void> {
    const before = Float64Array.from(this.control.sums);
    const { batchSize, examples, sumNames } = this.settings;
    const size = Math.min(batchSize, examples - step * batchSize);
    await this.listener.batchBegin(step, size);
    await this.#train(step + 1);
    if (this.control.fields[FIELD.epochStep] === step) return; // it was asked for something else first
    const logs = sumNames.map((name, index) => [name, (this.control.sums[index + 1]! - before[index + 1]!) / size] as const);
    await this.listener.batchEnd(step, size, Object.fromEntries(logs));
  }

  async #train(limit: number): Promise<void> {
    const { fields } = this.control;
    const { signal, requests } = this.settings;
    fields[FIELD.stepLimit] = limit;
    Atomics.store(fields, FIELD.stopRequested, signal?.aborted === true || requests?.wantsCheckpoint === true ? 1 : 0);
    const stop = (): void => { Atomics.store(fields, FIELD.stopRequested, 1); };
    signal?.addEventListener('abort', stop);
    if (requests !== undefined) requests.interrupt = stop;
    const [startMs, startExamples] = [performance.now(), this.control.sums[0]!];
    try {
      await this.session.run(COMMAND.train);
    } finally {
      signal?.removeEventListener('abort', stop);
      if (requests !== undefined) requests.interrupt = undefined;
    }
    this.#trained.ms += performance.now() - startMs;
    this.#trained.examples += this.control.sums[0]! - startExamples;
    if (fields[FIELD.badLoss] !== 0) await this.#reportBadLoss();
  }

  async #reportBadLoss(): Promise<never> {
    const diagnosis = await this.session.run(COMMAND.diagnose);
    const place = diagnosis === undefined ? 'the sums over the examples' : `${this.#placeOf(diagnosis.layer)} (${diagnosis.operation})`;
    throw runError('ERR_NAN_LOSS', `the loss is not finite at step ${this.#stepsMade() + 1}; the first bad value is in ${place}; lower the learning rate, clip the gradients or check the data.`);
  }

  #placeOf(layer: number): string {
    return layer < 0 ? 'the loss' : `layer "${this.settings.layerNames[layer]!}"`;
  }

  async #validated(): Promise<Logs> {
    const logs = await this.validate!();
    return Object.fromEntries(Object.entries(logs).map(([name, value]) => [`val_${name}`, value]));
  }

  #means(): Logs {
    const { sums } = this.control;
    return Object.fromEntries(this.settings.sumNames.map((name, index) => [name, sums[index + 1]! / sums[0]!]));
  }

  #position(epoch: number, epochStep: number): FitPosition {
    return { epoch, epochStep, sums: Array.from(this.control.sums.subarray(0, this.settings.sumNames.length + 1)) };
  }

  #aborted(): boolean {
    return this.settings.signal?.aborted === true;
  }

  #interruption(): Error {
    return runError('ERR_INTERRUPTED', `interrupted after step ${this.#stepsMade()}.`);
  }

  /** Those of earlier fits included, where each was an update. */
  #stepsMade(): number {
    const { fields } = this.control;
    return fields[FIELD.firstStep]! + fields[FIELD.epochStep]!;
  }
}
