// Elementary functions of four float32, inlined into the kernels that use them.
//
// Every function reduces its range and evaluates a polynomial with `madd`, so one arithmetic gives one result on every
// engine; `Math.*` differs between engines in the last bit. Each is within 2 ulp of the exact value where that is a
// normal number, and within 1.2e-38 of it below, in both arithmetics (test/pure/math.test.ts measures it). The
// polynomials are fitted by scripts/fit-elementary.py; those of log are FreeBSD's (msun, e_logf.c).
import { madd, nmadd } from './simd';
import { polynomial1, polynomial5, polynomial6, polynomial7 } from './polynomials';
import { bounded, lanes, splat } from './vectors';

export { cos4, floorDiv4, floorMod4, pow4, sin4 } from './math64';

// Numbers are addresses of constants (see `lanes`), polynomials lists of coefficients from the constant term on.
const HALF = memory.data<f32>([0.5]);
const ONE = memory.data<f32>([1]);
const TWO = memory.data<f32>([2]);
const INFINITE = memory.data<f32>([Infinity]);
const LOG2_E = memory.data<f32>([1.4426950408889634]);
/** ln 2 in two pieces: the first has 10 bits, so that its product with an exponent is exact without fusing. */
const LN2_HIGH = memory.data<f32>([0.693359375]);
const LN2_LOW = memory.data<f32>([-2.12194440e-4]);
/** Adding 1.5 * 2^23 to |x| < 2^22 leaves round(x) in the low bits of the sum. */
const ROUNDER = memory.data<f32>([12582912]);
/** The bits of the rounder, plus 1. */
const ROUNDER_AND_ONE = memory.data<i32>([0x4b400001]);

const SIGN_BITS = memory.data<u32>([0x80000000]);
const MANTISSA_BITS = memory.data<i32>([0x007fffff]);
const EXPONENT_SHIFT: i32 = 23;
const EXPONENT_BIAS = memory.data<i32>([127]);
/** The bits of sqrt(1/2), where log splits a number into exponent and mantissa, and how far those of 1 are above. */
const SQRT_HALF_BITS = memory.data<i32>([0x3f3504f3]);
const SPLIT_OFFSET = memory.data<i32>([0x004afb0d]);

/** Where e^x is 0 or Infinity for certain, and where e^x - 1 is -1. */
const EXP_LOWEST = memory.data<f32>([-104]);
const EXPM1_LOWEST = memory.data<f32>([-18]);
const EXP_HIGHEST = memory.data<f32>([89]);
const SMALLEST_NORMAL = memory.data<f32>([1.17549435e-38]);
const DENORMAL_SCALE = memory.data<f32>([8388608]);
const DENORMAL_SCALE_LOG2 = memory.data<f32>([23]);
const TANH_SPLIT = memory.data<f32>([0.625]);
const ERF_SPLIT = memory.data<f32>([0.93]);
const ERF_HIGHEST = memory.data<f32>([4]);

/** (e^r - 1 - r) / r^2 for |r| <= ln 2 / 2. */
const EXP_TAIL = memory.data<f32>([0.5, 0.16666666, 4.166636e-2, 8.33339e-3, 1.394072e-3, 1.9845885e-4]);
const LOG_EVEN = memory.data<f32>([0.66666663, 0.28498787]);
const LOG_ODD = memory.data<f32>([0.40000972, 0.24279079]);
const TANH_NEAR = memory.data<f32>([-0.3333333, 0.13333176, -5.3942855e-2, 2.1678988e-2, -8.1231e-3, 2.092841e-3]);
const ERF_NEAR = memory.data<f32>([
  0.12837917, -0.37612632, 0.112836875, -2.685894e-2, 5.199907e-3, -8.1300124e-4, 8.316775e-5,
]);
const ERFC_LOG = memory.data<f32>([
  -1.1285517, -0.6356253, -0.10526269, 2.2674127e-2, -2.9301501e-3, 4.958401e-5, 4.5581735e-5, -4.9382606e-6,
]);
/** A line near 1 / d for d in 1..2. */
const RECIPROCAL_LINE = memory.data<f32>([1.457, -0.5]);

/** The magnitude of the first with the sign of the second. */
// @ts-ignore: decorator
@inline
function withSignOf(magnitude: v128, sign: v128): v128 {
  return v128.bitselect(sign, magnitude, lanes(SIGN_BITS));
}

/** 2^n for whole n in -126..127, given as integers. */
// @ts-ignore: decorator
@inline
function powerOfTwo(n: v128): v128 {
  return i32x4.shl(i32x4.add(n, lanes(EXPONENT_BIAS)), EXPONENT_SHIFT);
}

/** e^x. */
// @ts-ignore: decorator
@inline
export function exp4(x: v128): v128 {
  const limited = bounded(x, lanes(EXP_LOWEST), lanes(EXP_HIGHEST));
  const rounded = madd(limited, lanes(LOG2_E), lanes(ROUNDER));
  const n = f32x4.sub(rounded, lanes(ROUNDER));
  const r = nmadd(n, lanes(LN2_LOW), nmadd(n, lanes(LN2_HIGH), limited));
  const mantissa = f32x4.add(madd(f32x4.mul(r, r), polynomial5(EXP_TAIL, r), r), lanes(ONE));
  // In two factors: 2^128 is no float32, and below 2^-126 the second one rounds into the denormals.
  const exponent = i32x4.sub(rounded, lanes(ROUNDER));
  const half = i32x4.shr_s(exponent, 1);
  return f32x4.mul(f32x4.mul(mantissa, powerOfTwo(half)), powerOfTwo(i32x4.sub(exponent, half)));
}

/** e^x - 1, accurate near 0. */
// @ts-ignore: decorator
@inline
export function expm14(x: v128): v128 {
  const limited = bounded(x, lanes(EXPM1_LOWEST), lanes(EXP_HIGHEST));
  const rounded = madd(limited, lanes(LOG2_E), lanes(ROUNDER));
  const n = f32x4.sub(rounded, lanes(ROUNDER));
  const high = nmadd(n, lanes(LN2_HIGH), limited);
  const low = f32x4.mul(n, lanes(LN2_LOW));
  const r = f32x4.sub(high, low);
  const lost = f32x4.sub(f32x4.sub(high, r), low);
  const small = f32x4.add(madd(f32x4.mul(r, r), polynomial5(EXP_TAIL, r), lost), r);
  // 2^n (1 + small) - 1 at half size, because 2^128 is no float32; exact for n = 0.
  const half = powerOfTwo(i32x4.sub(rounded, lanes(ROUNDER_AND_ONE)));
  const result = madd(small, half, f32x4.sub(half, lanes(HALF)));
  return withSignOf(f32x4.add(result, result), x);
}

/** ln(2^k (1 + f)) for sqrt(1/2) <= 1 + f < sqrt(2); `lost` is added on the way. */
// @ts-ignore: decorator
@inline
function logOfParts(f: v128, k: v128, lost: v128): v128 {
  const s = f32x4.div(f, f32x4.add(f, lanes(TWO)));
  const z = f32x4.mul(s, s);
  const w = f32x4.mul(z, z);
  const odd = f32x4.mul(w, polynomial1(LOG_ODD, w));
  const even = f32x4.mul(z, polynomial1(LOG_EVEN, w));
  const halfSquare = f32x4.mul(f32x4.mul(f, f), lanes(HALF));
  const tail = madd(s, f32x4.add(f32x4.add(odd, even), halfSquare), madd(k, lanes(LN2_LOW), lost));
  return madd(k, lanes(LN2_HIGH), f32x4.add(f32x4.sub(tail, halfSquare), f));
}

/** Where u is not positive and finite, its logarithm is NaN, -Infinity at 0, and u itself at Infinity and NaN. */
// @ts-ignore: decorator
@inline
function withLogLimits(result: v128, u: v128): v128 {
  const atLeastZero = v128.bitselect(splat(-Infinity), splat(NaN), f32x4.eq(u, splat(0)));
  const finite = v128.bitselect(result, u, f32x4.lt(u, lanes(INFINITE)));
  return v128.bitselect(finite, atLeastZero, v128.or(f32x4.gt(u, splat(0)), f32x4.ne(u, u)));
}

/** The natural logarithm. */
// @ts-ignore: decorator
@inline
export function log4(x: v128): v128 {
  const isDenormal = f32x4.lt(x, lanes(SMALLEST_NORMAL));
  const scaled = v128.bitselect(f32x4.mul(x, lanes(DENORMAL_SCALE)), x, isDenormal);
  const shifted = i32x4.add(scaled, lanes(SPLIT_OFFSET));
  const exponent = i32x4.sub(i32x4.shr_s(shifted, EXPONENT_SHIFT), lanes(EXPONENT_BIAS));
  const k = f32x4.sub(f32x4.convert_i32x4_s(exponent), v128.and(isDenormal, lanes(DENORMAL_SCALE_LOG2)));
  const mantissa = i32x4.add(v128.and(shifted, lanes(MANTISSA_BITS)), lanes(SQRT_HALF_BITS));
  return withLogLimits(logOfParts(f32x4.sub(mantissa, lanes(ONE)), k, splat(0)), x);
}

/** ln(1 + x), accurate near 0. */
// @ts-ignore: decorator
@inline
export function log1p4(x: v128): v128 {
  const u = f32x4.add(x, lanes(ONE));
  const shifted = i32x4.add(u, lanes(SPLIT_OFFSET));
  const exponent = i32x4.sub(i32x4.shr_s(shifted, EXPONENT_SHIFT), lanes(EXPONENT_BIAS));
  const mantissa = i32x4.add(v128.and(shifted, lanes(MANTISSA_BITS)), lanes(SQRT_HALF_BITS));
  // What 1 + x lost in rounding (Knuth's two-sum), brought back as its share of u; near 0 x itself is the mantissa.
  const xBack = f32x4.sub(u, lanes(ONE));
  const lost = f32x4.add(f32x4.sub(lanes(ONE), f32x4.sub(u, xBack)), f32x4.sub(x, xBack));
  const isNear = i32x4.eq(exponent, splat(0));
  const f = v128.bitselect(x, f32x4.sub(mantissa, lanes(ONE)), isNear);
  const correction = v128.andnot(f32x4.div(lost, u), isNear);
  const result = withLogLimits(logOfParts(f, f32x4.convert_i32x4_s(exponent), correction), u);
  return withSignOf(result, x);
}

/** ln(1 + e^x) = max(x, 0) + ln(1 + e^-|x|), which neither overflows nor cancels. */
// @ts-ignore: decorator
@inline
export function softplus4(x: v128): v128 {
  const negative = v128.or(x, lanes(SIGN_BITS));
  return f32x4.add(f32x4.pmax(x, splat(0)), log1p4(exp4(negative)));
}

/** 1 / (1 + e^-x), as e^x / (1 + e^x) for negative x so that nothing overflows. */
// @ts-ignore: decorator
@inline
export function sigmoid4(x: v128): v128 {
  const e = exp4(v128.or(x, lanes(SIGN_BITS)));
  const numerator = v128.bitselect(e, lanes(ONE), f32x4.lt(x, splat(0)));
  const denominator = f32x4.add(e, lanes(ONE));
  const quotient = f32x4.div(numerator, denominator);
  // What the denominator lost in rounding, over it (it is in 1..2, a line will do): without this the error passes 2 ulp.
  const lost = f32x4.sub(e, f32x4.sub(denominator, lanes(ONE)));
  const reciprocal = polynomial1(RECIPROCAL_LINE, denominator);
  return nmadd(f32x4.mul(lost, reciprocal), quotient, quotient);
}

/** The hyperbolic tangent: an odd polynomial below 0.625, 1 - 2 / (e^2|x| + 1) above. */
// @ts-ignore: decorator
@inline
export function tanh4(x: v128): v128 {
  const size = f32x4.abs(x);
  const z = f32x4.mul(x, x);
  const near = madd(f32x4.mul(polynomial5(TANH_NEAR, z), z), size, size);
  const e = exp4(f32x4.add(size, size));
  const far = f32x4.sub(lanes(ONE), f32x4.div(lanes(TWO), f32x4.add(e, lanes(ONE))));
  return withSignOf(v128.bitselect(near, far, f32x4.lt(size, lanes(TANH_SPLIT))), x);
}

/** The error function: an odd polynomial below 0.93, 1 - e^(a polynomial for ln erfc) above. */
// @ts-ignore: decorator
@inline
export function erf4(x: v128): v128 {
  const size = f32x4.pmin(f32x4.abs(x), lanes(ERF_HIGHEST));
  const z = f32x4.mul(size, size);
  const near = madd(polynomial6(ERF_NEAR, z), size, size);
  const far = f32x4.sub(lanes(ONE), exp4(f32x4.mul(polynomial7(ERFC_LOG, size), size)));
  return withSignOf(v128.bitselect(near, far, f32x4.lt(size, lanes(ERF_SPLIT))), x);
}
