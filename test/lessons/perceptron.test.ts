import { expect, test } from 'vitest';
import { testPage } from './page.js';
import { figuresOf } from './quick.js';

testPage('perceptron');

test('one perceptron learns AND and OR, never XOR, which two layers learn', async (context) => {
  const { mistakesAnd, mistakesOr, mistakesXor, xorTwoLayers } = await figuresOf('perceptron', context);
  expect([mistakesAnd, mistakesOr]).toEqual([0, 0]);
  expect(mistakesXor).toBeGreaterThan(0);
  expect(xorTwoLayers).toBe(1);
});

test('a border on two numbers tells trousers from boots and not pullovers from coats; pixels help', async (context) => {
  const { easyByHalves, hardByHalves, easyByPixels, hardByPixels } = await figuresOf('perceptron', context);
  expect(easyByHalves).toBeGreaterThan(0.9);
  expect(hardByHalves).toBeLessThan(0.65);
  expect(easyByPixels).toBeGreaterThan(0.97);
  expect(hardByPixels).toBeGreaterThan(hardByHalves! + 0.1);
});
