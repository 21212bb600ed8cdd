import fc from 'fast-check';
import { expect, test } from 'vitest';
import { decodeJson, encodeJson } from '../../src/train/json.js';

const throughText = (value: unknown): unknown => decodeJson(JSON.parse(JSON.stringify(encodeJson(value, 'record'))), 'record');

test('every value of JSON, and every float64 in it, survives the text', () => {
  fc.assert(
    fc.property(fc.jsonValue({ maxDepth: 3, stringUnit: 'binary' }), fc.array(fc.double()), (value, numbers) => {
      const all = { value, numbers };
      expect(throughText(all)).toStrictEqual(all);
    }),
  );
});

test('NaN, the infinities and -0 survive it too, apart from 0 and null', () => {
  const numbers = [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, -0, 0, null, Number.MIN_VALUE, 0.1 + 0.2];
  expect(throughText({ numbers })).toStrictEqual({ numbers });
  expect(Object.is((throughText([-0]) as number[])[0], -0)).toBe(true);
});

test('names that objects treat specially are names like any other', () => {
  const value: unknown = JSON.parse('{"__proto__":{"loss":1},"constructor":2,"$number":"NaN","10":3}');
  expect(JSON.stringify(throughText(value))).toBe(JSON.stringify(value));
});

const itself: Record<string, unknown> = {};
itself['loop'] = [itself];

test.each([
  ['undefined', { a: [{ b: undefined }] }, 'record.a[0].b is undefined'],
  ['a hole in an array', { a: [1, , 2] }, 'record.a[1] is undefined'],
  ['a function', { a: () => 1 }, 'record.a is function'],
  ['a bigint', { a: 1n }, 'record.a is bigint'],
  ['a typed array', { a: Float32Array.of(1) }, 'record.a is an object of class Float32Array'],
  ['a date', { a: new Date(0) }, 'record.a is an object of class Date'],
  ['an object that contains itself', itself, 'nested deeper than 100 levels'],
  ['the reserved name alone', { a: { $number: 1 } }, 'record.a is an object of the reserved name $number'],
])('%s is refused before writing, by its place', (_, value, sentence) => {
  expect(() => encodeJson(value, 'record')).toThrow(expect.objectContaining({ code: 'ERR_CHECKPOINT_RECORD', message: expect.stringContaining(sentence) as string }));
});

test.each([{ $number: 'Nan' }, { $number: 1 }])('%j stands for no number', (value) => {
  expect(() => decodeJson({ a: value }, 'record')).toThrow('record.a is an unknown number');
});
