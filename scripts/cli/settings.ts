import { z } from 'zod';
import { codecsOf, isLossless, parseCodecChoice, type Codecs } from '../../src/codecs/choice.js';
import { inputError } from '../../src/errors.js';
import type { CheckpointContents } from '../../src/train/checkpoint.js';
import type { JsonObject } from '../../src/train/json.js';
import { DEFAULT_PERIOD, DEFAULT_STALENESS, MODES, PLAIN_AVERAGING, type Mode } from '../../src/train/mode.js';
import { LEARNING_RATES, OPTIMIZERS, type OptimizerName } from './choices.js';
import { findAgain, findExperiment, identityRecord, isSame, type RunnableExperiment } from './experiments.js';
import type { TrainOptions } from './options.js';
import { DEFAULT_PRESET } from './presets.js';

/** Everything a run's numbers depend on, besides the experiment and who computes it; null where the library decides. */
export interface RunSettings {
  readonly epochs: number;
  readonly batchSize: number | 'all';
  readonly shardSize: number | null;
  /** Null where the experiment's model brings its own. */
  readonly optimizer: OptimizerName | null;
  readonly learningRate: number | null;
  readonly seed: number;
  readonly mode: Mode['kind'];
  /** Those of the mode; null in others. */
  readonly staleness: number | null;
  readonly period: number | null;
  readonly outerLearningRate: number | null;
  readonly outerMomentum: number | null;
  /** By direction, as `formatCodecs` writes them. */
  readonly codec: string;
  readonly kernels: 'auto' | 'fma' | 'portable';
  readonly trainExamples: number | null;
  readonly testExamples: number | null;
  readonly checkpointEvery: number | null;
  readonly earlyStopping: number | null;
}

/** The key of a checkpoint's record under which the command notes what it needs to go on. */
const RECORD_KEY = 'command';

const OPTION_OF: Readonly<Record<keyof RunSettings, string>> = {
  epochs: 'epochs',
  batchSize: 'batch-size',
  shardSize: 'shard-size',
  optimizer: 'optimizer',
  learningRate: 'learning-rate',
  seed: 'seed',
  mode: 'mode',
  staleness: 'staleness',
  period: 'period',
  outerLearningRate: 'outer-learning-rate',
  outerMomentum: 'outer-momentum',
  codec: 'codec',
  kernels: 'kernels',
  trainExamples: 'train-examples',
  testExamples: 'test-examples',
  checkpointEvery: 'checkpoint-every',
  earlyStopping: 'early-stopping',
};

const count = z.int().min(1);
const NOTED = z.object({
  experiment: z.union([z.strictObject({ preset: z.string() }), z.strictObject({ file: z.string(), sha256: z.string() })]),
  settings: z.strictObject({
    epochs: count,
    batchSize: z.union([count, z.literal('all')]),
    shardSize: count.nullable(),
    optimizer: z.enum(OPTIMIZERS).nullable(),
    learningRate: z.number().positive().nullable(),
    seed: z.int().min(0),
    mode: z.enum(MODES),
    staleness: z.int().min(0).nullable(),
    period: count.nullable(),
    outerLearningRate: z.number().positive().nullable(),
    outerMomentum: z.number().min(0).nullable(),
    codec: z.string().refine((text) => parseCodecChoice(text) !== undefined),
    kernels: z.enum(['auto', 'fma', 'portable']),
    trainExamples: count.nullable(),
    testExamples: count.nullable(),
    checkpointEvery: count.nullable(),
    earlyStopping: z.int().min(0).nullable(),
  }),
  inputScales: z.array(z.number()),
});

/** An experiment with the settings of one run. */
export interface PlannedRun {
  readonly experiment: RunnableExperiment;
  readonly settings: RunSettings;
}

/** A new run: what the options give, and the experiment's defaults. */
export async function planNewRun(target: string | undefined, options: TrainOptions): Promise<PlannedRun> {
  const experiment = await findExperiment(target ?? DEFAULT_PRESET);
  return { experiment, settings: newSettings(experiment, options) };
}

/**
 * A run that goes on: everything from the checkpoint, but for a larger number of epochs.
 * @throws ERR_RESUME for an option that differs, or a checkpoint that another program wrote
 */
export async function planResumedRun(folder: string, checkpoint: CheckpointContents, target: string | undefined, options: TrainOptions): Promise<PlannedRun> {
  const noted = readNote(folder, checkpoint);
  if (target !== undefined && !isSame(target, noted.experiment)) {
    throw inputError('ERR_RESUME', `${folder} is a run of ${describe(noted.experiment)}, not of ${target}; leave the name out to go on with it.`);
  }
  checkAgainst(folder, noted.settings, options);
  const epochs = options.epochs ?? noted.settings.epochs;
  return { experiment: await findAgain(noted.experiment), settings: { ...noted.settings, epochs } };
}

/** The run that a checkpoint belongs to, as it was. @throws ERR_RESUME if another program wrote it */
export async function planNotedRun(folder: string, checkpoint: CheckpointContents): Promise<PlannedRun & { readonly inputScales: readonly number[] }> {
  const noted = readNote(folder, checkpoint);
  return { experiment: await findAgain(noted.experiment), settings: noted.settings, inputScales: noted.inputScales };
}

/** What the checkpoint is to note, so that `--resume` needs nothing else. `inputScales` multiply the inputs, in order. */
export function noteRun(run: PlannedRun, inputScales: readonly number[]): JsonObject {
  return { [RECORD_KEY]: { experiment: identityRecord(run.experiment.identity), settings: { ...run.settings }, inputScales } };
}

function newSettings(experiment: RunnableExperiment, options: TrainOptions): RunSettings {
  const optimizer = options.optimizer ?? (experiment.takesDefaultOptimizer ? 'adam' : null);
  if (optimizer === null && options.learningRate !== undefined) {
    throw inputError('ERR_OPTION', '--learning-rate needs --optimizer beside it, because the model of a file brings its own optimizer.');
  }
  return {
    epochs: options.epochs ?? experiment.epochs,
    batchSize: options.batchSize ?? experiment.batchSize,
    shardSize: options.shardSize ?? experiment.shardSize ?? null,
    optimizer,
    learningRate: optimizer === null ? null : (options.learningRate ?? LEARNING_RATES[optimizer]),
    seed: options.seed ?? 1,
    ...modeSettings(options),
    codec: options.codec ?? 'float32',
    kernels: options.kernels ?? 'auto',
    trainExamples: options.trainExamples ?? null,
    testExamples: options.testExamples ?? null,
    checkpointEvery: options.checkpointEvery ?? null,
    earlyStopping: options.earlyStopping ?? null,
  };
}

/** What the mode is made of, also where the defaults decide: another version may have others. */
function modeSettings({ mode = 'sync', staleness, period, outerLearningRate, outerMomentum }: TrainOptions): Pick<RunSettings, 'mode' | 'staleness' | 'period' | 'outerLearningRate' | 'outerMomentum'> {
  const isLocal = mode === 'local';
  return {
    mode,
    staleness: mode === 'stale' ? (staleness ?? DEFAULT_STALENESS) : null,
    period: isLocal ? (period ?? DEFAULT_PERIOD) : null,
    outerLearningRate: isLocal ? (outerLearningRate ?? PLAIN_AVERAGING.rate) : null,
    outerMomentum: isLocal ? (outerMomentum ?? PLAIN_AVERAGING.momentum) : null,
  };
}

/** What values go over the wire as. */
export function codecsOfRun({ codec }: RunSettings): Codecs {
  return codecsOf(parseCodecChoice(codec));
}

/** Whether the result depends on nothing that is not among the settings. */
export function isExact(settings: RunSettings): boolean {
  return settings.mode === 'sync' && isLossless(codecsOfRun(settings));
}

function readNote(folder: string, checkpoint: CheckpointContents): z.output<typeof NOTED> {
  const noted = NOTED.safeParse(checkpoint.record[RECORD_KEY]);
  if (noted.success) return noted.data;
  throw inputError('ERR_RESUME', `the checkpoint in ${folder} was not written by tensorflock train; resume it with the program that wrote it.`);
}

function checkAgainst(folder: string, settings: RunSettings, options: TrainOptions): void {
  for (const key of Object.keys(OPTION_OF) as (keyof RunSettings)[]) {
    const given = options[key];
    if (given === undefined || given === settings[key] || (key === 'epochs' && Number(given) > settings.epochs)) continue;
    if (key === 'kernels' && given === 'auto') continue;
    const remedy = key === 'epochs' ? 'give a larger number or leave it out' : 'leave it out, or start a new run';
    throw inputError('ERR_RESUME', `--${OPTION_OF[key]} ${given} differs from the ${settings[key] ?? 'default'} of the run in ${folder}; ${remedy}.`);
  }
}

function describe(experiment: z.output<typeof NOTED>['experiment']): string {
  return 'preset' in experiment ? experiment.preset : experiment.file;
}
