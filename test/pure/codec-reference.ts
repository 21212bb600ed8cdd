// The codecs once more, value by value in float64, with `Math.fround` where a kernel rounds to float32.
import type { Codec } from '../../src/codecs/codec.js';

export interface Encoded {
  readonly bytes: Uint8Array;
  /** What arrives. */
  readonly decoded: Float32Array;
  /** What the encoding lost, where it is finite. */
  readonly residual: Float32Array;
}

/** A format of 16 bits: its stored mantissa bits, and the exponent of its smallest normal number. */
interface Format {
  readonly mantissaBits: number;
  readonly leastExponent: number;
  readonly infinity: number;
  readonly nan: number;
}

export const FLOAT16: Format = { mantissaBits: 10, leastExponent: -14, infinity: 0x7c00, nan: 0x7e00 };
export const BFLOAT16: Format = { mantissaBits: 7, leastExponent: -126, infinity: 0x7f80, nan: 0x7fc0 };

/** Rounded to a whole number, halves to the even one. */
function toEven(x: number): number {
  const below = Math.floor(x);
  const rest = x - below;
  return below + (rest > 0.5 || (rest === 0.5 && below % 2 !== 0) ? 1 : 0);
}

/** floor(log2 |x|) of a number above 0, exactly. */
function exponentOf(x: number): number {
  const exponent = Math.floor(Math.log2(Math.abs(x)));
  return 2 ** exponent > Math.abs(x) ? exponent - 1 : 2 ** (exponent + 1) <= Math.abs(x) ? exponent + 1 : exponent;
}

export function code16(x: number, { mantissaBits, leastExponent, infinity, nan }: Format): number {
  if (Number.isNaN(x)) return nan;
  const sign = x < 0 || Object.is(x, -0) ? 0x8000 : 0;
  if (!Number.isFinite(x)) return sign + infinity;
  const exponent = Math.max(x === 0 ? leastExponent : exponentOf(x), leastExponent);
  // So many units of the last place; the codes of finite numbers count them.
  const units = toEven(Math.abs(x) / 2 ** (exponent - mantissaBits));
  return sign + Math.min((exponent - leastExponent) * 2 ** mantissaBits + units, infinity);
}

export function value16(code: number, { mantissaBits, leastExponent, infinity }: Format): number {
  const size = code & 0x7fff;
  const sign = code & 0x8000 ? -1 : 1;
  if (size >= infinity) return size === infinity ? sign * Infinity : NaN;
  const [field, mantissa] = [size >> mantissaBits, size & (2 ** mantissaBits - 1)];
  const fraction = mantissa / 2 ** mantissaBits + (field === 0 ? 0 : 1);
  return sign * fraction * 2 ** (leastExponent + Math.max(field, 1) - 1);
}

const LEAST_SCALE = 2 ** -126;
/** fround(largest float32 / 127) times 127 is Infinity: the number before it. */
const MOST_SCALE = 2.6793883890187504e36;

function scaleOf(block: readonly number[]): number {
  if (!block.every(Number.isFinite)) return NaN;
  return Math.min(Math.max(Math.fround(Math.max(...block.map(Math.abs)) / 127), LEAST_SCALE), MOST_SCALE);
}

type Writer = (x: readonly number[]) => { readonly bytes: Uint8Array; readonly decoded: readonly number[] };

const sixteen = (format: Format): Writer => (x) => {
  const codes = Uint16Array.from(x, (value) => code16(value, format));
  return { bytes: new Uint8Array(codes.buffer), decoded: Array.from(codes, (code) => value16(code, format)) };
};

const int8 = (blockValues: number): Writer => (x) => {
  const blocks = Array.from({ length: Math.ceil(x.length / blockValues) }, (_, b) => x.slice(b * blockValues, (b + 1) * blockValues));
  const scales = Float32Array.from(blocks, scaleOf);
  const codes = Int8Array.from(x, (value, i) => toEven(Math.fround(value / scales[Math.floor(i / blockValues)]!)));
  const decoded = Array.from(codes, (code, i) => Math.fround(code * scales[Math.floor(i / blockValues)]!));
  return { bytes: joined(oneNaN(scales), codes), decoded };
};

/** The order of the entries: larger size first, NaN before all, then the lower place. */
export function bySize(x: readonly number[]): number[] {
  const size = (i: number): number => (Number.isNaN(x[i]) ? Infinity : Math.min(Math.abs(x[i]!), Number.MAX_VALUE));
  return x.map((_, i) => i).sort((a, b) => (size(b) === size(a) ? a - b : size(b) - size(a)));
}

const topk = (keptFraction: number): Writer => (x) => {
  const kept = Math.max(1, Math.ceil(keptFraction * x.length));
  const places = Uint32Array.from(bySize(x).slice(0, kept).sort((a, b) => a - b));
  const values = Float32Array.from(places, (place) => x[place]!);
  const decoded = x.map((value, i) => (places.includes(i) ? value : 0));
  return { bytes: joined(places, oneNaN(values)), decoded };
};

function writerOf(codec: Codec): Writer {
  switch (codec.name) {
    case 'float32':
      return (x) => ({ bytes: joined(Float32Array.from(x)), decoded: x });
    case 'float16':
      return sixteen(FLOAT16);
    case 'bfloat16':
      return sixteen(BFLOAT16);
    case 'int8':
      return int8(codec.blockValues);
    case 'topk':
      return topk(codec.keptFraction);
  }
}

export function encodedByReference(codec: Codec, values: Float32Array, residual?: Float32Array): Encoded {
  const x = Array.from(values, (value, i) => (residual ? Math.fround(value + residual[i]!) : value));
  const { bytes, decoded } = writerOf(codec)(x);
  const lost = x.map((value, i) => Math.fround(value - decoded[i]!));
  return { bytes, decoded: Float32Array.from(decoded), residual: Float32Array.from(lost, (value) => (Number.isFinite(value) ? value : 0)) };
}

/** The same numbers with every NaN as 0x7fc00000. */
function oneNaN(values: Float32Array): Float32Array {
  const words = Uint32Array.from(new Uint32Array(values.buffer), (word) => ((word & 0x7fffffff) > 0x7f800000 ? 0x7fc00000 : word));
  return new Float32Array(words.buffer);
}

function joined(...parts: readonly (Float32Array | Uint32Array | Int8Array)[]): Uint8Array {
  return Uint8Array.from(parts.flatMap((part) => Array.from(new Uint8Array(part.buffer, part.byteOffset, part.byteLength))));
}
