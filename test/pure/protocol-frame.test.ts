import fc from 'fast-check';
import { Packr } from 'msgpackr/pack';
import { describe, expect, test } from 'vitest';
import { ClusterError } from '../../cluster/protocol/errors.js';
import { alignedBytes, decodeFrame, encodeFrame, tensorOffset, type FrameLimits } from '../../cluster/protocol/frame.js';
import type { Fields } from '../../cluster/protocol/header.js';
import { maxFrameBytes } from '../../cluster/protocol/limits.js';
import { runs } from './properties.js';
import { joined } from './protocol-samples.js';

const LIMITS: FrameLimits = { maxHeaderBytes: 1_024, maxTensorBytes: 64, maxDepth: 3, maxKeys: 5, maxItems: 4, maxTextBytes: 8 };

/** A frame around header bytes written by hand. */
function frameOf(header: Iterable<number>, tensorBytes = 0): Uint8Array {
  const bytes = Uint8Array.from(header);
  const frame = new Uint8Array(tensorOffset(bytes.length) + tensorBytes);
  frame.set([bytes.length & 0xff, bytes.length >> 8]);
  frame.set(bytes, 4);
  return frame;
}

const text = (value: string): number[] => [0xa0 + value.length, ...Buffer.from(value)];
const refused = (code: string, words: string) => expect.objectContaining({ code, message: expect.stringContaining(words) as string }) as Error;

test('a frame is these bytes', () => {
  // {"a": 1} is 81, a1 61, 01: 4 bytes of header. 4 + 4 = 8 bytes are padded to 16.
  const frame = joined(encodeFrame({ a: 1 }, Uint8Array.of(7, 8)));
  expect([...frame]).toEqual([4, 0, 0, 0, 0x81, 0xa1, 0x61, 0x01, 0, 0, 0, 0, 0, 0, 0, 0, 7, 8]);
});

test('the tensor is sent from its own memory, shared memory included, and read without a copy', () => {
  const memory = new Uint8Array(new SharedArrayBuffer(32)).subarray(16, 20);
  const [prelude, sent] = encodeFrame({ a: 1 }, memory);
  expect(sent).toBe(memory);
  const frame = joined([prelude!, sent!]);
  expect(decodeFrame(frame, LIMITS).tensor.buffer).toBe(frame.buffer);
});

test.each([
  ['a frame without a tensor has no second part', undefined],
  ['nor has one with an empty tensor', new Uint8Array(0)],
])('%s', (_, tensor) => {
  expect(encodeFrame({ a: 1 }, tensor)).toHaveLength(1);
});

test('bytes at an aligned place are the same bytes, others a copy at one', () => {
  const buffer = new ArrayBuffer(32);
  const aligned = new Uint8Array(buffer, 16, 4);
  expect(alignedBytes(aligned)).toBe(aligned);
  const shifted = new Uint8Array(buffer, 3, 8).fill(9);
  const copy = alignedBytes(shifted);
  expect(copy.byteOffset % 16).toBe(0);
  expect([...copy]).toEqual([...shifted]);
  expect(alignedBytes(new Uint8Array(buffer, 4, 4), 4).buffer).toBe(buffer);
});

const field = fc.letrec<{ field: Fields[string]; list: Fields[string][]; map: Fields }>((tie) => ({
  field: fc.oneof({ depthSize: 'small' }, fc.string(), fc.boolean(), fc.integer(), fc.maxSafeInteger(), fc.double({ noNaN: true }).map((value) => (value === 0 ? 0 : value)), tie('list'), tie('map')),
  list: fc.array(tie('field')),
  map: fc.dictionary(fc.string().filter((key) => key !== '__proto__'), tie('field'), { noNullPrototype: true }),
}));

test('any header and tensor come back, at any place in memory', () => {
  const wide = { maxHeaderBytes: 1e6, maxTensorBytes: 1e6, maxDepth: 99, maxKeys: 1e6, maxItems: 1e6, maxTextBytes: 1e6 };
  fc.assert(
    fc.property(field.map, fc.uint8Array(), fc.nat({ max: 17 }), (header, tensor, shift) => {
      const bytes = joined(encodeFrame(header, tensor));
      const shifted = new Uint8Array(bytes.length + shift).subarray(shift);
      shifted.set(bytes);
      const frame = decodeFrame(shifted, wide);
      expect(frame.header).toEqual(header);
      expect([...frame.tensor]).toEqual([...tensor]);
    }),
    runs(300),
  );
});

describe('refuses as no frame', () => {
  test.each<[string, Uint8Array, string]>([
    ['nothing', new Uint8Array(0), 'within the length of its header'],
    ['three bytes', Uint8Array.of(1, 0, 0), 'within the length of its header'],
    ['a header longer than the frame', Uint8Array.of(9, 0, 0, 0, 0x80), 'header of 9 bytes'],
    ['a frame without its padding', Uint8Array.of(1, 0, 0, 0, 0x80), 'the padding end at 16'],
    ['padding that is not 0', frameOf([0x80]).with(15, 1), 'padding'],
    ['an empty header', frameOf([]), 'ends within a value'],
    ['bytes after the value', frameOf([0x80, 0x80]), 'ends at byte 1'],
    ['a map cut short', frameOf([0x81]), 'ends within a value'],
    ['a text cut short', frameOf([0xa3, 0x61]), 'ends within a value'],
    ['a number cut short', frameOf([0xcb, 0, 0]), 'ends within a value'],
    ['a key that is a number', frameOf([0x81, 0x01, 0x02]), 'no text'],
    ['a key that is a map', frameOf([0x81, 0x80, 0x02]), 'no text'],
    ['a key twice', frameOf([0x82, ...text('a'), 1, ...text('a'), 2]), 'stands twice'],
    ['a key twice in a map within a list', frameOf([0x91, 0x82, ...text('a'), 1, ...text('a'), 2]), 'stands twice'],
  ])('%s', (_, bytes, words) => {
    expect(() => decodeFrame(bytes, LIMITS)).toThrow(expect.objectContaining({ message: expect.stringContaining(words) as string }) as Error);
    expect(() => decodeFrame(bytes, LIMITS)).toThrow(ClusterError);
  });

  const packr = new Packr({ useRecords: false, variableMapSize: true });
  test.each<[string, Iterable<number>]>([
    ['nil', [0xc0]],
    ['the unused byte', [0xc1]],
    ['binary', packr.pack(Buffer.from('ab'))],
    ['a date', packr.pack(new Date(0))],
    ['uint64', packr.pack(2n ** 63n)],
    ['int64', packr.pack(-1n - 2n ** 40n)],
    ['undefined, an extension', [0xd4, 0, 0]],
    ['a record of msgpackr', new Packr({ useRecords: true }).pack({ a: 1 })],
    ['ext 8', [0xc7, 1, 5, 0]],
  ])('a header of %s', (_, header) => {
    expect(() => decodeFrame(frameOf(header), LIMITS)).toThrow(refused('ERR_FRAME', 'not allowed'));
  });
});

describe('refuses as too large', () => {
  const nested = (depth: number): number[] => [...Array.from({ length: depth }, () => 0x91), 1];
  test.each<[string, Uint8Array, string]>([
    ['a header of 4 GiB that is not there', Uint8Array.of(0xff, 0xff, 0xff, 0xff), '4294967295 bytes; at most 1024'],
    ['a tensor', frameOf([0x80], 65), '65 bytes; at most 64'],
    ['a fourth level', frameOf(nested(4)), '4 levels; at most 3'],
    ['a thousand levels', frameOf(nested(1_000)), '4 levels; at most 3'],
    ['six keys in one map', frameOf([0x86]), '6 keys; at most 5'],
    ['six keys in two maps', frameOf([0x92, 0x83, ...text('a'), 1, ...text('b'), 1, ...text('c'), 1, 0x83]), '6 keys; at most 5'],
    ['a map of 2^32 - 1', frameOf([0xdf, 0xff, 0xff, 0xff, 0xff]), '4294967295 keys; at most 5'],
    ['a map of 65,535', frameOf([0xde, 0xff, 0xff]), '65535 keys; at most 5'],
    ['five items', frameOf([0x95]), '5 items; at most 4'],
    ['a list of 65,535', frameOf([0xdc, 0xff, 0xff]), '65535 items; at most 4'],
    ['a list of 2^32 - 1', frameOf([0xdd, 0xff, 0xff, 0xff, 0xff]), '4294967295 items; at most 4'],
    ['a text of 9 bytes', frameOf([0xa9]), '9 bytes; at most 8'],
    ['a text of 2^32 - 1', frameOf([0xdb, 0xff, 0xff, 0xff, 0xff]), '4294967295 bytes; at most 8'],
    ['a key of 2^32 - 1', frameOf([0x81, 0xdb, 0xff, 0xff, 0xff, 0xff]), '4294967295 bytes; at most 8'],
  ])('%s', (_, bytes, words) => {
    expect(() => decodeFrame(bytes, LIMITS)).toThrow(refused('ERR_TOO_LARGE', words));
  });

  test('and takes what is just within', () => {
    expect(decodeFrame(frameOf(nested(3), 64), LIMITS).header).toEqual([[[1]]]);
    expect(decodeFrame(frameOf([0x81, ...text('12345678'), 0x94, 1, 2, 3, 4]), LIMITS).header).toEqual({ 12345678: [1, 2, 3, 4] });
    expect(maxFrameBytes(LIMITS)).toBe(1_040 + 64); // 4 + 1,024 to a multiple of 16 is 1,040
  });
});

test('a list that claims 30 million items is not allocated', () => {
  const frame = frameOf([0xdd, 0x01, 0xc9, 0xc3, 0x80]); // 0x01c9c380 = 30,000,000, 240 MB as a list
  const before = process.memoryUsage().heapUsed;
  expect(() => decodeFrame(frame, { ...LIMITS, maxItems: 2 ** 32 })).toThrow(refused('ERR_FRAME', 'ends within a value'));
  expect(process.memoryUsage().heapUsed - before).toBeLessThan(20_000_000);
});
