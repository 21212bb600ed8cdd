import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import {
  bindUpdate, normScale, optimizers, stateNames, stepScalars, type Optimizer, type Schedule,
} from '../../src/optimizers/index.js';
import { Arena, ARITHMETICS, bits, randomFrom, seed } from './arena.js';
import { Updating } from './updating.js';

type RuleName = keyof typeof optimizers;
interface Golden {
  readonly parameters: number[];
  readonly gradients: number[][];
  readonly cases: readonly {
    readonly title: string;
    readonly rule: RuleName;
    readonly learningRate: Schedule;
    readonly options: object;
    readonly steps: readonly { readonly parameters: number[]; readonly states: Readonly<Record<string, number[]>> }[];
  }[];
}

const golden = JSON.parse(readFileSync(new URL('../../../test/golden/optimizers.json', import.meta.url), 'utf8')) as Golden;

/** Every rule with every form of its kernel. */
const EVERY_KERNEL: readonly (readonly [string, Optimizer])[] = [
  ...Object.entries(optimizers).map(([name, make]) => [name, make({ learningRate: 0.1 })] as const),
  ['rmsprop with momentum', optimizers.rmsprop({ momentum: 0.5 })],
  ['rmsprop, centered', optimizers.rmsprop({ centered: true })],
  ['rmsprop, centered with momentum', optimizers.rmsprop({ centered: true, momentum: 0.5 })],
  ['sgd, value clipped', optimizers.sgd({ clipValue: 0.5 })],
];

/** float32 against float64 after a step: 2e-6 of the largest element, at least 2e-6, and 2e-5 of the element itself. */
function expectNear(got: Float32Array, expected: readonly number[], where: string): void {
  const largest = Math.max(1, ...expected.map(Math.abs));
  expected.forEach((value, index) => {
    const tolerance = 2e-6 * largest + 2e-5 * Math.abs(value);
    expect(Math.abs(got[index]! - value), `${where}[${index}]: ${got[index]} for ${value}`).toBeLessThanOrEqual(tolerance);
  });
}

describe.each(ARITHMETICS)('optimizers, %s', (arithmetic) => {
  const arena = new Arena(arithmetic);

  function updating(optimizer: Optimizer, parameters: ArrayLike<number>): Updating {
    arena.reset();
    return new Updating(arena, optimizer, parameters);
  }

  test.each(golden.cases)('twelve steps as the formula in float64: $title', ({ title, rule, learningRate, options, steps }) => {
    const trained = updating(optimizers[rule]({ learningRate, ...options }), golden.parameters);
    steps.forEach(({ parameters, states }, step) => {
      trained.step(golden.gradients[step]!);
      expectNear(trained.parameters, parameters, `${title}, step ${step}, parameters`);
      expect(Object.keys(trained.states)).toEqual(Object.keys(states));
      for (const [name, values] of Object.entries(states)) {
        expectNear(trained.states[name]!, values, `${title}, step ${step}, ${name}`);
      }
    });
    expect(steps).toHaveLength(12);
  });

  test.each<[string, Optimizer, number[]]>([
    // p = [1, 2], g = [4, -8] throughout. 1 - 0.1 * 4 = 0.6; 2 + 0.1 * 8 = 2.8
    ['sgd', optimizers.sgd({ learningRate: 0.1 }), [0.6, 2.8]],
    // The buffer is the gradient at the first step: as sgd.
    ['momentum', optimizers.momentum({ learningRate: 0.1 }), [0.6, 2.8]],
    // 1 - 0.1 * (4 + 0.9 * 4) = 0.24; 2 + 0.1 * (8 + 0.9 * 8) = 3.52
    ['nesterov', optimizers.nesterov({ learningRate: 0.1 }), [0.24, 3.52]],
    // accumulators 9 + 16 = 25 and 9 + 64 = 73: 1 - 0.1 * 4 / 5 = 0.92; 2 + 0.1 * 8 / sqrt(73) = 2.0936329
    ['adagrad', optimizers.adagrad({ learningRate: 0.1, initialAccumulator: 9 }), [0.92, 2.0936329]],
    // mean squares 0.75 * 16 = 12 and 0.75 * 64 = 48: 1 - 0.1 * 4 / sqrt(12) = 0.8845299; 2 + 0.1 * 8 / sqrt(48) = 2.1154701
    ['rmsprop', optimizers.rmsprop({ learningRate: 0.1, decay: 0.25 }), [0.8845299, 2.1154701]],
    // variances 0.5 * 16 - (0.5 * 4)^2 = 4 and 0.5 * 64 - (0.5 * 8)^2 = 16: 1 - 0.1 * 4 / 2 = 0.8; 2 + 0.1 * 8 / 4 = 2.2
    ['rmsprop, centered', optimizers.rmsprop({ learningRate: 0.1, decay: 0.5, centered: true }), [0.8, 2.2]],
    // m = [0.4, -0.8], v = [0.016, 0.064]; corrected [4, -8] and [16, 64]; 0.1 * [4, -8] / [4, 8] = [0.1, -0.1]
    ['adam', optimizers.adam({ learningRate: 0.1 }), [0.9, 2.1]],
    // first p - 0.1 * 0.5 * p = [0.95, 1.9], then as adam
    ['adamw', optimizers.adamw({ learningRate: 0.1, weightDecay: 0.5 }), [0.85, 2]],
    // g clipped to [4, -5]: 2 + 0.1 * 5 = 2.5
    ['sgd, value clipped', optimizers.sgd({ learningRate: 0.1, clipValue: 5 }), [0.6, 2.5]],
    // norm sqrt(16 + 64) = 8.9442719, factor sqrt(5) / 8.9442719 = 0.25: g = [1, -2]
    ['sgd, norm clipped', optimizers.sgd({ learningRate: 0.1, clipNorm: Math.sqrt(5) }), [0.9, 2.2]],
    // norm first, [1, -2], then values: [1, -1.5]
    ['sgd, both clipped', optimizers.sgd({ learningRate: 0.1, clipNorm: Math.sqrt(5), clipValue: 1.5 }), [0.9, 2.15]],
  ])('one step by hand: %s', (_, optimizer, expected) => {
    const trained = updating(optimizer, [1, 2]);
    trained.step([4, -8]);
    expectNear(trained.parameters, expected, 'parameters');
  });

  test.each(EVERY_KERNEL)('a gradient of zero from the first step on changes nothing but by weight decay: %s', (_, optimizer) => {
    const trained = updating(optimizer, [1.5, -2, 0]);
    for (let step = 0; step < 3; step++) trained.step([0, 0, 0]);
    const kept = optimizer.rule === 'adamw' ? (1 - 0.1 * 0.004) ** 3 : 1;
    expectNear(trained.parameters, [1.5 * kept, -2 * kept, 0], 'parameters');
    expect(trained.parameters[2]).toBe(0);
    if (kept === 1) expect([...trained.parameters]).toEqual([1.5, -2, 0]);
  });

  test.each(EVERY_KERNEL)('pads of zeros stay zeros: %s', (_, optimizer) => {
    const trained = updating(optimizer, [1, 2, 3, 4, 5]);
    for (let step = 0; step < 5; step++) trained.step([1, -1, 2, 0.5, 3]);
    expect([...trained.pads]).toEqual([0, 0, 0]);
  });

  test.each(EVERY_KERNEL)('NaN in a gradient stays in its own element and is not flushed away: %s', (_, optimizer) => {
    const trained = updating(optimizer, [1, 2, 3, 4]);
    trained.step([1, NaN, 1, 1]);
    for (const values of [trained.parameters, ...Object.values(trained.states)]) {
      expect(Array.from(values, Number.isNaN)).toEqual([false, true, false, false]);
    }
  });

  test.each(EVERY_KERNEL)('the bits of an element depend neither on its place nor on the length: %s', (_, optimizer) => {
    const random = randomFrom(seed);
    const columns = 2 + stateNames(optimizer).length;
    // Parameter and gradient of either sign; states positive, as mean squares are.
    const element = (column: number): number => Math.fround(random() * 4 - (column < 2 ? 2 : 0));
    const rows = Array.from({ length: 40 }, () => Array.from({ length: columns }, (_unused, column) => element(column)));
    const update = bindUpdate(arena.kernels, optimizer);
    const scalars = stepScalars(optimizer, 3);
    const run = (part: readonly (readonly number[])[]): number[][] => {
      arena.reset();
      const padded = Math.ceil(part.length / 4) * 4;
      const column = (index: number): number[] => Array.from({ length: padded }, (_unused, row) => part[row]?.[index] ?? NaN);
      const slots = Array.from({ length: columns }, (_unused, index) => arena.put(column(index)));
      const [parameters, gradients, ...states] = slots;
      update(parameters!, gradients!, states, padded, 1, scalars);
      slots.forEach((slot) => expect(arena.isIntactBehind(slot, padded)).toBe(true));
      const results = slots.map((slot) => arena.floats(slot, padded));
      return part.map((_row, row) => bits(results.map((values) => values[row]!)));
    };
    const whole = run(rows);
    for (let offset = 0; offset < 16; offset++) {
      for (let length = 1; length <= rows.length - offset; length++) {
        const part = [offset, offset + length] as const;
        expect(run(rows.slice(...part)), `seed ${seed}, offset ${offset}, length ${length}`).toEqual(whole.slice(...part));
      }
    }
  });

  test('moments below 1.2e-38 become 0', () => {
    // After one gradient of 1 the mean is 0.1 * 0.9^n: 0.1 * 0.9^807 = 1.2e-38, 0.1 * 0.9^808 = 1.07e-38 is flushed.
    const adam = updating(optimizers.adam({ beta1: 0.9, beta2: 0.9 }), [0]);
    adam.step([1]);
    for (let n = 0; n < 800; n++) adam.step([0]);
    expect(adam.states['mean']![0]).toBeGreaterThan(1.2e-38);
    for (let n = 800; n < 812; n++) adam.step([0]);
    expect(adam.states['mean']![0]).toBe(0);
    expect(adam.states['variance']![0]).toBe(0);
    // 2^-126 is the smallest normal number and stays; half of it goes, of either sign.
    const momentum = updating(optimizers.momentum({ learningRate: 0, momentum: 0.5 }), [0, 0]);
    momentum.step([2 ** -125, -(2 ** -125)]);
    momentum.step([0, 0]);
    expect([...momentum.states['velocity']!]).toEqual([2 ** -126, -(2 ** -126)]);
    momentum.step([0, 0]);
    expect(Array.from(momentum.states['velocity']!, Math.abs)).toEqual([0, 0]);
  });

  test('a variance that rounding makes negative does not become NaN', () => {
    // Equal gradients: s and a^2 differ by rounding alone, which for g = 1e4 is up to 8, far above epsilon.
    const trained = updating(optimizers.rmsprop({ centered: true, decay: 0.5 }), [1, 1, 1, 1]);
    for (let step = 0; step < 60; step++) trained.step([1e4, 12345.678, -98765.43, 31415.926]);
    expect([...trained.parameters].every(Number.isFinite)).toBe(true);
  });

  test('sumOfSquares adds sixteen chains and then their tree, at every length', () => {
    const random = randomFrom(seed);
    for (let length = 4; length <= 1_024; length += length < 80 ? 4 : 236) {
      arena.reset();
      // Whole numbers below 2^9 with sums below 2^24 would be exact in any order, so these are fractions.
      const values = Float32Array.from({ length }, () => random() * 2 - 1);
      const out = arena.slot(1);
      arena.call('sumOfSquares', arena.put(values), length, out);
      const exact = values.reduce((sum, value) => sum + value * value, 0);
      expect(Math.abs(arena.floats(out, 1)[0]! - exact)).toBeLessThanOrEqual(1e-6 * exact);
      expect(arena.words(out, 2)[1]).toBe(0x7fabcdef); // one float is stored, not a vector
      if (arithmetic === 'portable') expect(arena.floats(out, 1)[0]).toBe(chainSum(values));
    }
  });

  test('clipValue limits both signs, keeps what is inside and NaN', () => {
    arena.reset();
    const x = arena.put([3, -3, 0.25, -0, Infinity, -Infinity, NaN, 1]);
    arena.call('clipValue', x, 8, 1);
    expect([...arena.floats(x, 8)]).toEqual([1, -1, 0.25, -0, 1, -1, NaN, 1]);
  });
});

/** The documented order of sumOfSquares, rounding twice an element as `portable` does. */
function chainSum(values: Float32Array): number {
  const chains = new Float32Array(16);
  values.forEach((value, i) => { chains[i % 16] = chains[i % 16]! + Math.fround(value * value); });
  const add = (a: number, b: number): number => Math.fround(a + b);
  const lanes = [0, 1, 2, 3].map((lane) => add(add(chains[lane]!, chains[lane + 4]!), add(chains[lane + 8]!, chains[lane + 12]!)));
  return add(add(lanes[0]!, lanes[1]!), add(lanes[2]!, lanes[3]!));
}

describe('normScale', () => {
  const clipped = optimizers.sgd({ clipNorm: 2 });

  test('is limit / norm above the limit and 1 up to it', () => {
    expect(normScale(clipped, Float32Array.of(9, 16))).toBe(Math.fround(2 / 5)); // sqrt(25)
    expect(normScale(clipped, Float32Array.of(4))).toBe(1);
    expect(normScale(clipped, Float32Array.of(0, 0, 0))).toBe(1);
    expect(normScale(clipped, new Float32Array(0))).toBe(1);
    expect(normScale(optimizers.sgd(), Float32Array.of(100))).toBe(1);
  });

  test('adds along the tree in float32, a last block without a sibling going up', () => {
    // u = 2^24, where float32 holds even numbers only and u + 1 rounds to u.
    // (u + 1) + (1 + 1) = u + 2, then + 2: u + 4. From left to right: u + 1 + 1 + 1 = u, + 2: u + 2.
    const u = 2 ** 24;
    const sums = Float32Array.of(u, 1, 1, 1, 2);
    expect(normScale(clipped, sums)).toBe(Math.fround(2 / Math.fround(Math.sqrt(u + 4))));
    expect([...sums]).toEqual([u, 1, 1, 1, 2]);
  });

  test('of NaN is 1, of Infinity 0', () => {
    expect(normScale(clipped, Float32Array.of(NaN))).toBe(1);
    expect(normScale(clipped, Float32Array.of(Infinity))).toBe(0);
  });
});

test('the bias corrections come from the integer step', () => {
  // t = 1000: c = sqrt(1 - 0.999^1000); the rate is 0.001 c / (1 - 0.9^1000), epsilon 1e-7 c, then 1 - beta1 and 1 - beta2.
  const c = Math.sqrt(1 - Math.exp(1000 * Math.log(0.999)));
  const [rate, epsilon, ...shares] = stepScalars(optimizers.adam(), 999);
  expect(rate! / (0.001 * c)).toBeCloseTo(1, 6);
  expect(epsilon! / (1e-7 * c)).toBeCloseTo(1, 6);
  expect(shares).toEqual([0.1, 0.001].map(Math.fround));
});

test('an optimizer survives being sent as JSON', () => {
  for (const [, optimizer] of EVERY_KERNEL) expect(JSON.parse(JSON.stringify(optimizer))).toEqual(optimizer);
});
