import { join } from 'node:path';
import { parseCodecChoice } from '../../src/codecs/choice.js';
import { take, type DatasetSplit } from '../../src/data/dataset.js';
import { inputError, TensorflockError } from '../../src/errors.js';
import { standaloneSvg } from '../../src/report/document.js';
import { capitalized } from '../../src/report/format.js';
import { reportPage } from '../../src/report/page.js';
import { curvePictures, healthPictures, outcomePictures, type RunPicture } from '../../src/report/run-pictures.js';
import { meanExamplesPerSecond, type Report, type RunFacts, type RunResult } from '../../src/report/run.js';
import type { Callback } from '../../src/train/callbacks.js';
import type { CheckpointContents } from '../../src/train/checkpoint.js';
import { assertUnlocked } from '../../src/train/folder-lock.js';
import type { Context } from './context.js';
import { EpochCollector } from './epochs.js';
import { batchSizeOf, factsOf } from './facts.js';
import { checkOut, createOut, replaceFile, reportFiles } from './folders.js';
import { Interrupts, type Phase } from './interrupts.js';
import type { DistributeOptions, FitOptions, History, Library, Trainer } from './library.js';
import { machineFacts } from './machine.js';
import type { TrainOptions } from './options.js';
import { openOutput, type Output } from './output.js';
import { isExact, noteRun, planNewRun, planResumedRun, type PlannedRun } from './settings.js';

/** Training examples on which the report shows the network. */
const MOST_INSPECTED = 256;

/** `tensorflock train [preset | file]`; resolves to the exit status. */
export async function runTrain(target: string | undefined, options: TrainOptions, context: Context): Promise<number> {
  if (options.out !== undefined) await checkOut(options.out, options.overwrite);
  else if (options.resume !== undefined) await assertUnlocked(options.resume);
  const checkpoint = options.resume === undefined ? undefined : await context.readCheckpoint(options.resume);
  const run =
    options.resume === undefined || checkpoint === undefined
      ? await planNewRun(target, options)
      : await planResumedRun(options.resume, checkpoint, target, options);
  const output = await openOutput(context, options);
  const interrupts = new Interrupts(context, (phase) => output.notice(whatRemains(phase, options)));
  try {
    return await new TrainCommand(run, options, checkpoint, context, output, interrupts).run();
  } finally {
    interrupts.close();
    output.close();
  }
}

function whatRemains(phase: Phase, options: TrainOptions): string {
  if (phase === 'before') return 'interrupted before the first step; nothing was written.';
  return options.out === undefined && options.resume === undefined ? 'interrupted; nothing was kept.' : 'interrupted after the last step; the checkpoint is whole.';
}

/** One run from its plan to its last line. */
class TrainCommand {
  readonly #folder: string | undefined;
  readonly #machine = machineFacts();

  constructor(
    private readonly planned: PlannedRun,
    private readonly options: TrainOptions,
    private readonly checkpoint: CheckpointContents | undefined,
    private readonly context: Context,
    private readonly output: Output,
    private readonly interrupts: Interrupts,
  ) {
    this.#folder = options.out ?? options.resume;
  }

  async run(): Promise<number> {
    const serving = await this.#serving();
    const [library, data] = await Promise.all([this.context.library(), this.#data()]);
    const model = await this.planned.experiment.build(library, this.planned.settings.seed);
    const trainer = await library.distribute(model, { ...this.#distributeOptions(library), ...serving });
    try {
      const facts = factsOf(this.planned, model, data, trainer);
      this.output.banner(facts);
      return await this.#train(library, trainer, data, facts);
    } finally {
      await trainer.close();
    }
  }

  async #data(): Promise<DatasetSplit> {
    const { experiment, settings } = this.planned;
    const { train, test } = await experiment.data(this.context, this.options.fetch, this.output);
    return {
      train: settings.trainExamples === null ? train : take(train, settings.trainExamples),
      test: settings.testExamples === null ? test : take(test, settings.testExamples),
    };
  }

  /** Before the data, so that what cannot be is said at once. */
  async #serving(): Promise<DistributeOptions> {
    const { serve, audit = 0 } = this.options;
    if (serve === undefined) return {};
    if (audit > 0 && !isExact(this.planned.settings)) {
      throw inputError('ERR_OPTION', '--audit compares shares byte for byte, and only --mode sync with --codec float32 gives the same bytes everywhere; leave it out, or use these.');
    }
    const { servingOptions } = await import('./serving.js');
    return { ...(await servingOptions(serve, this.options, this.context)), codec: parseCodecChoice(this.planned.settings.codec) };
  }

  #distributeOptions(library: Library): DistributeOptions {
    const { settings } = this.planned;
    const { optimizer, learningRate, shardSize, staleness, period, outerLearningRate, outerMomentum } = settings;
    return {
      workers: this.options.workers ?? 'auto',
      seed: settings.seed,
      mode: settings.mode,
      kernels: settings.kernels,
      engineFlags: true,
      ...given({ shardSize, staleness, period, outerLearningRate, outerMomentum }),
      ...(optimizer === null || learningRate === null ? {} : { optimizer: library.optimizer(optimizer, learningRate) }),
    };
  }

  async #train(library: Library, trainer: Trainer, data: DatasetSplit, facts: RunFacts): Promise<number> {
    const epochs = new EpochCollector(this.context.nowMs, (row) => {
      this.output.epoch(row, facts.epochs);
      this.#report({ facts, epochs: epochs.rows, result: null });
    });
    const beganMs = this.context.nowMs();
    try {
      const fitOptions = this.#fitOptions(library, trainer, data, epochs);
      const history = await this.interrupts.whileTraining(() => trainer.fit(data.train.x, data.train.y, fitOptions));
      const seconds = (this.context.nowMs() - beganMs) / 1000;
      epochs.complete(history);
      const result = await this.#result(trainer, data, epochs, history, seconds);
      this.#report({ facts, epochs: epochs.rows, result }, await this.#pictures(library, trainer, data, epochs));
      this.output.result(result, this.#kept());
      return 0;
    } catch (error) {
      if (!(error instanceof TensorflockError)) throw error;
      const isInterrupt = error.code === 'ERR_INTERRUPTED';
      if (!isInterrupt && error.code !== 'ERR_NAN_LOSS') throw error;
      const cutOff = isInterrupt ? `${capitalized(error.message)} ${capitalized(this.#goOn())}` : `${capitalized(error.message)} ${await this.#whatStays(epochs.rows.length)}`;
      this.#report({ facts, epochs: epochs.rows, result: null, cutOff }, await this.#curves(epochs));
      if (!isInterrupt) throw error;
      this.output.notice(this.#howToResume());
      return this.interrupts.status;
    }
  }

  #fitOptions(library: Library, trainer: Trainer, data: DatasetSplit, epochs: EpochCollector): FitOptions {
    const { settings } = this.planned;
    const stopping = settings.earlyStopping === null ? [] : [library.earlyStopping(settings.earlyStopping, 'val_loss')];
    return {
      batchSize: batchSizeOf(this.planned, data),
      epochs: settings.epochs,
      shuffle: true,
      validationData: [data.test.x, data.test.y],
      classNames: data.train.classNames,
      callbacks: [epochs.callback, ...stopping, ...this.#creation()],
      signal: this.interrupts.signal,
      onProgress: (progress) => {
        epochs.progress(progress);
        this.output.progress(progress);
      },
      ...(this.#folder === undefined ? {} : { checkpoint: this.#checkpointOptions(this.#folder, trainer, data) }),
      ...(this.checkpoint === undefined ? {} : { resumeFrom: this.checkpoint }),
    };
  }

  /** The folder is made when options and data have passed: what is refused leaves an earlier run as it was. */
  #creation(): Callback[] {
    const { out, overwrite } = this.options;
    return out === undefined ? [] : [{ onTrainBegin: () => createOut(out, overwrite) }];
  }

  /** Notes what was decided here and now, so that another machine resumes with the same arithmetic and shards. */
  #checkpointOptions(folder: string, trainer: Trainer, data: DatasetSplit): NonNullable<FitOptions['checkpoint']> {
    const { experiment, settings } = this.planned;
    const { arithmetic, shardSize } = trainer.describe(batchSizeOf(this.planned, data));
    const decided = { ...settings, kernels: arithmetic, shardSize };
    return {
      folder,
      record: noteRun({ experiment, settings: decided }, data.train.x.map((column) => column.scale ?? 1)),
      ...(settings.checkpointEvery === null ? {} : { everySteps: settings.checkpointEvery }),
    };
  }

  async #result(trainer: Trainer, data: DatasetSplit, epochs: EpochCollector, history: History, seconds: number): Promise<RunResult> {
    const test = await trainer.evaluate(data.test.x, data.test.y);
    const stepsPerEpoch = Math.ceil(data.train.exampleCount / batchSizeOf(this.planned, data));
    return {
      ...trainer.hashes(),
      exact: isExact(this.planned.settings),
      arithmetic: trainer.facts.arithmetic,
      trainLoss: epochs.rows.at(-1)?.loss ?? null,
      testLoss: test['loss'] ?? null,
      testAccuracy: test['accuracy'] ?? test['acc'] ?? null,
      examplesPerSecond: meanExamplesPerSecond(epochs.rows),
      steps: stepsPerEpoch * ((history.epoch.at(-1) ?? -1) + 1),
      workers: trainer.facts.workers,
      nodes: trainer.mostNodes,
      seconds,
    };
  }

  #report(known: Report, pictures: readonly RunPicture[] = []): void {
    if (this.#folder === undefined) return;
    const files = reportFiles(this.#folder);
    const report: Report = { ...known, options: given({ ...this.planned.settings }), machine: this.#machine };
    replaceFile(files.json, `${JSON.stringify(report, null, 1)}\n`);
    for (const { file, svg } of pictures) replaceFile(join(this.#folder, file), standaloneSvg(svg));
    replaceFile(files.page, reportPage(report, pictures));
  }

  /** What cannot be drawn is left out, and said: a run is worth more than its pictures. */
  async #pictures(library: Library, trainer: Trainer, { train, test }: DatasetSplit, epochs: EpochCollector): Promise<RunPicture[]> {
    if (this.#folder === undefined) return [];
    const curves = await this.#curves(epochs);
    const outcome = await this.#drawn('predictions', async () => {
      const outputs = await trainer.predict(test.x);
      const values = await outputs.data();
      outputs.dispose();
      return outcomePictures(test, { values, shape: outputs.shape });
    });
    const health = await this.#drawn('network health', async () => {
      const examples = take(train, Math.min(MOST_INSPECTED, train.exampleCount));
      return healthPictures({ examples: examples.exampleCount, layers: await library.inspect(trainer, examples) });
    });
    return [...curves, ...outcome, ...health];
  }

  async #curves(epochs: EpochCollector): Promise<RunPicture[]> {
    return this.#folder === undefined ? [] : this.#drawn('curves', () => curvePictures(epochs.rows));
  }

  async #drawn(what: string, draw: () => Promise<RunPicture[]>): Promise<RunPicture[]> {
    try {
      return await draw();
    } catch (error) {
      this.output.notice(`the report is without pictures of ${what}, because drawing failed: ${(error as Error).message}`);
      return [];
    }
  }

  #kept(): string {
    if (this.#folder === undefined) return 'nothing was kept (--out DIR keeps the model and a report)';
    return `report in ${reportFiles(this.#folder).page}, checkpoint in ${this.#folder}`;
  }

  #howToResume(): string {
    if (this.#folder === undefined) return 'interrupted; nothing was kept, because no --out was given.';
    return `interrupted; ${this.#goOn()}`;
  }

  /** Only of a run with a folder. */
  #goOn(): string {
    const command = this.context.environment['npm_lifecycle_event'] === undefined ? 'tensorflock' : 'npm run -s tensorflock --';
    return `go on with: ${command} train --resume ${shellWord(this.#folder ?? '')}`;
  }

  /** After a loss that was not finite. */
  async #whatStays(epochs: number): Promise<string> {
    const again = isExact(this.planned.settings) ? ', which comes to the same step with the same loss' : '';
    const last = epochs === 0 ? await this.#stepKept() : `epoch ${epochs} or later`;
    return last === undefined ? 'No epoch has ended.' : `The checkpoint of ${last} stays; ${this.#goOn()}${again}.`;
  }

  /** Before the first epoch's end, of which `--checkpoint-every` alone keeps something. */
  async #stepKept(): Promise<string | undefined> {
    const folder = this.#folder;
    if (folder === undefined || this.planned.settings.checkpointEvery === null) return undefined;
    const kept = await this.context.readCheckpoint(folder).catch(() => undefined);
    return kept === undefined ? undefined : `step ${kept.step}`;
  }
}

/** What is not left to the library. */
function given<T extends Readonly<Record<string, unknown>>>(options: T): { [Name in keyof T]?: NonNullable<T[Name]> } {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== null)) as { [Name in keyof T]?: NonNullable<T[Name]> };
}

/** A word as a POSIX shell reads it back. */
function shellWord(text: string): string {
  return /^[\w./-]+$/.test(text) ? text : `'${text.replaceAll("'", String.raw`'\''`)}'`;
}
