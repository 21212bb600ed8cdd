import * as tf from '@tensorflow/tfjs-core';
import '@tensorflow/tfjs-backend-cpu';
import { beforeAll, describe, expect, test } from 'vitest';
import { Arena, ARITHMETICS, bits, randomFrom, rowStride, seed, SPECIAL_VALUES } from './arena.js';

interface UnaryCase {
  readonly name: string;
  /** The kernel of tfjs it must agree with, and its attributes. */
  readonly tfjs?: string;
  readonly attributes?: tf.NamedAttrMap;
  /** Further arguments here. */
  readonly parameters?: readonly number[];
}

const named = (names: string): UnaryCase[] =>
  names.split(' ').map((tfjs) => ({ name: tfjs[0]!.toLowerCase() + tfjs.slice(1), tfjs }));

/** One operation of IEEE 754 or a choice between values: every bit must agree. */
const EXACT_UNARY: readonly UnaryCase[] = [
  ...named('Abs Neg Sqrt Square Reciprocal Sign Floor Ceil Round Relu Relu6 LogicalNot IsNan IsInf IsFinite'),
  { name: 'leakyRelu', tfjs: 'LeakyRelu', attributes: { alpha: 0.25 }, parameters: [0.25] },
  { name: 'step', tfjs: 'Step', attributes: { alpha: 0.25 }, parameters: [0.25] },
  { name: 'clip', tfjs: 'ClipByValue', attributes: { clipValueMin: -1.25, clipValueMax: 2 }, parameters: [-1.25, 2] },
];

/** Several roundings, or an elementary function. */
const NEAR_UNARY = named('Rsqrt Exp Expm1 Log Log1p Sigmoid Tanh Sin Cos');

/** Those that tfjs-cpu computes with cancellation or to seven digits only. */
const OTHER_UNARY: readonly UnaryCase[] = ['erf', 'elu', 'selu', 'softplus', 'truncateToInt'].map((name) => ({ name }));
const ALL_UNARY = [...EXACT_UNARY, ...NEAR_UNARY, ...OTHER_UNARY];

const EXACT_BINARY = [
  ['add', 'Add'], ['sub', 'Sub'], ['multiply', 'Multiply'], ['realDiv', 'RealDiv'], ['floorMod', 'Mod'], ['maximum', 'Maximum'],
  ['minimum', 'Minimum'], ['equal', 'Equal'], ['notEqual', 'NotEqual'], ['greater', 'Greater'],
  ['greaterEqual', 'GreaterEqual'], ['less', 'Less'], ['lessEqual', 'LessEqual'],
] as const;
const ALL_BINARY = [...EXACT_BINARY.map(([name]) => name),
  'floorDiv', 'pow', 'squaredDifference', 'logicalAnd', 'logicalOr', 'eluGrad', 'prelu'];
const random = randomFrom(seed);
const mixed = (count: number): number[] =>
  Array.from({ length: count }, () => Math.fround((random() - 0.5) * 10 ** Math.floor(random() * 6 - 2)));
/** Without the largest, whose functions tfjs computes with arguments beyond what is promised here. */
const isModerate = (x: number): boolean => !(Number.isFinite(x) && Math.abs(x) > 1e6);
const unaryInputs = [...SPECIAL_VALUES, ...mixed(200)];
const pairs = [
  ...SPECIAL_VALUES.flatMap((a) => SPECIAL_VALUES.map((b) => [a, b] as const)),
  ...mixed(200).map((a) => [a, mixed(1)[0]!] as const),
];

function tfjsKernel(
  kernelName: string, inputs: Record<string, readonly number[]>, attributes: tf.NamedAttrMap = {},
): number[] {
  return tf.tidy(() => {
    const isLogic = kernelName.startsWith('Logical');
    const tensors = Object.entries(inputs).map(([name, values]) =>
      [name, tf.tensor1d(isLogic ? values.map((v) => (v ? 1 : 0)) : [...values], isLogic ? 'bool' : 'float32')] as const);
    const result = tf.engine().runKernel(kernelName, Object.fromEntries(tensors), attributes);
    return Array.from((Array.isArray(result) ? result[0]! : result).dataSync());
  });
}

/** -0 and 0 as one, for choices between values where tfjs and IEEE 754 name different zeros (round, ceil of -0.5). */
const withoutSignOfZero = (values: ArrayLike<number>): number[] => bits(Array.from(values, (v) => (v === 0 ? 0 : v)));

beforeAll(() => {
  tf.env().set('IS_TEST', true); // or tfjs advertises its native backend
  return tf.setBackend('cpu');
});

describe.each(ARITHMETICS)('elementwise kernels, %s', (arithmetic) => {
  const arena = new Arena(arithmetic);

  function unary({ name, parameters = [] }: UnaryCase, values: ArrayLike<number>): Float32Array {
    arena.reset();
    const out = arena.slot(values.length);
    arena.call(name, arena.put(values), out, values.length, ...parameters);
    expect(arena.isIntactBehind(out, values.length)).toBe(true);
    return arena.floats(out, values.length).slice();
  }

  function binary(name: string, a: ArrayLike<number>, b: ArrayLike<number>): Float32Array {
    arena.reset();
    const out = arena.slot(a.length);
    const stride = rowStride(a.length);
    arena.call(name, arena.put(a), stride, 0, arena.put(b), stride, 0, out, stride, 1, a.length);
    expect(arena.isIntactBehind(out, a.length)).toBe(true);
    return arena.floats(out, a.length).slice();
  }

  test.each(EXACT_UNARY)('$name has the bits of tfjs $tfjs', (unaryCase) => {
    const expected = tfjsKernel(unaryCase.tfjs!, { x: unaryInputs }, unaryCase.attributes);
    expect(withoutSignOfZero(unary(unaryCase, unaryInputs))).toEqual(withoutSignOfZero(expected));
  });

  test.each(NEAR_UNARY)('$name is tfjs $tfjs to a rounding or two', (unaryCase) => {
    const inputs = unaryInputs.filter(isModerate);
    const got = unary(unaryCase, inputs);
    const expected = tfjsKernel(unaryCase.tfjs!, { x: inputs });
    for (const [i, exact] of expected.entries()) expectNear(got[i]!, exact, 3 * 2 ** -23);
  });

  // tfjs computes e^x - 1 and ln(1 + e^x) with cancellation; these are the formulas without it.
  test.each([
    ['elu', (x: number): number => (x < 0 ? Math.expm1(x) : x)],
    ['selu', (x: number): number => (x < 0 ? 1.0507009873554805 * 1.6732632423543772 * Math.expm1(x) : 1.0507009873554805 * x)],
    ['truncateToInt', (x: number): number => (Number.isFinite(x) ? Math.trunc(x) : 0)],
  ] as const)('%s follows its formula', (name, formula) => {
    const got = unary({ name }, unaryInputs);
    for (const [i, x] of unaryInputs.entries()) expectNear(got[i]!, formula(x), 3 * 2 ** -23);
  });

  test('relu of -0 is 0 and the cast never gives -0', () => {
    expect(bits(unary({ name: 'relu' }, [-0, -1, -Infinity]))).toEqual([0, 0, 0]);
    expect(bits(unary({ name: 'truncateToInt' }, [-0, -0.5]))).toEqual([0, 0]);
  });

  test.each(EXACT_BINARY)('%s has the bits of tfjs %s', (name, kernelName) => {
    const [a, b] = [pairs.map(([left]) => left), pairs.map(([, right]) => right)];
    expect(bits(binary(name, a, b))).toEqual(bits(tfjsKernel(kernelName, { a, b })));
  });

  // Results are whole numbers in tfjs (or booleans), or tfjs keeps float64 between two operations.
  test.each([
    ['floorDiv', (a: number, b: number): number => Math.floor(a / b)],
    ['squaredDifference', (a: number, b: number): number => Math.fround(a - b) ** 2],
    ['logicalAnd', (a: number, b: number): number => (a && b ? 1 : 0)],
    ['logicalOr', (a: number, b: number): number => (a || b ? 1 : 0)],
    ['eluGrad', (dy: number, y: number): number => (y >= 0 ? dy : dy * Math.fround(y + 1))],
    ['prelu', (x: number, alpha: number): number => (x < 0 ? alpha * x : x)],
  ] as const)('%s follows its formula', (name, formula) => {
    const expected = pairs.map(([a, b]) => formula(a, b));
    expect(bits(binary(name, pairs.map(([a]) => a), pairs.map(([, b]) => b)))).toEqual(bits(expected));
  });

  test('floorMod is exact for quotients far beyond 2^53', () => {
    // 2^100 mod 3: powers of 2 alternate between 2 and 1 mod 3, even exponents give 1; the negative one gives 3 - 1.
    // 2^127 mod 7: 2^3 = 1 mod 7 and 127 = 3 * 42 + 1, so 2. 3e38 mod 1e-3 as JavaScript's exact %.
    const small = Math.fround(1e-3);
    const huge = Math.fround(3e38);
    expect(Array.from(binary('floorMod', [2 ** 100, -(2 ** 100), 2 ** 127, huge], [3, 3, 7, small])))
      .toEqual([1, 2, 2, Math.fround(huge % small)]);
  });

  test('a value has the same bits at every offset, whatever its neighbours', () => {
    for (const unaryCase of ALL_UNARY) {
      const values = [...SPECIAL_VALUES, ...mixed(33)];
      const alone = bits(values.flatMap((value) => Array.from(unary(unaryCase, [value]))));
      for (let offset = 0; offset < 16; offset++) {
        const shifted = unary(unaryCase, [...mixed(offset), ...values]).slice(offset);
        expect([unaryCase.name, offset, bits(shifted)]).toEqual([unaryCase.name, offset, alone]);
      }
    }
  });

  test('a value of two or three has the same bits at every offset, whatever its neighbours', () => {
    const select = (a: readonly number[], b: readonly number[]): Float32Array => {
      arena.reset();
      const [out, stride] = [arena.slot(a.length), rowStride(a.length)];
      const condition = arena.put(a.map((value) => (value > 0 ? 1 : 0)));
      arena.call('select', condition, stride, 0, arena.put(a), stride, 0, arena.put(b), stride, 0, out, stride, 1, a.length);
      expect(arena.isIntactBehind(out, a.length)).toBe(true);
      return arena.floats(out, a.length).slice();
    };
    const kernels = [...ALL_BINARY.map((name) => [name, (a: readonly number[], b: readonly number[]) => binary(name, a, b)] as const), ['select', select] as const];
    const [left, right] = [[...SPECIAL_VALUES, ...mixed(11)], [...mixed(11), ...SPECIAL_VALUES]];
    for (const [name, run] of kernels) {
      const alone = bits(left.flatMap((value, i) => [...run([value], [right[i]!])]));
      for (let offset = 0; offset < 16; offset++) {
        const shifted = run([...mixed(offset), ...left], [...mixed(offset), ...right]).slice(offset);
        expect([name, offset, bits(shifted)]).toEqual([name, offset, alone]);
      }
    }
  });

  test('unary kernels work in place', () => {
    for (const { name, parameters = [] } of ALL_UNARY) {
      arena.reset();
      const [x, out, count] = [arena.put(unaryInputs), arena.slot(unaryInputs.length), unaryInputs.length];
      arena.call(name, x, out, count, ...parameters);
      arena.call(name, x, x, count, ...parameters);
      expect(bits(arena.floats(x, count))).toEqual(bits(arena.floats(out, count)));
    }
  });

  /** Strides and splat flags of an operand: a row tensor, one block for all rows, a number a row, one number. */
  const OPERANDS = {
    rows: { isShared: false, isSplat: false },
    block: { isShared: true, isSplat: false },
    column: { isShared: false, isSplat: true },
    number: { isShared: true, isSplat: true },
  } as const;
  type OperandKind = keyof typeof OPERANDS;
  interface Operand {
    readonly args: readonly number[];
    readonly at: (r: number, j: number) => number;
  }
  const kinds = Object.keys(OPERANDS) as OperandKind[];

  /** An operand in the arena (address, stride, splat) and its value at a row and a column. */
  function operand(kind: OperandKind, rowCount: number, floats: number): Operand {
    const { isShared, isSplat } = OPERANDS[kind];
    const width = isSplat ? 1 : floats;
    const values = Array.from({ length: isShared ? 1 : rowCount }, () => mixed(width));
    const args = [arena.putRows(values, width), isShared ? 0 : rowStride(width), isSplat ? 1 : 0];
    return { args, at: (r, j) => values[isShared ? 0 : r]![isSplat ? 0 : j]! };
  }

  test.each(kinds.flatMap((a) => kinds.map((b) => [a, b] as const)))('binary kernels take %s and %s', (aKind, bKind) => {
    for (const name of ALL_BINARY) {
      for (const [rowCount, floats] of [[1, 1], [2, 3], [3, 4], [5, 9], [40, 17]] as const) {
        arena.reset();
        const [a, b] = [operand(aKind, rowCount, floats), operand(bKind, rowCount, floats)];
        const [out, stride] = [arena.slot((rowCount * rowStride(floats)) / 4), rowStride(floats)];
        arena.call(name, ...a.args, ...b.args, out, stride, rowCount, floats);
        expect(arena.isIntactBehind(out, (rowCount * stride) / 4)).toBe(true);
        const got = arena.rows(out, rowCount, floats).flatMap((row) => Array.from(row));
        const flat = ({ at }: Operand): number[] => got.map((_, i) => at(Math.floor(i / floats), i % floats));
        expect([name, bits(got)]).toEqual([name, bits(binary(name, flat(a), flat(b)))]);
      }
    }
  });

  test('binary kernels treat every row count from 1 to 40 alike', () => {
    for (const name of ALL_BINARY) {
      const floats = 7;
      const fortyRows = (): number[][] => Array.from({ length: 40 }, () => mixed(floats));
      const [aRows, bRows] = [fortyRows(), fortyRows()];
      const expected = aRows.map((row, r) => bits(binary(name, row, bRows[r]!)));
      for (let rowCount = 1; rowCount <= 40; rowCount++) {
        arena.reset();
        const stride = rowStride(floats);
        const [a, b] = [arena.putRows(aRows, floats), arena.putRows(bRows, floats)];
        const out = arena.slot((rowCount * stride) / 4);
        arena.call(name, a, stride, 0, b, stride, 0, out, stride, rowCount, floats);
        expect(arena.isIntactBehind(out, (rowCount * stride) / 4)).toBe(true);
        expect([name, arena.rows(out, rowCount, floats).map(bits)]).toEqual([name, expected.slice(0, rowCount)]);
      }
    }
  });

  const kindPairs = kinds.flatMap((c) => kinds.map((t) => [c, t] as const));
  test.each(kindPairs)('select takes a condition of %s and values of %s', (cKind, tKind) => {
    for (const rowCount of [1, 2, 7, 40]) {
      const floats = 5;
      arena.reset();
      const of = (kind: OperandKind): Operand => operand(kind, rowCount, floats);
      const [c, t, e] = [of(cKind), of(tKind), of('rows')];
      const condition = arena.slot((rowCount * rowStride(floats)) / 4);
      const [out, stride] = [arena.slot((rowCount * rowStride(floats)) / 4), rowStride(floats)];
      arena.call('greater', ...c.args, arena.put([0]), 0, 1, condition, stride, rowCount, floats);
      arena.call('select', condition, stride, 0, ...t.args, ...e.args, out, stride, rowCount, floats);
      expect(arena.isIntactBehind(out, (rowCount * stride) / 4)).toBe(true);
      const expected = Array.from({ length: rowCount * floats }, (_, i) => [Math.floor(i / floats), i % floats] as const)
        .map(([r, j]) => (c.at(r, j) > 0 ? t.at(r, j) : e.at(r, j)));
      expect(arena.rows(out, rowCount, floats).flatMap((row) => Array.from(row))).toEqual(expected);
    }
  });

  test('select splats each of its three operands; NaN is false', () => {
    arena.reset();
    const [c, t, e, out] = [arena.put([NaN, 1]), arena.put([1, 2, 3, 4, 5]), arena.put([9, 8]), arena.slot(5)];
    arena.call('select', c, 0, 1, t, 0, 0, e, 0, 1, out, 0, 1, 5);
    expect(Array.from(arena.floats(out, 5))).toEqual([9, 9, 9, 9, 9]);
    arena.call('select', arena.put([-0.5]), 0, 1, t, 0, 0, e, 0, 1, out, 0, 1, 5);
    expect(Array.from(arena.floats(out, 5))).toEqual([1, 2, 3, 4, 5]);
  });

  test('fill, addInto, scaleInto and divideInto at every length', () => {
    for (let count = 1; count <= 40; count++) {
      arena.reset();
      const [x, y] = [mixed(count), mixed(count)];
      const [filled, sum, scaled, divided] = [arena.slot(count), arena.put(x), arena.put(x), arena.put(x)];
      arena.call('fill', filled, count, -2.5);
      arena.call('addInto', sum, arena.put(y), count);
      arena.call('scaleInto', scaled, count, 1 / 3);
      arena.call('divideInto', divided, count, 3);
      for (const slot of [filled, sum, scaled, divided]) expect(arena.isIntactBehind(slot, count)).toBe(true);
      expect(Array.from(arena.floats(filled, count))).toEqual(x.map(() => -2.5));
      expect(bits(arena.floats(sum, count))).toEqual(bits(x.map((value, i) => value + y[i]!)));
      expect(bits(arena.floats(scaled, count))).toEqual(bits(x.map((value) => value * Math.fround(1 / 3))));
      expect(bits(arena.floats(divided, count))).toEqual(bits(x.map((value) => value / 3)));
    }
  });

  test.each([NaN, Infinity, -Infinity])('allFinite finds %s at every place and overlooks pads', (bad) => {
    for (const floats of [1, 3, 4, 5, 8, 10]) {
      const rowCount = 3;
      arena.reset();
      const x = arena.putRows(Array.from({ length: rowCount }, () => mixed(floats)), floats);
      const isAllFinite = (): number => arena.call('allFinite', x, rowStride(floats), rowCount, floats);
      expect(isAllFinite()).toBe(1);
      for (let i = 0; i < rowCount * floats; i++) {
        const place = arena.floats(x + Math.floor(i / floats) * rowStride(floats) + (i % floats) * 4, 1);
        const [value] = place;
        place[0] = bad;
        expect(isAllFinite()).toBe(0);
        place[0] = value!;
      }
      arena.call('fill', x, rowStride(floats) / 4, 3.4028234663852886e38);
      expect(isAllFinite()).toBe(1);
    }
  });
});

/** Equal, or apart by no more than so much of the exact value; below the normal numbers by 1.2e-38. */
function expectNear(got: number, exact: number, relative: number): void {
  const rounded = Math.fround(exact);
  if (Object.is(got, rounded) || got === rounded) return;
  expect(Math.abs(got - exact)).toBeLessThanOrEqual(relative * Math.abs(exact) + 1.2e-38);
}
