import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { decodeIdx } from '../../src/data/idx.js';
import { TensorflockError } from '../../src/errors.js';
import { runs } from './properties.js';

interface Encoding {
  readonly code: number;
  readonly bytesPerValue: number;
  readonly values: fc.Arbitrary<number>;
  readonly write: (view: DataView, offset: number, value: number) => void;
  readonly decoded: typeof Uint8Array | typeof Int32Array | typeof Float32Array;
}

const float = fc.float({ noNaN: true, noDefaultInfinity: true });

const ENCODINGS: Record<string, Encoding> = {
  uint8: { code: 0x08, bytesPerValue: 1, values: fc.integer({ min: 0, max: 255 }), write: (v, o, x) => { v.setUint8(o, x); }, decoded: Uint8Array },
  int8: { code: 0x09, bytesPerValue: 1, values: fc.integer({ min: -128, max: 127 }), write: (v, o, x) => { v.setInt8(o, x); }, decoded: Int32Array },
  int16: { code: 0x0b, bytesPerValue: 2, values: fc.integer({ min: -32768, max: 32767 }), write: (v, o, x) => { v.setInt16(o, x); }, decoded: Int32Array },
  int32: { code: 0x0c, bytesPerValue: 4, values: fc.integer(), write: (v, o, x) => { v.setInt32(o, x); }, decoded: Int32Array },
  float32: { code: 0x0d, bytesPerValue: 4, values: float, write: (v, o, x) => { v.setFloat32(o, x); }, decoded: Float32Array },
  float64: { code: 0x0e, bytesPerValue: 8, values: float, write: (v, o, x) => { v.setFloat64(o, x); }, decoded: Float32Array },
};

/** Two zero bytes, type code, number of axes, big-endian sizes, big-endian values. */
function encode({ code, bytesPerValue, write }: Encoding, shape: readonly number[], values: readonly number[]): Uint8Array {
  const headerLength = 4 + 4 * shape.length;
  const view = new DataView(new ArrayBuffer(headerLength + values.length * bytesPerValue));
  view.setUint8(2, code);
  view.setUint8(3, shape.length);
  shape.forEach((size, axis) => { view.setUint32(4 + 4 * axis, size); });
  values.forEach((value, index) => { write(view, headerLength + index * bytesPerValue, value); });
  return new Uint8Array(view.buffer);
}

const shapes = fc.array(fc.integer({ min: 1, max: 4 }), { minLength: 1, maxLength: 4 });
const count = (shape: readonly number[]): number => shape.reduce((product, size) => product * size, 1);

/** A shape with values to fill it. */
function filled(values: fc.Arbitrary<number>): fc.Arbitrary<{ shape: number[]; values: number[] }> {
  return shapes.chain((shape) =>
    fc.array(values, { minLength: count(shape), maxLength: count(shape) }).map((each) => ({ shape, values: each })));
}

describe.each(Object.entries(ENCODINGS))('IDX of %s', (_, encoding) => {
  test('what is encoded is decoded', () => {
    fc.assert(fc.property(filled(encoding.values), ({ shape, values }) => {
      const column = decodeIdx(encode(encoding, shape, values), 'some.idx');
      expect(column).toEqual({ values: encoding.decoded.from(values), shape });
    }), runs(100));
  });

  test('a file inside a larger buffer is decoded from its own offset', () => {
    const file = encode(encoding, [2], [1, 2]);
    const larger = new Uint8Array(file.length + 3);
    larger.set(file, 3);
    expect([...decodeIdx(larger.subarray(3), 'some.idx').values]).toEqual([1, 2]);
  });

  test('every truncation and every extra byte is refused', () => {
    const file = encode(encoding, [2, 3], [1, 2, 3, 4, 5, 6]);
    for (let length = 0; length < file.length; length++) {
      expect(() => decodeIdx(file.subarray(0, length), 'cut.idx'), `${length} bytes`).toThrow(TensorflockError);
    }
    const longer = new Uint8Array(file.length + 1);
    longer.set(file);
    expect(() => decodeIdx(longer, 'long.idx')).toThrow(/bytes after its end/);
  });
});

describe('decodeIdx', () => {
  test('leaves bytes where they are', () => {
    const file = encode(ENCODINGS['uint8']!, [2, 2], [1, 2, 3, 4]);
    expect(decodeIdx(file, 'view.idx').values.buffer).toBe(file.buffer);
  });

  test.each<[string, number[], RegExp]>([
    ['nothing', [], /begins with the bytes \(none\)/],
    ['a PNG image', [0x89, 0x50, 0x4e, 0x47, 13, 10], /"bad.idx" is not an IDX file: it begins with the bytes 89 50 4e 47/],
    ['an unknown type', [0, 0, 0x0a, 1, 0, 0, 0, 1, 7], /begins with the bytes 00 00 0a 01/],
    ['no axes', [0, 0, 8, 0, 7], /begins with the bytes 00 00 08 00/],
    ['half a header', [0, 0, 8, 2, 0, 0, 0, 1], /has 8 bytes where a header of 2 axes needs 12: it is cut short/],
    ['no examples', [0, 0, 8, 2, 0, 0, 0, 0, 0, 0, 0, 5], /has the shape 0 x 5 and so no values/],
    ['too few values', [0, 0, 8, 1, 0, 0, 0, 3, 1, 2], /has 10 bytes where uint8 of 3 needs 11: it is cut short/],
    ['too many values', [0, 0, 8, 1, 0, 0, 0, 1, 1, 2], /has 10 bytes where uint8 of 1 needs 9: it has bytes after its end/],
    ['a size beyond all memory', [0, 0, 14, 2, 255, 255, 255, 255, 255, 255, 255, 255], /has 12 bytes where float64 of 4294967295 x 4294967295/],
  ])('refuses %s with the bytes found and expected', (_, bytes, sentence) => {
    expect(() => decodeIdx(Uint8Array.from(bytes), 'bad.idx')).toThrow(sentence);
  });

  test('any bytes are decoded or refused, never anything else', () => {
    const likely = fc.tuple(
      fc.constantFrom(0, 0, 0, 1), fc.constantFrom(0, 0, 0, 1), fc.constantFrom(8, 9, 11, 12, 13, 14, 10), fc.nat(3), fc.uint8Array({ maxLength: 40 }),
    ).map(([a, b, type, axes, rest]) => {
      for (let axis = 0; axis < axes * 4; axis++) if (axis % 4 < 3 && axis < rest.length) rest[axis] = 0; // small sizes
      return Uint8Array.of(a, b, type, axes, ...rest);
    });
    fc.assert(fc.property(fc.oneof(fc.uint8Array({ maxLength: 64 }), likely), (bytes) => {
      try {
        const column = decodeIdx(bytes, 'any.idx');
        expect(column.values.length).toBe(count(column.shape));
      } catch (error) {
        expect(error).toBeInstanceOf(TensorflockError);
      }
    }), runs(2000));
  });
});
