import { describe, expect, test } from 'vitest';
import { Arena, ARITHMETICS, randomFrom, seed } from './arena.js';

/** The accuracy promised: in units in the last place of the exact value, and absolutely where that is no normal float32. */
const MAX_ULP = 2;
const MAX_ABSOLUTE_BELOW_NORMAL = 1.2e-38;
const SMALLEST_NORMAL = 2 ** -126;
/** Where float32 rounds up to Infinity: half a unit above the largest. */
const OVERFLOW_AT = (2 - 2 ** -24) * 2 ** 127;

/**
 * erf x = 2/sqrt(pi) e^(-x^2) sum of x (2x^2)^n / (1 * 3 * ... * (2n+1)) (Abramowitz and Stegun 7.1.6): all terms positive,
 * so float64 keeps its digits. Beyond 6 it is 1 to float64.
 */
function erf(x: number): number {
  if (Math.abs(x) > 6) return Math.sign(x);
  let sum = 0;
  let term = x;
  for (let n = 0; Math.abs(term) > 1e-17 * Math.abs(sum); n++) {
    sum += term;
    term *= (2 * x * x) / (2 * n + 3);
  }
  return Number.isNaN(x) ? NaN : (2 / Math.sqrt(Math.PI)) * Math.exp(-x * x) * sum;
}

interface Elementary {
  readonly exact: (x: number) => number;
  /** Where values are densest or the implementation changes its formula. */
  readonly dense: readonly (readonly [number, number])[];
  /** The promise holds up to here. */
  readonly maxSize?: number;
}

const FUNCTIONS: Readonly<Record<string, Elementary>> = {
  exp: { exact: Math.exp, dense: [[-104, -87], [88, 89], [-1, 1], [-20, 20]] },
  expm1: { exact: Math.expm1, dense: [[-1, 1], [-19, -16], [15, 19], [88, 89]] },
  log: { exact: Math.log, dense: [[0.5, 2], [0.99, 1.01], [0, 1e-37]] },
  log1p: { exact: Math.log1p, dense: [[-1, 1], [-0.01, 0.01], [1, 100]] },
  tanh: { exact: Math.tanh, dense: [[-1, 1], [0.6, 0.65], [1, 10]] },
  sigmoid: { exact: (x) => 1 / (1 + Math.exp(-x)), dense: [[-20, 20], [-104, -80]] },
  softplus: { exact: (x) => Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x))), dense: [[-20, 20], [-104, -80]] },
  erf: { exact: erf, dense: [[-1, 1], [0.92, 0.94], [1, 4.5]] },
  sin: { exact: Math.sin, dense: [[-4, 4], [-1e4, 1e4]], maxSize: 1e6 },
  cos: { exact: Math.cos, dense: [[-4, 4], [-1e4, 1e4]], maxSize: 1e6 },
};

const MANTISSAS_PER_EXPONENT = 200;
const DENSE_SAMPLES = 100_000;

/** Every exponent with both signs and some hundred mantissas each, its ends among them. */
function everyExponent(random: () => number): number[] {
  const patterns: number[] = [];
  for (let signAndExponent = 0; signAndExponent < 512; signAndExponent++) {
    const start = signAndExponent * 2 ** 23;
    patterns.push(start, start + 1, start + 2 ** 23 - 1);
    for (let i = 3; i < MANTISSAS_PER_EXPONENT; i++) patterns.push(start + Math.floor(random() * 2 ** 23));
  }
  return Array.from(new Float32Array(Uint32Array.from(patterns).buffer));
}

function samples(functionName: string): Float32Array {
  const random = randomFrom(seed);
  const { dense, maxSize = Infinity } = FUNCTIONS[functionName]!;
  const inRanges = dense.flatMap(([low, high]) =>
    Array.from({ length: DENSE_SAMPLES / dense.length }, () => low + random() * (high - low)));
  const isPromised = (x: number): boolean => !(Number.isFinite(x) && Math.abs(x) > maxSize);
  return Float32Array.from([...everyExponent(random), ...inRanges]).filter(isPromised);
}

/** The distance between neighbouring float32 around a value. */
function ulpAt(exact: number): number {
  let exponent = Math.floor(Math.log2(Math.abs(exact)));
  if (2 ** exponent > Math.abs(exact)) exponent--;
  if (2 ** (exponent + 1) <= Math.abs(exact)) exponent++;
  return 2 ** (Math.min(exponent, 127) - 23);
}

/** Why a result is not good enough, or nothing. */
function complaint(got: number, exact: number): string | undefined {
  if (Number.isNaN(exact)) return Number.isNaN(got) ? undefined : 'is a number';
  if (Math.abs(exact) >= OVERFLOW_AT) return Object.is(got, Math.sign(exact) * Infinity) ? undefined : 'is no infinity';
  if (Math.abs(exact) < SMALLEST_NORMAL) {
    return Math.abs(got - exact) <= MAX_ABSOLUTE_BELOW_NORMAL ? undefined : 'is too far from a small value';
  }
  const error = Math.abs(got - exact) / ulpAt(exact);
  return error <= MAX_ULP ? undefined : `is off by ${error.toFixed(2)} ulp`;
}

describe.each(ARITHMETICS)('elementary functions, %s', (arithmetic) => {
  const arena = new Arena(arithmetic);

  test.each(Object.keys(FUNCTIONS))(`%s is within ${MAX_ULP} ulp over every exponent (seed ${seed})`, (name) => {
    arena.reset();
    const x = samples(name);
    const out = arena.slot(x.length);
    arena.call(name, arena.put(x), out, x.length);
    const got = arena.floats(out, x.length);
    const complaints = Array.from(x, (value, i) => [value, got[i]!, complaint(got[i]!, FUNCTIONS[name]!.exact(value))]);
    expect(complaints.filter(([, , reason]) => reason !== undefined).slice(0, 5)).toEqual([]);
  });

  test.each([
    ['exp', [[0, 1], [-0, 1], [Infinity, Infinity], [-Infinity, 0], [88.72284, Infinity], [-104, 0]]],
    ['expm1', [[0, 0], [-0, -0], [Infinity, Infinity], [-Infinity, -1], [-100, -1], [88.72284, Infinity]]],
    ['log', [[0, -Infinity], [-0, -Infinity], [1, 0], [Infinity, Infinity], [-1, NaN], [-1e-45, NaN], [-Infinity, NaN]]],
    ['log1p', [[0, 0], [-0, -0], [-1, -Infinity], [-1.0000001, NaN], [Infinity, Infinity], [-Infinity, NaN]]],
    ['tanh', [[0, 0], [-0, -0], [Infinity, 1], [-Infinity, -1], [100, 1], [-3e38, -1]]],
    ['sigmoid', [[0, 0.5], [-0, 0.5], [Infinity, 1], [-Infinity, 0], [1e4, 1], [-1e4, 0]]],
    ['softplus', [[Infinity, Infinity], [-Infinity, 0], [1e4, 1e4], [-1e4, 0], [3e38, Math.fround(3e38)]]],
    ['erf', [[0, 0], [-0, -0], [Infinity, 1], [-Infinity, -1], [4, 1], [-1e30, -1]]],
    ['sin', [[0, 0], [-0, -0], [Infinity, NaN], [-Infinity, NaN]]],
    ['cos', [[0, 1], [-0, 1], [Infinity, NaN], [-Infinity, NaN]]],
  ] as const)('%s has the right limits', (name, table) => {
    arena.reset();
    const pairs = [...table, [NaN, NaN] as const];
    const out = arena.slot(pairs.length);
    arena.call(name, arena.put(pairs.map(([x]) => x)), out, pairs.length);
    expect(Array.from(arena.floats(out, pairs.length))).toEqual(pairs.map(([, limit]) => limit));
  });

  test(`pow is within ${MAX_ULP} ulp, with the limits of Math.pow (seed ${seed})`, () => {
    arena.reset();
    const random = randomFrom(seed);
    const bases = [0, -0, 1, -1, 2, -2, 0.5, 1.0000001, 0.9999999, 1e-45, 1e-38, 3e38, -3e38, Infinity, -Infinity, NaN];
    const exponents = [0, -0, 1, -1, 2, 3, -3, 0.5, -0.5, 1e-45, 127, 128, -149, -150, 16777215, 1e10, Infinity, -Infinity, NaN];
    const pairs = bases.flatMap((x) => exponents.map((y) => [x, y] as const));
    for (const base of everyExponent(random)) pairs.push([base, (random() - 0.5) * 8], [base, Math.floor(random() * 9) - 4]);
    const x = Float32Array.from(pairs, (pair) => pair[0]);
    const y = Float32Array.from(pairs, (pair) => pair[1]);
    const out = arena.slot(x.length);
    arena.call('pow', arena.put(x), 0, 0, arena.put(y), 0, 0, out, 0, 1, x.length);
    const got = arena.floats(out, x.length);
    const complaints = Array.from(x, (base, i) => [base, y[i]!, got[i]!, complaint(got[i]!, base ** y[i]!)]);
    expect(complaints.filter((row) => row[3] !== undefined).slice(0, 5)).toEqual([]);
  });
});

test('pow has the same bits in both arithmetics: its float64 is never fused', () => {
  const x = Float32Array.from(everyExponent(randomFrom(seed)));
  const results = ARITHMETICS.map((arithmetic) => {
    const arena = new Arena(arithmetic);
    const out = arena.slot(x.length);
    arena.call('pow', arena.put(x), 0, 0, arena.put([1.25]), 0, 1, out, 0, 1, x.length);
    return arena.floats(out, x.length).slice();
  });
  expect(results[0]).toEqual(results[1]);
});
