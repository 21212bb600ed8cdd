import * as tf from '@tensorflow/tfjs-core';
import '@tensorflow/tfjs-backend-cpu';
import { beforeAll, describe, expect, test } from 'vitest';
import { fromTfjs } from '../../src/optimizers/from-tfjs.js';
import { initialStateValue, optimizerByName, optimizers, stateNames, type Optimizer } from '../../src/optimizers/index.js';

const refused = (make: () => unknown, message: RegExp): void => {
  expect(make).toThrow(message);
  expect(make).toThrow(expect.objectContaining({ code: 'ERR_OPTION', kind: 'input' }) as Error);
};
const constant = (rate: number): { kind: 'constant'; rate: number } => ({ kind: 'constant', rate });

beforeAll(() => {
  tf.env().set('IS_TEST', true); // or tfjs advertises its native backend
  return tf.setBackend('cpu');
});

describe('constructors', () => {
  test.each<[Optimizer, number]>([
    [optimizers.sgd(), 0.01], [optimizers.momentum(), 0.01], [optimizers.nesterov(), 0.01], [optimizers.adagrad(), 0.01],
    [optimizers.rmsprop(), 0.001], [optimizers.adam(), 0.001], [optimizers.adamw(), 0.001],
  ])('$rule has the default learning rate of tfjs-layers', (optimizer, rate) => {
    expect(optimizer).toMatchObject({ learningRate: constant(rate), clip: [] });
  });

  test('the defaults of the hyper-parameters', () => {
    expect(optimizers.momentum()).toMatchObject({ momentum: 0.9 });
    expect(optimizers.adagrad()).toMatchObject({ initialAccumulator: 0.1, epsilon: 1e-7 });
    expect(optimizers.rmsprop()).toMatchObject({ decay: 0.9, momentum: 0, epsilon: 1e-7, centered: false });
    expect(optimizers.adamw()).toMatchObject({ beta1: 0.9, beta2: 0.999, epsilon: 1e-7, weightDecay: 0.004 });
  });

  test('clips stand in the order in which a step applies them', () => {
    expect(optimizers.adam({ clipValue: 0.5, clipNorm: 2 }).clip).toEqual([{ kind: 'norm', limit: 2 }, { kind: 'value', limit: 0.5 }]);
  });

  test('states, and what they start as', () => {
    expect(stateNames(optimizers.sgd())).toEqual([]);
    expect(stateNames(optimizers.nesterov())).toEqual(['velocity']);
    expect(stateNames(optimizers.rmsprop({ centered: true, momentum: 0.1 }))).toEqual(['meanSquare', 'mean', 'velocity']);
    expect(stateNames(optimizers.adamw())).toEqual(['mean', 'variance']);
    expect(initialStateValue(optimizers.adam(), 'variance')).toBe(0);
    expect(initialStateValue(optimizers.adagrad(), 'accumulator')).toBe(0.1);
  });

  test.each<[string, () => Optimizer, RegExp]>([
    ['a negative rate', () => optimizers.sgd({ learningRate: -0.1 }), /optimizers\.sgd: learningRate is -0\.1; give a finite number of at least 0/],
    ['a rate in words', () => optimizers.sgd({ learningRate: '0.1' as never }), /learningRate is "0\.1"; give a number of at least 0 or one of schedules/],
    ['null for a rate', () => optimizers.sgd({ learningRate: null as never }), /learningRate is null/],
    ['another object for a schedule', () => optimizers.sgd({ learningRate: { kind: 'linear' } as never }), /learningRate is an object/],
    ['a momentum of 1', () => optimizers.momentum({ momentum: 1 }), /optimizers\.momentum: momentum is 1; give at least 0 and below 1/],
    ['a negative decay', () => optimizers.rmsprop({ decay: -0.1 }), /optimizers\.rmsprop: decay is -0\.1/],
    ['a beta above 1', () => optimizers.adam({ beta2: 1.5 }), /optimizers\.adam: beta2 is 1\.5/],
    ['a beta of NaN', () => optimizers.adamw({ beta1: NaN }), /optimizers\.adamw: beta1 is NaN/],
    ['an epsilon of 0', () => optimizers.adagrad({ epsilon: 0 }), /epsilon is 0; give a finite number of at least 1e-30/],
    ['a negative accumulator', () => optimizers.adagrad({ initialAccumulator: -1 }), /initialAccumulator is -1/],
    ['a negative weight decay', () => optimizers.adamw({ weightDecay: -1 }), /weightDecay is -1/],
    ['a limit of 0', () => optimizers.sgd({ clipNorm: 0 }), /optimizers\.sgd: clipNorm is 0; give a finite number above 0/],
    ['a limit of Infinity', () => optimizers.sgd({ clipValue: Infinity }), /clipValue is Infinity/],
    ['centered in words', () => optimizers.rmsprop({ centered: 'yes' as never }), /centered is "yes"; give true or false/],
    ['a misspelt option', () => optimizers.adam({ learningrate: 1 } as never), /no option "learningrate"; the nearest is "learningRate"/],
    ['an option of another optimizer', () => optimizers.sgd({ momentum: 0.9 } as never), /optimizers\.sgd: there is no option "momentum"/],
    ['a number for the options', () => optimizers.adam(0.1 as never), /optimizers\.adam: the options are 0\.1; give an object/],
  ])('refused: %s', (_, make, message) => {
    refused(make, message);
  });
});

describe('optimizerByName', () => {
  test.each(Object.entries(optimizers))('%s', (name, make) => {
    expect(optimizerByName(name)).toEqual(make());
    expect(optimizerByName(name, { learningRate: 0.25 })).toEqual(make({ learningRate: 0.25 }));
  });

  test('an unknown name is refused with the nearest', () => {
    refused(() => optimizerByName('adma'), /there is no optimizer "adma"; the nearest is "adam" \(of "sgd", /);
    refused(() => optimizerByName('toString'), /there is no optimizer "toString"/);
  });
});

describe('fromTfjs', () => {
  test.each<[string, Optimizer]>([
    ['sgd', optimizers.sgd()], ['SGD', optimizers.sgd()], ['momentum', optimizers.momentum()], ['adagrad', optimizers.adagrad()],
    ['rmsprop', optimizers.rmsprop()], ['RMSProp', optimizers.rmsprop()], ['adam', optimizers.adam()], ['Adam', optimizers.adam()],
  ])('the name %s', (name, expected) => {
    expect(fromTfjs(name)).toEqual(expected);
  });

  test.each<[string, () => tf.Optimizer, Optimizer]>([
    ['sgd', () => tf.train.sgd(0.25), optimizers.sgd({ learningRate: 0.25 })],
    ['momentum', () => tf.train.momentum(0.25, 0.5), optimizers.momentum({ learningRate: 0.25, momentum: 0.5 })],
    ['nesterov', () => tf.train.momentum(0.25, 0.5, true), optimizers.nesterov({ learningRate: 0.25, momentum: 0.5 })],
    ['adagrad', () => tf.train.adagrad(0.25, 0.5), optimizers.adagrad({ learningRate: 0.25, initialAccumulator: 0.5 })],
    ['rmsprop', () => tf.train.rmsprop(0.25), optimizers.rmsprop({ learningRate: 0.25 })],
    [
      'rmsprop of all', () => tf.train.rmsprop(0.25, 0.5, 0.75, 1e-3, true),
      optimizers.rmsprop({ learningRate: 0.25, decay: 0.5, momentum: 0.75, epsilon: 1e-3, centered: true }),
    ],
    ['adam', () => tf.train.adam(), optimizers.adam()],
    [
      'adam of all', () => tf.train.adam(0.25, 0.5, 0.75, 1e-3),
      optimizers.adam({ learningRate: 0.25, beta1: 0.5, beta2: 0.75, epsilon: 1e-3 }),
    ],
  ])('an instance: %s', (_, make, expected) => {
    expect(fromTfjs(make())).toEqual(expected);
  });

  test('a rate that was set later counts', () => {
    const optimizer = tf.train.sgd(0.25);
    optimizer.setLearningRate(0.5);
    expect(fromTfjs(optimizer)).toEqual(optimizers.sgd({ learningRate: 0.5 }));
  });

  test('what has no counterpart is refused', () => {
    refused(() => fromTfjs('adamax'), /the optimizer "adamax" of tfjs is not covered; the nearest is "adam"/);
    refused(() => fromTfjs(tf.train.adamax()), /the optimizer "Adamax" of tfjs is not covered/);
    refused(() => fromTfjs(tf.train.adadelta()), /the optimizer "Adadelta" of tfjs is not covered/);
    refused(() => fromTfjs('constructor'), /"constructor"/);
    for (const value of [undefined, null, 3, {}]) refused(() => fromTfjs(value), /give the name of one .* or an instance of tf\.train/);
  });
});
