import { expect, test } from 'vitest';
import { testPage } from './page.js';
import { figuresOf, listOf } from './quick.js';

testPage('losses');

test('the four losses are those of their formulas, by hand and in the library', async (context) => {
  const { squared, binary, categorical, sparse, largestDifference } = await figuresOf('losses', context);
  expect(squared).toBeCloseTo((0.3 ** 2 + 0.2 ** 2 + 0.1 ** 2) / 3, 12);
  expect(binary).toBeCloseTo(-(Math.log(0.7) + Math.log(0.8) + Math.log(0.9)) / 3, 12);
  expect(categorical).toBeCloseTo(-Math.log(0.7), 12);
  expect(sparse).toBe(categorical);
  expect(largestDifference).toBeLessThan(1e-6);
});

test('from a wrong answer that is sure, cross-entropy comes to one half at least five times as soon as the squared error', async (context) => {
  const { crossEntropyHalf, squaredHalf, crossEntropyAtEnd, squaredAtEnd } = await figuresOf('losses', context);
  // The same by the two slopes, in float64: both weights move by rate * slope, the input being 1.
  const sigmoid = (z: number): number => 1 / (1 + Math.exp(-z));
  const stepsTo = (slope: (p: number) => number): number => {
    let [z, steps] = [4, 0];
    for (; sigmoid(z) >= 0.5; steps++) z -= 2 * 0.15 * slope(sigmoid(z));
    return steps;
  };
  expect(crossEntropyHalf).toBe(stepsTo((p) => p));
  expect(squaredHalf).toBe(stepsTo((p) => 2 * p * p * (1 - p)));
  expect(squaredHalf).toBeGreaterThan(5 * crossEntropyHalf!);
  expect(crossEntropyAtEnd).toBeLessThan(squaredAtEnd!);
});

test('the losses that fit learn classes alike, and a linear output a number', async (context) => {
  const [sparse, categorical, binary, squared] = (await listOf('losses', 'accuracies', context)) as number[];
  expect(Math.abs(sparse! - categorical!)).toBeLessThan(0.01);
  for (const accuracy of [sparse, binary, squared]) expect(accuracy).toBeGreaterThan(0.6);
  const { regressionLoss, regressionVariance } = await figuresOf('losses', context);
  expect(regressionLoss).toBeLessThan(0.8 * regressionVariance!);
});
