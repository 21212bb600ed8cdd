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

test('the pictures show of each layer what is known of it', async () => {
  const counts = { from: -1, to: 1, counts: [1, 3] }; // bins of width 1: densities 0.25 and 0.75
  const dense = { layer: 'dense', gradientNorm: 5, updateRatio: 0.002, deadUnits: 0.25, weights: counts, gradients: counts, activations: counts, zeroActivations: 0.625 };
  const pictures = await healthPictures({ examples: 8, layers: [dense, { layer: 'flat', saturatedUnits: 0.5, activations: counts }] });
  const svgOf = (name: string): string => pictures.find(({ file }) => file === `report-${name}.svg`)!.svg;
  expect(pictures.map(({ file }) => file)).toEqual(['gradients', 'updates', 'weights', 'gradient-values', 'activations', 'units'].map((name) => `report-${name}.svg`));
  expect(svgOf('gradients')).toContain('>5</text>');
  expect(svgOf('updates')).toContain('>0.002</text>');
  expect([svgOf('units')].filter((svg) => svg.includes('>0.25</text>') && svg.includes('dense, dead') && svg.includes('flat, saturated'))).toHaveLength(1);
  expect(svgOf('activations')).toContain('flat');
  expect(pictures.find(({ heading }) => heading === 'Activations')!.caption).toMatch(/as high as its own tallest part\. Left out are values that are exactly 0: dense 63 %\.$/);
  expect([svgOf('activations').includes('part of the tallest'), svgOf('weights').includes('density')]).toEqual([true, true]);
  expect(svgOf('weights')).not.toContain('flat');
  expect(await healthPictures({ examples: 8, layers: [] })).toEqual([]);
});
