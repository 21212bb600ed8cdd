import { expect } from 'vitest';

/** `|got - expected| <= absolute * max(1, max|expected|) + relative * |expected|`, over one tensor. */
export interface Tolerance {
  readonly relative: number;
  readonly absolute: number;
}

/** Fails with the worst element: where it is, both numbers, and how far apart they may be. */
export function expectClose(got: ArrayLike<number>, expected: ArrayLike<number>, tolerance: Tolerance, what: string): void {
  expect(got.length, `${what}: count of values`).toBe(expected.length);
  const worst = farthest(got, expected, tolerance);
  // `!(<=)` and not `>`: a NaN has to fail.
  if (!(worst.excess <= 1)) {
    const { index, excess } = worst;
    expect.fail(`${what}[${index}] is ${got[index]}, expected ${expected[index]}: ${excess.toFixed(1)} times the tolerance`);
  }
}

/** The element whose error is the largest multiple of what is allowed there. */
function farthest(got: ArrayLike<number>, expected: ArrayLike<number>, { relative, absolute }: Tolerance) {
  const largest = Array.from(expected).reduce((max, value) => Math.max(max, Math.abs(value)), 1);
  let worst = { index: 0, excess: 0 };
  for (let index = 0; index < expected.length; index++) {
    const allowed = absolute * largest + relative * Math.abs(expected[index]!);
    const excess = Math.abs(got[index]! - expected[index]!) / allowed;
    if (!(excess <= worst.excess)) worst = { index, excess };
    if (Number.isNaN(excess)) break;
  }
  return worst;
}
