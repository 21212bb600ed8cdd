/** Words that options accept; without dependencies, so that `--help` can list them before anything else is loaded. */
export const OPTIMIZERS = ['sgd', 'momentum', 'nesterov', 'adagrad', 'rmsprop', 'adam', 'adamw'] as const;
export { MODES } from '../../src/train/mode.js';
export const KERNEL_CHOICES = ['auto', 'fma', 'portable'] as const;
export const FETCH_CHOICES = ['none', 'mirrors', 'apt'] as const;

/** Published sets of images, the default first. */
export const DATASETS = ['fashion-mnist', 'mnist'] as const;

/** What a node keeps of the data. */
export const DATA_CHOICES = ['columns', 'rows'] as const;

export type OptimizerName = (typeof OPTIMIZERS)[number];
/** Where a data set that is not on this machine may come from: nowhere, mirrors, or mirrors and then apt-get. */
export type Fetch = (typeof FETCH_CHOICES)[number];

/** The learning rates of tfjs-layers; momentum and Nesterov are its sgd, adamw its adam. */
export const LEARNING_RATES: Readonly<Record<OptimizerName, number>> = {
  sgd: 0.01,
  momentum: 0.01,
  nesterov: 0.01,
  adagrad: 0.01,
  rmsprop: 0.001,
  adam: 0.001,
  adamw: 0.001,
};

export const BENCH_MODELS = ['mlp', 'mlp-wide'] as const;
export type BenchModel = (typeof BENCH_MODELS)[number];

/** Networks of three sizes, for scaling: 8 thousand, 80 thousand and 670 thousand parameters. */
export const BENCH_SIZES = ['linear', 'mlp', 'mlp-wide'] as const;
export type BenchSize = (typeof BENCH_SIZES)[number];

/** What a scaling report is made of. */
export const SCALING_PARTS = ['workers', 'batches', 'modes', 'codecs', 'nodes', 'accuracy'] as const;
export type ScalingPart = (typeof SCALING_PARTS)[number];

/** The programs that `bench` measures beside this one, in the order of its table. */
export const PEER_IDS = [
  'torch-1', 'torch-2', 'torch-2-passive', 'torch-openblas-2', 'torch-ddp', 'torch-hogwild', 'numpy-1', 'numpy-2', 'jax-js', 'tfjs-wasm', 'tfjs-cpu',
] as const;
export type PeerId = (typeof PEER_IDS)[number];

/** What an operator may ask of a run that serves. */
export const OPERATIONS = ['pause', 'resume', 'checkpoint', 'stop'] as const;
export type Operation = (typeof OPERATIONS)[number];

/** Shells for which `completion` writes a script. */
export const SHELLS = ['bash', 'zsh', 'fish', 'powershell'] as const;
export type Shell = (typeof SHELLS)[number];
