import { describe, expect, test } from 'vitest';
import { cosineOfHalfTurns, exponential, logarithm, power, wholePower } from '../../src/random/elementary.js';
import { optimizers, schedules, stepScalars, type Schedule } from '../../src/optimizers/index.js';
import { rateAt } from '../../src/optimizers/schedules.js';

const ratesOf = (schedule: Schedule, steps: readonly number[]): number[] => steps.map((step) => rateAt(schedule, step));

function expectRates(schedule: Schedule, expected: Readonly<Record<number, number>>): void {
  for (const [step, rate] of Object.entries(expected)) expect(rateAt(schedule, Number(step)), `step ${step}`).toBeCloseTo(rate, 15);
}

describe('schedules', () => {
  test('constant', () => {
    expect(ratesOf(schedules.constant(0.5), [0, 1, 1e6])).toEqual([0.5, 0.5, 0.5]);
  });

  test('step: the factor once every so many updates', () => {
    // 0.8, from the tenth update on 0.8 * 0.5, from the twentieth on 0.8 * 0.25
    expect(ratesOf(schedules.step({ rate: 0.8, factor: 0.5, every: 10 }), [0, 9, 10, 19, 20])).toEqual([0.8, 0.8, 0.4, 0.4, 0.2]);
  });

  test('exponential: the factor once over so many updates, smoothly', () => {
    // 0.8 * 0.25^(step / 4): 0.25^(1/4) = sqrt(0.5), 0.25^(1/2) = 0.5, 0.25^(6/4) = 0.125
    expectRates(schedules.exponential({ rate: 0.8, factor: 0.25, steps: 4 }), {
      0: 0.8, 1: 0.8 * Math.SQRT1_2, 2: 0.4, 4: 0.2, 6: 0.1, 8: 0.05,
    });
  });

  test('cosine: half a wave from the rate to the final one, which then stays', () => {
    // 0.1 + 0.8 * (1 + cos(pi step / 6)) / 2: cos 30° = sqrt(3) / 2, cos 60° = 1 / 2, cos 90° = 0, cos 120° = -1 / 2
    expectRates(schedules.cosine({ rate: 0.9, steps: 6, final: 0.1 }), {
      0: 0.9, 1: 0.5 + 0.2 * Math.sqrt(3), 2: 0.7, 3: 0.5, 4: 0.3, 6: 0.1, 7: 0.1, 1000: 0.1,
    });
    expectRates(schedules.cosine({ rate: 0.5, steps: 2 }), { 0: 0.5, 1: 0.25, 2: 0 });
  });

  test('warm-up: in equal parts up to the first rate of what follows, which starts from its own beginning', () => {
    // a quarter, a half, three quarters, all of 0.8; then 0.8 at updates 4 and 5, half of it at 6
    const schedule = schedules.warmUp({ steps: 4, then: schedules.step({ rate: 0.8, factor: 0.5, every: 2 }) });
    expectRates(schedule, { 0: 0.2, 1: 0.4, 2: 0.6, 3: 0.8, 4: 0.8, 5: 0.8, 6: 0.4 });
    expectRates(schedules.warmUp({ steps: 2, then: 0.5 }), { 0: 0.25, 1: 0.5, 2: 0.5 });
  });

  test('a rate of 0 is a rate', () => {
    expect([...stepScalars(optimizers.sgd({ learningRate: 0 }), 7)]).toEqual([0]);
  });

  test.each<[string, () => Schedule, RegExp]>([
    ['a negative rate', () => schedules.constant(-1), /schedules\.constant: rate is -1; give a finite number of at least 0/],
    ['NaN', () => schedules.constant(NaN), /rate is NaN/],
    ['a rate beyond float32', () => schedules.constant(1e39), /rate is 1e\+39/],
    ['steps of 0', () => schedules.cosine({ rate: 1, steps: 0 }), /schedules\.cosine: steps is 0; give a whole number of at least 1/],
    ['a fractional number of steps', () => schedules.step({ rate: 1, factor: 0.5, every: 1.5 }), /every is 1\.5/],
    ['a factor of 0', () => schedules.exponential({ rate: 1, factor: 0, steps: 2 }), /factor is 0; give a finite number above 0/],
    ['nothing to warm up to', () => schedules.warmUp({ steps: 1, then: 'adam' as never }), /then is "adam"/],
    ['a misspelt option', () => schedules.cosine({ rate: 1, step: 3 } as never), /no option "step"; the nearest is "steps"/],
    ['no options', () => schedules.cosine(undefined as never), /the options are undefined/],
  ])('refused: %s', (_, make, message) => {
    expect(make).toThrow(message);
    expect(make).toThrow(expect.objectContaining({ code: 'ERR_OPTION' }) as Error);
  });
});

/** The error as a part of what is expected. */
const relative = (got: number, expected: number): number => Math.abs(got - expected) / Math.abs(expected);
const between = (low: number, high: number): number[] => Array.from({ length: 2001 }, (_, i) => low + ((high - low) * i) / 2000);

describe('elementary functions in float64', () => {
  test('exponential is within 4e-16 of e^x', () => {
    for (const x of between(-700, 700)) expect(relative(exponential(x), Math.exp(x)), `x = ${x}`).toBeLessThan(4e-16);
    for (const x of between(-1, 1)) expect(relative(exponential(x), Math.exp(x)), `x = ${x}`).toBeLessThan(4e-16);
    expect([exponential(0), exponential(-800), exponential(800), exponential(-745)]).toEqual([1, 0, Infinity, 5e-324]);
  });

  test('logarithm is within 4e-16 of ln x, relative to 1 near 1', () => {
    for (const x of [...between(0.01, 3), ...between(3, 1e6), 1e-300, 1e300, 5e-324]) {
      const expected = Math.log(x);
      expect(Math.abs(logarithm(x) - expected) / Math.max(1, Math.abs(expected)), `x = ${x}`).toBeLessThan(4e-16);
    }
    expect(logarithm(1)).toBe(0);
  });

  test('cosineOfHalfTurns is within 4e-16 of cos(pi x), and exact at halves', () => {
    for (const x of between(0, 1)) expect(Math.abs(cosineOfHalfTurns(x) - Math.cos(Math.PI * x)), `x = ${x}`).toBeLessThan(4e-16);
    expect([0, 0.5, 1].map(cosineOfHalfTurns)).toEqual([1, 0, -1]);
  });

  test('wholePower is exact where the power is', () => {
    expect([wholePower(2, 0), wholePower(2, 10), wholePower(3, 13), wholePower(0, 0), wholePower(0, 5), wholePower(0.5, 1074)])
      .toEqual([1, 1024, 1594323, 1, 0, 5e-324]);
  });

  test('power agrees with the square root and with whole powers', () => {
    // 0.3^2.5 = 0.09 * sqrt(0.3)
    expect(relative(power(0.3, 2.5), 0.09 * Math.sqrt(0.3))).toBeLessThan(1e-15);
    expect(power(0.5, 3)).toBe(0.125);
    expect(power(7, 0)).toBe(1);
  });
});
