// Elementary functions of four float32 that need more than float32 on the way: two float64 vectors, rounded once at the
// end. float64 is never fused.
import { madd64, polynomial3, polynomial7of64, polynomial8of64 } from './polynomials';
import { madd } from './simd';
import { lanes64, splat } from './vectors';

// Numbers are addresses of constants (see `lanes`), polynomials lists of coefficients from the constant term on.
const ONE = memory.data<f64>([1]);
const INFINITE = memory.data<f64>([Infinity]);
/** Adding 1.5 * 2^52 to |x| < 2^51 leaves round(x) in the low bits of the sum. */
const ROUNDER = memory.data<f64>([6755399441055744]);

const TWO_OVER_PI = memory.data<f64>([0.6366197723675814]);
/** pi / 2 in two pieces: the first has 33 bits, so that its product with n < 2^20 is exact. */
const HALF_PI_HIGH = memory.data<f64>([1.5707963267341256]);
const HALF_PI_LOW = memory.data<f64>([6.077100506506192e-11]);
const QUARTER_PI = memory.data<f64>([0.7853981633974483]);
/** (sin r - r) / r^3 and (cos r - 1) / r^2 by r^2, |r| <= pi / 4; float32. */
const SIN_NEAR = memory.data<f32>([-0.16666667, 8.333329e-3, -1.9839304e-4, 2.7180465e-6]);
const COS_NEAR = memory.data<f32>([-0.5, 4.1666646e-2, -1.388731e-3, 2.4432413e-5]);

const SIGN_BITS: i32 = 0x80000000;
const SIGN_BITS_64: i64 = 0x8000000000000000;
const MANTISSA_BITS = memory.data<i64>([0x000fffffffffffff]);
/** Sign, exponent and the upper 28 bits of the mantissa: 29 significant bits. */
const QUOTIENT_BITS = memory.data<i64>([0xffffffffff000000]);
const EXPONENT_SHIFT: i32 = 52;
const EXPONENT_BIAS = memory.data<i64>([1023]);
/** The bits of the rounder, minus the exponent's bias. */
const ROUNDER_LESS_BIAS = memory.data<i64>([0x4338000000000000 - 1023]);
/** The bits of sqrt(1/2), where log2 splits a number, and how far those of 1 are above. */
const SQRT_HALF_BITS = memory.data<i64>([0x3fe6a09e667f3bcd]);
const SPLIT_OFFSET = memory.data<i64>([0x00095f619980c433]);

/** 2 / ln 2 / (2k + 1): log2 of (1 + s) / (1 - s) by s^2, |s| <= 0.172, next term below 2^-39. */
const LOG2_SERIES = memory.data<f64>([
  2.8853900817779268, 0.9617966939259756, 0.5770780163555853, 0.4121985831111324, 0.3205988979753252,
  0.2623081892525388, 0.22195308321368667, 0.19235933878519515,
]);
/** (ln 2)^k / k!: 2^r for |r| <= 1/2, next term below 2^-32. */
const EXP2_SERIES = memory.data<f64>([
  1, 0.6931471805599453, 0.2402265069591007, 0.055504108664821576, 0.009618129107628477, 0.0013333558146428441,
  0.00015403530393381606, 1.5252733804059838e-5, 1.3215486790144305e-6,
]);
const EXP2_LOWEST = memory.data<f64>([-200]);
const EXP2_HIGHEST = memory.data<f64>([200]);

// @ts-ignore: decorator
@inline
function upperHalf(x: v128): v128 {
  return f64x2.promote_low_f32x4(i64x2.shuffle(x, x, 1, 1));
}

// @ts-ignore: decorator
@inline
function joinHalves(low: v128, high: v128): v128 {
  return i64x2.shuffle(f32x4.demote_f64x2_zero(low), f32x4.demote_f64x2_zero(high), 0, 2);
}

/** x * 2 / pi plus the rounder: its low bits count the quarter turns. */
// @ts-ignore: decorator
@inline
function quarterTurns(x: v128): v128 {
  return madd64(x, lanes64(TWO_OVER_PI), lanes64(ROUNDER));
}

/** What is left of x after the quarter turns, in -pi/4..pi/4. */
// @ts-ignore: decorator
@inline
function remainder(x: v128, turns: v128): v128 {
  const n = f64x2.sub(turns, lanes64(ROUNDER));
  const high = f64x2.sub(x, f64x2.mul(n, lanes64(HALF_PI_HIGH)));
  const rest = f64x2.sub(high, f64x2.mul(n, lanes64(HALF_PI_LOW)));
  const quarter = lanes64(QUARTER_PI);
  return f64x2.pmin(f64x2.pmax(rest, f64x2.neg(quarter)), quarter);
}

/** sin(x + shift * pi / 2). */
// @ts-ignore: decorator
@inline
function sinOfShifted(x: v128, shift: i32): v128 {
  const low = f64x2.promote_low_f32x4(x);
  const high = upperHalf(x);
  const turnsLow = quarterTurns(low);
  const turnsHigh = quarterTurns(high);
  const r = joinHalves(remainder(low, turnsLow), remainder(high, turnsHigh));
  const turns = i32x4.add(i32x4.shuffle(turnsLow, turnsHigh, 0, 2, 4, 6), i32x4.splat(shift));
  const z = f32x4.mul(r, r);
  const sine = madd(f32x4.mul(polynomial3(SIN_NEAR, z), z), r, r);
  const cosine = madd(polynomial3(COS_NEAR, z), z, splat(1));
  return v128.xor(
    v128.bitselect(cosine, sine, i32x4.ne(v128.and(turns, i32x4.splat(1)), i32x4.splat(0))),
    i32x4.shl(v128.and(turns, i32x4.splat(2)), 30),
  );
}

/** The sine. Within 2 ulp for |x| < 1.6e6; beyond, the error of the argument grows as |x| * 2^-52. */
// @ts-ignore: decorator
@inline
export function sin4(x: v128): v128 {
  const sign = v128.and(x, i32x4.splat(SIGN_BITS));
  return v128.xor(sinOfShifted(v128.xor(x, sign), 0), sign);
}

/** The cosine, with the range of `sin4`. */
// @ts-ignore: decorator
@inline
export function cos4(x: v128): v128 {
  return sinOfShifted(v128.andnot(x, i32x4.splat(SIGN_BITS)), 1);
}

/** log2 of two float64 that were float32 >= 0: -Infinity at 0, Infinity at Infinity; relative error below 2^-38. */
// @ts-ignore: decorator
@inline
function log2Of(a: v128): v128 {
  const shifted = i64x2.add(a, lanes64(SPLIT_OFFSET));
  const exponentBits = i64x2.add(i64x2.shr_u(shifted, EXPONENT_SHIFT), lanes64(ROUNDER_LESS_BIAS));
  const k = f64x2.sub(exponentBits, lanes64(ROUNDER));
  const m = i64x2.add(v128.and(shifted, lanes64(MANTISSA_BITS)), lanes64(SQRT_HALF_BITS));
  const s = f64x2.div(f64x2.sub(m, lanes64(ONE)), f64x2.add(m, lanes64(ONE)));
  // ln m = 2 artanh s = 2 (s + s^3/3 + s^5/5 + ...)
  const z = f64x2.mul(s, s);
  const result = madd64(polynomial7of64(LOG2_SERIES, z), s, k);
  const notZero = v128.bitselect(f64x2.splat(-Infinity), result, f64x2.eq(a, f64x2.splat(0)));
  return v128.bitselect(notZero, a, f64x2.lt(a, lanes64(INFINITE)));
}

/** 2^t of two float64, far enough beyond the range of float32 that rounding to it decides over- and underflow. */
// @ts-ignore: decorator
@inline
function exp2Of(t: v128): v128 {
  const limited = f64x2.pmin(f64x2.pmax(t, lanes64(EXP2_LOWEST)), lanes64(EXP2_HIGHEST));
  const rounded = f64x2.add(limited, lanes64(ROUNDER));
  const r = f64x2.sub(limited, f64x2.sub(rounded, lanes64(ROUNDER)));
  const power = polynomial8of64(EXP2_SERIES, r);
  // The rounder's own bits leave at the top of the shift.
  return f64x2.mul(power, i64x2.shl(i64x2.add(rounded, lanes64(EXPONENT_BIAS)), EXPONENT_SHIFT));
}

/** x^y with the limits of Math.pow: 1 for y = 0, NaN for a negative finite x and a y that is not whole. */
// @ts-ignore: decorator
@inline
export function pow4(x: v128, y: v128): v128 {
  const size = v128.andnot(x, i32x4.splat(SIGN_BITS));
  const low = exp2Of(f64x2.mul(f64x2.promote_low_f32x4(y), log2Of(f64x2.promote_low_f32x4(size))));
  const high = exp2Of(f64x2.mul(upperHalf(y), log2Of(upperHalf(size))));
  const half = f32x4.mul(y, splat(0.5));
  const isWhole = f32x4.eq(f32x4.trunc(y), y);
  const isOdd = v128.and(isWhole, f32x4.ne(f32x4.trunc(half), half));
  const signed = v128.xor(joinHalves(low, high), v128.and(isOdd, v128.and(x, i32x4.splat(SIGN_BITS))));
  const isUndefined = v128.andnot(v128.and(f32x4.lt(x, splat(0)), f32x4.gt(x, splat(-Infinity))), isWhole);
  const defined = v128.bitselect(splat(NaN), signed, isUndefined);
  return v128.bitselect(splat(1), defined, f32x4.eq(y, splat(0)));
}

// @ts-ignore: decorator
@inline
function floorOfQuotient(a: v128, b: v128): v128 {
  return f64x2.floor(f64x2.div(a, b));
}

/** floor(a / b), the quotient in float64. */
// @ts-ignore: decorator
@inline
export function floorDiv4(a: v128, b: v128): v128 {
  const low = floorOfQuotient(f64x2.promote_low_f32x4(a), f64x2.promote_low_f32x4(b));
  return joinHalves(low, floorOfQuotient(upperHalf(a), upperHalf(b)));
}

/**
 * The remainder of sizes a, b >= 0, exact: the quotient is taken off 29 bits at a time, so that its product with the
 * 24 bits of b is exact, until less than b is left. It never rounds up to one too large: a and b have 24 bits, so it is
 * at least 2^-24 of its last kept bit away from that.
 */
// @ts-ignore: decorator
@inline
function remainderOfSizes(a: v128, b: v128): v128 {
  let rest = a;
  do {
    const quotient = v128.and(f64x2.trunc(f64x2.div(rest, b)), lanes64(QUOTIENT_BITS));
    const next = f64x2.sub(rest, f64x2.mul(quotient, b));
    rest = v128.bitselect(rest, next, f64x2.lt(rest, b));
  } while (v128.any_true(f64x2.ge(rest, b)));
  return rest;
}

/** The remainder of float64 that were float32, with the sign of b; NaN for b = 0 and for infinite a. */
// @ts-ignore: decorator
@inline
function floorModOf(a: v128, b: v128): v128 {
  const signBits = i64x2.splat(SIGN_BITS_64);
  const size = remainderOfSizes(f64x2.abs(a), f64x2.abs(b));
  const rest = v128.bitselect(a, size, signBits);
  const sum = f64x2.add(rest, b);
  const wrapped = v128.bitselect(f64x2.mul(b, f64x2.splat(0)), sum, f64x2.eq(sum, b));
  const zero = f64x2.splat(0);
  const bothNegative = v128.and(f64x2.lt(a, zero), f64x2.lt(b, zero));
  const neitherNegative = v128.and(f64x2.ge(a, zero), f64x2.ge(b, zero));
  return v128.bitselect(rest, wrapped, v128.or(bothNegative, neitherNegative));
}

/** a modulo b with the sign of b, as tfjs-cpu's Mod. */
// @ts-ignore: decorator
@inline
export function floorMod4(a: v128, b: v128): v128 {
  const low = floorModOf(f64x2.promote_low_f32x4(a), f64x2.promote_low_f32x4(b));
  return joinHalves(low, floorModOf(upperHalf(a), upperHalf(b)));
}
