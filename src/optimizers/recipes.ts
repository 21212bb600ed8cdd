// The optimizers by name, with their defaults.
import { listed, nearest, quoted } from '../data/words.js';
import { inputError } from '../errors.js';
import { CLIP_OPTIONS, clipsOf, type ClipOptions } from './clipping.js';
import { checkedBoolean, checkedNumber, checkedOptions, DECAY, EPSILON, NOT_NEGATIVE } from './options.js';
import type { Adagrad, Adam, Adamw, Momentum, Nesterov, Optimizer, Rmsprop, Sgd } from './rules.js';
import { asSchedule, type Schedule } from './schedules.js';

export interface CommonOptions extends ClipOptions {
  /** A number, or one of `schedules`. */
  readonly learningRate?: number | Schedule;
}

export interface MomentumOptions extends CommonOptions {
  readonly momentum?: number;
}

export interface AdagradOptions extends CommonOptions {
  readonly initialAccumulator?: number;
  readonly epsilon?: number;
}

export interface RmspropOptions extends CommonOptions {
  readonly decay?: number;
  readonly momentum?: number;
  readonly epsilon?: number;
  readonly centered?: boolean;
}

export interface AdamOptions extends CommonOptions {
  readonly beta1?: number;
  readonly beta2?: number;
  readonly epsilon?: number;
}

export interface AdamwOptions extends AdamOptions {
  readonly weightDecay?: number;
}

const DEFAULT_EPSILON = 1e-7;

/** What every optimizer has, checked; `own` are the names of the options beyond those. */
function common(where: string, options: CommonOptions, own: readonly string[], defaultRate: number): Omit<Sgd, 'rule'> {
  checkedOptions(where, options, ['learningRate', ...own, ...CLIP_OPTIONS]);
  const { learningRate = defaultRate } = options;
  return { learningRate: asSchedule(where, 'learningRate', learningRate), clip: clipsOf(where, options) };
}

function momentumNumbers(where: string, options: MomentumOptions): Omit<Momentum, 'rule'> {
  const shared = common(where, options, ['momentum'], 0.01);
  const { momentum = 0.9 } = options;
  return { ...shared, momentum: checkedNumber(where, 'momentum', momentum, DECAY) };
}

function adamNumbers(where: string, options: AdamOptions): Pick<Adam, 'beta1' | 'beta2' | 'epsilon'> {
  const { beta1 = 0.9, beta2 = 0.999, epsilon = DEFAULT_EPSILON } = options;
  return {
    beta1: checkedNumber(where, 'beta1', beta1, DECAY),
    beta2: checkedNumber(where, 'beta2', beta2, DECAY),
    epsilon: checkedNumber(where, 'epsilon', epsilon, EPSILON),
  };
}

/**
 * Constructors of optimizers; the formulas stand in rules.ts. All take `learningRate`, a number or a schedule, `clipNorm`, the
 * largest norm of all gradients together, and `clipValue`, the largest magnitude of an element; with both, the norm comes
 * first. Learning rates default to those of tfjs-layers.
 */
export const optimizers = {
  /** Rate 0.01. */
  sgd(options: CommonOptions = {}): Sgd {
    return { rule: 'sgd', ...common('optimizers.sgd', options, [], 0.01) };
  },

  /** Rate 0.01, momentum 0.9. */
  momentum(options: MomentumOptions = {}): Momentum {
    return { rule: 'momentum', ...momentumNumbers('optimizers.momentum', options) };
  },

  /** Rate 0.01, momentum 0.9. */
  nesterov(options: MomentumOptions = {}): Nesterov {
    return { rule: 'nesterov', ...momentumNumbers('optimizers.nesterov', options) };
  },

  /** Rate 0.01, accumulator from 0.1 on, epsilon 1e-7. */
  adagrad(options: AdagradOptions = {}): Adagrad {
    const where = 'optimizers.adagrad';
    const shared = common(where, options, ['initialAccumulator', 'epsilon'], 0.01);
    const { initialAccumulator = 0.1, epsilon = DEFAULT_EPSILON } = options;
    return {
      rule: 'adagrad',
      ...shared,
      initialAccumulator: checkedNumber(where, 'initialAccumulator', initialAccumulator, NOT_NEGATIVE),
      epsilon: checkedNumber(where, 'epsilon', epsilon, EPSILON),
    };
  },

  /** Rate 0.001, decay 0.9, momentum 0, epsilon 1e-7, not centered. */
  rmsprop(options: RmspropOptions = {}): Rmsprop {
    const where = 'optimizers.rmsprop';
    const shared = common(where, options, ['decay', 'momentum', 'epsilon', 'centered'], 0.001);
    const { decay = 0.9, momentum = 0, epsilon = DEFAULT_EPSILON, centered = false } = options;
    return {
      rule: 'rmsprop',
      ...shared,
      decay: checkedNumber(where, 'decay', decay, DECAY),
      momentum: checkedNumber(where, 'momentum', momentum, DECAY),
      epsilon: checkedNumber(where, 'epsilon', epsilon, EPSILON),
      centered: checkedBoolean(where, 'centered', centered),
    };
  },

  /** Rate 0.001, beta1 0.9, beta2 0.999, epsilon 1e-7. */
  adam(options: AdamOptions = {}): Adam {
    const where = 'optimizers.adam';
    const shared = common(where, options, ['beta1', 'beta2', 'epsilon'], 0.001);
    return { rule: 'adam', ...shared, ...adamNumbers(where, options) };
  },

  /** As adam, with a weight decay of 0.004. */
  adamw(options: AdamwOptions = {}): Adamw {
    const where = 'optimizers.adamw';
    const shared = common(where, options, ['beta1', 'beta2', 'epsilon', 'weightDecay'], 0.001);
    const { weightDecay = 0.004 } = options;
    return {
      rule: 'adamw',
      ...shared,
      ...adamNumbers(where, options),
      weightDecay: checkedNumber(where, 'weightDecay', weightDecay, NOT_NEGATIVE),
    };
  },
} as const satisfies { readonly [Name in Optimizer['rule']]: (options?: CommonOptions) => Optimizer };

/** The optimizer of a name with its defaults; an unknown name is refused with the nearest. */
export function optimizerByName(name: string, options: { readonly learningRate?: number } = {}): Optimizer {
  const names = Object.keys(optimizers);
  if (!isRuleName(name)) {
    throw inputError(
      'ERR_OPTION',
      `there is no optimizer ${quoted(name)}; the nearest is ${quoted(nearest(name, names) ?? '')} (of ${listed(names)}).`,
    );
  }
  return optimizers[name](options);
}

function isRuleName(name: string): name is Optimizer['rule'] {
  return Object.hasOwn(optimizers, name);
}
