import { expect, test } from 'vitest';
import { fashionMnist, mnist } from '../../src/data/index.js';
import { FASHION_MNIST, MNIST } from '../../src/data/image-sets.js';
import { run } from '../../examples/lessons/10-images.js';
import { findRealSet } from '../data/real-sets.js';
import { testPage } from './page.js';
import { findingsOf, figuresOf, listOf, SEED } from './quick.js';

testPage('images');

test('the matrix shown is example 1000, byte for byte', async (context) => {
  const set = findRealSet(FASHION_MNIST);
  if ('missing' in set) return context.skip(set.missing);
  const { train } = await fashionMnist({ ...set, fetch: 'none' });
  const { sections } = await findingsOf('images', context);
  const { exampleMost, exampleLabel } = await figuresOf('images', context);
  const matrix = sections.flatMap(({ blocks }) => blocks).flatMap((block) => (block.kind === 'plot' && block.plot.kind === 'numbers' ? block.plot.rows : []));
  expect(matrix.map((row) => row.length)).toEqual(new Array(28).fill(28));
  expect(matrix.flat()).toEqual([...train.x[0]!.values.subarray(1000 * 784, 1001 * 784)]);
  expect(Math.max(...matrix.flat())).toBe(exampleMost);
  expect(exampleLabel).toBe(1); // as the label file of Fashion-MNIST has it: byte 8 + 1000
});

test('a hidden layer is better than none, and a Flatten layer gives the very bytes of flattening by hand', async (context) => {
  const [one, two, withFlatten] = (await listOf('images', 'accuracies', context)) as number[];
  expect(one).toBeGreaterThan(0.7);
  expect(two).toBeGreaterThan(one!);
  expect(withFlatten).toBe(two);
  expect((await findingsOf('images', context)).figures['sameBytes']).toBe(true);
  expect(await listOf('images', 'parameters', context)).toEqual([784 * 10 + 10, 784 * 100 + 100 + 100 * 10 + 10, 784 * 100 + 100 + 100 * 10 + 10]);
});

test('the answer is the largest output, and the confusion matrix counts every test image once', async (context) => {
  const outputs = (await listOf('images', 'firstOutputs', context)) as number[];
  const { firstPredicted, accuracyByArgmax } = await figuresOf('images', context);
  expect(outputs).toHaveLength(10);
  expect(outputs[firstPredicted!]).toBe(Math.max(...outputs));
  const counts = (await listOf('images', 'counts', context)) as number[];
  const rowSums = Array.from({ length: 10 }, (_, actual) => counts.slice(10 * actual, 10 * actual + 10).reduce((sum, count) => sum + count, 0));
  expect(rowSums).toEqual(new Array(10).fill(1000)); // of each class there are as many test images
  const diagonal = counts.filter((_, index) => index % 11 === 0).reduce((sum, count) => sum + count, 0);
  expect(accuracyByArgmax).toBeCloseTo(diagonal / 10_000, 12);
  expect(((await listOf('images', 'accuracies', context)) as number[])[2]).toBeCloseTo(accuracyByArgmax!, 6);
});

test('on MNIST it reads digits', async (context) => {
  const set = findRealSet(MNIST);
  if ('missing' in set) return context.skip(set.missing);
  const { figures, lines } = await run({ seed: SEED, quick: true, images: () => mnist({ ...set, fetch: 'none' }) });
  const [one, two] = figures['accuracies'] as number[];
  expect(one).toBeGreaterThan(0.8);
  expect(two).toBeGreaterThan(0.85);
  expect(lines[0]).toContain('of the class 0');
});
