import type { Arithmetic } from '../../src/kernels/load.js';

/** a * b + c of float32 numbers, rounded to float32 as an arithmetic does. */
export type Madd = (a: number, b: number, c: number) => number;

const double = new Float64Array(1);
const doubleBits = new BigInt64Array(double.buffer);

/**
 * Rounded once. The product of two float32 is exact in float64; the sum is rounded there to odd (of the two neighbours of
 * the exact sum, the one with the odd last bit), from which rounding to float32 gives what rounding the exact sum gives
 * (Boldo and Melquiond, Emulation of FMA and correctly rounded sums, 2008).
 */
export const fusedMadd: Madd = (a, b, c) => {
  const product = a * b;
  const sum = product + c;
  const back = sum - product;
  const error = product - (sum - back) + (c - back);
  if (error === 0 || !Number.isFinite(sum)) return Math.fround(sum);
  double[0] = sum;
  if ((doubleBits[0]! & 1n) === 0n) doubleBits[0]! += error > 0 === sum > 0 ? 1n : -1n;
  return Math.fround(double[0]!);
};

/** Rounded twice. */
const portableMadd: Madd = (a, b, c) => Math.fround(c + Math.fround(a * b));

export const MADD: Readonly<Record<Arithmetic, Madd>> = { fma: fusedMadd, portable: portableMadd };

const SMALLEST_EXPONENT = -149;
const single = new Float32Array(1);
const singleBits = new Uint32Array(single.buffer);

/** A finite float32 in units of 2^-149. */
function units(value: number): bigint {
  single[0] = value;
  const exponent = (singleBits[0]! >>> 23) & 255;
  const fraction = singleBits[0]! & 0x7fffff;
  const magnitude = exponent === 0 ? BigInt(fraction) : BigInt(fraction | 0x800000) << BigInt(exponent - 1);
  return value < 0 ? -magnitude : magnitude;
}

/** a * b + c by integers, for finite numbers: the exact sum in units of 2^-298, rounded to 24 bits, ties to even. */
export const exactMadd: Madd = (a, b, c) => {
  const sum = units(a) * units(b) + (units(c) << BigInt(-SMALLEST_EXPONENT));
  if (sum === 0n) return a * b + c;
  const magnitude = sum < 0n ? -sum : sum;
  const dropped = BigInt(Math.max(magnitude.toString(2).length - 24, -SMALLEST_EXPONENT));
  const half = 1n << (dropped - 1n);
  const rest = magnitude & ((1n << dropped) - 1n);
  let kept = magnitude >> dropped;
  if (rest > half || (rest === half && (kept & 1n) === 1n)) kept++;
  const rounded = Math.fround(Number(kept) * 2 ** (Number(dropped) + 2 * SMALLEST_EXPONENT));
  return sum < 0n ? -rounded : rounded;
};

/** A dense row-major matrix. */
export interface Matrix {
  readonly rows: number;
  readonly columns: number;
  readonly values: Float32Array;
}

export function matrix(rows: number, columns: number, value: (row: number, column: number) => number): Matrix {
  return { rows, columns, values: Float32Array.from({ length: rows * columns }, (_, i) => value(Math.floor(i / columns), i % columns)) };
}

export function transpose({ rows, columns, values }: Matrix): Matrix {
  return matrix(columns, rows, (row, column) => values[column * columns + row]!);
}

/** A B, each element one chain over k in [from, to) that begins at +0. */
export function product(a: Matrix, b: Matrix, madd: Madd, from = 0, to = a.columns): Matrix {
  return matrix(a.rows, b.columns, (i, j) => {
    let sum = 0;
    for (let k = from; k < to; k++) sum = madd(a.values[i * a.columns + k]!, b.values[k * b.columns + j]!, sum);
    return sum;
  });
}

/** At B: the shards' chains over the rows, then level by level child 2i + child 2i + 1, an odd one going up unchanged. */
export function foldedProduct(a: Matrix, b: Matrix, shardRows: number, madd: Madd): Matrix {
  const at = transpose(a);
  let level: Matrix[] = [];
  for (let row = 0; row < a.rows; row += shardRows) level.push(product(at, b, madd, row, Math.min(a.rows, row + shardRows)));
  while (level.length > 1) {
    level = level.flatMap((left, i) => {
      if (i % 2 === 1) return [];
      const right = level[i + 1];
      return [right === undefined ? left : matrix(left.rows, left.columns, (row, column) => left.values[row * left.columns + column]! + right.values[row * left.columns + column]!)];
    });
  }
  return level[0]!;
}
