import { describe, expect, test } from 'vitest';
import { Packr } from 'msgpackr/pack';
import { optimizers, schedules, type Optimizer } from '../../src/optimizers/index.js';
import { decodeOptimizer, encodeOptimizer } from '../../src/optimizers/wire.js';

const decoded = (bytes: Uint8Array): Optimizer => decodeOptimizer(bytes, (problem) => { throw new Error(problem); });
const packed = (value: unknown): Uint8Array => new Uint8Array(new Packr({ useRecords: false, variableMapSize: true }).pack(value));

const ALL: Optimizer[] = [
  ...Object.values(optimizers).map((make) => make()),
  optimizers.rmsprop({ centered: true, momentum: 0.3, clipNorm: 1, clipValue: 0.5 }),
  optimizers.adamw({ learningRate: schedules.warmUp({ steps: 2 ** 40, then: schedules.cosine({ rate: 0.1, steps: 100, final: 1e-5 }) }) }),
  optimizers.sgd({ learningRate: schedules.step({ rate: 0.1, factor: 0.5, every: 3 }) }),
  optimizers.sgd({ learningRate: schedules.exponential({ rate: 0, factor: 0.5, steps: 3 }) }),
];

test.each(ALL)('$rule comes back as it was sent', (optimizer) => {
  expect(decoded(encodeOptimizer(optimizer))).toEqual(optimizer);
});

describe('is refused', () => {
  const adam = optimizers.adam();
  const deep = Array.from({ length: 10 }).reduce((then) => ({ kind: 'warmUp', steps: 1, then }), schedules.constant(1));

  test.each<[string, unknown, RegExp]>([
    ['a list', [adam], /must be an object with a "rule"/],
    ['an unknown rule', { ...adam, rule: 'evil' }, /"evil" as "rule"/],
    ['the name of a property of every object', { ...adam, rule: 'constructor' }, /"constructor" as "rule"/],
    ['a field of another rule', { ...adam, momentum: 0.5 }, /unknown field "momentum"/],
    ['a field that is missing', { rule: 'sgd', clip: [] }, /learningRate|kind/],
    ['a decay of 1', { ...adam, beta1: 1 }, /1 as "beta1", which must be at least 0 and below 1/],
    ['an epsilon of 0', { ...adam, epsilon: 0 }, /0 as "epsilon"/],
    ['a rate beyond float32', { ...adam, learningRate: { kind: 'constant', rate: 1e39 } }, /"rate"/],
    ['a rate below 0', { ...adam, learningRate: { kind: 'constant', rate: -1 } }, /"rate"/],
    ['a number for a schedule', { ...adam, learningRate: 0.1 }, /must be an object with a "kind"/],
    ['a schedule without an end', { ...adam, learningRate: { kind: 'cosine', rate: 1, steps: 0.5, final: 0 } }, /"steps"/],
    ['schedules within each other', { ...adam, learningRate: deep }, /lists and maps within each other/],
    ['a clip of another kind', { ...adam, clip: [{ kind: 'all', limit: 1 }] }, /"all" as "kind"/],
    ['a limit that is NaN', { ...adam, clip: [{ kind: 'norm', limit: NaN }] }, /"limit"/],
  ])('%s', (_what, value, problem) => {
    expect(() => decoded(packed(value))).toThrow(problem);
  });

  test('with bytes behind it, or without an end', () => {
    const bytes = encodeOptimizer(adam);
    expect(() => decoded(Uint8Array.of(...bytes, 0))).toThrow('bytes behind its end');
    for (let length = 0; length < bytes.length; length++) expect(() => decoded(bytes.subarray(0, length))).toThrow('ends after');
  });
});
