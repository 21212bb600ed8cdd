// The vocabulary of the kernels: numbers, conditions and bounds in four lanes.

/** One number in all lanes. */
// @ts-ignore: decorator
@inline
export function splat(value: f32): v128 {
  return f32x4.splat(value);
}

/**
 * The number at an address in all lanes. For constants of long formulas: V8 builds each vector constant in three
 * instructions at every use, which took half the time of exp4; from the kernels' own page it is one load.
 */
// @ts-ignore: decorator
@inline
export function lanes(address: usize): v128 {
  return v128.load32_splat(address);
}

/** The same for a number of 64 bits, in both halves. */
// @ts-ignore: decorator
@inline
export function lanes64(address: usize): v128 {
  return v128.load64_splat(address);
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
  return f32x4.gt(f32x4.abs(x), splat(0));
}

/** min(max(x, low), high); unlike f32x4.min and max one instruction each, and NaN stays NaN. */
// @ts-ignore: decorator
@inline
export function bounded(x: v128, low: v128, high: v128): v128 {
  return f32x4.pmin(f32x4.pmax(x, low), high);
}
