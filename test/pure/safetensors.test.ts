import fc from 'fast-check';
import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { TensorflockError } from '../../src/errors.js';
import { decodeSafetensors, encodeSafetensors } from '../../src/train/safetensors.js';
import type { NamedTensor } from '../../src/train/safetensors.js';

const joined = (parts: readonly Uint8Array[]): Uint8Array => new Uint8Array(Buffer.concat(parts));

/** A file of the given header text and data bytes, built by hand. */
function file(header: string, dataBytes = 0, headerLength = header.length): Uint8Array {
  const bytes = Buffer.alloc(8 + header.length + dataBytes);
  bytes.writeBigUInt64LE(BigInt(headerLength));
  bytes.write(header, 8, 'latin1');
  return new Uint8Array(bytes);
}

const scalar: NamedTensor = { name: 'a', shape: [], values: Float32Array.of(1.5) };

test('one scalar is these bytes', () => {
  // 78 characters of JSON are padded with two spaces to 80 = 0x50, so that the data start at 88; 1.5 is 0x3fc00000.
  const header = '{"__metadata__":{"k":"v"},"a":{"dtype":"F32","shape":[],"data_offsets":[0,4]}}  ';
  const length = [0x50, 0, 0, 0, 0, 0, 0, 0];
  expect([...joined(encodeSafetensors([scalar], { k: 'v' }))]).toEqual([...length, ...Buffer.from(header), 0x00, 0x00, 0xc0, 0x3f]);
});

test('the bytes of a tensor are its own memory, shared memory included', () => {
  const values = new Float32Array(new SharedArrayBuffer(16), 4, 2);
  const [, view] = encodeSafetensors([{ name: 'a', shape: [2], values }], {});
  values.set([1, 2]);
  expect(view?.buffer).toBe(values.buffer);
  expect([...(view ?? [])]).toEqual([0, 0, 0x80, 0x3f, 0, 0, 0, 0x40]);
});

const tensors = fc.uniqueArray(
  fc.record({ name: fc.string(), shape: fc.array(fc.nat({ max: 4 }), { maxLength: 3 }) }).chain(({ name, shape }) => {
    const count = shape.reduce((product, axis) => product * axis, 1);
    return fc.float32Array({ minLength: count, maxLength: count }).map((values) => ({ name, shape, values }));
  }),
  { selector: ({ name }) => name, maxLength: 6 },
);

test('any tensors come back in order, bit for bit, aligned or not', () => {
  fc.assert(
    fc.property(tensors, fc.integer({ min: 0, max: 7 }), (written, shift) => {
      const bytes = joined(encodeSafetensors(written, { step: '3' }));
      const shifted = new Uint8Array(bytes.byteLength + shift).subarray(shift);
      shifted.set(bytes);
      const read = decodeSafetensors(shifted);
      expect(read.metadata).toEqual({ step: '3' });
      expect([...read.tensors].sort(byName)).toStrictEqual([...written].sort(byName));
      const full = ({ values }: NamedTensor): boolean => values.length > 0;
      expect(read.tensors.filter(full)).toStrictEqual(written.filter(full));
    }),
  );
});

test('a file of the reference implementation is read', () => {
  const golden = JSON.parse(readFileSync(new URL('../../../test/golden/safetensors.json', import.meta.url), 'utf8')) as { base64: string; tensors: Record<string, { shape: number[]; values: number[] }> };
  const { tensors: read, metadata } = decodeSafetensors(new Uint8Array(Buffer.from(golden.base64, 'base64')));
  expect(metadata).toEqual({ format: 'np' });
  expect(Object.fromEntries(read.map(({ name, shape, values }) => [name, { shape, values: [...values] }]))).toEqual(golden.tensors);
});

describe('refuses', () => {
  const one = '"dtype":"F32","shape":[1],"data_offsets"';
  test.each([
    ['an empty file', new Uint8Array(), 'before its header'],
    ['a header longer than the file', file('{}', 0, 3), 'within its header of 3'],
    ['a header of 2^63 bytes', Uint8Array.of(0, 0, 0, 0, 0, 0, 0, 0x80), 'at most 100000000'],
    ['a header that is no JSON', file('{'), 'no JSON'],
    ['a header that is no UTF-8', file('{"\xff":1}'), 'no JSON'],
    ['a header that is a list', file('[]'), 'no JSON object'],
    ['metadata of numbers', file('{"__metadata__":{"a":1}}'), 'object of strings'],
    ['an entry without a shape', file('{"a":{"dtype":"F32","data_offsets":[0,0]}}'), 'entry "a"'],
    ['a negative axis', file('{"a":{"dtype":"F32","shape":[-1],"data_offsets":[0,0]}}'), 'entry "a"'],
    ['another type', file('{"a":{"dtype":"F16","shape":[2],"data_offsets":[0,4]}}', 4), 'F16'],
    ['a length that is not the shape\'s', file(`{"a":{${one}:[0,8]}}`, 8), 'has 8 bytes, not 4'],
    ['overlapping tensors', file(`{"a":{${one}:[0,4]},"b":{${one}:[0,4]}}`, 4), 'the one before it ends at 4'],
    ['a hole', file(`{"a":{${one}:[0,4]},"b":{${one}:[8,12]}}`, 12), 'the one before it ends at 4'],
    ['data that no tensor names', file(`{"a":{${one}:[0,4]}}`, 8), 'which has 8'],
    ['data cut short', file(`{"a":{${one}:[0,4]}}`, 3), 'which has 3'],
  ])('%s', (_, bytes, sentence) => {
    expect(() => decodeSafetensors(bytes)).toThrow(expect.objectContaining({ code: 'ERR_CHECKPOINT_TENSORS', message: expect.stringContaining(sentence) as string }));
  });

  test.each([
    ['a name used twice', [scalar, scalar], '"a" is used twice'],
    ['the reserved name', [{ ...scalar, name: '__metadata__' }], '"__metadata__" is used twice or reserved'],
    ['a shape that does not fit', [{ ...scalar, shape: [2] }], 'of shape [2] has 1 values, not 2'],
  ])('to write %s', (_, written, sentence) => {
    expect(() => encodeSafetensors(written, {})).toThrow(expect.objectContaining({ code: 'ERR_CHECKPOINT_TENSORS', message: expect.stringContaining(sentence) as string }));
  });

  test('any other bytes by its own error alone, and any cut of a good file', () => {
    const good = joined(encodeSafetensors([scalar, { name: 'b', shape: [3], values: new Float32Array(3) }], {}));
    const damaged = fc.oneof(
      fc.uint8Array(),
      fc.nat({ max: good.length - 1 }).map((end) => good.slice(0, end)),
      fc.record({ at: fc.nat({ max: good.length - 17 }), value: fc.nat({ max: 255 }) }).map(({ at, value }) => good.with(at, value)),
    );
    fc.assert(
      fc.property(damaged, (bytes) => {
        try {
          decodeSafetensors(bytes);
        } catch (error) {
          expect(error).toBeInstanceOf(TensorflockError);
        }
      }),
    );
    for (let end = 0; end < good.length; end += 1) expect(() => decodeSafetensors(good.subarray(0, end))).toThrow(TensorflockError);
  });
});

function byName(a: NamedTensor, b: NamedTensor): number {
  return a.name < b.name ? -1 : 1;
}
