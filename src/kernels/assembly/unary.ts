// Kernels of one operand: name(x, out, floatCount) over whole vectors, pads included; in place allowed (out may be x).
// Values and limits are those of tfjs-cpu, with -0 where IEEE 754 gives it.
import { VECTOR_BYTES } from './simd';
import { cos4, erf4, exp4, expm14, log1p4, log4, sigmoid4, sin4, softplus4, tanh4 } from './math';
import { bounded, one4, splat, truthy4 } from './vectors';

const SELU_SCALE: f32 = 1.0507009873554805;
/** scale * alpha, alpha = 1.6732632423543772 (Klambauer et al., Self-Normalizing Neural Networks). */
const SELU_SCALE_ALPHA: f32 = 1.7580993408473768;

// Each class is an operation on one vector and is never instantiated: `each<Exp>` compiles to a loop of its own.
class Abs { @inline on(x: v128): v128 { return f32x4.abs(x); } }
class Neg { @inline on(x: v128): v128 { return f32x4.neg(x); } }
class Exp { @inline on(x: v128): v128 { return exp4(x); } }
class Expm1 { @inline on(x: v128): v128 { return expm14(x); } }
class Log { @inline on(x: v128): v128 { return log4(x); } }
class Log1p { @inline on(x: v128): v128 { return log1p4(x); } }
class Sqrt { @inline on(x: v128): v128 { return f32x4.sqrt(x); } }
class Rsqrt { @inline on(x: v128): v128 { return f32x4.div(splat(1), f32x4.sqrt(x)); } }
class Square { @inline on(x: v128): v128 { return f32x4.mul(x, x); } }
class Reciprocal { @inline on(x: v128): v128 { return f32x4.div(splat(1), x); } }
class Sign { @inline on(x: v128): v128 { return f32x4.sub(one4(f32x4.gt(x, splat(0))), one4(f32x4.lt(x, splat(0)))); } }
class Floor { @inline on(x: v128): v128 { return f32x4.floor(x); } }
class Ceil { @inline on(x: v128): v128 { return f32x4.ceil(x); } }
class Round { @inline on(x: v128): v128 { return f32x4.nearest(x); } }
class Relu { @inline on(x: v128): v128 { return relu4(x); } }
class Relu6 { @inline on(x: v128): v128 { return f32x4.pmin(relu4(x), splat(6)); } }
class Elu { @inline on(x: v128): v128 { return v128.bitselect(expm14(x), x, f32x4.lt(x, splat(0))); } }
class Sigmoid { @inline on(x: v128): v128 { return sigmoid4(x); } }
class Tanh { @inline on(x: v128): v128 { return tanh4(x); } }
class Softplus { @inline on(x: v128): v128 { return softplus4(x); } }
class Erf { @inline on(x: v128): v128 { return erf4(x); } }
class Sin { @inline on(x: v128): v128 { return sin4(x); } }
class Cos { @inline on(x: v128): v128 { return cos4(x); } }
class LogicalNot { @inline on(x: v128): v128 { return v128.andnot(splat(1), truthy4(x)); } }
class IsNan { @inline on(x: v128): v128 { return one4(f32x4.ne(x, x)); } }
class IsInf { @inline on(x: v128): v128 { return one4(f32x4.eq(f32x4.abs(x), splat(Infinity))); } }
class IsFinite { @inline on(x: v128): v128 { return one4(f32x4.lt(f32x4.abs(x), splat(Infinity))); } }

class Selu {
  @inline on(x: v128): v128 {
    const negative = f32x4.mul(expm14(x), splat(SELU_SCALE_ALPHA));
    return v128.bitselect(negative, f32x4.mul(x, splat(SELU_SCALE)), f32x4.lt(x, splat(0)));
  }
}

class TruncateToInt {
  @inline on(x: v128): v128 {
    const finite = v128.and(x, f32x4.lt(f32x4.abs(x), splat(Infinity)));
    return f32x4.add(f32x4.trunc(finite), splat(0));
  }
}

class LeakyRelu {
  @inline on(x: v128, alpha: v128): v128 {
    return v128.bitselect(f32x4.mul(x, alpha), x, f32x4.lt(x, splat(0)));
  }
}

class Step {
  @inline on(x: v128, alpha: v128): v128 {
    const number = v128.bitselect(splat(1), alpha, f32x4.gt(x, splat(0)));
    return v128.bitselect(number, x, f32x4.eq(x, x));
  }
}

/** Math.max(0, x): NaN stays NaN and -0 becomes 0. */
// @ts-ignore: decorator
@inline
function relu4(x: v128): v128 {
  return f32x4.add(f32x4.pmax(x, splat(0)), splat(0));
}

// @ts-ignore: decorator
@inline
function each<T>(x: usize, out: usize, floatCount: i32): void {
  const end = x + (<usize>floatCount << 2);
  while (x < end) {
    v128.store(out, changetype<T>(0).on(v128.load(x)));
    x += VECTOR_BYTES;
    out += VECTOR_BYTES;
  }
}

/** As `each`, for an operation with one parameter. */
// @ts-ignore: decorator
@inline
function eachWith<T>(x: usize, out: usize, floatCount: i32, parameter: f32): void {
  const end = x + (<usize>floatCount << 2);
  const p = splat(parameter);
  while (x < end) {
    v128.store(out, changetype<T>(0).on(v128.load(x), p));
    x += VECTOR_BYTES;
    out += VECTOR_BYTES;
  }
}

export function abs(x: usize, out: usize, floatCount: i32): void { each<Abs>(x, out, floatCount); }
export function neg(x: usize, out: usize, floatCount: i32): void { each<Neg>(x, out, floatCount); }
export function exp(x: usize, out: usize, floatCount: i32): void { each<Exp>(x, out, floatCount); }
export function expm1(x: usize, out: usize, floatCount: i32): void { each<Expm1>(x, out, floatCount); }
export function log(x: usize, out: usize, floatCount: i32): void { each<Log>(x, out, floatCount); }
export function log1p(x: usize, out: usize, floatCount: i32): void { each<Log1p>(x, out, floatCount); }
export function sqrt(x: usize, out: usize, floatCount: i32): void { each<Sqrt>(x, out, floatCount); }
export function rsqrt(x: usize, out: usize, floatCount: i32): void { each<Rsqrt>(x, out, floatCount); }
export function square(x: usize, out: usize, floatCount: i32): void { each<Square>(x, out, floatCount); }
export function reciprocal(x: usize, out: usize, floatCount: i32): void { each<Reciprocal>(x, out, floatCount); }
/** -1, 0 or 1; 0 for NaN, as tfjs-cpu. */
export function sign(x: usize, out: usize, floatCount: i32): void { each<Sign>(x, out, floatCount); }
export function floor(x: usize, out: usize, floatCount: i32): void { each<Floor>(x, out, floatCount); }
export function ceil(x: usize, out: usize, floatCount: i32): void { each<Ceil>(x, out, floatCount); }
/** To the nearest whole number, half to even. */
export function round(x: usize, out: usize, floatCount: i32): void { each<Round>(x, out, floatCount); }
export function relu(x: usize, out: usize, floatCount: i32): void { each<Relu>(x, out, floatCount); }
export function relu6(x: usize, out: usize, floatCount: i32): void { each<Relu6>(x, out, floatCount); }
/** x, or e^x - 1 below 0. */
export function elu(x: usize, out: usize, floatCount: i32): void { each<Elu>(x, out, floatCount); }
export function selu(x: usize, out: usize, floatCount: i32): void { each<Selu>(x, out, floatCount); }
export function sigmoid(x: usize, out: usize, floatCount: i32): void { each<Sigmoid>(x, out, floatCount); }
export function tanh(x: usize, out: usize, floatCount: i32): void { each<Tanh>(x, out, floatCount); }
export function softplus(x: usize, out: usize, floatCount: i32): void { each<Softplus>(x, out, floatCount); }
export function erf(x: usize, out: usize, floatCount: i32): void { each<Erf>(x, out, floatCount); }
export function sin(x: usize, out: usize, floatCount: i32): void { each<Sin>(x, out, floatCount); }
export function cos(x: usize, out: usize, floatCount: i32): void { each<Cos>(x, out, floatCount); }
/** 1 where x is 0 or NaN, else 0. */
export function logicalNot(x: usize, out: usize, floatCount: i32): void { each<LogicalNot>(x, out, floatCount); }
export function isNan(x: usize, out: usize, floatCount: i32): void { each<IsNan>(x, out, floatCount); }
export function isInf(x: usize, out: usize, floatCount: i32): void { each<IsInf>(x, out, floatCount); }
export function isFinite(x: usize, out: usize, floatCount: i32): void { each<IsFinite>(x, out, floatCount); }
/** Cast of a float to a whole number: towards 0, never -0; 0 for NaN and infinities. Beyond 2^31 it does not wrap. */
export function truncateToInt(x: usize, out: usize, floatCount: i32): void { each<TruncateToInt>(x, out, floatCount); }

/** x, or alpha * x below 0. */
export function leakyRelu(x: usize, out: usize, floatCount: i32, alpha: f32): void {
  eachWith<LeakyRelu>(x, out, floatCount, alpha);
}

/** 1 above 0, NaN at NaN, else alpha. */
export function step(x: usize, out: usize, floatCount: i32, alpha: f32): void {
  eachWith<Step>(x, out, floatCount, alpha);
}

/** x kept within low..high; NaN stays NaN. */
export function clip(x: usize, out: usize, floatCount: i32, low: f32, high: f32): void {
  const end = x + (<usize>floatCount << 2);
  const lowest = splat(low);
  const highest = splat(high);
  while (x < end) {
    v128.store(out, bounded(v128.load(x), lowest, highest));
    x += VECTOR_BYTES;
    out += VECTOR_BYTES;
  }
}
