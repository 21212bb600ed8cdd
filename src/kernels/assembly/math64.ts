// Elementary functions of four float32 that need more than float32 on the way: two float64 vectors, rounded once at the
// end. Without fused multiply-add, so both arithmetics give the same bits.

const SIGN_BITS: i32 = 0x80000000;
/** Adding 1.5 * 2^52 to |x| < 2^51 leaves round(x) in the low bits of the sum. */
const ROUNDER: f64 = 6755399441055744;
const ROUNDER_BITS: i64 = 0x4338000000000000;
const TWO_OVER_PI: f64 = 0.6366197723675814;
/** pi / 2 in two pieces: the first has 33 bits, so that its product with n < 2^20 is exact. */
const HALF_PI_HIGH: f64 = 1.5707963267341256;
const HALF_PI_LOW: f64 = 6.077100506506192e-11;
const QUARTER_PI: f64 = 0.7853981633974483;

const SIGN_BITS_64: i64 = 0x8000000000000000;
/** Sign, exponent and the upper 28 bits of the mantissa: 29 significant bits. */
const QUOTIENT_BITS: i64 = 0xffffffffff000000;
const MANTISSA_BITS: i64 = 0x000fffffffffffff;
const EXPONENT_SHIFT: i32 = 52;
const EXPONENT_BIAS: i64 = 1023;
const SQRT_HALF_BITS: i64 = 0x3fe6a09e667f3bcd;
/** Bits of 1 minus bits of sqrt(1/2). */
const SPLIT_OFFSET: i64 = 0x00095f619980c433;

// @ts-ignore: decorator
@inline
function splat(value: f32): v128 {
  return f32x4.splat(value);
}

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

// @ts-ignore: decorator
@inline
function madd64(a: v128, b: v128, c: v128): v128 {
  return f64x2.add(f64x2.mul(a, b), c);
}

/** x * 2 / pi plus the rounder: its low bits count the quarter turns. */
// @ts-ignore: decorator
@inline
function quarterTurns(x: v128): v128 {
  return madd64(x, f64x2.splat(TWO_OVER_PI), f64x2.splat(ROUNDER));
}

/** What is left of x after the quarter turns, in -pi/4..pi/4. */
// @ts-ignore: decorator
@inline
function remainder(x: v128, turns: v128): v128 {
  const n = f64x2.sub(turns, f64x2.splat(ROUNDER));
  const high = f64x2.sub(x, f64x2.mul(n, f64x2.splat(HALF_PI_HIGH)));
  const rest = f64x2.sub(high, f64x2.mul(n, f64x2.splat(HALF_PI_LOW)));
  return f64x2.pmin(f64x2.pmax(rest, f64x2.splat(-QUARTER_PI)), f64x2.splat(QUARTER_PI));
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
  return v128.xor(
    v128.bitselect(cosPolynomial(z), sinPolynomial(r, z), i32x4.ne(v128.and(turns, i32x4.splat(1)), i32x4.splat(0))),
    i32x4.shl(v128.and(turns, i32x4.splat(2)), 30),
  );
}

/** sin r for |r| <= pi / 4, z = r^2. */
// @ts-ignore: decorator
@inline
function sinPolynomial(r: v128, z: v128): v128 {
  let p = madd32(splat(2.7180465e-6), z, splat(-1.9839304e-4));
  p = madd32(p, z, splat(8.333329e-3));
  p = madd32(p, z, splat(-0.16666667));
  return madd32(f32x4.mul(p, z), r, r);
}

/** cos r for |r| <= pi / 4, z = r^2. */
// @ts-ignore: decorator
@inline
function cosPolynomial(z: v128): v128 {
  let p = madd32(splat(2.4432413e-5), z, splat(-1.388731e-3));
  p = madd32(p, z, splat(4.1666646e-2));
  return f32x4.add(f32x4.mul(madd32(p, z, splat(-0.5)), z), splat(1));
}

// @ts-ignore: decorator
@inline
function madd32(a: v128, b: v128, c: v128): v128 {
  return f32x4.add(f32x4.mul(a, b), c);
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
  const shifted = i64x2.add(a, i64x2.splat(SPLIT_OFFSET));
  const exponentBits = i64x2.add(i64x2.shr_u(shifted, EXPONENT_SHIFT), i64x2.splat(ROUNDER_BITS - EXPONENT_BIAS));
  const k = f64x2.sub(exponentBits, f64x2.splat(ROUNDER));
  const m = i64x2.add(v128.and(shifted, i64x2.splat(MANTISSA_BITS)), i64x2.splat(SQRT_HALF_BITS));
  const s = f64x2.div(f64x2.sub(m, f64x2.splat(1)), f64x2.add(m, f64x2.splat(1)));
  // ln m = 2 artanh s = 2 (s + s^3/3 + s^5/5 + ...), |s| <= 0.172; the coefficients carry 2 / ln 2.
  const z = f64x2.mul(s, s);
  let p = madd64(f64x2.splat(0.19235933878519512), z, f64x2.splat(0.22195308321368668));
  p = madd64(p, z, f64x2.splat(0.26230818925253879));
  p = madd64(p, z, f64x2.splat(0.32059889797532519));
  p = madd64(p, z, f64x2.splat(0.41219858311113239));
  p = madd64(p, z, f64x2.splat(0.57707801635558531));
  p = madd64(p, z, f64x2.splat(0.96179669392597555));
  p = madd64(p, z, f64x2.splat(2.8853900817779268));
  const result = madd64(p, s, k);
  const notZero = v128.bitselect(f64x2.splat(-Infinity), result, f64x2.eq(a, f64x2.splat(0)));
  return v128.bitselect(notZero, a, f64x2.lt(a, f64x2.splat(Infinity)));
}

/** 2^t of two float64, far enough beyond the range of float32 that rounding to it decides over- and underflow. */
// @ts-ignore: decorator
@inline
function exp2Of(t: v128): v128 {
  const limited = f64x2.pmin(f64x2.pmax(t, f64x2.splat(-200)), f64x2.splat(200));
  const rounded = f64x2.add(limited, f64x2.splat(ROUNDER));
  const r = f64x2.sub(limited, f64x2.sub(rounded, f64x2.splat(ROUNDER)));
  // Taylor: (ln 2)^k / k!, |r| <= 1/2, next term below 2^-37.
  let p = madd64(f64x2.splat(1.3215486790144309e-6), r, f64x2.splat(1.5252733804059841e-5));
  p = madd64(p, r, f64x2.splat(1.5403530393381608e-4));
  p = madd64(p, r, f64x2.splat(1.3333558146428443e-3));
  p = madd64(p, r, f64x2.splat(9.6181291076284769e-3));
  p = madd64(p, r, f64x2.splat(5.5504108664821580e-2));
  p = madd64(p, r, f64x2.splat(0.24022650695910072));
  p = madd64(p, r, f64x2.splat(0.69314718055994531));
  p = madd64(p, r, f64x2.splat(1));
  // The rounder's own bits leave at the top of the shift.
  return f64x2.mul(p, i64x2.shl(i64x2.add(rounded, i64x2.splat(EXPONENT_BIAS)), EXPONENT_SHIFT));
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
 * 24 bits of b is exact, until less than b is left.
 */
// @ts-ignore: decorator
@inline
function remainderOfSizes(a: v128, b: v128): v128 {
  let rest = a;
  do {
    const quotient = v128.and(f64x2.trunc(f64x2.div(rest, b)), i64x2.splat(QUOTIENT_BITS));
    const next = f64x2.sub(rest, f64x2.mul(quotient, b));
    rest = v128.bitselect(rest, next, f64x2.lt(f64x2.abs(rest), b));
  } while (v128.any_true(f64x2.ge(f64x2.abs(rest), b)));
  // The division may have rounded up to the next whole number.
  return f64x2.add(rest, v128.and(b, f64x2.lt(rest, f64x2.splat(0))));
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
