import { datasetSha256 } from '../data/dataset.js';
import { inputError, TensorflockError } from '../errors.js';
import { layersOf } from '../trace/model.js';
import { CallbackList, type Callbacks } from './callbacks.js';
import { assertWritableFolder, type CheckpointContents } from './checkpoint.js';
import { CheckpointWriter } from './checkpoint-writer.js';
import { isDataset, sliceColumns, type DataLike } from './columns.js';
import { COMMAND, FIELD } from './control.js';
import { FitRequests } from './requests.js';
import { FitLoop, type FitListener, type FitPosition, type Logs } from './fit.js';
import { assertUnlocked, lockFolder, type FolderLock } from './folder-lock.js';
import type { JsonObject } from './json.js';
import { checkpointContents, restoreCheckpoint, type KeptFit } from './kept-run.js';
import { withAliases } from './logs.js';
import { checkFitOptions } from './options.js';
import { capacityFor } from './programs.js';
import type { Examples, OpenSession, Trainer } from './trainer.js';
import { lookAt, type FitMoment } from './watcher.js';

/** Options of `fit`: those of tfjs's `model.fit`, and ours after them. */
export interface FitOptions {
  /** Default 32. */
  readonly batchSize?: number | undefined;
  /** Default 1. */
  readonly epochs?: number | undefined;
  readonly initialEpoch?: number | undefined;
  /** Default true. */
  readonly shuffle?: boolean | undefined;
  readonly validationData?: DataLike | readonly [DataLike, DataLike] | undefined;
  /** The last part of the examples is kept for validation: a fraction from 0 to 1. */
  readonly validationSplit?: number | undefined;
  readonly callbacks?: Callbacks | undefined;
  /** tfjs's level of printing; nothing is printed by the library. */
  readonly verbose?: unknown;
  /** The words for labels 0, 1, ..., for whoever watches the run; default those of the data set. */
  readonly classNames?: readonly string[] | undefined;
  /** Keeps a checkpoint in a folder after every epoch, and every so many updates. */
  readonly checkpoint?: { readonly folder: string; readonly everySteps?: number | undefined; readonly record?: JsonObject } | undefined;
  /** Goes on where a checkpoint was written. */
  readonly resumeFrom?: CheckpointContents | undefined;
  readonly onProgress?: ((progress: Progress) => void) | undefined;
  /** Stops after the current step with ERR_INTERRUPTED, after a last checkpoint. */
  readonly signal?: AbortSignal | undefined;
}

export interface Progress {
  /** From 1. */
  readonly epoch: number;
  readonly epochs: number;
  /** Steps done in this epoch. */
  readonly step: number;
  readonly steps: number;
  readonly examplesPerSecond: number;
  readonly loss?: number;
}

/** tfjs's History: epochs from 0, and a list for each name of the logs. */
export interface History {
  readonly epoch: number[];
  readonly history: Record<string, number[]>;
}

const DEFAULT_BATCH_SIZE = 32;

/** The interval of progress reports, in milliseconds: smooth to the eye, nothing to the run. */
const PROGRESS_INTERVAL_MS = 100;

export async function runFit(trainer: Trainer, x: DataLike, y: DataLike | null | undefined, options: FitOptions): Promise<History> {
  checkFitOptions(options);
  const all = await trainer.examples(x, y);
  const { train, validation } = await splitValidation(trainer, all, options);
  return new Fit(trainer, options, train, validation).run();
}

/** Examples to train on and to validate on. */
async function splitValidation(trainer: Trainer, all: Examples, options: FitOptions): Promise<{ train: Examples; validation: Examples | undefined }> {
  const { validationData, validationSplit = 0 } = options;
  if (validationData !== undefined) {
    if (isPair(validationData) && validationData.length !== 2) {
      throw inputError('ERR_OPTION', 'fit: validationData is a list of x and y; weights of the examples are not covered, so give two.');
    }
    const validation = isPair(validationData) ? trainer.examples(validationData[0], validationData[1]) : trainer.examples(validationData, undefined);
    return { train: all, validation: await validation };
  }
  const split = Math.floor(all.count * (1 - validationSplit));
  if (split === all.count) return { train: all, validation: undefined };
  if (split === 0) throw inputError('ERR_OPTION', `fit: validationSplit ${validationSplit} leaves none of ${all.count} examples to train on; use a smaller one.`);
  const part = (start: number, end: number): Examples => ({ ...all, inputs: sliceColumns(all.inputs, start, end), targets: sliceColumns(all.targets, start, end), count: end - start });
  return { train: part(0, split), validation: part(split, all.count) };
}

function isPair(data: DataLike | readonly [DataLike, DataLike]): data is readonly [DataLike, DataLike] {
  return Array.isArray(data) && !isDataset(data as DataLike);
}

/** One call of `fit`: listens to its loop, and keeps what tells of it. */
class Fit implements FitListener {
  readonly #history: History = { epoch: [], history: {} };
  readonly #callbacks: CallbackList;
  readonly #batchSize: number;
  readonly #epochs: number;
  readonly #steps: number;
  /** What decides the bytes of the result, for checkpoints. */
  #identity: JsonObject = {};
  #open: OpenSession | undefined;
  #position: FitPosition | undefined;
  /** Of the folder of checkpoints. */
  #lock: FolderLock | undefined;
  readonly #writer: CheckpointWriter | undefined;
  readonly #requests: FitRequests;
  #weightsRestored = false;
  #isValidating = false;

  constructor(private readonly trainer: Trainer, private readonly options: FitOptions, private readonly train: Examples, private readonly validation: Examples | undefined) {
    this.#batchSize = options.batchSize ?? DEFAULT_BATCH_SIZE;
    this.#epochs = options.epochs ?? 1;
    this.#steps = Math.ceil(train.count / this.#batchSize);
    if (options.checkpoint !== undefined) this.#writer = new CheckpointWriter(options.checkpoint.folder);
    this.#requests = new FitRequests(options.checkpoint !== undefined);
    this.#callbacks = new CallbackList(options.callbacks, {
      model: trainer.parts.model,
      params: { epochs: this.#epochs, batchSize: this.#batchSize, steps: this.#steps, samples: train.count, metrics: trainer.parts.plans.sumNames },
      captureWeights: () => Float32Array.from(trainer.parts.state.parameterFloats()),
      restoreWeights: (weights) => {
        trainer.parts.state.parameterFloats().set(weights);
        this.#weightsRestored = true;
      },
    });
  }

  get wantsBatches(): boolean {
    return this.#callbacks.wantsBatches;
  }

  async run(): Promise<History> {
    try {
      await this.#train();
      return this.#history;
    } catch (error) {
      if (isInterruption(error)) await this.#writer?.written(); // it is not to promise a checkpoint that is not there
      throw error;
    } finally {
      await this.#writer?.settled();
      await this.#lock?.release();
    }
  }

  async #train(): Promise<void> {
    const { validation } = this;
    const { state, model } = this.trainer.parts;
    await state.readModel(model);
    model.stopTraining = false;
    const timer = this.#reportProgress();
    try {
      await this.trainer.withSession({ train: { examples: this.train, batchSize: this.#batchSize, shuffle: this.options.shuffle ?? true }, ...(validation === undefined ? {} : { evaluate: validation }) }, async (open) => {
        const position = await this.#begin(open);
        await this.#loop(open, position, validation !== undefined);
      });
    } finally {
      this.#open = undefined;
      this.trainer.parts.pool.watcher?.ends();
      clearInterval(timer);
      state.writeModel(model); // also after an error: what was learnt until then stays in the model
    }
    await this.#writer?.written();
    await this.#callbacks.trainEnd();
    if (this.#weightsRestored) {
      state.writeModel(model);
      if (this.#position !== undefined) await this.checkpoint(this.#position);
      await this.#writer?.written();
    }
  }

  /** All that can be refused has been by now, or is here: only then a folder is made and anybody told. */
  async #begin({ control, runner }: OpenSession): Promise<FitPosition> {
    const { checkpoint, resumeFrom, initialEpoch = 0 } = this.options;
    if (checkpoint !== undefined || resumeFrom !== undefined) this.#identity = this.#identify();
    const position = resumeFrom === undefined ? { epoch: initialEpoch, epochStep: 0, sums: [] } : this.#restore(resumeFrom);
    control.fields[FIELD.version] = this.trainer.parts.state.version;
    if (checkpoint !== undefined) {
      await assertWritableFolder(checkpoint.folder, 'resume');
      await assertUnlocked(checkpoint.folder);
    }
    await this.#callbacks.trainBegin();
    if (checkpoint !== undefined) this.#lock = await lockFolder(checkpoint.folder); // only now: a callback may have made the folder anew
    await runner.begin?.(checkpoint?.folder);
    const { parts } = this.trainer;
    parts.pool.watcher?.begins({
      parts, epochs: this.#epochs, batchSize: this.#batchSize, stepsPerEpoch: this.#steps, train: this.train, validation: this.validation,
      classNames: this.options.classNames ?? this.train.classNames ?? [], look: () => this.#look(),
    });
    return position;
  }

  #restore(checkpoint: CheckpointContents): FitPosition {
    const kept = restoreCheckpoint(this.trainer.parts, checkpoint, this.#identity);
    this.#history.epoch.push(...kept.history.epoch);
    for (const [name, values] of Object.entries(kept.history.history)) this.#history.history[name] = [...values];
    this.#callbacks.restore(kept.callbacks);
    this.trainer.parts.model.stopTraining = kept.stopped;
    return kept.position;
  }

  async #loop(open: OpenSession, position: FitPosition, validates: boolean): Promise<void> {
    this.#open = open;
    const { state, plans, facts } = this.trainer.parts;
    const { checkpoint, shuffle = true } = this.options;
    const requests = this.#requests;
    const settings = {
      epochs: this.#epochs,
      batchSize: this.#batchSize,
      examples: this.train.count,
      shuffle,
      seed: facts.seed,
      mode: facts.mode.kind,
      checkpointEverySteps: checkpoint?.everySteps,
      sumNames: plans.sumNames,
      layerNames: layersOf(this.trainer.parts.model).map(({ name }) => name),
      signal: this.#stopSignal(),
      requests,
    };
    open.runner.steers?.(requests);
    const validate = validates ? (): Promise<Logs> => this.#validate(open) : undefined;
    const order = state.arena.words(open.session.train!.indices, this.train.count);
    try {
      await new FitLoop(settings, open.runner, open.control, order, validate, this).run(position);
    } finally {
      state.version = open.control.fields[FIELD.version]!; // also after an error: the moments are of that version
      requests.close(state.version);
    }
  }

  /** The user's, and that of requests; and the disk's, where it refused a checkpoint: the next one, which then is due, says so. */
  #stopSignal(): AbortSignal {
    return AbortSignal.any([this.options.signal, this.#requests.signal, this.#writer?.failed].filter((signal) => signal !== undefined));
  }

  /** The sums of the epoch are in the same words that an evaluation uses. */
  async #validate(open: OpenSession): Promise<Logs> {
    const epoch = Float64Array.from(open.control.sums);
    this.#isValidating = true;
    const logs = await this.trainer.sumsOf(open);
    open.control.sums.set(epoch);
    this.#isValidating = false;
    return logs;
  }

  #look(): FitMoment | undefined {
    if (this.#open === undefined || this.#isValidating) return undefined;
    return lookAt(this.#open.control);
  }

  async epochBegin(epoch: number): Promise<void> {
    await this.#callbacks.epochBegin(epoch);
  }

  async batchBegin(batch: number, size: number): Promise<void> {
    await this.#callbacks.batchBegin(batch, { batch, size });
  }

  async batchEnd(batch: number, size: number, logs: Logs): Promise<void> {
    await this.#callbacks.batchEnd(batch, { batch, size, ...withAliases(logs) });
  }

  async epochEnd(epoch: number, logs: Logs): Promise<void> {
    const { state, model } = this.trainer.parts;
    state.version = this.#open!.control.fields[FIELD.version]!;
    state.writeModel(model);
    const named = withAliases(logs);
    this.#history.epoch.push(epoch);
    for (const [name, value] of Object.entries(named)) (this.#history.history[name] ??= []).push(value);
    await this.#callbacks.epochEnd(epoch, named);
    await this.trainer.parts.pool.watcher?.epochEnds(epoch, named);
  }

  async checkpoint(position: FitPosition): Promise<void> {
    const { state } = this.trainer.parts;
    if (this.#open !== undefined) state.version = this.#open.control.fields[FIELD.version]!;
    this.#position = position;
    const { checkpoint } = this.options;
    if (checkpoint === undefined) return;
    const kept: KeptFit = { position, history: structuredClone(this.#history), callbacks: this.#callbacks.state(), stopped: this.shouldStop(), identity: this.#identity };
    await this.#writer!.write(() => checkpointContents(this.trainer.parts, checkpoint.record ?? {}, kept));
    if (this.#requests.wantsCheckpoint) {
      await this.#writer!.written();
      this.#requests.wrote(state.version);
    }
  }

  shouldStop(): boolean {
    return this.trainer.parts.model.stopTraining === true;
  }

  #identify(): JsonObject {
    const { facts, optimizer, plans } = this.trainer.parts;
    const { inputs, targets, count } = this.train;
    const { validation, options: { shuffle = true } } = this;
    const shardSize = this.trainer.shardSize(this.#batchSize);
    return {
      batchSize: this.#batchSize,
      shardSize,
      seed: facts.seed,
      mode: facts.mode as unknown as JsonObject,
      ...(facts.outer !== undefined && { outer: { ...facts.outer } }),
      arithmetic: facts.arithmetic,
      shuffle,
      examples: count,
      data: datasetSha256({ x: inputs, y: targets }),
      validation: this.#callbacks.keepsState && validation !== undefined ? datasetSha256({ x: validation.inputs, y: validation.targets }) : null,
      optimizer: optimizer as unknown as JsonObject,
      model: plans.identity(capacityFor(this.#batchSize, shardSize)),
    };
  }

  epochTrained(examplesPerSecond: number): void {
    const { sums } = this.#open!.control;
    this.options.onProgress?.(this.#progress(this.#steps, examplesPerSecond, sums[1]! / sums[0]!));
  }

  /** Reports between epochs' ends, with the speed since the epoch's first report. */
  #reportProgress(): NodeJS.Timeout | undefined {
    const { onProgress } = this.options;
    if (onProgress === undefined) return undefined;
    let begin = { step: Infinity, ms: 0 };
    const timer = setInterval(() => {
      const control = this.#open?.control;
      if (control === undefined || control.fields[FIELD.kind] !== COMMAND.train) return;
      const step = control.fields[FIELD.epochStep]!;
      const nowMs = performance.now();
      if (step < begin.step) begin = { step, ms: nowMs };
      const speed = ((step - begin.step) * this.#batchSize * 1000) / (nowMs - begin.ms);
      const { sums } = control;
      if (step > begin.step && sums[0]! > 0) onProgress(this.#progress(step, speed, sums[1]! / sums[0]!));
    }, PROGRESS_INTERVAL_MS);
    timer.unref();
    return timer;
  }

  #progress(step: number, examplesPerSecond: number, loss: number): Progress {
    const done = this.#history.epoch.at(-1) ?? (this.options.initialEpoch ?? 0) - 1;
    return { epoch: Math.min(this.#epochs, done + 2), epochs: this.#epochs, step, steps: this.#steps, examplesPerSecond, loss };
  }
}

function isInterruption(error: unknown): boolean {
  return error instanceof TensorflockError && error.code === 'ERR_INTERRUPTED';
}
