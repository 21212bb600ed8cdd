import { expect, test } from 'vitest';
import { testPage } from './page.js';
import { figuresOf, findingsOf, listOf } from './quick.js';

testPage('initialisers');

const LAYERS = 9; // between the first and the tenth

test('through ReLU layers He keeps the variance within a factor of 2, Xavier halves it in each, small weights lose it', async (context) => {
  const [zeros, small, xavierNormal, xavierUniform, heNormal, heUniform] = (await listOf('initialisers', 'kept', context)) as number[];
  expect(zeros).toBe(0);
  for (const he of [heNormal!, heUniform!]) expect(Math.abs(Math.log2(he))).toBeLessThan(1);
  for (const xavier of [xavierNormal!, xavierUniform!]) expect(Math.abs(Math.log2(xavier * 2 ** LAYERS))).toBeLessThan(1.5);
  // A sum of 200 products keeps 200 * 0.05² / 3 / 2 = 1/12 of the variance.
  expect(small! * 12 ** LAYERS).toBeGreaterThan(1 / 4);
  expect(small! * 12 ** LAYERS).toBeLessThan(4);
});

test('heNormal of tfjs, cut at two standard deviations, keeps 0.774 in each layer', async (context) => {
  const { keptByHeOfTfjs } = await figuresOf('initialisers', context);
  // 1 - 4 φ(2) / (2 Φ(2) - 1), φ and Φ of the normal distribution.
  const ofLayer = 1 - (4 * Math.exp(-2)) / Math.sqrt(2 * Math.PI) / 0.9544997361;
  expect(ofLayer).toBeCloseTo(0.774, 3);
  expect(Math.abs(Math.log2(keptByHeOfTfjs! / ofLayer ** LAYERS))).toBeLessThan(1);
});

test('through tanh layers sums fade slowly under Xavier weights and stay under He weights', async (context) => {
  const [zeros, small, ...others] = (await listOf('initialisers', 'keptByTanh', context)) as number[];
  expect(zeros).toBe(0);
  expect(small).toBeLessThan(1e-5);
  const [xavier, he] = [others.slice(0, 2), others.slice(2)];
  expect(Math.min(...xavier)).toBeGreaterThan(0.05);
  expect(Math.max(...xavier)).toBeLessThan(0.5);
  for (const kept of he) expect(Math.abs(Math.log2(kept))).toBeLessThan(1);
});

test('a ReLU leaves about 0.58 of the spread of its sums, in every layer', async (context) => {
  const { sections } = await findingsOf('initialisers', context);
  const spreads = (file: string): number[] => sections.flatMap(({ blocks }) => blocks).flatMap((block) => (block.kind === 'plot' && block.file === file && block.plot.kind === 'lines' ? block.plot.series.flatMap(({ points }) => points.map(([, y]) => y)) : []));
  const [sums, activations] = [spreads('sums'), spreads('activations')];
  expect(activations).toHaveLength(6 * 10);
  // Of a normal distribution around 0: Var(max(0, z)) = (1/2 - 1/2π) Var(z).
  const left = Math.sqrt(1 / 2 - 1 / (2 * Math.PI));
  expect(left).toBeCloseTo(0.58, 2);
  activations.forEach((activation, index) => { expect(Math.abs(activation - left * sums[index]!)).toBeLessThanOrEqual(0.25 * left * sums[index]!); });
});

test('gradients are alike in all layers but with zeros, where there are none', async (context) => {
  const [zeros, ...others] = (await listOf('initialisers', 'gradientRatio', context)) as number[];
  const { zeroGradients } = await figuresOf('initialisers', context);
  expect([zeros, zeroGradients]).toEqual([0, 0]);
  for (const ratio of others) expect(Math.abs(Math.log2(ratio))).toBeLessThan(1.5);
  const [ofZeros, ofSmall, , , , ofHe] = (await listOf('initialisers', 'accuracies', context)) as number[];
  expect(ofZeros).toBeLessThan(0.2);
  expect(ofHe).toBeGreaterThan(ofSmall!);
});
