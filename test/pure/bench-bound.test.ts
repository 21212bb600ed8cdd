import { expect, test } from 'vitest';
import { pipelinedBound, unpipelinedBound, type RoundCosts } from '../../scripts/bench/bound.js';

// 1,000 Mbit/s carry 250 kB in 2 ms.
const COSTS: RoundCosts = { stepMs: 16, parameterBytes: 250_000, gradientBytes: 250_000, rateMbps: 1_000, delayMs: 0.5 };

test('a node without overlap gets the subtree that ends first', () => {
  // The link takes 2 + 2 + 1 = 5 ms. A half: max(8, 8 + 5) = 13; a quarter: max(12, 4 + 5) = 12; an eighth: 14.
  expect(unpipelinedBound(COSTS)).toBe(16 / 12);
  // Ten times the step: a half, max(80, 80 + 5).
  expect(unpipelinedBound({ ...COSTS, stepMs: 160 })).toBe(160 / 85);
});

test('with overlap a round is as long as the longest of its parts, and the way there and back', () => {
  expect(pipelinedBound(COSTS)).toBe(16 / (8 + 1));
  // At 100 Mbit/s each way takes 20 ms, longer than half of 30.
  expect(pipelinedBound({ ...COSTS, stepMs: 30, rateMbps: 100 })).toBe(30 / (20 + 1));
});

test('nobody is slowed down by a node that is too far away', () => {
  expect([unpipelinedBound({ ...COSTS, delayMs: 50 }), pipelinedBound({ ...COSTS, delayMs: 50 })]).toEqual([1, 1]);
});
