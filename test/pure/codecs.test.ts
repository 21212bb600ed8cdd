import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { encodedBytes, type Codec } from '../../src/codecs/codec.js';
import { ARITHMETICS, bits, randomFrom, seed, SPECIAL_VALUES } from './arena.js';
import { bytesOf, CodecMemory } from './codec-memory.js';
import { BFLOAT16, bySize, code16, encodedByReference, FLOAT16, value16 } from './codec-reference.js';
import { runs } from './properties.js';

const CODECS: readonly Codec[] = [
  { name: 'float32' },
  { name: 'float16' },
  { name: 'bfloat16' },
  { name: 'int8', blockValues: 64 },
  { name: 'int8', blockValues: 7 },
  { name: 'topk', keptFraction: 0.05 },
  { name: 'topk', keptFraction: 0.5 },
];
const LOSSY = CODECS.filter(({ name }) => name !== 'float32');
const titled = (codecs: readonly Codec[]): [string, Codec][] => codecs.map((codec) => [Object.values(codec).join(' '), codec]);

const random = randomFrom(seed);
/** Numbers of many sizes, some of them equal, some 0. */
const mixed = (count: number): Float32Array =>
  Float32Array.from({ length: count }, () => {
    const kind = random();
    if (kind < 0.1) return 0;
    return kind < 0.3 ? Math.round(random() * 4 - 2) : (random() - 0.5) * 10 ** Math.floor(random() * 8 - 6);
  });

/** Of each sign and exponent: the ends of the mantissa, and the halves between two neighbours of both formats with what is beside them. */
const EVERY_EXPONENT = new Float32Array(
  Uint32Array.from(
    [0, 1].flatMap((sign) =>
      Array.from({ length: 256 }, (_, exponent) => {
        const ends = [0x1000, 0x3000, 0x7ff000, 0x8000, 0x18000, 0x7f8000].flatMap((half) => [half - 1, half, half + 1]);
        const others = Array.from({ length: 8 }, () => random() * 2 ** 23);
        return [0, 1, 0x7fffff, ...ends, ...others].map((mantissa) => sign * 2 ** 31 + exponent * 2 ** 23 + Math.floor(mantissa));
      }).flat(),
    ),
  ).buffer,
);
const finite = (values: Float32Array): Float32Array => values.filter(Number.isFinite);

describe.each(ARITHMETICS)('%s', (arithmetic) => {
  const memory = new CodecMemory(arithmetic, 1);
  /** For every exponent. */
  const large = new CodecMemory(arithmetic, 5);

  describe.each([
    // A half of the last of 11 and of 8 bits.
    ['float16', FLOAT16, 2 ** -11, 65_504],
    ['bfloat16', BFLOAT16, 2 ** -8, 2 ** 128 - 2 ** 120],
  ] as const)('%s', (name, format, halfPlace, largest) => {
    test('is the nearest number of the format, of two the even one, for every exponent', () => {
      const codes = new Uint16Array(large.encode({ name }, EVERY_EXPONENT).bytes.buffer);
      const expected = Array.from(EVERY_EXPONENT, (value) => code16(value, format));
      expect(Array.from(codes)).toEqual(expected);
      expect(codes).toHaveLength(14_848);
    });

    test('has zeros of both signs, infinities, one NaN, and small numbers', () => {
      const least = 2 ** (format.leastExponent - format.mantissaBits);
      // 0.5 and 1.5 of the smallest number are halfway: 0 and 2 are even. What is beyond half a place above the largest is Infinity.
      const values = [0, -0, Infinity, -Infinity, NaN, least, -least, 0.5 * least, 1.5 * least, 0.75 * least, largest, -largest, largest * (1 + halfPlace)];
      const expected = [0, -0, Infinity, -Infinity, NaN, least, -least, 0, 2 * least, least, largest, -largest, Infinity];
      expect(bits(memory.roundTrip({ name }, Float32Array.from(values)))).toEqual(bits(expected));
      const signed = new Float32Array(Uint32Array.of(0xffc00000, 0x7f800001, 0xffffffff).buffer);
      expect(new Uint16Array(memory.encode({ name }, signed).bytes.buffer)).toEqual(Uint16Array.of(format.nan, format.nan, format.nan));
    });

    test('all 65,536 codes mean what the format says, and are encoded to themselves', () => {
      for (let first = 0; first < 65_536; first += 16_384) {
        const codes = Uint16Array.from({ length: 16_384 }, (_, i) => first + i);
        const decoded = large.decode({ name }, new Uint8Array(codes.buffer), codes.length)!;
        expect(bits(decoded)).toEqual(bits(Array.from(codes, (code) => value16(code, format))));
        const again = new Uint16Array(large.encode({ name }, decoded).bytes.buffer);
        expect(again).toEqual(codes.map((code) => ((code & 0x7fff) > format.infinity ? format.nan : code)));
      }
    });

    test('is off by at most half a place in its normal range, half the smallest number below it', () => {
      const values = finite(EVERY_EXPONENT).filter((value) => Math.abs(value) <= largest);
      const decoded = large.roundTrip({ name }, values);
      const least = 2 ** (format.leastExponent - format.mantissaBits);
      const isOff = (value: number, i: number): boolean => Math.abs(decoded[i]! - value) > Math.max(Math.abs(value) * halfPlace, least / 2);
      expect(Array.from(values.filter(isOff))).toEqual([]);
    });
  });

  describe('int8', () => {
    /** Blocks of numbers of one size each, for every exponent. */
    const everySize = finite(Float32Array.from({ length: 254 * 16 }, (_, i) => (random() * 2 - 1) * 2 ** (Math.floor(i / 16) - 126)));

    test('is off by at most half a scale, the largest of the block / 127, for every exponent', () => {
      const decoded = large.roundTrip({ name: 'int8', blockValues: 16 }, everySize);
      for (let first = 0; first < everySize.length; first += 16) {
        const block = everySize.slice(first, first + 16);
        // Beside the half: the scale, the quotient and the product are rounded, each by 2^-24 of at most 127 scales.
        const bound = Math.max(Math.max(...block.map(Math.abs)) / 127, 2 ** -126) * (0.5 + 3 * 127 * 2 ** -24);
        expect(Array.from(block.filter((value, i) => Math.abs(decoded[first + i]! - value) > bound))).toEqual([]);
      }
    });

    test('is the quotient by the scale, rounded, of two to the even one', () => {
      // Scales 127 / 127 = 1 and 254 / 127 = 2.
      const values = Float32Array.of(127, -127, 0.5, 1.5, -2.5, 0.4, 254, -1, 3, -0);
      const { bytes } = memory.encode({ name: 'int8', blockValues: 6 }, values);
      expect(new Float32Array(bytes.slice(0, 8).buffer)).toEqual(Float32Array.of(1, 2));
      expect(new Int8Array(bytes.slice(8).buffer)).toEqual(Int8Array.of(127, -127, 0, 2, -2, 0, 127, 0, 2, 0));
    });

    test('keeps the largest and the smallest float32 finite', () => {
      const largest = 3.4028234663852886e38;
      const [great, negative] = memory.roundTrip({ name: 'int8', blockValues: 4 }, Float32Array.of(largest, -largest));
      // The scale is the number below fround(largest / 127), whose product with 127 would be Infinity.
      expect([great, negative]).toEqual([Math.fround(127 * 2.6793883890187504e36), -Math.fround(127 * 2.6793883890187504e36)]);
      // Below half of 2^-126 everything is 0, and 0 stays 0.
      expect(Array.from(memory.roundTrip({ name: 'int8', blockValues: 4 }, Float32Array.of(1e-45, 0, 5e-39)))).toEqual([0, 0, 0]);
    });

    test.each([NaN, Infinity, -Infinity])('a block with %f is NaN, the others are not', (bad) => {
      const decoded = memory.roundTrip({ name: 'int8', blockValues: 5 }, Float32Array.of(127, 1, 2, 3, 4, 1, bad, 3, 4, 5, 127, 0));
      expect(Array.from(decoded)).toEqual([127, 1, 2, 3, 4, NaN, NaN, NaN, NaN, NaN, 127, 0]);
    });

    test.each([0, -1, 1e-39, -0, 3e36, Infinity, NaN])('a scale of %f is refused, and nothing is written', (scale) => {
      const codec = { name: 'int8', blockValues: 4 } as const;
      const { bytes } = memory.encode(codec, mixed(10));
      // NaN with a sign is not the one that is written.
      bytes.set(bytesOf(Number.isNaN(scale) ? Uint32Array.of(0xffc00000) : Float32Array.of(scale)), 8);
      expect(memory.decode(codec, bytes, 10)).toBeUndefined();
    });
  });

  describe('topk', () => {
    const entries = (bytes: Uint8Array): { places: Uint32Array; values: Float32Array } => ({
      places: new Uint32Array(bytes.slice(0, bytes.length / 2).buffer),
      values: new Float32Array(bytes.slice(bytes.length / 2).buffer),
    });

    test('keeps the largest sizes, of equal ones the first, in ascending places', () => {
      const { places, values } = entries(memory.encode({ name: 'topk', keptFraction: 0.5 }, Float32Array.of(1, -3, 2, -2, 0, 2, -1, 2)).bytes);
      expect([Array.from(places), Array.from(values)]).toEqual([[1, 2, 3, 5], [-3, 2, -2, 2]]);
    });

    test('keeps what a sort by size and place keeps', () => {
      const value = fc.oneof(fc.float({ noDefaultInfinity: false }), fc.constantFrom(...SPECIAL_VALUES), fc.integer({ min: -3, max: 3 }));
      fc.assert(fc.property(fc.array(value, { minLength: 1, maxLength: 300 }), fc.double({ min: 1e-3, max: 1, noNaN: true }), (list, keptFraction) => {
        const x = Float32Array.from(list);
        const { places, values } = entries(memory.encode({ name: 'topk', keptFraction }, x).bytes);
        const kept = Math.max(1, Math.ceil(keptFraction * x.length));
        const expected = bySize(Array.from(x)).slice(0, kept).sort((a, b) => a - b);
        expect(Array.from(places)).toEqual(expected);
        expect(bits(values)).toEqual(bits(expected.map((place) => x[place]!)));
      }), runs(400));
    });

    test('tells sizes apart that differ in one bit, for every bit', () => {
      for (let bit = 0; bit < 31; bit++) {
        const words = Uint32Array.from({ length: 37 }, (_, i) => (i === 23 ? 0x3f800000 ^ (1 << bit) : 0x3f800000));
        const isLarger = words[23]! > 0x3f800000;
        const { places } = entries(memory.encode({ name: 'topk', keptFraction: 1 / 37 }, new Float32Array(words.buffer)).bytes);
        expect(Array.from(places), `bit ${bit}`).toEqual([isLarger ? 23 : 0]);
      }
    });

    test.each([
      ['a place twice', [1, 1, 3]],
      ['descending places', [1, 0, 3]],
      ['a place behind the last value', [1, 2, 6]],
      ['the largest place', [1, 2, 0xffffffff]],
      ['a place whose address would wrap around', [1, 2, 0x40000000]],
    ])('%s is refused, and nothing is written', (_, places) => {
      const bytes = new Uint8Array([...bytesOf(Uint32Array.from(places)), ...bytesOf(Float32Array.of(7, 8, 9))]);
      expect(memory.decode({ name: 'topk', keptFraction: 0.5 }, bytes, 6)).toBeUndefined();
    });
  });

  test.each(titled(CODECS))('%s: every length and every address gives the bytes of the reference, and touches nothing else', (_, codec) => {
    for (let length = 1; length <= 160; length++) {
      const [values, residual] = [mixed(length), mixed(length)];
      const [plain, fed] = [encodedByReference(codec, values), encodedByReference(codec, values, residual)];
      for (let offset = length % 4; offset < 16; offset += 4) {
        const at = { from: offset, to: (offset * 7 + 3) % 16, residual: (offset * 5 + 1) % 16 };
        const where = `${length} values, ${JSON.stringify(at)}`;
        expectSameBytes(memory.encode(codec, values, undefined, at).bytes, plain.bytes, where);
        expectSameBytes(bytesOf(memory.decode(codec, plain.bytes, length, at)!), bytesOf(plain.decoded), where);
        if (codec.name === 'float32') continue;
        const got = memory.encode(codec, values, residual, at);
        expectSameBytes(got.bytes, fed.bytes, where);
        expectSameBytes(withoutSignOfZero(got.residual), withoutSignOfZero(fed.residual), where);
      }
    }
  });

  test.each(titled(CODECS))('%s: random bytes are refused or decoded, and nothing but the target is written', (_, codec) => {
    const lengths = fc.integer({ min: 1, max: 200 });
    fc.assert(fc.property(lengths, fc.integer({ min: 0, max: 15 }), fc.infiniteStream(fc.nat(255)), (length, offset, stream) => {
      const bytes = Uint8Array.from([...stream.take(encodedBytes(codec, length))]);
      const decoded = memory.decode(codec, bytes, length, { from: offset, to: 15 - offset });
      if (codec.name === 'float32') expect(decoded && bytesOf(decoded)).toEqual(bytes);
    }), runs(200));
  });

  test.each(titled(LOSSY))('%s: one damaged byte of an encoding writes nothing but the target', (_, codec) => {
    const { bytes } = memory.encode(codec, mixed(100));
    for (let at = 0; at < bytes.length; at++) {
      for (const damage of [1, 0x80, 0xff]) memory.decode(codec, bytes.map((byte, i) => (i === at ? byte ^ damage : byte)), 100);
    }
  });

  describe('with error feedback', () => {
    test.each(titled(LOSSY))('%s: what has arrived and the residual are together what was sent', (_, codec) => {
      const length = 120;
      const [sent, arrived] = [new Float64Array(length), new Float64Array(length)];
      let residual = new Float32Array(length);
      for (let step = 1; step <= 60; step++) {
        const values = Float32Array.from({ length }, () => random() - 0.4);
        const encoded = memory.encode(codec, values, residual);
        const decoded = memory.decode(codec, encoded.bytes, length)!;
        residual = Float32Array.from(encoded.residual);
        // A sum and a difference are rounded in each step, each by at most 2^-24 of numbers below 32.
        const tolerance = step * 2 * 32 * 2 ** -24;
        for (let i = 0; i < length; i++) {
          sent[i]! += values[i]!;
          arrived[i]! += decoded[i]!;
        }
        expect(Math.max(...sent.map((sum, i) => Math.abs(arrived[i]! + residual[i]! - sum)))).toBeLessThanOrEqual(tolerance);
      }
    });

    test.each(titled(LOSSY))('%s: the residual stays bounded, so that the mean of what arrives tends to what is sent', (_, codec) => {
      // The same small value beside a large one: without feedback it never arrives.
      const values = Float32Array.from({ length: 40 }, (_, i) => (i === 0 ? 100 : 0.01 * (1 + 1 / (i + 2))));
      const size = Math.hypot(...values);
      // Karimireddy et al., lemma 3: at most 2 sqrt(1 - d) / d of the largest gradient, where an encoding loses at most 1 - d of
      // the square. Top-k loses 1 - k / n; the others at most 1 / 4, and d = 3 / 4 gives 4 / 3.
      const kept = codec.name === 'topk' ? Math.ceil(codec.keptFraction * 40) / 40 : 3 / 4;
      const bound = ((2 * Math.sqrt(1 - kept)) / kept) * size;
      const steps = 2000;
      const sums = new Float64Array(40);
      let largest = 0;
      let residual = new Float32Array(40);
      for (let step = 0; step < steps; step++) {
        const encoded = memory.encode(codec, values, residual);
        memory.decode(codec, encoded.bytes, 40)!.forEach((value, i) => (sums[i]! += value));
        residual = Float32Array.from(encoded.residual);
        largest = Math.max(largest, Math.hypot(...residual));
      }
      expect(largest).toBeLessThanOrEqual(bound);
      // Of the small ones the residual is below a scale, a place, or what waits for 20 turns.
      expect(Math.max(...values.slice(1).map((value, i) => Math.abs(sums[i + 1]! / steps - value) / value))).toBeLessThan(0.05);
    });

    test.each(titled(LOSSY))('%s: what is not finite arrives as such and leaves nothing in the residual', (_, codec) => {
      const values = Float32Array.of(NaN, Infinity, -Infinity, 1, NaN, 2, NaN, NaN, NaN, NaN);
      const first = memory.encode(codec, values, new Float32Array(10));
      expect(memory.decode(codec, first.bytes, 10)!.every(Number.isFinite)).toBe(false);
      expect(first.residual.every(Number.isFinite)).toBe(true);
      // The sum of the two is Infinity.
      const huge = Float32Array.of(3e38, 0, 0);
      const second = memory.encode(codec, huge, huge);
      expect(memory.decode(codec, second.bytes, 3)!.every(Number.isFinite)).toBe(false);
      expect(Array.from(second.residual)).toEqual([0, 0, 0]);
    });

    test('a top-k residual is what was not sent, and 0 where it was', () => {
      const { residual } = memory.encode({ name: 'topk', keptFraction: 0.25 }, Float32Array.of(1, 5, -2, 0), Float32Array.of(1, 0, -4, 0.5));
      expect(Array.from(residual)).toEqual([2, 5, 0, 0.5]);
    });
  });
});

test.each(titled(CODECS))('%s: both arithmetics give the same bytes, with every exponent and over many steps', (_, codec) => {
  const memories = ARITHMETICS.map((arithmetic) => new CodecMemory(arithmetic, 1));
  const inputs = [EVERY_EXPONENT.filter((_, i) => i % 4 === 0), ...Array.from({ length: 10 }, () => mixed(1000))];
  for (const values of inputs) {
    let residuals = memories.map(() => new Float32Array(values.length));
    for (let step = 0; step < 3; step++) {
      const [fma, portable] = memories.map((memory, i) => memory.encode(codec, values, residuals[i]));
      expectSameBytes(fma!.bytes, portable!.bytes);
      expectSameBytes(bytesOf(fma!.residual), bytesOf(portable!.residual));
      const [left, right] = memories.map((memory) => memory.decode(codec, fma!.bytes, values.length)!);
      expectSameBytes(bytesOf(left!), bytesOf(right!));
      residuals = [fma!.residual, portable!.residual] as Float32Array<ArrayBuffer>[];
    }
  }
});

test.each<[Codec, number, number]>([
  [{ name: 'float32' }, 79_510, 318_040],
  [{ name: 'float16' }, 79_510, 159_020],
  [{ name: 'bfloat16' }, 3, 6],
  // 79,510 / 256 = 310.6: 311 scales.
  [{ name: 'int8', blockValues: 256 }, 79_510, 79_510 + 311 * 4],
  [{ name: 'int8', blockValues: 256 }, 256, 260],
  // A twentieth of 79,510 is 3,975.5: 3,976 places and values.
  [{ name: 'topk', keptFraction: 0.05 }, 79_510, 3_976 * 8],
  [{ name: 'topk', keptFraction: 1e-9 }, 10, 8],
  [{ name: 'topk', keptFraction: 1 }, 10, 80],
])('%o of %d values has %d bytes', (codec, values, expected) => {
  expect(encodedBytes(codec, values)).toBe(expected);
});

/** Of long lists `toEqual` takes its time. */
function expectSameBytes(got: Uint8Array, expected: Uint8Array, where = ''): void {
  if (!Buffer.from(got).equals(expected)) expect(Array.from(got), where).toEqual(Array.from(expected));
}

/** -0 and 0 as one: which of them x - x is not worth a second writing-down of the kernels. */
function withoutSignOfZero(values: Float32Array): Uint8Array {
  return bytesOf(values.map((value) => (value === 0 ? 0 : value)));
}
