import { expect, test } from 'vitest';
import { adviceSentence, advise, enlarged, exactSpeedup, localSpeedup, type StepCosts } from '../../scripts/bench/prediction.js';
import { splitStep } from '../../scripts/bench/step-costs.js';

/** 1 MB each way at 1000 Mbit/s is 8 ms, both 16; with 2 ms of round trip 18, and 2 of overhead come to each round. */
const COSTS: StepCosts = { stepMs: 100, batchSize: 256, fixedMs: 20, parameterBytes: 1e6, roundTripMs: 2, rateMbps: 1_000, overheadMs: 2, relativeSpeed: 1 };

test('exact: the best part for the node', () => {
  // A half takes 50 + 18 ms and 2, a quarter 75 here and 2: 100 / 70.
  expect(exactSpeedup(COSTS)).toBeCloseTo(100 / 70, 12);
  // With a link of 58 ms a half takes 108 + 2, a quarter 25 + 58 = 83 there (75 here) and 2.
  expect(exactSpeedup({ ...COSTS, roundTripMs: 42 })).toBeCloseTo(100 / 85, 12);
  expect(exactSpeedup({ ...COSTS, overheadMs: 1_000 })).toBe(1);
});

test('exact: a codec halves what is carried, and a faster node takes the larger part', () => {
  expect(exactSpeedup(COSTS, 0.5)).toBeCloseTo(100 / (50 + 8 + 4), 12);
  // Three quarters at four times the speed are 18.75 + 18 + 2 = 38.75 ms there, 25 here.
  expect(exactSpeedup({ ...COSTS, relativeSpeed: 4 })).toBeCloseTo(100 / 38.75, 12);
});

test('local: an exchange each period', () => {
  // Two machines make 2 x 10 steps in 10 x 100 + 20 ms.
  expect(localSpeedup(COSTS, 10)).toBeCloseTo(2_000 / 1_020, 12);
  expect(localSpeedup({ ...COSTS, relativeSpeed: 0.5 }, 10)).toBeCloseTo(1_500 / 1_020, 12);
});

test('a larger mini-batch: what is fixed comes once', () => {
  expect(enlarged(COSTS, 4)).toMatchObject({ batchSize: 1_024, stepMs: 20 + 80 * 4 });
  // Times 100 and 340 of 1 and 4 mini-batches: (4 x 100 - 340) / 3 = 20.
  expect(splitStep(100, 4, 340)).toEqual({ stepMs: 100, fixedMs: 20 });
  expect(splitStep(100, 4, 500).fixedMs).toBe(0);
});

test('advice is in order, and a sentence with the numbers', () => {
  const speedups = advise(COSTS).map(({ speedup }) => speedup);
  expect(speedups).toEqual([...speedups].sort((a, b) => b - a));
  expect(Object.fromEntries(advise(COSTS).map(({ what, speedup }) => [what, Number(speedup.toFixed(3))]))).toEqual({
    'another machine': 1.429, 'another machine and --codec bfloat16': 1.613, '--batch-size 1024 on this machine alone': 1.176, // 400 / 340
    'another machine and --batch-size 1024': 2.105, // 400 / (170 + 20)
    'another machine and --mode local --period 16': 1.975, // 3200 / 1620
  });
  expect(adviceSentence(COSTS)).toBe(
    'a step of 256 examples takes 100.00 ms here, and its parameters and gradients 18.00 ms there and back (1,000 kB each way at 1,000 Mbit/s, 2.00 ms of round trip): another machine as fast as this one would make it 1.43 times as fast; ' +
      'what else would: another machine and --batch-size 1024 2.11 times, another machine and --mode local --period 16 1.98 times, another machine and --codec bfloat16 1.61 times, --batch-size 1024 on this machine alone 1.18 times.',
  );
  expect(adviceSentence({ ...COSTS, fixedMs: 0, rateMbps: 0.001 })).toMatch(/: another machine would not help as it is; nor would a larger mini-batch, a codec or local\.$/);
});
