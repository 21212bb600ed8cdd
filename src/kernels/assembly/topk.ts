// The `kept` values of largest size and their places; of values of one size those that come first.
//
//   places: u32 each, ascending | values: float32 each, in the same order
//
// Which values these are is found on the bits of their sizes, which as integers are in the order of the sizes.
import { VECTOR_BYTES } from './simd';
import { addToResidual, forgetNonFinite, INFINITY_BITS, loadNext, NAN_BITS } from './feedback';

/** Encodes `kept` of the values, 1 to all of them; of what is left out nothing is lost if there is a residual. */
export function encodeTopK(from: usize, values: i32, kept: i32, to: usize, residual: usize): void {
  if (residual) addToResidual(from, values, residual);
  const x = residual ? residual : from;
  const least = keptKey(x, values, kept);
  writeEntries(x, values, least, kept, kept - countAbove(x, values, least), to, residual);
  if (residual && least >= INFINITY_BITS) forgetNonFinite(values, residual);
}

/** Four sizes as integers; a NaN is larger than Infinity, whatever its bits. */
// @ts-ignore: decorator
@inline
function keysOf(x: v128): v128 {
  return i32x4.min_s(f32x4.abs(x), i32x4.splat(INFINITY_BITS + 1));
}

/**
 * The `kept`-th largest key, two bits at a time from the top: sixteen passes that only count. (A histogram needs fewer, but a
 * table of its own for every thread, and increments that wait for each other.)
 */
// @ts-ignore: decorator
@inline
function keptKey(x: usize, values: i32, kept: i32): i32 {
  let key = 0;
  // Of the 31 bits the last is alone: there the pass looks at the bit before once more, and finds it as it is.
  for (let shift = 29; shift >= -1; shift -= 2) key += digitAt(x, values, kept, key, max(shift, 0)) << max(shift, 0);
  return key;
}

/** The largest digit 0..3 at `shift` with which `kept` keys are still as large as the key. */
function digitAt(x: usize, values: i32, kept: i32, key: i32, shift: i32): i32 {
  const below1 = i32x4.splat(key + (1 << shift) - 1);
  const below2 = i32x4.splat(key + (2 << shift) - 1);
  const below3 = i32x4.splat(key + (3 << shift) - 1);
  let count1 = i32x4.splat(0);
  let count2 = i32x4.splat(0);
  let count3 = i32x4.splat(0);
  for (let left = values; left > 0; left -= 4, x += VECTOR_BYTES) {
    const keys = keysOf(loadNext(x, left));
    count1 = i32x4.sub(count1, i32x4.gt_s(keys, below1));
    count2 = i32x4.sub(count2, i32x4.gt_s(keys, below2));
    count3 = i32x4.sub(count3, i32x4.gt_s(keys, below3));
  }
  return i32(total(count1) >= kept) + i32(total(count2) >= kept) + i32(total(count3) >= kept);
}

function countAbove(x: usize, values: i32, key: i32): i32 {
  let count = i32x4.splat(0);
  for (let left = values; left > 0; left -= 4, x += VECTOR_BYTES) {
    count = i32x4.sub(count, i32x4.gt_s(keysOf(loadNext(x, left)), i32x4.splat(key)));
  }
  return total(count);
}

// @ts-ignore: decorator
@inline
function total(counts: v128): i32 {
  const low = i32x4.extract_lane(counts, 0) + i32x4.extract_lane(counts, 1);
  return low + i32x4.extract_lane(counts, 2) + i32x4.extract_lane(counts, 3);
}

/** Writes those above the key and the first `equal` ones of it, and clears them in the residual. */
function writeEntries(x: usize, values: i32, key: i32, kept: i32, equal: i32, to: usize, residual: usize): void {
  const toValues = <usize>kept << 2;
  for (let first = 0; first < values; first += 4) {
    const left = values - first;
    const at = x + (<usize>first << 2);
    const keys = keysOf(loadNext(at, left));
    const equals = i32x4.bitmask(i32x4.eq(keys, i32x4.splat(key)));
    let chosen = i32x4.bitmask(i32x4.ge_s(keys, i32x4.splat(key))) & ((1 << min(left, 4)) - 1);
    for (; chosen; chosen &= chosen - 1) {
      const lane = ctz(chosen);
      if ((equals >> lane) & 1 && equal-- <= 0) continue;
      const value = load<u32>(at + (<usize>lane << 2));
      store<u32>(to, first + lane);
      store<u32>(to + toValues, (value & 0x7fffffff) > <u32>INFINITY_BITS ? NAN_BITS : value);
      if (residual) store<u32>(residual + (<usize>(first + lane) << 2), 0);
      to += 4;
    }
  }
}

/** 0 if a place is not above the one before or not below `values`: nothing is then written. Else 1. */
export function decodeTopK(from: usize, values: i32, kept: i32, to: usize): i32 {
  const end = from + (<usize>kept << 2);
  let least: u32 = 0;
  for (let at = from; at < end; at += 4) {
    const place = load<u32>(at);
    if (place < least || place >= <u32>values) return 0;
    least = place + 1;
  }
  memory.fill(to, 0, <usize>values << 2);
  const toValues = <usize>kept << 2;
  for (let at = from; at < end; at += 4) store<u32>(to + (<usize>load<u32>(at) << 2), load<u32>(at + toValues));
  return 1;
}
