import type * as tfl from '@tensorflow/tfjs-layers';
import type { DatasetSplit } from '../data/dataset.js';

/** What an experiment file gives to `tensorflock train file.js`. */
export interface Experiment {
  /** Shown in the banner; the file's name without it. */
  readonly name?: string;
  /** A new model: compiled, or `loss` below is given and the command compiles it. */
  model(): tfl.LayersModel | Promise<tfl.LayersModel>;
  /** The examples to train on, and those to validate and test on. */
  data(): Promise<DatasetSplit> | DatasetSplit;
  readonly batchSize?: number;
  readonly shardSize?: number;
  readonly epochs?: number;
  /** As in `model.compile`, for a model that is not compiled. */
  readonly optimizer?: tfl.ModelCompileArgs['optimizer'];
  readonly loss?: tfl.ModelCompileArgs['loss'];
  readonly metrics?: tfl.ModelCompileArgs['metrics'];
  /** `draw` (default): initial weights come from `--seed`; `keep`: the model brings weights worth keeping. */
  readonly weights?: 'draw' | 'keep';
}

/** Gives an experiment its type in an editor: `export default defineExperiment({ model, data, epochs: 5 })`. */
export function defineExperiment(experiment: Experiment): Experiment {
  return experiment;
}
