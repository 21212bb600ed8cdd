import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { multiplyHigh, philox, PURPOSE, randomKey, type Counter, type Key } from '../../src/random/philox.js';
import { ownOrder, shuffledIndices } from '../../src/random/shuffle.js';
import { Arena, ARITHMETICS, bits, rowStride, seed } from './arena.js';
import { runs } from './properties.js';

const f = Math.fround;
const word = fc.integer({ min: 0, max: 0xffffffff });
const anySeed = fc.oneof(fc.constantFrom(0, 1, 2 ** 32 - 1, 2 ** 32, Number.MAX_SAFE_INTEGER), fc.maxSafeNat());

/** How far a sum of n independent terms may stray: 5 of its standard deviations, which chance exceeds once in 1.7 million. */
const MAX_DEVIATIONS = 5;

describe('Philox4x32-10', () => {
  // Random123, tests/kat_vectors, lines "philox4x32 10": counter, key, draws.
  test.each([
    ['00000000 00000000 00000000 00000000', '00000000 00000000', '6627e8d5 e169c58d bc57ac4c 9b00dbd8'],
    ['ffffffff ffffffff ffffffff ffffffff', 'ffffffff ffffffff', '408f276d 41c83b0e a20bc7c6 6d5451fd'],
    ['243f6a88 85a308d3 13198a2e 03707344', 'a4093822 299f31d0', 'd16cfe09 94fdcceb 5001e420 24126ea1'],
  ])('counter %s under key %s', (counter, key, draws) => {
    const words = (text: string): number[] => text.split(' ').map((hex) => parseInt(hex, 16));
    expect(philox(words(counter) as unknown as Counter, words(key) as unknown as Key)).toEqual(words(draws));
  });

  test('the upper word of a product', () => {
    fc.assert(fc.property(word, word, (a, b) => {
      expect(multiplyHigh(a, b) >>> 0).toBe(Number((BigInt(a) * BigInt(b)) >> 32n));
    }), { ...runs(1000), examples: [[0xffffffff, 0xffffffff], [0xffff, 0xffff0001], [0, 0xffffffff]] });
  });

  test('no two pairs of seed and purpose share a key', () => {
    const purpose = fc.constantFrom(...Object.values(PURPOSE));
    fc.assert(fc.property(anySeed, purpose, anySeed, purpose, (seedA, purposeA, seedB, purposeB) => {
      const areKeysEqual = randomKey(seedA, purposeA).join() === randomKey(seedB, purposeB).join();
      expect(areKeysEqual).toBe(seedA === seedB && purposeA === purposeB);
    }), { ...runs(500), examples: [[0, 1, 2 ** 32, 1], [0, 1, 0, 2], [2 ** 52, 1, 0, 2]] });
  });
});

/** The position of a draw, all but its element. */
interface Position {
  readonly key: Key;
  readonly firstRow: number;
  readonly step: number;
  readonly layer: number;
}

const anyPosition: fc.Arbitrary<Position> = fc.record({ key: fc.tuple(word, word), firstRow: word, step: word, layer: word });
const anyRowCount = fc.integer({ min: 1, max: 40 });
/** A kernel draws sixteen floats at a time: none, one and two of them whole, and every rest. */
const anyFloatCount = fc.integer({ min: 1, max: 40 });
const anyRate = fc.constantFrom(0.1, 0.25, 0.5, 0.9).map(f);

/** Uniform in [0, 1) from the upper 24 bits, for one element of one row. */
function unit(position: Position, row: number, element: number): number[] {
  const counter: Counter = [Math.floor(element / 4), (position.firstRow + row) >>> 0, position.step, position.layer];
  return philox(counter, position.key).map((draw) => (draw >>> 8) / 2 ** 24);
}

function expectedMask(position: Position, row: number, element: number, rate: number): number {
  return unit(position, row, element)[element % 4]! >= rate ? f(1 / f(1 - rate)) : 0;
}

/** Box and Muller in float64: lanes 0 and 1 are sines, 2 and 3 cosines of the angles of words 2 and 3. */
function expectedNormal(position: Position, row: number, element: number): number {
  const [draws, lane] = [unit(position, row, element), element % 4];
  const radius = Math.sqrt(-2 * Math.log(1 - draws[lane % 2]!));
  const angle = 2 * Math.PI * draws[2 + (lane % 2)]!;
  return radius * (lane < 2 ? Math.sin(angle) : Math.cos(angle));
}

/**
 * Radius at most sqrt(2 * 24 ln 2) = 5.77. Angle: float32 2 pi and its product are off by 2.8e-8 + 6e-8 of at most 2 pi,
 * 5.5e-7; sine 2 ulp, 1.2e-7; radius 1.5 ulp, 1.8e-7; product 6e-8. Together 5.77 * 9.1e-7.
 */
const MAX_NORMAL_ERROR = 5.3e-6;

/** Kernels that fill a row tensor from a position; the last arguments are the distribution's. */
type Fill = (kernel: 'dropoutMask' | 'normalNoise', position: Position, rows: number, floats: number, ...last: number[]) => Float32Array[];

function fillIn(arena: Arena): Fill {
  return (kernel, { key, firstRow, step, layer }, rows, floats, ...last) => {
    arena.reset();
    const slotFloats = (rows * rowStride(floats)) / 4;
    const out = arena.slot(slotFloats);
    arena.call(kernel, out, rowStride(floats), rows, floats, ...key, firstRow, step, layer, ...last);
    expect(arena.isIntactBehind(out, slotFloats)).toBe(true);
    return arena.rows(out, rows, floats);
  };
}

const expectedRows = (rows: number, floats: number, value: (row: number, element: number) => number): number[][] =>
  Array.from({ length: rows }, (_, row) => Array.from({ length: floats }, (__, element) => value(row, element)));

describe.each(ARITHMETICS)('draws of kernels, %s', (arithmetic) => {
  const fill = fillIn(new Arena(arithmetic));

  test('a dropout mask is that of the words of Philox, bit for bit', () => {
    fc.assert(fc.property(anyPosition, anyRowCount, anyFloatCount, anyRate, (position, rows, floats, rate) => {
      const mask = fill('dropoutMask', position, rows, floats, rate);
      expect(mask.map(bits)).toEqual(expectedRows(rows, floats, (row, element) => expectedMask(position, row, element, rate)).map(bits));
    }), runs(200));
  });

  test('every row count from 1 to 40 and row length from 1 to 20', () => {
    const position: Position = { key: randomKey(seed, PURPOSE.noise), firstRow: 5, step: 7, layer: 3 };
    for (let rows = 1; rows <= 40; rows++) {
      for (let floats = 1; floats <= 20; floats++) {
        const mask = fill('dropoutMask', position, rows, floats, 0.5);
        expect(mask.map(bits)).toEqual(expectedRows(rows, floats, (row, element) => expectedMask(position, row, element, 0.5)).map(bits));
      }
    }
  });

  test('a draw of exactly the rate keeps its element, so that a rate of 0 keeps all', () => {
    const position: Position = { key: randomKey(seed, PURPOSE.noise), firstRow: 0, step: 0, layer: 0 };
    const [rate] = unit(position, 0, 0);
    expect(fill('dropoutMask', position, 1, 1, rate!)[0]![0]).not.toBe(0);
    expect(fill('dropoutMask', position, 1, 1, rate! + 2 ** -24)[0]![0]).toBe(0);
  });

  test('an element has the same bits in rows of every length', () => {
    fc.assert(fc.property(anyPosition, anyFloatCount, anyFloatCount, (position, floats, others) => {
      const [short, long] = [Math.min(floats, others), Math.max(floats, others)];
      const cut = fill('normalNoise', position, 2, long, 0, 1).map((row) => row.slice(0, short));
      expect(fill('normalNoise', position, 2, short, 0, 1).map(bits)).toEqual(cut.map(bits));
    }), runs(200));
  });

  test('normal noise is that of the words of Philox', () => {
    const anyMean = fc.constantFrom(0, 1, -3).map(f);
    const anyDeviation = fc.constantFrom(1, 0.1, 2).map(f);
    fc.assert(fc.property(anyPosition, anyRowCount, anyFloatCount, anyMean, anyDeviation, (position, rows, floats, mean, deviation) => {
      // Two roundings more: of deviation * normal and of the sum, both below |mean| + 6 deviations.
      const tolerance = deviation * MAX_NORMAL_ERROR + 2 * 2 ** -24 * (Math.abs(mean) + 6 * deviation);
      fill('normalNoise', position, rows, floats, mean, deviation).forEach((values, row) => {
        values.forEach((value, element) => {
          const expected = mean + deviation * expectedNormal(position, row, element);
          expect(Math.abs(value - expected)).toBeLessThanOrEqual(tolerance);
        });
      });
    }), runs(200));
  });

  test.each([['dropoutMask', [0.3]], ['normalNoise', [0.5, 2]]] as const)('%s: rows split anywhere give the same bits', (kernel, last) => {
    fc.assert(fc.property(anyPosition, anyRowCount, anyFloatCount, fc.nat(40), (position, rows, floats, cut) => {
      const whole = fill(kernel, position, rows, floats, ...last);
      const head = Math.min(cut, rows);
      const rest = { ...position, firstRow: (position.firstRow + head) >>> 0 };
      const parts = [...fill(kernel, position, head, floats, ...last), ...fill(kernel, rest, rows - head, floats, ...last)];
      expect(parts.map(bits)).toEqual(whole.map(bits));
    }), runs(200));
  });

  const [ROWS, FLOATS] = [64, 1024];
  const n = ROWS * FLOATS;
  const home: Position = { key: randomKey(seed, PURPOSE.noise), firstRow: 0, step: 0, layer: 0 };
  const flat = (rows: Float32Array[]): number[] => rows.flatMap((row) => Array.from(row));
  const normals = (position: Position): number[] => flat(fill('normalNoise', position, ROWS, FLOATS, 0, 1));
  const meanOf = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length;
  const share = (values: readonly number[], isCounted: (value: number) => boolean): number => values.filter(isCounted).length / values.length;

  test.each([0.1, 0.5, 0.9])('a share of %s of a mask is zero', (rate) => {
    const mask = flat(fill('dropoutMask', home, ROWS, FLOATS, rate));
    // A count of n draws of probability p has variance n p (1 - p).
    const bound = MAX_DEVIATIONS * Math.sqrt((rate * (1 - rate)) / n);
    expect(Math.abs(share(mask, (value) => value === 0) - rate)).toBeLessThan(bound);
  });

  test('noise has the moments and tails of a normal', () => {
    const values = normals(home);
    // Variances of one term: of x 1, of x^2 E x^4 - 1 = 2, of x^4 E x^8 - 9 = 105 - 9 = 96.
    expect(Math.abs(meanOf(values))).toBeLessThan(MAX_DEVIATIONS * Math.sqrt(1 / n));
    expect(Math.abs(meanOf(values.map((x) => x ** 2)) - 1)).toBeLessThan(MAX_DEVIATIONS * Math.sqrt(2 / n));
    expect(Math.abs(meanOf(values.map((x) => x ** 4)) - 3)).toBeLessThan(MAX_DEVIATIONS * Math.sqrt(96 / n));
    // P(|x| > 1) = 0.3173105, P(|x| > 2) = 0.0455003.
    for (const [cut, p] of [[1, 0.3173105], [2, 0.0455003]] as const) {
      expect(Math.abs(share(values, (x) => Math.abs(x) > cut) - p)).toBeLessThan(MAX_DEVIATIONS * Math.sqrt((p * (1 - p)) / n));
    }
  });

  test('lanes, rows, steps, layers, seeds and purposes do not go together', () => {
    const values = normals(home);
    const others: Readonly<Record<string, number[]>> = {
      'next element': [...values.slice(1), values[0]!],
      'two elements on': [...values.slice(2), ...values.slice(0, 2)],
      row: [...values.slice(FLOATS), ...values.slice(0, FLOATS)],
      step: normals({ ...home, step: 1 }),
      layer: normals({ ...home, layer: 1 }),
      seed: normals({ ...home, key: randomKey(seed + 1, PURPOSE.noise) }),
      purpose: normals({ ...home, key: randomKey(seed, PURPOSE.weights) }),
    };
    // A product of two independent normals has mean 0 and variance 1; so has a product of (x^2 - 1) / sqrt 2 with another.
    for (const [name, other] of Object.entries(others)) {
      const products = meanOf(values.map((value, i) => value * other[i]!));
      const squares = meanOf(values.map((value, i) => ((value ** 2 - 1) * (other[i]! ** 2 - 1)) / 2));
      expect([name, Math.abs(products) < MAX_DEVIATIONS * Math.sqrt(1 / n)]).toEqual([name, true]);
      expect([name, Math.abs(squares) < MAX_DEVIATIONS * Math.sqrt(1 / n)]).toEqual([name, true]);
    }
  });
});

describe('the order of examples', () => {
  const order = (count: number, ofSeed: number, epoch: number): number[] => {
    const out = new Uint32Array(count);
    shuffledIndices(count, ofSeed, epoch, out);
    return Array.from(out);
  };
  const anyEpoch = fc.nat(10_000);

  test('is a permutation, for every count, and leaves what lies behind it', () => {
    fc.assert(fc.property(fc.nat(300), anySeed, anyEpoch, (count, ofSeed, epoch) => {
      const out = new Uint32Array(count + 2).fill(777_777);
      shuffledIndices(count, ofSeed, epoch, out);
      expect(Array.from(out.subarray(0, count)).sort((a, b) => a - b)).toEqual(Array.from({ length: count }, (_, i) => i));
      expect(Array.from(out.subarray(count))).toEqual([777_777, 777_777]);
    }), { ...runs(300), examples: [[0, 0, 0], [1, 0, 0], [2, 0, 0]] });
  });

  test('is a function of count, seed and epoch, whatever was drawn before', () => {
    fc.assert(fc.property(fc.integer({ min: 1, max: 100 }), anySeed, anyEpoch, (count, ofSeed, epoch) => {
      const before = order(count, ofSeed, epoch);
      order(count + 1, ofSeed, epoch + 1);
      const dirty = Uint32Array.from({ length: count }, () => 5);
      shuffledIndices(count, ofSeed, epoch, dirty);
      expect(Array.from(dirty)).toEqual(before);
    }), runs(100));
  });

  // 52 examples have 8e67 orders: two alike mean the same stream.
  test('differs between seeds, their upper bits and 0 included, and between epochs', () => {
    const streams = [0, 1, 2 ** 31, 2 ** 32 - 1, 2 ** 32, 2 ** 32 + 1, 2 ** 52, Number.MAX_SAFE_INTEGER]
      .flatMap((ofSeed) => [0, 1, 2, 1000].map((epoch) => order(52, ofSeed, epoch).join()));
    expect(new Set(streams).size).toBe(streams.length);
  });

  test('rejects the draws that would favour some results: 60,000 examples in the order of exact arithmetic', () => {
    const [count, ofSeed] = [60_000, 7];
    const key = randomKey(ofSeed, PURPOSE.shuffle);
    let rejected = 0;
    for (let epoch = 0; epoch < 6; epoch++) {
      const expected = Array.from({ length: count }, (_, i) => i);
      let drawn = 0;
      const draw = (): bigint => BigInt(philox([Math.floor(drawn / 4), 0, epoch, 0], key)[drawn++ % 4]!);
      for (let last = count - 1; last > 0; last--) {
        const bound = BigInt(last + 1);
        let product = draw() * bound;
        for (; product % 2n ** 32n < 2n ** 32n % bound; rejected++) product = draw() * bound;
        const other = Number(product / 2n ** 32n);
        [expected[last], expected[other]] = [expected[other]!, expected[last]!];
      }
      const isSame = order(count, ofSeed, epoch).every((example, place) => example === expected[place]);
      expect([epoch, isSame]).toEqual([epoch, true]);
    }
    // Without one rejected draw in these epochs the test would prove nothing.
    expect(rejected).toBeGreaterThan(0);
  });

  test('puts every example at every place equally often', () => {
    const [count, epochs] = [8, 8000];
    const seen = Array.from({ length: count }, () => new Array<number>(count).fill(0));
    for (let epoch = 0; epoch < epochs; epoch++) order(count, seed, epoch).forEach((example, place) => seen[example]![place]!++);
    const expected = epochs / count;
    const sum = seen.flat().reduce((total, times) => total + (times - expected) ** 2 / expected, 0);
    // Rows and columns are fixed sums: sum * (n - 1) / n is chi-square of (n - 1)^2 = 49 degrees, mean 49, deviation
    // sqrt(98) = 9.9. Six deviations either way are 3e-6 above (Wilson and Hilferty) and never below 0; 18.1 is 1e-6 below.
    const chiSquare = (sum * (count - 1)) / count;
    expect(chiSquare).toBeLessThan(49 + 6 * Math.sqrt(98));
    expect(chiSquare).toBeGreaterThan(18.1);
  });

  test('takes each of the 24 orders of four examples equally often', () => {
    const epochs = 24_000;
    const seen = new Map<string, number>();
    for (let epoch = 0; epoch < epochs; epoch++) {
      const key = order(4, seed, epoch).join();
      seen.set(key, (seen.get(key) ?? 0) + 1);
    }
    expect(seen.size).toBe(24);
    // Chi-square of 23 degrees: 23 + 6 sqrt(46) is 63.7, exceeded by chance once in 90 000.
    const chiSquare = [...seen.values()].reduce((total, times) => total + (times - 1000) ** 2 / 1000, 0);
    expect(chiSquare).toBeLessThan(23 + 6 * Math.sqrt(46));
  });

  test('without shuffling is that of the examples', () => {
    const out = new Uint32Array(3).fill(9);
    ownOrder(3, out);
    expect(Array.from(out)).toEqual([0, 1, 2]);
  });
});
