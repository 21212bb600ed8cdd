import { describe, expect, test } from 'vitest';
import { asyncRate, mostOpenSteps, oldestVersion, outerUpdate, type Mode } from '../../cluster/rounds/modes.js';

describe('which parameters a leaf may be computed from', () => {
  test.each<readonly [Mode, number, number]>([
    [{ kind: 'sync' }, 7, 7], [{ kind: 'sync' }, 0, 0],
    [{ kind: 'stale', staleness: 0 }, 7, 7], [{ kind: 'stale', staleness: 3 }, 7, 4], [{ kind: 'stale', staleness: 3 }, 2, 0],
    [{ kind: 'async' }, 7, 0],
  ])('%o, applied to version %i: from %i on', (mode, appliedTo, oldest) => {
    expect(oldestVersion(mode, appliedTo)).toBe(oldest);
  });

  test.each<readonly [Mode, number]>([[{ kind: 'sync' }, 1], [{ kind: 'stale', staleness: 0 }, 1], [{ kind: 'stale', staleness: 3 }, 4], [{ kind: 'async' }, 16], [{ kind: 'local', period: 5 }, 0]])('%o has at most %i steps open', (mode, most) => {
    expect(mostOpenSteps(mode)).toBe(most);
  });

  test.each([0, 1, 2, 5])('with bound %i no assignment of an open step is too old when it is given', (staleness) => {
    const mode = { kind: 'stale', staleness } as const;
    for (let version = 0; version < 20; version++) {
      // The steps that may be open at this version are applied to it and its successors.
      for (let open = 0; open < mostOpenSteps(mode); open++) expect(version).toBeGreaterThanOrEqual(oldestVersion(mode, version + open));
      // One more would be.
      if (version >= 1) expect(version).toBeLessThan(oldestVersion(mode, version + mostOpenSteps(mode)));
    }
  });
});

test.each([
  // A whole batch at once and fresh is plain gradient descent; a quarter of it counts a quarter; two updates old, a third.
  [{ rate: 0.3, examples: 64, batchExamples: 64, age: 0 }, 0.3],
  [{ rate: 0.3, examples: 16, batchExamples: 64, age: 0 }, 0.075],
  [{ rate: 0.3, examples: 64, batchExamples: 64, age: 2 }, 0.1],
  [{ rate: 0.3, examples: 16, batchExamples: 64, age: 1 }, 0.0375],
])('async: %o is applied at a rate of %f', (share, rate) => {
  expect(asyncRate(share)).toBeCloseTo(rate, 15);
});

describe('the outer update of local', () => {
  const result = (examples: number, ...values: number[]) => ({ examples, difference: Float32Array.from(values) });

  test('weighs each source by its examples', () => {
    const [parameters, momenta] = [Float32Array.of(1, -2), new Float32Array(2)];
    outerUpdate(parameters, momenta, [result(8, 1, 0), result(4, 4, 3)], { rate: 1, momentum: 0 });
    // (8 · (2 − 1) + 4 · (5 − 1)) / 12 = 2 and (8 · 0 + 4 · 3) / 12 = 1; the plain mean would be 2.5 and 1.5.
    expect([...parameters]).toEqual([3, -1]);
    expect([...momenta]).toEqual([2, 1]);
  });

  test('m = momentum · m + rate · mean, p = p + m', () => {
    const [parameters, momenta] = [Float32Array.of(1), Float32Array.of(0.5)];
    outerUpdate(parameters, momenta, [result(8, 4)], { rate: 0.25, momentum: 0.5 });
    // 0.5 · 0.5 + 0.25 · 4 = 1.25
    expect([momenta[0], parameters[0]]).toEqual([1.25, 2.25]);
    outerUpdate(parameters, momenta, [result(8, 0)], { rate: 0.25, momentum: 0.5 });
    // Nobody moved: 0.625 of momentum remains.
    expect([momenta[0], parameters[0]]).toEqual([0.625, 2.875]);
  });

  test('with rate 1 and no momentum is the weighted mean of the parameters', () => {
    const parameters = Float32Array.of(0.1);
    outerUpdate(parameters, new Float32Array(1), [result(1, 0.7 - 0.1), result(2, 0.3 - 0.1)], { rate: 1, momentum: 0 });
    expect(parameters[0]).toBeCloseTo((0.7 + 2 * 0.3) / 3, 7);
  });
});
