// Optimizers of tfjs, by name or instance, in our data. Only here are they known; workers never import this file.
import type { Optimizer as TfjsOptimizer } from '@tensorflow/tfjs-core';
import { listed, nearest, quoted } from '../data/words.js';
import { inputError, type TensorflockError } from '../errors.js';
import { optimizers } from './recipes.js';
import { shown } from './options.js';
import type { Optimizer } from './rules.js';

type Instance = Pick<TfjsOptimizer, 'getClassName' | 'getConfig'>;
type Config = Readonly<Record<string, unknown>>;

/** How each class of tfjs reads; without a configuration, with the defaults that tfjs-layers gives to the name. */
const READERS: Readonly<Record<string, (config: Config) => Optimizer>> = {
  sgd: (config) => optimizers.sgd(picked(config, 'learningRate')),
  momentum: (config) => {
    const rule = config['useNesterov'] === true ? 'nesterov' : 'momentum';
    return optimizers[rule](picked(config, 'learningRate', 'momentum'));
  },
  adagrad: ({ initialAccumulatorValue, ...config }) =>
    optimizers.adagrad(picked({ ...config, initialAccumulator: initialAccumulatorValue }, 'learningRate', 'initialAccumulator')),
  rmsprop: (config) => optimizers.rmsprop(picked(config, 'learningRate', 'decay', 'momentum', 'epsilon', 'centered')),
  adam: (config) => optimizers.adam(picked(config, 'learningRate', 'beta1', 'beta2', 'epsilon')),
};

/** The fields of a configuration that are set; the constructors check their values. */
function picked(config: Config, ...names: string[]): object {
  return Object.fromEntries(names.filter((name) => config[name] !== undefined).map((name) => [name, config[name]]));
}

/**
 * What `model.compile({ optimizer })` of tfjs-layers takes: a name in tfjs's spelling, in capitals or not, or an instance of
 * `tf.train`. The iterations and moments of an instance are not taken over. Throws ERR_OPTION for an optimizer that has no
 * counterpart here, adadelta and adamax among them.
 */
export function fromTfjs(optimizer: unknown): Optimizer {
  if (typeof optimizer === 'string') return readerOf(optimizer)({});
  if (isInstance(optimizer)) return readerOf(optimizer.getClassName())(optimizer.getConfig());
  throw inputError(
    'ERR_OPTION',
    `the optimizer is ${shown(optimizer)}; give the name of one (${listed(Object.keys(READERS))}) or an instance of tf.train.`,
  );
}

function readerOf(name: string): (config: Config) => Optimizer {
  const key = name.toLowerCase();
  if (!Object.hasOwn(READERS, key)) throw unknown(name);
  return READERS[key]!;
}

function unknown(name: string): TensorflockError {
  const names = Object.keys(READERS);
  return inputError(
    'ERR_OPTION',
    `the optimizer ${quoted(name)} of tfjs is not covered; the nearest is ${quoted(nearest(name, names) ?? '')} ` +
      `(of ${listed(names)}; adamw and nesterov are in \`optimizers\`).`,
  );
}

function isInstance(value: unknown): value is Instance {
  return typeof value === 'object' && value !== null
    && 'getClassName' in value && typeof value.getClassName === 'function'
    && 'getConfig' in value && typeof value.getConfig === 'function';
}
