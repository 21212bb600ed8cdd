import { expect, test } from 'vitest';
import { testPage } from './page.js';
import { findingsOf, figuresOf, listOf } from './quick.js';

testPage('vanishing-gradients');

test('a chain of four sigmoid neurons leaves less than a 64th of the gradient, by hand and in the library', async (context) => {
  const { chainDifference, chainFalls } = await figuresOf('vanishing-gradients', context);
  expect(chainDifference).toBeLessThan(1e-8);
  expect(chainFalls).toBeGreaterThan(64); // three times a slope of at most 1/4 with weights of magnitude up to about 1
});

test('the gradients of the chain are the differences of its loss', async (context) => {
  const [weights, gradients] = (await Promise.all(['chainWeights', 'chainGradients'].map((name) => listOf('vanishing-gradients', name, context)))) as number[][];
  const loss = (biases: readonly number[]): number => (biases.reduce((a, bias, layer) => 1 / (1 + Math.exp(-(weights![layer]! * a + bias))), 1) * weights![4]!) ** 2 / 2;
  const moved = (layer: number, by: number): number => loss([0, 1, 2, 3].map((each) => (each === layer ? by : 0)));
  const step = 1e-4; // the error of a central difference is of the order of its square
  gradients!.forEach((gradient, layer) => { expect((moved(layer, step) - moved(layer, -step)) / (2 * step)).toBeCloseTo(gradient, 8); });
});

test('over eight layers a sigmoid loses more than 1000 times the gradient, tanh and ReLU less than 3 times', async (context) => {
  const { sigmoidFalls, tanhFalls, reluFalls, sigmoidAccuracy, tanhAccuracy, reluAccuracy } = await figuresOf('vanishing-gradients', context);
  expect(sigmoidFalls).toBeGreaterThan(1000);
  for (const falls of [tanhFalls!, reluFalls!]) expect(Math.abs(Math.log(falls))).toBeLessThan(Math.log(3));
  expect(sigmoidAccuracy).toBeLessThan(0.4);
  expect(Math.min(tanhAccuracy!, reluAccuracy!)).toBeGreaterThan(0.6);
});

test('large weights explode the gradient, and clipping lets the same network learn', async (context) => {
  const { largeNorm, usualNorm, clippedFirst, clippedLast } = await figuresOf('vanishing-gradients', context);
  expect(largeNorm).toBeGreaterThan(50 * usualNorm!);
  expect((await findingsOf('vanishing-gradients', context)).figures).toMatchObject({ exploded: 'not a number', clipped: 'finite' });
  expect(clippedLast).toBeLessThan(clippedFirst! / 10);
});
