// What the codecs share: vectors at the end of a tensor, one NaN, and the residual: what an encoding lost of a tensor, which is
// added to the next one before that is encoded (error feedback). Never fused, so that both arithmetics give the same bits.
import { VECTOR_BYTES } from './simd';
import { loadFloats, storeFloats } from './runs';
import { splat } from './vectors';

/** Every NaN is this one: which bits a computed one has, the engine chooses. */
export const NAN_BITS: i32 = 0x7fc00000;

/** Above the bits of Infinity there are only NaNs. */
export const INFINITY_BITS: i32 = 0x7f800000;

/** The next `left` floats, at most four; 0 in the lanes behind the last. */
// @ts-ignore: decorator
@inline
export function loadNext(from: usize, left: i32): v128 {
  return left >= 4 ? v128.load(from) : loadFloats(from, left, splat(0));
}

/** Stores the next `left` floats, at most four. */
// @ts-ignore: decorator
@inline
export function storeNext(to: usize, left: i32, value: v128): void {
  if (left >= 4) v128.store(to, value);
  else storeFloats(to, left, value);
}

/** x with its NaNs made one. */
// @ts-ignore: decorator
@inline
export function withOneNaN(x: v128): v128 {
  return v128.bitselect(x, i32x4.splat(NAN_BITS), f32x4.eq(x, x));
}

/** What is lost of x where `decoded` arrives. Nothing of what is not finite: it would stay in the residual for ever. */
// @ts-ignore: decorator
@inline
export function lost(x: v128, decoded: v128): v128 {
  return onlyFinite(f32x4.sub(x, decoded));
}

/** 0 in the place of infinities and NaN. */
// @ts-ignore: decorator
@inline
function onlyFinite(x: v128): v128 {
  return v128.and(x, f32x4.lt(f32x4.abs(x), splat(Infinity)));
}

/** residual[i] = from[i] + residual[i]. */
export function addToResidual(from: usize, values: i32, residual: usize): void {
  for (let left = values; left > 0; left -= 4) {
    storeNext(residual, left, withOneNaN(f32x4.add(loadNext(from, left), loadNext(residual, left))));
    from += VECTOR_BYTES;
    residual += VECTOR_BYTES;
  }
}

/** residual[i] = 0 where it is not finite. */
export function forgetNonFinite(values: i32, residual: usize): void {
  for (let left = values; left > 0; left -= 4, residual += VECTOR_BYTES) storeNext(residual, left, onlyFinite(loadNext(residual, left)));
}
