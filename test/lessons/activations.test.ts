import { expect, test } from 'vitest';
import { testPage } from './page.js';
import { figuresOf, listOf } from './quick.js';

testPage('activations');

test('the largest slopes are 1, 1/4, 1, 1, 1, and tfjs derives the same', async (context) => {
  expect(await listOf('activations', 'largestSlopes', context)).toEqual([1, 0.25, 1, 1, 1]);
  const { largestDifference, meanSlope } = await figuresOf('activations', context);
  expect(largestDifference).toBeLessThan(2e-7);
  expect(meanSlope).toBeCloseTo(11 / 48, 12); // (1/8 + 1/3) / 2
});

test('powers of e overflow from 89 in float32 and 710 in float64, and softmax with the maximum subtracted does not', async (context) => {
  const { overflow32, overflow64, naiveIsFinite } = await figuresOf('activations', context);
  // ln of the largest float32, (2 - 2^-23) 2^127, is 88.72; of the largest float64 709.78.
  expect([overflow32, overflow64]).toEqual([Math.ceil(Math.log((2 - 2 ** -23) * 2 ** 127)), Math.ceil(Math.log(Number.MAX_VALUE))]);
  expect(naiveIsFinite).toBe(false);
  const stable = await listOf('activations', 'stable', context);
  const sum = Math.exp(-2) + Math.exp(-1) + 1;
  [Math.exp(-2) / sum, Math.exp(-1) / sum, 1 / sum].forEach((value, index) => { expect(stable[index]).toBeCloseTo(value, 12); });
});

test('every activation learns from images', async (context) => {
  const accuracies = await listOf('activations', 'accuracies', context);
  expect(accuracies).toHaveLength(5);
  expect(Math.min(...(accuracies as number[]))).toBeGreaterThan(0.6);
});
