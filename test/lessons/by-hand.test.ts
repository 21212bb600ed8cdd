import { expect, test } from 'vitest';
import { testPage } from './page.js';
import { figuresOf } from './quick.js';

testPage('by-hand');

test('forward and backward pass give the numbers of the published example', async (context) => {
  const figures = await figuresOf('by-hand', context);
  // M. Mazur, "A step by step backpropagation example", 2015; there, too, the step leaves w1 and w5 so (its biases stay as they are).
  const published = { netH1: 0.3775, outH1: 0.593269992, outO1: 0.75136507, outO2: 0.772928465, loss: 0.298371109, gradientW5: 0.082167041, newW5: 0.35891648, gradientW1: 0.000438568, newW1: 0.149780716 };
  for (const [name, value] of Object.entries(published)) expect(figures[name], name).toBeCloseTo(value, 8);
});

test('the traced network has the same loss and gradients, and learns', async (context) => {
  const { loss, tracedLoss, largestDifference, lossAfterStep, lossAtEnd } = await figuresOf('by-hand', context);
  expect(Math.abs(tracedLoss! - loss!)).toBeLessThan(1e-6 + 1e-5 * loss!);
  expect(largestDifference).toBeGreaterThan(0); // float32 beside float64
  expect(largestDifference).toBeLessThan(1e-8);
  expect(lossAfterStep).toBeLessThan(loss!);
  expect(lossAtEnd).toBeLessThan(1e-3);
});
