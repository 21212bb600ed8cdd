// One row a rule: what it remembers of each parameter, the numbers of a step, and its kernel.
//
// In the formulas p is a parameter, g its mean gradient, r the scheduled rate, t the number of the update from 1 on.
import type { Kernels } from '../kernels/load.js';
import { wholePower } from '../random/elementary.js';
import type { Clip } from './clipping.js';
import type { Schedule } from './schedules.js';

interface Common {
  readonly learningRate: Schedule;
  readonly clip: readonly Clip[];
}

export interface Sgd extends Common {
  readonly rule: 'sgd';
}

export interface Momentum extends Common {
  readonly rule: 'momentum';
  readonly momentum: number;
}

export interface Nesterov extends Omit<Momentum, 'rule'> {
  readonly rule: 'nesterov';
}

export interface Adagrad extends Common {
  readonly rule: 'adagrad';
  readonly initialAccumulator: number;
  readonly epsilon: number;
}

export interface Rmsprop extends Common {
  readonly rule: 'rmsprop';
  readonly decay: number;
  readonly momentum: number;
  readonly epsilon: number;
  readonly centered: boolean;
}

export interface Adam extends Common {
  readonly rule: 'adam';
  readonly beta1: number;
  readonly beta2: number;
  readonly epsilon: number;
}

export interface Adamw extends Omit<Adam, 'rule'> {
  readonly rule: 'adamw';
  readonly weightDecay: number;
}

/** An optimizer as plain data: it can be sent to a worker, written into a checkpoint and compared. */
export type Optimizer = Sgd | Momentum | Nesterov | Adagrad | Rmsprop | Adam | Adamw;

/** Updates a range of parameters in place, from gradients times `scale`; byte addresses, `scalars` as the rule's own row gives them. */
export type RuleUpdate = (
  parameters: number, gradients: number, states: readonly number[], floatCount: number, scale: number, scalars: Float32Array,
) => void;

interface Rule<Data> {
  /** What is remembered of each parameter, in the order of the kernel's arguments: names, and what every element starts as. */
  states(data: Data): Readonly<Record<string, number>>;
  /** The numbers of a step that all parameters share, in float64. */
  scalars(data: Data, rate: number, t: number): readonly number[];
  bind(kernels: Kernels, data: Data): RuleUpdate;
}

/** p -= r g. Robbins and Monro, A Stochastic Approximation Method, 1951. */
const sgd: Rule<Sgd> = {
  states: () => ({}),
  scalars: (_, rate) => [rate],
  bind: (kernels) => {
    const run = kernels['sgd']!;
    return (p, g, _, count, scale, s) => run(p, g, count, scale, s[0]!);
  },
};

/**
 * a = momentum a + g; p -= r a. Polyak, Some methods of speeding up the convergence of iteration methods, 1964.
 * nesterov: p -= r (g + momentum a). Sutskever et al., On the importance of initialization and momentum, 2013.
 */
const momentum: Rule<Momentum | Nesterov> = {
  states: () => ({ velocity: 0 }),
  scalars: (data, rate) => [rate, data.momentum],
  bind: (kernels, { rule }) => {
    const run = kernels[rule]!;
    return (p, g, [velocity], count, scale, s) => run(p, g, velocity!, count, scale, s[0]!, s[1]!);
  },
};

/** s += g^2; p -= r g / sqrt(s + epsilon). Duchi, Hazan and Singer, Adaptive Subgradient Methods, 2011. */
const adagrad: Rule<Adagrad> = {
  states: (data) => ({ accumulator: data.initialAccumulator }),
  scalars: ({ epsilon }, rate) => [rate, epsilon],
  bind: (kernels) => {
    const run = kernels['adagrad']!;
    return (p, g, [accumulator], count, scale, s) => run(p, g, accumulator!, count, scale, s[0]!, s[1]!);
  },
};

/**
 * s = decay s + (1 - decay) g^2; p -= r g / sqrt(s + epsilon). Tieleman and Hinton, Lecture 6.5 - rmsprop, 2012.
 * With momentum: b = momentum b + r g / sqrt(s + epsilon); p -= b.
 * Centered: a = decay a + (1 - decay) g, and s - a^2 in the place of s under the root (Graves, Generating Sequences With
 * Recurrent Neural Networks, 2013). tfjs subtracts epsilon there, which gives NaN for a gradient of zero.
 */
const rmsprop: Rule<Rmsprop> = {
  states: (data) => ({ meanSquare: 0, ...(data.centered && { mean: 0 }), ...(data.momentum > 0 && { velocity: 0 }) }),
  scalars: (data, rate) => [rate, 1 - data.decay, data.epsilon, data.momentum],
  bind: (kernels, data) => {
    const run = kernels[`rmsprop${data.centered ? 'Centered' : ''}${data.momentum > 0 ? 'Momentum' : ''}`]!;
    if (data.centered && data.momentum > 0) {
      return (p, g, [square, mean, velocity], count, scale, s) =>
        run(p, g, square!, mean!, velocity!, count, scale, s[0]!, s[1]!, s[2]!, s[3]!);
    }
    if (data.momentum > 0) {
      return (p, g, [square, velocity], count, scale, s) => run(p, g, square!, velocity!, count, scale, s[0]!, s[1]!, s[2]!, s[3]!);
    }
    if (data.centered) return (p, g, [square, mean], count, scale, s) => run(p, g, square!, mean!, count, scale, s[0]!, s[1]!, s[2]!);
    return (p, g, [square], count, scale, s) => run(p, g, square!, count, scale, s[0]!, s[1]!, s[2]!);
  },
};

/**
 * m = beta1 m + (1 - beta1) g; v = beta2 v + (1 - beta2) g^2; with m^ = m / (1 - beta1^t) and v^ = v / (1 - beta2^t):
 * p -= r m^ / (sqrt(v^) + epsilon). Kingma and Ba, Adam: A Method for Stochastic Optimization, 2015.
 */
const adam: Rule<Adam | Adamw> = {
  states: () => ({ mean: 0, variance: 0 }),
  scalars: adamScalars,
  bind: (kernels) => {
    const run = kernels['adam']!;
    return (p, g, [mean, variance], count, scale, s) => run(p, g, mean!, variance!, count, scale, s[0]!, s[1]!, s[2]!, s[3]!);
  },
};

/** p -= r weightDecay p, then as Adam. Loshchilov and Hutter, Decoupled Weight Decay Regularization, 2019. */
const adamw: Rule<Adamw> = {
  states: adam.states,
  scalars: (data, rate, t) => [...adamScalars(data, rate, t), rate * data.weightDecay],
  bind: (kernels) => {
    const run = kernels['adamw']!;
    return (p, g, [mean, variance], count, scale, s) => run(p, g, mean!, variance!, count, scale, s[0]!, s[1]!, s[2]!, s[3]!, s[4]!);
  },
};

/**
 * r m^ / (sqrt(v^) + epsilon) is r (c / (1 - beta1^t)) m / (sqrt(v) + c epsilon) with c = sqrt(1 - beta2^t): both corrections
 * in two numbers, so that the kernel has one division.
 */
function adamScalars({ beta1, beta2, epsilon }: Adam | Adamw, rate: number, t: number): number[] {
  const correction = Math.sqrt(1 - wholePower(beta2, t));
  return [(rate * correction) / (1 - wholePower(beta1, t)), epsilon * correction, 1 - beta1, 1 - beta2];
}

const RULES: { readonly [Name in Optimizer['rule']]: Rule<Extract<Optimizer, { rule: Name }>> } = {
  sgd, momentum, nesterov: momentum, adagrad, rmsprop, adam, adamw,
};

/** The row of an optimizer's rule. */
export function ruleOf(optimizer: Optimizer): Rule<Optimizer> {
  return RULES[optimizer.rule] as Rule<Optimizer>;
}
