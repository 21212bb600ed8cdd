import { createHash } from 'node:crypto';
import { existsSync, readFileSync, statSync } from 'node:fs';
import { basename, extname, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import type * as tfl from '@tensorflow/tfjs-layers';
import type { Dataset, DatasetSplit } from '../../src/data/dataset.js';
import { FASHION_MNIST, MNIST } from '../../src/data/image-sets.js';
import { inputError, TensorflockError } from '../../src/errors.js';
import type { Experiment } from '../../src/train/experiment.js';
import type { JsonObject } from '../../src/train/json.js';
import type { Fetch } from './choices.js';
import type { Context } from './context.js';
import type { DataListener, Library } from './library.js';
import { notOneOf } from './nearest.js';
import { buildPreset, PRESETS } from './presets.js';
import { loadUserModule, MODULE_EXTENSIONS } from './user-module.js';

/** What a checkpoint notes of an experiment, to find the same one again. */
export type Identity = { readonly preset: string } | { readonly file: string; readonly sha256: string };

/** A preset or a file, made alike. */
export interface RunnableExperiment {
  readonly name: string;
  readonly identity: Identity;
  readonly batchSize: number;
  readonly epochs: number;
  readonly shardSize?: number;
  /** Known before the data are, for presets. */
  readonly classNames?: readonly string[] | undefined;
  /** Whether the command chooses the optimizer; a file's model brings its own. */
  readonly takesDefaultOptimizer: boolean;
  /** The compiled model, its weights drawn from `seed` unless the experiment keeps its own. */
  build(library: Library, seed: number): Promise<tfl.LayersModel>;
  data(context: Context, fetch: Fetch, listener: DataListener): Promise<DatasetSplit>;
}

const CLASS_NAMES = { 'fashion-mnist': FASHION_MNIST.classNames, mnist: MNIST.classNames };
const FILE_DEFAULTS = { batchSize: 32, epochs: 10 } as const;

/**
 * The experiment that `train [preset | file]` names.
 * @throws ERR_EXPERIMENT for a preset or file that is not there, or a file that is not an experiment
 */
export async function findExperiment(target: string): Promise<RunnableExperiment> {
  if (Object.hasOwn(PRESETS, target)) return fromPreset(target);
  if (!looksLikeFile(target)) throw inputError('ERR_EXPERIMENT', notOneOf(target, 'a preset', Object.keys(PRESETS)));
  return fromFile(resolve(target));
}

/** The experiment that a checkpoint notes. @throws ERR_EXPERIMENT if the file has gone or changed since */
export async function findAgain(identity: Identity): Promise<RunnableExperiment> {
  if ('preset' in identity) return findExperiment(identity.preset);
  const experiment = await fromFile(identity.file);
  if ('sha256' in experiment.identity && experiment.identity.sha256 === identity.sha256) return experiment;
  throw inputError(
    'ERR_EXPERIMENT',
    `${identity.file} has changed since the checkpoint was written; bring back the file as it was, or start a new run.`,
  );
}

/** Whether a target on the command line means the noted experiment. */
export function isSame(target: string, identity: Identity): boolean {
  return 'preset' in identity ? target === identity.preset : resolve(target) === identity.file;
}

export function identityRecord(identity: Identity): JsonObject {
  return { ...identity };
}

function looksLikeFile(target: string): boolean {
  return /[\\/]/.test(target) || extname(target) !== '' || existsSync(target);
}

function fromPreset(name: string): RunnableExperiment {
  const preset = PRESETS[name]!;
  return {
    name,
    identity: { preset: name },
    batchSize: preset.batchSize,
    epochs: preset.epochs,
    classNames: CLASS_NAMES[preset.dataset],
    takesDefaultOptimizer: true,
    build: async (library, seed) => {
      const model = buildPreset(preset, library.layers);
      library.initialize(model, seed);
      return model;
    },
    data: async (context, fetch, listener) => (await context.dataSource()).load(preset.dataset, fetch, listener),
  };
}

async function fromFile(file: string): Promise<RunnableExperiment> {
  checkFile(file);
  const experiment = await importExperiment(file);
  for (const name of ['batchSize', 'shardSize', 'epochs'] as const) checkCount(name, experiment[name], file);
  return {
    name: experiment.name ?? basename(file),
    identity: { file, sha256: createHash('sha256').update(readFileSync(file)).digest('hex') },
    batchSize: experiment.batchSize ?? FILE_DEFAULTS.batchSize,
    epochs: experiment.epochs ?? FILE_DEFAULTS.epochs,
    ...(experiment.shardSize === undefined ? {} : { shardSize: experiment.shardSize }),
    takesDefaultOptimizer: false,
    build: async (library, seed) => {
      const model = await ofTheFile(file, 'model', async () => {
        const made = await experiment.model();
        compileIfAsked(made, experiment, file);
        return made;
      });
      if (experiment.weights !== 'keep') library.initialize(model, seed);
      return model;
    },
    data: async () => checkSplit(await ofTheFile(file, 'data', async () => experiment.data()), file),
  };
}

/** Runs what the user wrote: an exception in it is a fault of the file, told with its place there. */
async function ofTheFile<T>(file: string, part: 'model' | 'data', run: () => Promise<T>): Promise<T> {
  try {
    return await run();
  } catch (error) {
    if (error instanceof TensorflockError) throw error;
    throw inputError('ERR_EXPERIMENT', `the ${part} of ${file} cannot be made (${reasonOf(error, file)}); correct it and run again.`, { cause: error });
  }
}

/** The first line of an error's message (tfjs writes several), and the line of the file that it came from. */
function reasonOf(error: unknown, file: string): string {
  if (!(error instanceof Error)) return String(error);
  const message = error.message.split('\n')[0]!.trim().replace(/^ParseError: |\.$/g, '');
  const place = error.stack?.split(`${pathToFileURL(file).href}:`)[1] ?? error.stack?.split(`${file}:`)[1]; // as jiti names it
  const line = place === undefined ? undefined : /^\d+/.exec(place)?.[0];
  return line === undefined ? message : `${message}, line ${line}`;
}

function checkCount(name: 'batchSize' | 'shardSize' | 'epochs', value: unknown, file: string): void {
  if (value === undefined || (Number.isSafeInteger(value) && (value as number) >= 1)) return;
  throw inputError('ERR_EXPERIMENT', `${name} of ${file} is ${String(value)}; give a whole number of at least 1.`);
}

function checkSplit(split: DatasetSplit, file: string): DatasetSplit {
  const isDataset = (data: unknown): boolean => Array.isArray((data as Partial<Dataset> | undefined)?.x) && Array.isArray((data as Partial<Dataset>).y);
  const given = split as Partial<DatasetSplit> | undefined;
  if (isDataset(given?.train) && isDataset(given?.test)) return split;
  throw inputError('ERR_EXPERIMENT', `data of ${file} does not give { train, test }, two data sets; make them with datasets.arrays, datasets.csv or datasets.idx.`);
}

function checkFile(file: string): void {
  const stats = statSync(file, { throwIfNoEntry: false });
  if (stats === undefined) {
    throw inputError('ERR_EXPERIMENT', `there is no file ${file}; name a preset (${Object.keys(PRESETS).join(', ')}) or a module with an experiment.`);
  }
  if (!stats.isFile() || !MODULE_EXTENSIONS.includes(extname(file))) {
    throw inputError('ERR_EXPERIMENT', `${file} is not a module; give a ${MODULE_EXTENSIONS.join(', ')} file.`);
  }
}

async function importExperiment(file: string): Promise<Experiment> {
  let module: { readonly default?: unknown; readonly experiment?: unknown };
  try {
    module = (await loadUserModule(file)) as typeof module;
  } catch (error) {
    throw inputError('ERR_EXPERIMENT', `${file} cannot be loaded (${reasonOf(error, file)}); correct it and run again.`, { cause: error });
  }
  const found = [module.experiment, module.default].find(isExperiment);
  if (found !== undefined) return found;
  throw inputError(
    'ERR_EXPERIMENT',
    `${file} exports no experiment; write "export default defineExperiment({ model, data })" with two functions.`,
  );
}

function isExperiment(value: unknown): value is Experiment {
  if (typeof value !== 'object' || value === null) return false;
  const { model, data } = value as Partial<Experiment>;
  return typeof model === 'function' && typeof data === 'function';
}

function compileIfAsked(model: tfl.LayersModel, experiment: Experiment, file: string): void {
  if (experiment.loss !== undefined) {
    model.compile({
      optimizer: experiment.optimizer ?? 'adam',
      loss: experiment.loss,
      ...(experiment.metrics === undefined ? {} : { metrics: experiment.metrics }),
    });
  }
  if (model.loss === undefined) {
    throw inputError('ERR_EXPERIMENT', `the model of ${file} is not compiled; call model.compile, or give the experiment a loss.`);
  }
}
