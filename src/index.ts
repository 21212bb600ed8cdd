// The door: every name of the package, listed by hand.
export * as datasets from './data/index.js';
export { distribute } from './distribute.js';
export { TensorflockError } from './errors.js';
export { optimizers, schedules } from './optimizers/index.js';
export { Trainer } from './train/trainer.js';
export { earlyStopping } from './train/early-stopping.js';
export { initialize } from './random/initialize.js';
export { defineExperiment } from './train/experiment.js';
export type { Column, Dataset, DatasetSplit } from './data/index.js';
export type { Optimizer, Schedule } from './optimizers/index.js';
export type { DistributeOptions } from './train/options.js';
export type { FitOptions, History, Progress } from './train/fitting.js';
