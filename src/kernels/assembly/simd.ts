// What every kernel builds on: vectors of four floats and the one operation in which the two arithmetics differ.
//
// There are no scalar tails anywhere: WebAssembly has no scalar fused multiply-add, so a tail would round
// differently. Slots are padded to 16 bytes, and the last lanes run the same vector code.

/** Bytes of one vector of four float32. */
export const VECTOR_BYTES: usize = 16;

/** a * b + c: rounded once in the `fma` build, twice in the `portable` one. */
// @ts-ignore: decorator
@inline
export function madd(a: v128, b: v128, c: v128): v128 {
  if (ASC_FEATURE_RELAXED_SIMD) return f32x4.relaxed_madd(a, b, c);
  return f32x4.add(f32x4.mul(a, b), c);
}

/** c - a * b, rounded as `madd`. */
// @ts-ignore: decorator
@inline
export function nmadd(a: v128, b: v128, c: v128): v128 {
  if (ASC_FEATURE_RELAXED_SIMD) return f32x4.relaxed_nmadd(a, b, c);
  return f32x4.sub(c, f32x4.mul(a, b));
}
