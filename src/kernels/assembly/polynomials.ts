// Horner's rule, unrolled: polynomials whose coefficients lie in memory from the constant term on.
import { madd } from './simd';
import { lanes, lanes64 } from './vectors';

/** coefficients[0] + coefficients[1] x, of float32; the others have as many terms more as their names say. */
// @ts-ignore: decorator
@inline
export function polynomial1(coefficients: usize, x: v128): v128 {
  return madd(lanes(coefficients + 4), x, lanes(coefficients));
}

// @ts-ignore: decorator
@inline
export function polynomial2(coefficients: usize, x: v128): v128 {
  return madd(polynomial1(coefficients + 4, x), x, lanes(coefficients));
}

// @ts-ignore: decorator
@inline
export function polynomial3(coefficients: usize, x: v128): v128 {
  return madd(polynomial2(coefficients + 4, x), x, lanes(coefficients));
}

// @ts-ignore: decorator
@inline
export function polynomial4(coefficients: usize, x: v128): v128 {
  return madd(polynomial3(coefficients + 4, x), x, lanes(coefficients));
}

// @ts-ignore: decorator
@inline
export function polynomial5(coefficients: usize, x: v128): v128 {
  return madd(polynomial4(coefficients + 4, x), x, lanes(coefficients));
}

// @ts-ignore: decorator
@inline
export function polynomial6(coefficients: usize, x: v128): v128 {
  return madd(polynomial5(coefficients + 4, x), x, lanes(coefficients));
}

// @ts-ignore: decorator
@inline
export function polynomial7(coefficients: usize, x: v128): v128 {
  return madd(polynomial6(coefficients + 4, x), x, lanes(coefficients));
}

/** The same of float64, never fused. */
// @ts-ignore: decorator
@inline
export function polynomial1of64(coefficients: usize, x: v128): v128 {
  return madd64(lanes64(coefficients + 8), x, lanes64(coefficients));
}

// @ts-ignore: decorator
@inline
export function polynomial2of64(coefficients: usize, x: v128): v128 {
  return madd64(polynomial1of64(coefficients + 8, x), x, lanes64(coefficients));
}

// @ts-ignore: decorator
@inline
export function polynomial3of64(coefficients: usize, x: v128): v128 {
  return madd64(polynomial2of64(coefficients + 8, x), x, lanes64(coefficients));
}

// @ts-ignore: decorator
@inline
export function polynomial4of64(coefficients: usize, x: v128): v128 {
  return madd64(polynomial3of64(coefficients + 8, x), x, lanes64(coefficients));
}

// @ts-ignore: decorator
@inline
export function polynomial5of64(coefficients: usize, x: v128): v128 {
  return madd64(polynomial4of64(coefficients + 8, x), x, lanes64(coefficients));
}

// @ts-ignore: decorator
@inline
export function polynomial6of64(coefficients: usize, x: v128): v128 {
  return madd64(polynomial5of64(coefficients + 8, x), x, lanes64(coefficients));
}

// @ts-ignore: decorator
@inline
export function polynomial7of64(coefficients: usize, x: v128): v128 {
  return madd64(polynomial6of64(coefficients + 8, x), x, lanes64(coefficients));
}

// @ts-ignore: decorator
@inline
export function polynomial8of64(coefficients: usize, x: v128): v128 {
  return madd64(polynomial7of64(coefficients + 8, x), x, lanes64(coefficients));
}

/** a * b + c of float64, rounded twice in both arithmetics. */
// @ts-ignore: decorator
@inline
export function madd64(a: v128, b: v128, c: v128): v128 {
  return f64x2.add(f64x2.mul(a, b), c);
}
