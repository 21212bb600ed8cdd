// Kernels of two operands, and `select` of three, row by row.
//
// A row stride is in bytes; 0 gives every row the same block (a rowless operand). With its splat flag set, the first
// float of an operand's row stands for the whole row (a [rows, 1] operand beside a [rows, n] one).
// Comparisons and logic give 1 or 0. Values and limits are those of tfjs-cpu.
import { VECTOR_BYTES } from './simd';
import { floorDiv4, floorMod4, pow4 } from './math';
import { one4, splat, truthy4 } from './vectors';

// Each class is an operation on two vectors and is never instantiated: `rowwise<Add>` compiles to loops of its own.
class Add { @inline on(a: v128, b: v128): v128 { return f32x4.add(a, b); } }
class Sub { @inline on(a: v128, b: v128): v128 { return f32x4.sub(a, b); } }
class Multiply { @inline on(a: v128, b: v128): v128 { return f32x4.mul(a, b); } }
class RealDiv { @inline on(a: v128, b: v128): v128 { return f32x4.div(a, b); } }
class FloorDiv { @inline on(a: v128, b: v128): v128 { return floorDiv4(a, b); } }
class FloorMod { @inline on(a: v128, b: v128): v128 { return floorMod4(a, b); } }
class Maximum { @inline on(a: v128, b: v128): v128 { return f32x4.max(a, b); } }
class Minimum { @inline on(a: v128, b: v128): v128 { return f32x4.min(a, b); } }
class Pow { @inline on(a: v128, b: v128): v128 { return pow4(a, b); } }
class Equal { @inline on(a: v128, b: v128): v128 { return one4(f32x4.eq(a, b)); } }
class NotEqual { @inline on(a: v128, b: v128): v128 { return one4(f32x4.ne(a, b)); } }
class Greater { @inline on(a: v128, b: v128): v128 { return one4(f32x4.gt(a, b)); } }
class GreaterEqual { @inline on(a: v128, b: v128): v128 { return one4(f32x4.ge(a, b)); } }
class Less { @inline on(a: v128, b: v128): v128 { return one4(f32x4.lt(a, b)); } }
class LessEqual { @inline on(a: v128, b: v128): v128 { return one4(f32x4.le(a, b)); } }
class LogicalAnd { @inline on(a: v128, b: v128): v128 { return one4(v128.and(truthy4(a), truthy4(b))); } }
class LogicalOr { @inline on(a: v128, b: v128): v128 { return one4(v128.or(truthy4(a), truthy4(b))); } }

class SquaredDifference {
  @inline on(a: v128, b: v128): v128 {
    const difference = f32x4.sub(a, b);
    return f32x4.mul(difference, difference);
  }
}

class EluGrad {
  @inline on(dy: v128, y: v128): v128 {
    return v128.bitselect(dy, f32x4.mul(dy, f32x4.add(y, splat(1))), f32x4.ge(y, splat(0)));
  }
}

class Prelu {
  @inline on(x: v128, alpha: v128): v128 {
    return v128.bitselect(f32x4.mul(alpha, x), x, f32x4.lt(x, splat(0)));
  }
}

/** One row; the splat flags are constants here, so that the loop has no branch. */
// @ts-ignore: decorator
@inline
function row<T>(a: usize, aSplat: bool, b: usize, bSplat: bool, out: usize, end: usize): void {
  const aValue = v128.load32_splat(a);
  const bValue = v128.load32_splat(b);
  while (out < end) {
    v128.store(out, changetype<T>(0).on(aSplat ? aValue : v128.load(a), bSplat ? bValue : v128.load(b)));
    if (!aSplat) a += VECTOR_BYTES;
    if (!bSplat) b += VECTOR_BYTES;
    out += VECTOR_BYTES;
  }
}

// @ts-ignore: decorator
@inline
function rowwise<T>(
  a: usize, aRowStride: usize, aSplat: i32, b: usize, bRowStride: usize, bSplat: i32,
  out: usize, outRowStride: usize, rows: i32, floatsPerRow: i32,
): void {
  let rowBytes = (<usize>floatsPerRow * 4 + 15) & ~15;
  // Rows without gaps in any operand are one long row.
  if (!(aSplat | bSplat) && aRowStride == rowBytes && bRowStride == rowBytes && outRowStride == rowBytes) {
    rowBytes *= rows;
    rows = min(rows, 1);
  }
  for (let r = 0; r < rows; r++) {
    const end = out + rowBytes;
    if (aSplat) {
      if (bSplat) row<T>(a, true, b, true, out, end);
      else row<T>(a, true, b, false, out, end);
    } else {
      if (bSplat) row<T>(a, false, b, true, out, end);
      else row<T>(a, false, b, false, out, end);
    }
    a += aRowStride;
    b += bRowStride;
    out += outRowStride;
  }
}

export function add(
  a: usize, aStride: usize, aSplat: i32, b: usize, bStride: usize, bSplat: i32,
  out: usize, outStride: usize, rows: i32, floats: i32,
): void {
  rowwise<Add>(a, aStride, aSplat, b, bStride, bSplat, out, outStride, rows, floats);
}
export function sub(
  a: usize, aStride: usize, aSplat: i32, b: usize, bStride: usize, bSplat: i32,
  out: usize, outStride: usize, rows: i32, floats: i32,
): void {
  rowwise<Sub>(a, aStride, aSplat, b, bStride, bSplat, out, outStride, rows, floats);
}
export function multiply(
  a: usize, aStride: usize, aSplat: i32, b: usize, bStride: usize, bSplat: i32,
  out: usize, outStride: usize, rows: i32, floats: i32,
): void {
  rowwise<Multiply>(a, aStride, aSplat, b, bStride, bSplat, out, outStride, rows, floats);
}
export function realDiv(
  a: usize, aStride: usize, aSplat: i32, b: usize, bStride: usize, bSplat: i32,
  out: usize, outStride: usize, rows: i32, floats: i32,
): void {
  rowwise<RealDiv>(a, aStride, aSplat, b, bStride, bSplat, out, outStride, rows, floats);
}
/** floor(a / b), divided in float64 as tfjs-cpu does. */
export function floorDiv(
  a: usize, aStride: usize, aSplat: i32, b: usize, bStride: usize, bSplat: i32,
  out: usize, outStride: usize, rows: i32, floats: i32,
): void {
  rowwise<FloorDiv>(a, aStride, aSplat, b, bStride, bSplat, out, outStride, rows, floats);
}
/** The remainder with the sign of the divisor, exact for every quotient. */
export function floorMod(
  a: usize, aStride: usize, aSplat: i32, b: usize, bStride: usize, bSplat: i32,
  out: usize, outStride: usize, rows: i32, floats: i32,
): void {
  rowwise<FloorMod>(a, aStride, aSplat, b, bStride, bSplat, out, outStride, rows, floats);
}
/** NaN where either is NaN, as Math.max; minimum likewise. */
export function maximum(
  a: usize, aStride: usize, aSplat: i32, b: usize, bStride: usize, bSplat: i32,
  out: usize, outStride: usize, rows: i32, floats: i32,
): void {
  rowwise<Maximum>(a, aStride, aSplat, b, bStride, bSplat, out, outStride, rows, floats);
}
export function minimum(
  a: usize, aStride: usize, aSplat: i32, b: usize, bStride: usize, bSplat: i32,
  out: usize, outStride: usize, rows: i32, floats: i32,
): void {
  rowwise<Minimum>(a, aStride, aSplat, b, bStride, bSplat, out, outStride, rows, floats);
}
/** With the limits of Math.pow. */
export function pow(
  a: usize, aStride: usize, aSplat: i32, b: usize, bStride: usize, bSplat: i32,
  out: usize, outStride: usize, rows: i32, floats: i32,
): void {
  rowwise<Pow>(a, aStride, aSplat, b, bStride, bSplat, out, outStride, rows, floats);
}
export function squaredDifference(
  a: usize, aStride: usize, aSplat: i32, b: usize, bStride: usize, bSplat: i32,
  out: usize, outStride: usize, rows: i32, floats: i32,
): void {
  rowwise<SquaredDifference>(a, aStride, aSplat, b, bStride, bSplat, out, outStride, rows, floats);
}
export function equal(
  a: usize, aStride: usize, aSplat: i32, b: usize, bStride: usize, bSplat: i32,
  out: usize, outStride: usize, rows: i32, floats: i32,
): void {
  rowwise<Equal>(a, aStride, aSplat, b, bStride, bSplat, out, outStride, rows, floats);
}
export function notEqual(
  a: usize, aStride: usize, aSplat: i32, b: usize, bStride: usize, bSplat: i32,
  out: usize, outStride: usize, rows: i32, floats: i32,
): void {
  rowwise<NotEqual>(a, aStride, aSplat, b, bStride, bSplat, out, outStride, rows, floats);
}
export function greater(
  a: usize, aStride: usize, aSplat: i32, b: usize, bStride: usize, bSplat: i32,
  out: usize, outStride: usize, rows: i32, floats: i32,
): void {
  rowwise<Greater>(a, aStride, aSplat, b, bStride, bSplat, out, outStride, rows, floats);
}
export function greaterEqual(
  a: usize, aStride: usize, aSplat: i32, b: usize, bStride: usize, bSplat: i32,
  out: usize, outStride: usize, rows: i32, floats: i32,
): void {
  rowwise<GreaterEqual>(a, aStride, aSplat, b, bStride, bSplat, out, outStride, rows, floats);
}
export function less(
  a: usize, aStride: usize, aSplat: i32, b: usize, bStride: usize, bSplat: i32,
  out: usize, outStride: usize, rows: i32, floats: i32,
): void {
  rowwise<Less>(a, aStride, aSplat, b, bStride, bSplat, out, outStride, rows, floats);
}
export function lessEqual(
  a: usize, aStride: usize, aSplat: i32, b: usize, bStride: usize, bSplat: i32,
  out: usize, outStride: usize, rows: i32, floats: i32,
): void {
  rowwise<LessEqual>(a, aStride, aSplat, b, bStride, bSplat, out, outStride, rows, floats);
}
/** A NaN counts as false, here and in logicalOr. */
export function logicalAnd(
  a: usize, aStride: usize, aSplat: i32, b: usize, bStride: usize, bSplat: i32,
  out: usize, outStride: usize, rows: i32, floats: i32,
): void {
  rowwise<LogicalAnd>(a, aStride, aSplat, b, bStride, bSplat, out, outStride, rows, floats);
}
export function logicalOr(
  a: usize, aStride: usize, aSplat: i32, b: usize, bStride: usize, bSplat: i32,
  out: usize, outStride: usize, rows: i32, floats: i32,
): void {
  rowwise<LogicalOr>(a, aStride, aSplat, b, bStride, bSplat, out, outStride, rows, floats);
}
/** Inputs dy and y = elu(x). */
export function eluGrad(
  a: usize, aStride: usize, aSplat: i32, b: usize, bStride: usize, bSplat: i32,
  out: usize, outStride: usize, rows: i32, floats: i32,
): void {
  rowwise<EluGrad>(a, aStride, aSplat, b, bStride, bSplat, out, outStride, rows, floats);
}
/** Inputs x and alpha. */
export function prelu(
  a: usize, aStride: usize, aSplat: i32, b: usize, bStride: usize, bSplat: i32,
  out: usize, outStride: usize, rows: i32, floats: i32,
): void {
  rowwise<Prelu>(a, aStride, aSplat, b, bStride, bSplat, out, outStride, rows, floats);
}

/** t where c is true, else e; a NaN is false. */
export function select(
  c: usize, cRowStride: usize, cSplat: i32, t: usize, tRowStride: usize, tSplat: i32,
  e: usize, eRowStride: usize, eSplat: i32, out: usize, outRowStride: usize, rows: i32, floatsPerRow: i32,
): void {
  const rowBytes = (<usize>floatsPerRow * 4 + 15) & ~15;
  for (let r = 0; r < rows; r++) {
    for (let at: usize = 0; at < rowBytes; at += VECTOR_BYTES) {
      const isTrue = truthy4(cSplat ? v128.load32_splat(c) : v128.load(c + at));
      const whenTrue = tSplat ? v128.load32_splat(t) : v128.load(t + at);
      const whenFalse = eSplat ? v128.load32_splat(e) : v128.load(e + at);
      v128.store(out + at, v128.bitselect(whenTrue, whenFalse, isTrue));
    }
    c += cRowStride;
    t += tRowStride;
    e += eRowStride;
    out += outRowStride;
  }
}
