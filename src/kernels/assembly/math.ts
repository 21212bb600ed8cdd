// Elementary functions of four float32, inlined into the kernels that use them.
//
// Every function reduces its range and evaluates a polynomial with `madd`, so one arithmetic gives one result on every
// engine; `Math.*` differs between engines in the last bit. Each is within 2 ulp of the exact value where that is a
// normal number, and within 1.2e-38 of it below, in both arithmetics (test/pure/math.test.ts measures it). The
// polynomials are fitted by scripts/fit-elementary.py; those of log are FreeBSD's (msun, e_logf.c).
import { madd, nmadd } from './simd';

export { cos4, floorDiv4, floorMod4, pow4, sin4 } from './math64';

const LOG2_E: f32 = 1.4426950408889634;
/** ln 2 in two pieces: the first has 10 bits, so that its product with an exponent is exact without fusing. */
const LN2_HIGH: f32 = 0.693359375;
const LN2_LOW: f32 = -2.12194440e-4;
/** Adding 1.5 * 2^23 to |x| < 2^22 leaves round(x) in the low bits of the sum. */
const ROUNDER: f32 = 12582912;
const ROUNDER_BITS: i32 = 0x4b400000;

const SIGN_BITS: i32 = 0x80000000;
const MANTISSA_BITS: i32 = 0x007fffff;
const EXPONENT_SHIFT: i32 = 23;
const EXPONENT_BIAS: i32 = 127;
const SMALLEST_NORMAL: f32 = 1.17549435e-38;
/** The bits of sqrt(1/2), where log splits a number into exponent and mantissa. */
const SQRT_HALF_BITS: i32 = 0x3f3504f3;
/** Bits of 1 minus bits of sqrt(1/2). */
const SPLIT_OFFSET: i32 = 0x004afb0d;

// @ts-ignore: decorator
@inline
export function splat(value: f32): v128 {
  return f32x4.splat(value);
}

// @ts-ignore: decorator
@inline
export function abs4(x: v128): v128 {
  return v128.andnot(x, i32x4.splat(SIGN_BITS));
}

/** 1 where a comparison held, else 0. */
// @ts-ignore: decorator
@inline
export function one4(mask: v128): v128 {
  return v128.and(mask, splat(1));
}

/** All bits set where x is neither 0 nor NaN: what is true as a condition in JavaScript. */
// @ts-ignore: decorator
@inline
export function truthy4(x: v128): v128 {
  return f32x4.gt(abs4(x), splat(0));
}

/** The magnitude of the first with the sign of the second. */
// @ts-ignore: decorator
@inline
function withSignOf(magnitude: v128, sign: v128): v128 {
  return v128.bitselect(sign, magnitude, i32x4.splat(SIGN_BITS));
}

/** min(max(x, low), high); unlike f32x4.min and max one instruction each, and NaN stays NaN. */
// @ts-ignore: decorator
@inline
export function bounded(x: v128, low: f32, high: f32): v128 {
  return f32x4.pmin(f32x4.pmax(x, splat(low)), splat(high));
}

/** 2^n for whole n in -126..127, given as integers. */
// @ts-ignore: decorator
@inline
function powerOfTwo(n: v128): v128 {
  return i32x4.shl(i32x4.add(n, i32x4.splat(EXPONENT_BIAS)), EXPONENT_SHIFT);
}

/** (e^r - 1 - r) / r^2 for |r| <= ln 2 / 2. */
// @ts-ignore: decorator
@inline
function expTail(r: v128): v128 {
  let q = madd(splat(1.9845885e-4), r, splat(1.394072e-3));
  q = madd(q, r, splat(8.33339e-3));
  q = madd(q, r, splat(4.166636e-2));
  q = madd(q, r, splat(0.16666666));
  return madd(q, r, splat(0.5));
}

/** e^x. */
// @ts-ignore: decorator
@inline
export function exp4(x: v128): v128 {
  const limited = bounded(x, -104, 89);
  const rounded = madd(limited, splat(LOG2_E), splat(ROUNDER));
  const n = f32x4.sub(rounded, splat(ROUNDER));
  const r = nmadd(n, splat(LN2_LOW), nmadd(n, splat(LN2_HIGH), limited));
  const mantissa = f32x4.add(madd(f32x4.mul(r, r), expTail(r), r), splat(1));
  // In two factors: 2^128 is no float32, and below 2^-126 the second one rounds into the denormals.
  const exponent = i32x4.sub(rounded, i32x4.splat(ROUNDER_BITS));
  const half = i32x4.shr_s(exponent, 1);
  return f32x4.mul(f32x4.mul(mantissa, powerOfTwo(half)), powerOfTwo(i32x4.sub(exponent, half)));
}

/** e^x - 1, accurate near 0. */
// @ts-ignore: decorator
@inline
export function expm14(x: v128): v128 {
  const limited = bounded(x, -18, 89);
  const rounded = madd(limited, splat(LOG2_E), splat(ROUNDER));
  const n = f32x4.sub(rounded, splat(ROUNDER));
  const high = nmadd(n, splat(LN2_HIGH), limited);
  const low = f32x4.mul(n, splat(LN2_LOW));
  const r = f32x4.sub(high, low);
  const lost = f32x4.sub(f32x4.sub(high, r), low);
  const small = f32x4.add(madd(f32x4.mul(r, r), expTail(r), lost), r);
  // 2^n (1 + small) - 1 at half size, because 2^128 is no float32; exact for n = 0.
  const half = powerOfTwo(i32x4.sub(rounded, i32x4.splat(ROUNDER_BITS + 1)));
  const result = madd(small, half, f32x4.sub(half, splat(0.5)));
  return withSignOf(f32x4.add(result, result), x);
}

/** ln(2^k (1 + f)) for sqrt(1/2) <= 1 + f < sqrt(2); `lost` is added on the way. */
// @ts-ignore: decorator
@inline
function logOfParts(f: v128, k: v128, lost: v128): v128 {
  const s = f32x4.div(f, f32x4.add(f, splat(2)));
  const z = f32x4.mul(s, s);
  const w = f32x4.mul(z, z);
  const odd = f32x4.mul(w, madd(w, splat(0.24279079), splat(0.40000972)));
  const even = f32x4.mul(z, madd(w, splat(0.28498787), splat(0.66666663)));
  const halfSquare = f32x4.mul(f32x4.mul(f, f), splat(0.5));
  const tail = madd(s, f32x4.add(f32x4.add(odd, even), halfSquare), madd(k, splat(LN2_LOW), lost));
  return madd(k, splat(LN2_HIGH), f32x4.add(f32x4.sub(tail, halfSquare), f));
}

/** What a logarithm of `u` must be where u is not positive and finite: NaN, -Infinity at 0, u itself at Infinity and NaN. */
// @ts-ignore: decorator
@inline
function withLogLimits(result: v128, u: v128): v128 {
  const atLeastZero = v128.bitselect(splat(-Infinity), splat(NaN), f32x4.eq(u, splat(0)));
  const finite = v128.bitselect(result, u, f32x4.lt(u, splat(Infinity)));
  return v128.bitselect(finite, atLeastZero, v128.or(f32x4.gt(u, splat(0)), f32x4.ne(u, u)));
}

/** The natural logarithm. */
// @ts-ignore: decorator
@inline
export function log4(x: v128): v128 {
  const isDenormal = f32x4.lt(x, splat(SMALLEST_NORMAL));
  const scaled = v128.bitselect(f32x4.mul(x, splat(8388608)), x, isDenormal);
  const shifted = i32x4.add(scaled, i32x4.splat(SPLIT_OFFSET));
  const exponent = i32x4.sub(i32x4.shr_s(shifted, EXPONENT_SHIFT), i32x4.splat(EXPONENT_BIAS));
  const k = f32x4.sub(f32x4.convert_i32x4_s(exponent), v128.and(isDenormal, splat(23)));
  const mantissa = i32x4.add(v128.and(shifted, i32x4.splat(MANTISSA_BITS)), i32x4.splat(SQRT_HALF_BITS));
  return withLogLimits(logOfParts(f32x4.sub(mantissa, splat(1)), k, splat(0)), x);
}

/** ln(1 + x), accurate near 0. */
// @ts-ignore: decorator
@inline
export function log1p4(x: v128): v128 {
  const u = f32x4.add(x, splat(1));
  const shifted = i32x4.add(u, i32x4.splat(SPLIT_OFFSET));
  const exponent = i32x4.sub(i32x4.shr_s(shifted, EXPONENT_SHIFT), i32x4.splat(EXPONENT_BIAS));
  const mantissa = i32x4.add(v128.and(shifted, i32x4.splat(MANTISSA_BITS)), i32x4.splat(SQRT_HALF_BITS));
  // What 1 + x lost in rounding (Knuth's two-sum), brought back as its share of u; near 0 x itself is the mantissa.
  const xBack = f32x4.sub(u, splat(1));
  const lost = f32x4.add(f32x4.sub(splat(1), f32x4.sub(u, xBack)), f32x4.sub(x, xBack));
  const isNear = i32x4.eq(exponent, i32x4.splat(0));
  const f = v128.bitselect(x, f32x4.sub(mantissa, splat(1)), isNear);
  const correction = v128.andnot(f32x4.div(lost, u), isNear);
  const result = withLogLimits(logOfParts(f, f32x4.convert_i32x4_s(exponent), correction), u);
  return withSignOf(result, x);
}

/** ln(1 + e^x) = max(x, 0) + ln(1 + e^-|x|), which neither overflows nor cancels. */
// @ts-ignore: decorator
@inline
export function softplus4(x: v128): v128 {
  const negative = v128.or(x, i32x4.splat(SIGN_BITS));
  return f32x4.add(f32x4.pmax(x, splat(0)), log1p4(exp4(negative)));
}

/** 1 / (1 + e^-x), as e^x / (1 + e^x) for negative x so that nothing overflows. */
// @ts-ignore: decorator
@inline
export function sigmoid4(x: v128): v128 {
  const e = exp4(v128.or(x, i32x4.splat(SIGN_BITS)));
  const numerator = v128.bitselect(e, splat(1), f32x4.lt(x, splat(0)));
  const denominator = f32x4.add(e, splat(1));
  const quotient = f32x4.div(numerator, denominator);
  // What the denominator, in 1..2, lost in rounding, times a line near its reciprocal: without it the error passes 2 ulp.
  const lost = f32x4.sub(e, f32x4.sub(denominator, splat(1)));
  const reciprocal = nmadd(denominator, splat(0.5), splat(1.457));
  return nmadd(f32x4.mul(lost, reciprocal), quotient, quotient);
}

/** The hyperbolic tangent: an odd polynomial below 0.625, 1 - 2 / (e^2|x| + 1) above. */
// @ts-ignore: decorator
@inline
export function tanh4(x: v128): v128 {
  const size = abs4(x);
  const z = f32x4.mul(x, x);
  let p = madd(splat(2.092841e-3), z, splat(-8.1231e-3));
  p = madd(p, z, splat(2.1678988e-2));
  p = madd(p, z, splat(-5.3942855e-2));
  p = madd(p, z, splat(0.13333176));
  p = madd(p, z, splat(-0.3333333));
  const near = madd(f32x4.mul(p, z), size, size);
  const e = exp4(f32x4.add(size, size));
  const far = f32x4.sub(splat(1), f32x4.div(splat(2), f32x4.add(e, splat(1))));
  return withSignOf(v128.bitselect(near, far, f32x4.lt(size, splat(0.625))), x);
}

/** The error function: an odd polynomial below 0.93, 1 - e^(a polynomial for ln erfc) above. */
// @ts-ignore: decorator
@inline
export function erf4(x: v128): v128 {
  const size = f32x4.pmin(abs4(x), splat(4));
  const z = f32x4.mul(size, size);
  let p = madd(splat(8.316775e-5), z, splat(-8.1300124e-4));
  p = madd(p, z, splat(5.199907e-3));
  p = madd(p, z, splat(-2.685894e-2));
  p = madd(p, z, splat(0.112836875));
  p = madd(p, z, splat(-0.37612632));
  p = madd(p, z, splat(0.12837917));
  const near = madd(p, size, size);
  let q = madd(splat(-4.9382606e-6), size, splat(4.5581735e-5));
  q = madd(q, size, splat(4.958401e-5));
  q = madd(q, size, splat(-2.9301501e-3));
  q = madd(q, size, splat(2.2674127e-2));
  q = madd(q, size, splat(-0.10526269));
  q = madd(q, size, splat(-0.6356253));
  q = madd(q, size, splat(-1.1285517));
  const far = f32x4.sub(splat(1), exp4(f32x4.mul(q, size)));
  return withSignOf(v128.bitselect(near, far, f32x4.lt(size, splat(0.93))), x);
}
