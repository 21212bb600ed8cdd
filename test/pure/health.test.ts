import { expect, test } from 'vitest';
import { deadShare, histogramOf, norm, saturatedShare } from '../../src/report/health.js';
import { healthPictures } from '../../src/report/run-pictures.js';

test('a norm is a Euclidean length', () => {
  expect(norm([3, -4])).toBe(5);
});

test('a histogram has the most in its last bin, and leaves out what is not finite', () => {
  expect(histogramOf('w', [0, 1, 2, 4, NaN], 2)).toEqual({ name: 'w', from: 0, to: 4, counts: [2, 2] });
  expect(histogramOf('w', [2, 2], 4)).toEqual({ name: 'w', from: 1.5, to: 2.5, counts: [2] });
});

test('a unit is dead that is 0 for every example', () => {
  // Two examples of four units: only the last is 0 in both.
  expect(deadShare([1, 0, 3, 0, 0, 2, 0, 0], 4)).toBe(0.25);
});

test('a sigmoid is saturated near both ends', () => {
  expect(saturatedShare([0.01, 0.5, 0.96, 0.9])).toBe(0.5);
});

test('the pictures show norms, weights and units, where there are such', async () => {
  const weights = [{ name: 'dense/kernel', gradient: [3, 4], values: [0, 1] }];
  const pictures = await healthPictures({ examples: 8, weights, units: [{ layer: 'dense', kind: 'dead', share: 0.25 }] });
  expect(pictures.map(({ file }) => file)).toEqual(['report-gradients.svg', 'report-weights.svg', 'report-units.svg']);
  expect(pictures[0]!.svg).toContain('>5</text>');
  expect(pictures[2]!.svg).toContain('>0.25</text>');
  expect((await healthPictures({ examples: 8, weights: [], units: [] })).map(({ file }) => file)).toEqual(['report-gradients.svg']);
});
