import type * as tfl from '@tensorflow/tfjs-layers';
import type * as tfc from '@tensorflow/tfjs-core';
import type { CodecChoice } from '../../src/codecs/choice.js';
import type { Column, Dataset, DatasetSplit } from '../../src/data/dataset.js';
import type { DownloadProgress } from '../../src/data/download.js';
import type { LayerHealth } from '../../src/report/network-health.js';
import type { CheckpointContents } from '../../src/train/checkpoint.js';
import type { JsonObject } from '../../src/train/json.js';
import type { Mode } from '../../src/train/mode.js';
import type { Callback } from '../../src/train/callbacks.js';
import type { Optimizer } from '../../src/optimizers/index.js';
import type { Fetch, OptimizerName } from './choices.js';

/** The inputs or the targets of a data set, in the model's order. */
export type Columns = readonly Column[];

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

export interface FitOptions {
  readonly batchSize?: number;
  readonly epochs?: number;
  readonly shuffle?: boolean;
  readonly validationData?: readonly [Columns, Columns];
  readonly callbacks?: readonly Callback[];
  readonly classNames?: readonly string[] | undefined;
  readonly checkpoint?: { readonly folder: string; readonly everySteps?: number; readonly record: JsonObject };
  readonly resumeFrom?: CheckpointContents;
  readonly onProgress?: (progress: Progress) => void;
  readonly signal?: AbortSignal;
}

/** tfjs's History: epochs from 0, and a list for each name of the logs. */
export interface History {
  readonly epoch: readonly number[];
  readonly history: Readonly<Record<string, readonly (number | tfc.Tensor)[]>>;
}

export interface Trainer {
  readonly facts: {
    readonly workers: number;
    readonly arithmetic: 'fma' | 'portable';
    readonly tile: string;
    readonly engineFlags: readonly string[];
    readonly shardSize?: number;
    readonly mode: Mode;
  };
  /** The facts of a fit with this batch size, with sentences for the banner. */
  describe(batchSize: number): Trainer['facts'] & { readonly shardSize: number; readonly notes: readonly string[] };
  fit(x: Columns, y: Columns, options: FitOptions): Promise<History>;
  evaluate(x: Columns, y: Columns): Promise<Record<string, number>>;
  predict(x: Columns): Promise<tfc.Tensor>;
  /** The most nodes that took part at once. */
  readonly mostNodes: number;
  hashes(): { readonly weightsSha256: string; readonly stateSha256: string };
  close(): Promise<void>;
}

export interface DistributeOptions {
  readonly workers?: number | 'auto';
  readonly shardSize?: number;
  readonly seed?: number;
  readonly mode?: Mode['kind'];
  readonly staleness?: number | undefined;
  readonly period?: number | undefined;
  readonly outerLearningRate?: number | undefined;
  readonly outerMomentum?: number | undefined;
  readonly kernels?: 'auto' | 'fma' | 'portable';
  readonly engineFlags?: boolean;
  readonly optimizer?: Optimizer;
  readonly serve?: string | true;
  readonly serveFrom?: string;
  readonly joinKey?: string;
  readonly metricsKey?: string;
  readonly eventLog?: string;
  readonly quorum?: number | undefined;
  readonly backup?: boolean | undefined;
  readonly audit?: number | undefined;
  readonly checkShares?: boolean | undefined;
  readonly chaos?: boolean | undefined;
  readonly codec?: CodecChoice | undefined;
  readonly hosts?: readonly string[];
  readonly announce?: boolean;
  readonly insecure?: boolean;
  readonly tls?: { readonly certificatePem: string; readonly privateKeyPem: string };
  readonly onNotice?: (text: string) => void;
}

/** The part of the library that the command line uses. */
export interface Library {
  readonly layers: typeof tfl;
  distribute(model: tfl.LayersModel, options: DistributeOptions): Promise<Trainer>;
  initialize(model: tfl.LayersModel, seed: number): void;
  optimizer(name: OptimizerName, learningRate: number): Optimizer;
  /** Looks into the trainer's model, on these examples. */
  inspect(trainer: Trainer, examples: Dataset): Promise<LayerHealth[]>;
  /** Gives a model the weights of a checkpoint, in the order of tfjs's `model.getWeights()`. @throws ERR_CHECKPOINT_MODEL where they do not fit */
  restore(model: tfl.LayersModel, checkpoint: CheckpointContents): void;
  /** Stops when the validation loss (without validation data: the loss) has not improved for `patience` epochs. */
  earlyStopping(patience: number, monitor: 'val_loss' | 'loss'): Callback;
}

/** Is told what takes long: `notice` gets a sentence, `download` how far a file has come. */
export interface DataListener {
  notice(sentence: string): void;
  download?(progress: DownloadProgress): void;
}

/** The data sets that presets train on. */
export interface DataSource {
  load(name: 'fashion-mnist' | 'mnist', fetch: Fetch, listener: DataListener): Promise<DatasetSplit>;
  /** Examples without targets: an IDX file, or a CSV file of numbers. */
  readRows(file: string): Promise<Column>;
}
