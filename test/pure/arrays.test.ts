import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { arrays, type ColumnSource } from '../../src/data/arrays.js';
import { runs } from './properties.js';

const two = [0, 1];

describe('arrays', () => {
  test.each<[string, ColumnSource, Uint8Array | Int32Array | Float32Array, number[]]>([
    ['nested arrays become float32', [[1, 2], [3, 4]], Float32Array.of(1, 2, 3, 4), [2, 2]],
    ['deeper arrays keep all their axes', [[[1], [2]], [[3], [4]]], Float32Array.of(1, 2, 3, 4), [2, 2, 1]],
    ['a typed array has one value an example', Uint8Array.of(5, 6), Uint8Array.of(5, 6), [2]],
    ['int8 becomes int32', Int8Array.of(-5, 6), Int32Array.of(-5, 6), [2]],
    ['uint16 becomes int32', Uint16Array.of(65535, 6), Int32Array.of(65535, 6), [2]],
    ['small uint32 becomes int32', Uint32Array.of(2 ** 31 - 1, 6), Int32Array.of(2 ** 31 - 1, 6), [2]],
    ['float64 is rounded to float32', Float64Array.of(0.1, 6), Float32Array.of(Math.fround(0.1), 6), [2]],
    ['clamped bytes are bytes', Uint8ClampedArray.of(255, 0), Uint8Array.of(255, 0), [2]],
  ])('%s', (_, source, values, shape) => {
    expect(arrays(source, two).x).toEqual([{ values, shape }]);
  });

  test.each([Uint8Array.of(1, 2), Int32Array.of(1, 2), Float32Array.of(1, 2)])('uses %o without a copy', (values) => {
    expect(arrays({ values, shape: [2, 1] }, two).x[0]!.values).toBe(values);
  });

  test('may have names for its classes, which its labels are held to', () => {
    expect(arrays(two, two, { classNames: ['no', 'yes'] }).classNames).toEqual(['no', 'yes']);
    expect(() => arrays(two, two, { classNames: ['no'] })).toThrow('the label 1 in row 1 (counted from 0) is outside the classes 0 to 0');
    expect(arrays(two, [[1, 0], [0, 1]], { classNames: ['no', 'yes'] }).classNames).toEqual(['no', 'yes']);
  });

  test('scales the inputs and not the targets', () => {
    const dataset = arrays(Uint8Array.of(0, 255), two, { scale: 1 / 255, name: 'greys' });
    expect(dataset.name).toBe('greys');
    expect(dataset.x[0]!.scale).toBe(1 / 255);
    expect(dataset.y[0]).not.toHaveProperty('scale');
  });

  test('takes several inputs as a list of shaped values', () => {
    const a = { values: Float32Array.of(1, 2), shape: [2] };
    const b = { values: Uint8Array.of(1, 2, 3, 4), shape: [2, 2] };
    expect(arrays([a, b], two).x).toEqual([a, b]);
  });

  test.each<[string, unknown, unknown, RegExp]>([
    ['no examples', [], [], /x has the shape \[0\]/],
    ['empty rows', [[], []], two, /x has the shape \[2, 0\]/],
    ['ragged rows', [[1, 2], [3]], two, /row 1 \(counted from 0\) of x holds an array of 1 where an array of 2 belongs/],
    ['a number among rows', [[1, 2], 3], two, /row 1 .* holds the number 3 where an array of 2 belongs/],
    ['a row among numbers', [1, [2]], two, /row 1 .* holds an array of 1 where a number belongs/],
    ['a word', [[1, 2], [3, 'four']], two, /row 1 .* holds a string where a number belongs/],
    ['a hole', [1, , 3], two, /row 1 .* holds undefined where a number belongs/],
    ['NaN', [[1, 2], [Number.NaN, 3]], two, /x holds NaN.* in row 1 \(counted from 0\)/],
    ['an infinity among the targets', two, [0, Infinity], /y holds NaN, an infinity.* in row 1/],
    ['a number beyond float32', Float64Array.of(1, 1e39), two, /x holds .*beyond float32 in row 1/],
    ['a number beyond int32', { values: Uint32Array.of(1, 2, 3, 2 ** 31), shape: [2, 2] }, two, /x holds 2147483648 in row 1/],
    ['a shape that does not fit', { values: new Float32Array(5), shape: [2, 3] }, two, /5 values, but its shape \[2, 3\] needs 6/],
    ['a fractional shape', { values: new Float32Array(3), shape: [1.5, 2] }, two, /x has the shape \[1.5, 2\]/],
    ['big integers', BigInt64Array.of(1n), two, /x is neither/],
    ['nothing', undefined, two, /x is neither/],
    ['a second input that does not fit', [{ values: Uint8Array.of(1), shape: [1] }, { values: Uint8Array.of(1), shape: [2] }], [1], /^x\[1\] has 1 values/],
    ['different example counts', [1, 2, 3], two, /columns of 3 and of 2 examples/],
  ])('refuses %s', (_, x, y, sentence) => {
    expect(() => arrays(x as ColumnSource, y as ColumnSource)).toThrow(sentence);
  });

  test('nested arrays of any shape keep their values in row-major order', () => {
    const sizes = fc.array(fc.integer({ min: 1, max: 4 }), { minLength: 1, maxLength: 4 });
    fc.assert(fc.property(sizes, (shape) => {
      let next = 0;
      const nest = ([size, ...inner]: number[]): unknown => (size === undefined ? next++ : Array.from({ length: size }, () => nest(inner)));
      const column = arrays(nest(shape) as ColumnSource, new Uint8Array(shape[0]!)).x[0]!;
      expect(column.shape).toEqual(shape);
      expect([...column.values]).toEqual(Array.from({ length: next }, (_, index) => index));
    }), runs(100));
  });
});
