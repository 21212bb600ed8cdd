import { expect, test } from 'vitest';
import { testPage } from './page.js';
import { figuresOf, findingsOf } from './quick.js';

testPage('by-hand');

test('forward and backward pass give the numbers of the published example', async (context) => {
  const figures = await figuresOf('by-hand', context);
  // M. Mazur, "A step by step backpropagation example", 2015; its step leaves the biases as they are.
  const published = { netH1: 0.3775, outH1: 0.593269992, outO1: 0.75136507, outO2: 0.772928465, loss: 0.298371109, gradientW5: 0.082167041, newW5: 0.35891648, gradientW1: 0.000438568, newW1: 0.149780716 };
  for (const [name, value] of Object.entries(published)) expect(figures[name], name).toBeCloseTo(value, 8);
  expect(figures['lossOfWeightsAlone']).toBeCloseTo(0.291027924, 6); // its rounded weights are felt in the seventh digit
});

test('the page shows inputs, targets, and every factor that goes back', async (context) => {
  const { sections } = await findingsOf('by-hand', context);
  const shown = sections.flatMap(({ blocks }) => blocks).map((block) => (block.kind === 'formula' ? block.latex : block.kind === 'paragraph' ? block.text : '')).join('\n');
  for (const words of ['x1 = 0.05 and x2 = 0.1', 't1 = 0.01 and t2 = 0.99']) expect(shown).toContain(words);
  // As published: both deltas, and what arrives at each hidden neuron.
  for (const number of ['0.138498562', '-0.038098237', '0.036350306', '0.041370323']) expect(shown).toContain(`= ${number}`);
});

test('the plot goes from the loss before the first step to that after the thousandth', async (context) => {
  const { loss, lossAtEnd } = await figuresOf('by-hand', context);
  const { sections } = await findingsOf('by-hand', context);
  const points = sections.flatMap(({ blocks }) => blocks).flatMap((block) => (block.kind === 'plot' && block.plot.kind === 'lines' ? block.plot.series[0]!.points : []));
  expect(points.map(([step]) => step)).toEqual(Array.from({ length: 1001 }, (_, step) => step));
  expect(points[0]![1]).toBeCloseTo(loss!, 6);
  expect(points.at(-1)![1]).toBe(lossAtEnd);
});

test('the traced network has the same loss and gradients, and learns', async (context) => {
  const { loss, tracedLoss, largestDifference, lossAfterStep, lossAtEnd } = await figuresOf('by-hand', context);
  expect(Math.abs(tracedLoss! - loss!)).toBeLessThan(1e-6 + 1e-5 * loss!);
  expect(largestDifference).toBeGreaterThan(0); // float32 beside float64
  expect(largestDifference).toBeLessThan(1e-8);
  expect(lossAfterStep).toBeLessThan(loss!);
  expect(lossAtEnd).toBeLessThan(1e-3);
});
