import type { Tensor } from '@tensorflow/tfjs-core';
import { optimizerByName } from '../../src/optimizers/index.js';

import type { Context, EndingSignal } from '../../scripts/cli/context.js';
import type { FitOptions, History, Library, Trainer } from '../../scripts/cli/library.js';
import { createDataset, type Column, type DatasetSplit } from '../../src/data/dataset.js';
import { TensorflockError } from '../../src/errors.js';
import type { CheckpointContents } from '../../src/train/checkpoint.js';
import type { JsonObject } from '../../src/train/json.js';

const FACTS = { workers: 2, arithmetic: 'fma', tile: '3x12', engineFlags: [], shardSize: 8, mode: { kind: 'sync' } } as const;

/** A context that keeps what is written, and a clock that moves only when told. */
export interface FakeContext extends Context {
  readonly out: string[];
  readonly err: string[];
  readonly exits: number[];
  nowMsValue: number;
  press(signal?: EndingSignal): void;
}

export interface FakeTrainer extends Trainer {
  readonly fits: FitOptions[];
  closed: boolean;
}

/** What a fit of the fake does; by default every epoch has loss 1 / epoch and takes half a second. */
export type Script = (options: FitOptions, context: FakeContext) => Promise<History>;

export const HASHES = { weightsSha256: 'ab'.repeat(32), stateSha256: 'cd'.repeat(32) };

const COUNTS = { from: -1, to: 1, counts: [1, 3] };

/** Ten equal outputs for each of four examples: what the fake uses of a tensor. */
const UNDECIDED = { shape: [4, 10], data: async () => new Float32Array(40).fill(0.1), dispose: () => undefined } as unknown as Tensor;

/** 12 training and 4 test examples of [28, 28]. */
export function smallSplit(): DatasetSplit {
  const images = (count: number): Column => ({ values: new Uint8Array(count * 784), shape: [count, 28, 28], scale: 1 / 255 });
  const labels = (count: number): Column => ({ values: new Uint8Array(count), shape: [count] });
  return { train: createDataset('train', [images(12)], [labels(12)]), test: createDataset('test', [images(4)], [labels(4)]) };
}

export async function trainEveryEpoch(options: FitOptions, context: FakeContext): Promise<History> {
  const epochs = options.epochs ?? 1;
  const loss: number[] = [];
  for (let epoch = 0; epoch < epochs; epoch++) {
    if (options.signal?.aborted) throw new TensorflockError('ERR_INTERRUPTED', 'interrupted', 'run');
    for (const callback of options.callbacks ?? []) (callback as { onEpochBegin?: (epoch: number) => void }).onEpochBegin?.(epoch);
    options.onProgress?.({ epoch: epoch + 1, epochs, step: 3, steps: 3, examplesPerSecond: 24 });
    context.nowMsValue += 500;
    loss.push(1 / (epoch + 1));
    const logs = { loss: 1 / (epoch + 1), acc: 0.5, accuracy: 0.5, val_loss: 0.75, val_acc: 0.25, val_accuracy: 0.25 };
    for (const callback of options.callbacks ?? []) (callback as { onEpochEnd?: (epoch: number, logs: object) => void }).onEpochEnd?.(epoch, logs);
  }
  return { epoch: loss.map((_, index) => index), history: { loss } };
}

export function fakeTrainer(script: Script, context: FakeContext): FakeTrainer {
  const fits: FitOptions[] = [];
  const trainer: FakeTrainer = {
    facts: FACTS,
    describe: () => ({ ...FACTS, notes: ['1 of 2 workers idles.'] }),
    fits,
    closed: false,
    fit: async (_x, _y, options) => {
      fits.push(options);
      for (const callback of options.callbacks ?? []) await callback.onTrainBegin?.({});
      return script(options, context);
    },
    evaluate: async () => ({ loss: 0.75, acc: 0.25, accuracy: 0.25 }),
    predict: async () => UNDECIDED,
    mostNodes: 0,
    hashes: () => HASHES,
    close: async () => void (trainer.closed = true),
  };
  return trainer;
}

export interface FakeRun {
  readonly context: FakeContext;
  readonly trainer: FakeTrainer;
  readonly distributed: Parameters<Library['distribute']>[1][];
  readonly initialized: number[];
  /** Steps of the checkpoints whose weights a model was given. */
  readonly restored: number[];
}

/** A whole set of fakes around a real tfjs model: only training and data are not real. */
export function fakeRun(options: { readonly script?: Script; readonly record?: JsonObject } = {}): FakeRun {
  const handlers = new Set<(signal: EndingSignal) => void>();
  const out: string[] = [];
  const err: string[] = [];
  const exits: number[] = [];
  const distributed: Parameters<Library['distribute']>[1][] = [];
  const initialized: number[] = [];
  const restored: number[] = [];
  const context: FakeContext = {
    out,
    err,
    exits,
    nowMsValue: 0,
    press: (signal = 'SIGINT') => handlers.forEach((handler) => handler(signal)),
    stdout: { write: (text: string) => out.push(text) },
    stderr: { write: (text: string) => err.push(text) },
    nowMs: () => context.nowMsValue,
    environment: {},
    library: async () => ({
      layers: await import('@tensorflow/tfjs-layers'),
      distribute: async (_model, given) => {
        distributed.push(given);
        return trainer;
      },
      initialize: (_model, seed) => void initialized.push(seed),
      optimizer: (name, learningRate) => optimizerByName(name, { learningRate }),
      inspect: async () => [{ layer: 'dense', gradientNorm: 5, updateRatio: 0.001, deadUnits: 0.25, weights: COUNTS, gradients: COUNTS, activations: COUNTS }],
      restore: (_model, { step }) => void restored.push(step),
      earlyStopping: (patience, monitor) => ({ patience, monitor }) as object,
    }),
    dataSource: async () => ({
      load: async () => smallSplit(),
      readRows: async () => {
        throw new Error('not part of this fake');
      },
    }),
    readCheckpoint: async () => ({ step: 9, tensors: [], model: { topology: {}, weights: [] }, record: options.record ?? {} }) satisfies CheckpointContents,
    onInterrupt: (handler) => {
      handlers.add(handler);
      return () => handlers.delete(handler);
    },
    exit: (status) => void exits.push(status),
  };
  const trainer = fakeTrainer(options.script ?? trainEveryEpoch, context);
  return { context, trainer, distributed, initialized, restored };
}
