import { expect, test } from 'vitest';
import { CODEC_RATIO, exactSpeedup, localSpeedup, ROUND_OVERHEAD_MS, type StepCosts } from '../../scripts/bench/prediction.js';
import { SCALING_PARTS } from '../../scripts/cli/choices.js';
import { read } from './documents.js';

const page = read('docs/benchmarks.md');
/** In the box everything is so many times as slow, the overhead too. */
const SLOWNESS = 4;

const rows = page.split('| link | way |')[1]!.split('\n\n')[0]!.split('\n').slice(2).map((line) => line.split('|').slice(1, -1).map((cell) => cell.trim()));

test.each(rows)('the prediction for %s, %s is that of the program, and within a fifth of what was measured', (_link, way, stepMs, rateMbps, roundTripMs, measured, predicted) => {
  const costs: StepCosts = {
    stepMs: Number(stepMs), rateMbps: Number(rateMbps), roundTripMs: Number(roundTripMs), batchSize: 2_048, fixedMs: 0,
    parameterBytes: 318_040, overheadMs: ROUND_OVERHEAD_MS * SLOWNESS, relativeSpeed: 1,
  };
  const ratio = way!.includes('bfloat16') ? CODEC_RATIO : 1;
  const computed = way!.startsWith('local') ? localSpeedup(costs, 15, ratio) : exactSpeedup(costs, ratio);
  expect(computed.toFixed(3)).toBe(predicted);
  expect(Math.abs(Number(predicted) / Number(measured) - 1)).toBeLessThan(0.2);
});

test('the table of ways has them all, and that of parts too', () => {
  expect(rows).toHaveLength(10); // five ways on two machines
  expect([...page.matchAll(/^\| `(\w+)` \| /gm)].map((match) => match[1])).toEqual([...SCALING_PARTS]);
});
