// The learning rate as a function of the updates already made (0 at the first), as plain data that travels to workers.
import { inputError } from '../errors.js';
import { cosineOfHalfTurns, power, wholePower } from '../random/elementary.js';
import { checkedNumber, checkedOptions, NOT_NEGATIVE, POSITIVE, shown, STEPS } from './options.js';

export type Schedule =
  | { readonly kind: 'constant'; readonly rate: number }
  | { readonly kind: 'step'; readonly rate: number; readonly factor: number; readonly every: number }
  | { readonly kind: 'exponential'; readonly rate: number; readonly factor: number; readonly steps: number }
  | { readonly kind: 'cosine'; readonly rate: number; readonly steps: number; readonly final: number }
  | { readonly kind: 'warmUp'; readonly steps: number; readonly then: Schedule };

type Options<Kind extends Schedule['kind']> = Omit<Extract<Schedule, { kind: Kind }>, 'kind'>;

/** The learning rate at a step, in float64. `step` counts the updates already made. */
export function rateAt(schedule: Schedule, step: number): number {
  switch (schedule.kind) {
    case 'constant':
      return schedule.rate;
    case 'step':
      return schedule.rate * wholePower(schedule.factor, Math.floor(step / schedule.every));
    case 'exponential':
      return schedule.rate * power(schedule.factor, step / schedule.steps);
    case 'cosine':
      return cosineAt(schedule, step);
    case 'warmUp':
      return warmUpAt(schedule, step);
    default:
      return schedule satisfies never;
  }
}

function cosineAt({ rate, steps, final }: Options<'cosine'>, step: number): number {
  const height = (1 + cosineOfHalfTurns(Math.min(step, steps) / steps)) / 2;
  return final + (rate - final) * height;
}

function warmUpAt({ steps, then }: Options<'warmUp'>, step: number): number {
  return step < steps ? (rateAt(then, 0) * (step + 1)) / steps : rateAt(then, step - steps);
}

const KINDS: readonly Schedule['kind'][] = ['constant', 'step', 'exponential', 'cosine', 'warmUp'];

/** A number as a constant schedule; anything but a number or a schedule is refused. */
export function asSchedule(where: string, option: string, value: unknown): Schedule {
  if (isSchedule(value)) return value;
  if (typeof value === 'number') return { kind: 'constant', rate: checkedNumber(where, option, value, NOT_NEGATIVE) };
  throw inputError('ERR_OPTION', `${where}: ${option} is ${shown(value)}; give a number of at least 0 or one of schedules.`);
}

function isSchedule(value: unknown): value is Schedule {
  return typeof value === 'object' && value !== null && 'kind' in value && KINDS.some((kind) => kind === value.kind);
}

/** Schedules of the learning rate. Every one is checked here and evaluated by the coordinator, once a step, in float64. */
export const schedules = {
  /** rate, at every step. */
  constant(rate: number): Schedule {
    return asSchedule('schedules.constant', 'rate', rate);
  },

  /** rate * factor^floor(step / every). */
  step(options: Options<'step'>): Schedule {
    const where = 'schedules.step';
    checkedOptions(where, options, ['rate', 'factor', 'every']);
    return {
      kind: 'step',
      rate: checkedNumber(where, 'rate', options.rate, NOT_NEGATIVE),
      factor: checkedNumber(where, 'factor', options.factor, POSITIVE),
      every: checkedNumber(where, 'every', options.every, STEPS),
    };
  },

  /** rate * factor^(step / steps), smoothly. */
  exponential(options: Options<'exponential'>): Schedule {
    const where = 'schedules.exponential';
    checkedOptions(where, options, ['rate', 'factor', 'steps']);
    return {
      kind: 'exponential',
      rate: checkedNumber(where, 'rate', options.rate, NOT_NEGATIVE),
      factor: checkedNumber(where, 'factor', options.factor, POSITIVE),
      steps: checkedNumber(where, 'steps', options.steps, STEPS),
    };
  },

  /**
   * final + (rate - final) * (1 + cos(pi * min(step, steps) / steps)) / 2, with `final` 0 unless given. Loshchilov and Hutter,
   * SGDR: Stochastic Gradient Descent with Warm Restarts, 2017, without the restarts.
   */
  cosine(options: Omit<Options<'cosine'>, 'final'> & { readonly final?: number }): Schedule {
    const where = 'schedules.cosine';
    checkedOptions(where, options, ['rate', 'steps', 'final']);
    const { final = 0 } = options;
    return {
      kind: 'cosine',
      rate: checkedNumber(where, 'rate', options.rate, NOT_NEGATIVE),
      steps: checkedNumber(where, 'steps', options.steps, STEPS),
      final: checkedNumber(where, 'final', final, NOT_NEGATIVE),
    };
  },

  /**
   * During the first `steps` updates then(0) * (step + 1) / steps, so that no update is spent on a rate of 0; after them
   * then(step - steps). Goyal et al., Accurate, Large Minibatch SGD, 2017.
   */
  warmUp(options: { readonly steps: number; readonly then: number | Schedule }): Schedule {
    const where = 'schedules.warmUp';
    checkedOptions(where, options, ['steps', 'then']);
    return {
      kind: 'warmUp',
      steps: checkedNumber(where, 'steps', options.steps, STEPS),
      then: asSchedule(where, 'then', options.then),
    };
  },
} as const;
