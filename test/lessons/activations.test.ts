import { expect, test } from 'vitest';
import { testPage } from './page.js';
import { figuresOf, findingsOf, listOf } from './quick.js';

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

test('randomised ReLU draws every slope from 1/8 to 1/3', async (context) => {
  const slopes = (await listOf('activations', 'drawnSlopes', context)) as number[];
  expect(new Set(slopes).size).toBe(slopes.length);
  expect(Math.min(...slopes)).toBeGreaterThan(1 / 8);
  expect(Math.max(...slopes)).toBeLessThan(1 / 3);
  // A uniform distribution of width 5/24 has the standard deviation 5/24 / sqrt(12); four standard errors of the mean of 300.
  expect(Math.abs(slopes.reduce((sum, slope) => sum + slope, 0) / slopes.length - 11 / 48)).toBeLessThan((4 * 5) / 24 / Math.sqrt(12 * slopes.length));
});

test('the derivatives of softmax are its differences, and sum to 0 in each row and column', async (context) => {
  const jacobian = (await listOf('activations', 'jacobian', context)) as number[];
  const output = (scores: readonly number[], i: number): number => Math.exp(scores[i]!) / scores.reduce((sum, score) => sum + Math.exp(score), 0);
  const moved = (j: number, by: number): number[] => [0, 1, 2].map((score, index) => score + (index === j ? by : 0)); // the same outputs as those of 1000, 1001, 1002
  const step = 1e-4; // the error of a central difference is of the order of its square
  jacobian.forEach((value, index) => {
    const [i, j] = [Math.floor(index / 3), index % 3];
    expect((output(moved(j, step), i) - output(moved(j, -step), i)) / (2 * step)).toBeCloseTo(value, 8);
  });
  for (const k of [0, 1, 2]) {
    expect(jacobian[3 * k]! + jacobian[3 * k + 1]! + jacobian[3 * k + 2]!).toBeCloseTo(0, 12);
    expect(jacobian[k]! + jacobian[3 + k]! + jacobian[6 + k]!).toBeCloseTo(0, 12);
  }
});

test('every formula says whose it is', async (context) => {
  const { sections } = await findingsOf('activations', context);
  const formulas = sections[0]!.blocks.flatMap((block) => (block.kind === 'formula' ? [block.latex] : []));
  for (const [index, name] of ['linear', 'sigmoid', 'tanh', 'ReLU', 'leaky ReLU'].entries()) expect(formulas[index]).toContain(`\\text{${name}:}`);
});

test('every activation learns from images', async (context) => {
  const accuracies = await listOf('activations', 'accuracies', context);
  expect(accuracies).toHaveLength(5);
  expect(Math.min(...(accuracies as number[]))).toBeGreaterThan(0.6);
});
