import type * as tfl from '@tensorflow/tfjs-layers';
import { isLossless } from '../../src/codecs/choice.js';
import type { DatasetSplit } from '../../src/data/dataset.js';
import type { LayerFacts, RunFacts } from '../../src/report/run.js';
import type { Mode } from '../../src/train/mode.js';
import type { Trainer } from './library.js';
import { codecsOfRun, isExact, type PlannedRun } from './settings.js';

/** The facts of a run for its banner and its report. */
export function factsOf(run: PlannedRun, model: tfl.LayersModel, data: DatasetSplit, trainer: Trainer): RunFacts {
  const { experiment, settings } = run;
  const batchSize = batchSizeOf(run, data);
  const { arithmetic, tile, engineFlags, workers, notes, shardSize, mode } = trainer.describe(batchSize);
  return {
    experiment: experiment.name,
    layers: layerFacts(model),
    optimizer: settings.optimizer === null ? 'as the model was compiled' : `${settings.optimizer}, learning rate ${settings.learningRate}`,
    batchSize,
    epochs: settings.epochs,
    shardSize,
    seed: settings.seed,
    mode: modeLine(mode),
    exact: isExact(settings),
    trainExamples: data.train.exampleCount,
    testExamples: data.test.exampleCount,
    arithmetic,
    tile,
    engineFlags,
    workers,
    notes: [...notes, ...inexactNotes(run)],
  };
}

/** `stale, at most 2 versions` */
function modeLine(mode: Mode): string {
  if (mode.kind === 'stale') return `stale, parameters at most ${mode.staleness} ${mode.staleness === 1 ? 'version' : 'versions'} old`;
  return mode.kind === 'local' ? `local, ${mode.period} own ${mode.period === 1 ? 'step' : 'steps'} between two exchanges` : mode.kind;
}

function inexactNotes({ settings }: PlannedRun): string[] {
  const codecs = codecsOfRun(settings);
  if (isLossless(codecs)) return [];
  const { toNode, toCoordinator } = codecs;
  return [`"exact": false, because parameters go to nodes as ${toNode.name} and shares come as ${toCoordinator.name}: the result depends on who computes what`];
}

/** The batch size in examples, where `all` stands for the whole training set. */
export function batchSizeOf(run: PlannedRun, data: DatasetSplit): number {
  const { batchSize } = run.settings;
  return batchSize === 'all' ? data.train.exampleCount : batchSize;
}

function layerFacts(model: tfl.LayersModel): LayerFacts[] {
  return model.layers.map((layer) => ({
    kind: layer.getClassName().toLowerCase(),
    outputShape: shapeOf(layer).slice(1).map((size) => size ?? 0),
    parameters: layer.countParams(),
  }));
}

/** Of the first output, where a layer has several. */
function shapeOf(layer: tfl.layers.Layer): readonly (number | null)[] {
  const shape = layer.outputShape;
  return (Array.isArray(shape[0]) ? shape[0] : shape) as readonly (number | null)[];
}
