// Optimizers as bytes: MessagePack of their plain data. What comes from outside is checked as the recipes check their options.
import { Packr } from 'msgpackr/pack';
import { decodePlain } from '../plan/msgpack.js';
import { fields, flag, isObject, list, number, oneOf, type Reader } from '../plan/reader.js';
import type { Clip } from './clipping.js';
import { DECAY, EPSILON, NOT_NEGATIVE, POSITIVE, STEPS, type Range } from './options.js';
import type { Optimizer } from './rules.js';
import type { Schedule } from './schedules.js';

/** An optimizer, its schedule, and the schedules within each other in that. */
const DEPTH = 8;
const VALUES = 256;

const packr = new Packr({ useRecords: false, variableMapSize: true });

export function encodeOptimizer(optimizer: Optimizer): Uint8Array {
  return new Uint8Array(packr.pack(optimizer));
}

/** @param refuse called with what is wrong; must not return */
export function decodeOptimizer(bytes: Uint8Array, refuse: (problem: string) => never): Optimizer {
  return optimizer(decodePlain(bytes, { depth: DEPTH, values: VALUES }, refuse), { path: [], refuse });
}

const within = ({ holds, words }: Range): Reader<number> => number(words, holds);
const [rate, positive, decay, epsilon, steps] = [NOT_NEGATIVE, POSITIVE, DECAY, EPSILON, STEPS].map(within) as [Reader<number>, Reader<number>, Reader<number>, Reader<number>, Reader<number>];

/** One of several kinds of data, told apart by a field. */
function oneKind<T extends object>(field: keyof T & string, readers: Readonly<Record<string, Reader<T>>>): Reader<T> {
  const kind = oneOf(...Object.keys(readers));
  return (value, reading) => {
    if (!isObject(value)) return reading.refuse(`must be an object with a "${field}"`);
    reading.path.push(field);
    const name = kind(Object.hasOwn(value, field) ? value[field] : undefined, reading);
    reading.path.pop();
    return readers[name]!(value, reading);
  };
}

type OfKind<Kind extends Schedule['kind']> = Extract<Schedule, { readonly kind: Kind }>;

const schedule: Reader<Schedule> = oneKind<Schedule>('kind', {
  constant: fields<OfKind<'constant'>>({ kind: oneOf('constant'), rate }),
  step: fields<OfKind<'step'>>({ kind: oneOf('step'), rate, factor: positive, every: steps }),
  exponential: fields<OfKind<'exponential'>>({ kind: oneOf('exponential'), rate, factor: positive, steps }),
  cosine: fields<OfKind<'cosine'>>({ kind: oneOf('cosine'), rate, steps, final: rate }),
  warmUp: fields<OfKind<'warmUp'>>({ kind: oneOf('warmUp'), steps, then: (value, reading) => schedule(value, reading) }),
});

const common = { learningRate: schedule, clip: list(fields<{ kind: Clip['kind']; limit: number }>({ kind: oneOf<Clip['kind']>('norm', 'value'), limit: positive })) };
const adamNumbers = { beta1: decay, beta2: decay, epsilon };

type OfRule<Rule extends Optimizer['rule']> = Extract<Optimizer, { readonly rule: Rule }>;

/** One reader a rule: a missing one does not compile. */
const RULES: { readonly [Rule in Optimizer['rule']]: Reader<OfRule<Rule>> } = {
  sgd: fields<OfRule<'sgd'>>({ rule: oneOf('sgd'), ...common }),
  momentum: fields<OfRule<'momentum'>>({ rule: oneOf('momentum'), ...common, momentum: decay }),
  nesterov: fields<OfRule<'nesterov'>>({ rule: oneOf('nesterov'), ...common, momentum: decay }),
  adagrad: fields<OfRule<'adagrad'>>({ rule: oneOf('adagrad'), ...common, initialAccumulator: rate, epsilon }),
  rmsprop: fields<OfRule<'rmsprop'>>({ rule: oneOf('rmsprop'), ...common, decay, momentum: decay, epsilon, centered: flag }),
  adam: fields<OfRule<'adam'>>({ rule: oneOf('adam'), ...common, ...adamNumbers }),
  adamw: fields<OfRule<'adamw'>>({ rule: oneOf('adamw'), ...common, ...adamNumbers, weightDecay: rate }),
};

const optimizer: Reader<Optimizer> = oneKind<Optimizer>('rule', RULES);
