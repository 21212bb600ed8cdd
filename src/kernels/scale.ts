/** A scale for bytes in the two pieces that `gatherU8` multiplies by. */
export interface SplitScale {
  /** The scale rounded to 16 significant bits: its product with a byte is exact in float32. */
  readonly high: number;
  /** What is left, rounded to float32. */
  readonly low: number;
  /** Whether `v * high + v * low` is the float32 nearest to `v * scale` for all 256 bytes; if not, use `scaleTable`. */
  readonly exact: boolean;
}

const BYTE_VALUES = Array.from({ length: 256 }, (_, value) => value);
const HIGH_BITS = 16;

/** Splits a scale and checks the pieces on all 256 bytes, in the additions and multiplications the kernel does. */
export function splitScale(scale: number): SplitScale {
  const high = roundToBits(scale, HIGH_BITS);
  const low = Math.fround(scale - high);
  const product = (value: number): number => Math.fround(Math.fround(value * high) + Math.fround(value * low));
  const exact = BYTE_VALUES.every((value) => Object.is(product(value), Math.fround(value * scale)));
  return { high, low, exact };
}

/** The 256 scaled bytes for `gatherU8Table`. */
export function scaleTable(scale: number): Float32Array {
  return Float32Array.from(BYTE_VALUES, (value) => value * scale);
}

/** A number rounded to so many significant bits (0 stays 0). */
function roundToBits(value: number, bits: number): number {
  if (value === 0) return 0;
  const unit = 2 ** (Math.floor(Math.log2(Math.abs(value))) + 1 - bits);
  return Math.round(value / unit) * unit;
}
