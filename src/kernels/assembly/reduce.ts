// Reductions of the innermost axis, per row, and the sum over rows along the shards' tree.
//
// name(x, xRowStride, out, outRowStride, rows, groups, length): a row of x holds [groups][length] floats without gaps, a
// row of out [groups] (softmax: [groups][length]); strides in bytes. A group need not start at 16 bytes.
// The one order of every sum, set by the length alone: element i goes to chain i % 4, four chains from +0 in the lanes of
// a vector, then (chain 0 + chain 1) + (chain 2 + chain 3). A product and the others go the same way.
import { VECTOR_BYTES } from './simd';
import { divideInto } from './elementwise';
import { exp4, log4 } from './math';
import { loadFloats, storeFloats } from './runs';
import { one4, splat, truthy4 } from './vectors';

export { sumRowsFold } from './fold';

// Each class joins two values and says what stands in for a missing one (the exact identity); never instantiated.
class Sum {
  @inline neutral(): v128 { return splat(0); }
  @inline prepare(x: v128): v128 { return x; }
  @inline join(a: v128, b: v128): v128 { return f32x4.add(a, b); }
}

class Max {
  @inline neutral(): v128 { return splat(-Infinity); }
  @inline prepare(x: v128): v128 { return x; }
  @inline join(a: v128, b: v128): v128 { return f32x4.max(a, b); }
}

class Min {
  @inline neutral(): v128 { return splat(Infinity); }
  @inline prepare(x: v128): v128 { return x; }
  @inline join(a: v128, b: v128): v128 { return f32x4.min(a, b); }
}

class Prod {
  @inline neutral(): v128 { return splat(1); }
  @inline prepare(x: v128): v128 { return x; }
  @inline join(a: v128, b: v128): v128 { return f32x4.mul(a, b); }
}

class Any {
  @inline neutral(): v128 { return splat(0); }
  @inline prepare(x: v128): v128 { return one4(truthy4(x)); }
  @inline join(a: v128, b: v128): v128 { return v128.or(a, b); }
}

class All {
  @inline neutral(): v128 { return splat(1); }
  @inline prepare(x: v128): v128 { return one4(truthy4(x)); }
  @inline join(a: v128, b: v128): v128 { return v128.and(a, b); }
}

/** Reduces `length` floats from `x` on; every lane of the answer holds the result. */
// @ts-ignore: decorator
@inline
function reduceGroup<T>(x: usize, length: i32): v128 {
  const kind = changetype<T>(0);
  const tail = x + (<usize>(length >> 2) << 4);
  let chains = kind.neutral();
  for (; x < tail; x += VECTOR_BYTES) chains = kind.join(chains, kind.prepare(v128.load(x)));
  if (length & 3) chains = kind.join(chains, kind.prepare(loadFloats(tail, length & 3, kind.neutral())));
  return joinLanes<T>(chains);
}

// @ts-ignore: decorator
@inline
function joinLanes<T>(chains: v128): v128 {
  const kind = changetype<T>(0);
  const pairs = kind.join(i32x4.shuffle(chains, chains, 0, 0, 2, 2), i32x4.shuffle(chains, chains, 1, 1, 3, 3));
  return kind.join(i32x4.shuffle(pairs, pairs, 0, 0, 0, 0), i32x4.shuffle(pairs, pairs, 2, 2, 2, 2));
}

// @ts-ignore: decorator
@inline
function eachGroup<T>(
  x: usize, xRowStride: usize, out: usize, outRowStride: usize, rows: i32, groups: i32, length: i32,
): void {
  const groupBytes = <usize>length << 2;
  for (let r = 0; r < rows; r++) {
    let group = x;
    const end = out + (<usize>groups << 2);
    for (let to = out; to < end; to += 4) {
      v128.store32_lane(to, reduceGroup<T>(group, length), 0);
      group += groupBytes;
    }
    x += xRowStride;
    out += outRowStride;
  }
}

export function sumLast(
  x: usize, xStride: usize, out: usize, outStride: usize, rows: i32, groups: i32, length: i32,
): void {
  eachGroup<Sum>(x, xStride, out, outStride, rows, groups, length);
}

/** The sum, then a true division by the length. */
export function meanLast(
  x: usize, xStride: usize, out: usize, outStride: usize, rows: i32, groups: i32, length: i32,
): void {
  eachGroup<Sum>(x, xStride, out, outStride, rows, groups, length);
  for (let r = 0; r < rows; r++, out += outStride) divideInto(out, groups, <f32>length);
}

/** NaN where the group has one; minLast likewise. */
export function maxLast(
  x: usize, xStride: usize, out: usize, outStride: usize, rows: i32, groups: i32, length: i32,
): void {
  eachGroup<Max>(x, xStride, out, outStride, rows, groups, length);
}

export function minLast(
  x: usize, xStride: usize, out: usize, outStride: usize, rows: i32, groups: i32, length: i32,
): void {
  eachGroup<Min>(x, xStride, out, outStride, rows, groups, length);
}

export function prodLast(
  x: usize, xStride: usize, out: usize, outStride: usize, rows: i32, groups: i32, length: i32,
): void {
  eachGroup<Prod>(x, xStride, out, outStride, rows, groups, length);
}

/** 1 if an element is neither 0 nor NaN, else 0. */
export function anyLast(
  x: usize, xStride: usize, out: usize, outStride: usize, rows: i32, groups: i32, length: i32,
): void {
  eachGroup<Any>(x, xStride, out, outStride, rows, groups, length);
}

/** 1 if no element is 0 or NaN, else 0. */
export function allLast(
  x: usize, xStride: usize, out: usize, outStride: usize, rows: i32, groups: i32, length: i32,
): void {
  eachGroup<All>(x, xStride, out, outStride, rows, groups, length);
}

/** Position of the first largest element, as float32; a NaN is never larger, and a first element NaN gives 0, as in tfjs. */
export function argMaxLast(
  x: usize, xStride: usize, out: usize, outStride: usize, rows: i32, groups: i32, length: i32,
): void {
  argLast(x, xStride, out, outStride, rows, groups, length, true);
}

/** Position of the first smallest element, as float32; NaN as in argMaxLast. */
export function argMinLast(
  x: usize, xStride: usize, out: usize, outStride: usize, rows: i32, groups: i32, length: i32,
): void {
  argLast(x, xStride, out, outStride, rows, groups, length, false);
}

// @ts-ignore: decorator
@inline
function argLast(
  x: usize, xRowStride: usize, out: usize, outRowStride: usize, rows: i32, groups: i32, length: i32, wantsLargest: bool,
): void {
  for (let r = 0; r < rows; r++) {
    let group = x;
    for (let g = 0; g < groups; g++) {
      let best = load<f32>(group);
      let bestIndex = 0;
      for (let i = 1; i < length; i++) {
        const value = load<f32>(group + (<usize>i << 2));
        if (wantsLargest ? value > best : value < best) {
          best = value;
          bestIndex = i;
        }
      }
      store<f32>(out + (<usize>g << 2), <f32>bestIndex);
      group += <usize>length << 2;
    }
    x += xRowStride;
    out += outRowStride;
  }
}

/** e^(x - max) / sum of e^(x - max) over each group. */
export function softmaxLast(
  x: usize, xRowStride: usize, out: usize, outRowStride: usize, rows: i32, groups: i32, length: i32,
): void {
  const groupBytes = <usize>length << 2;
  for (let r = 0; r < rows; r++) {
    for (let g = 0; g < groups; g++) {
      const to = out + <usize>g * groupBytes;
      const total = exponentials(x + <usize>g * groupBytes, to, length);
      const tail = to + (<usize>(length >> 2) << 4);
      for (let at = to; at < tail; at += VECTOR_BYTES) v128.store(at, f32x4.div(v128.load(at), total));
      if (length & 3) storeFloats(tail, length & 3, f32x4.div(loadFloats(tail, length & 3, total), total));
    }
    x += xRowStride;
    out += outRowStride;
  }
}

/** Stores e^(x - max) of one group and returns their sum in every lane. */
// @ts-ignore: decorator
@inline
function exponentials(x: usize, out: usize, length: i32): v128 {
  const largest = reduceGroup<Max>(x, length);
  const tail = x + (<usize>(length >> 2) << 4);
  let chains = splat(0);
  for (; x < tail; x += VECTOR_BYTES, out += VECTOR_BYTES) {
    const e = exp4(f32x4.sub(v128.load(x), largest));
    v128.store(out, e);
    chains = f32x4.add(chains, e);
  }
  if (length & 3) {
    const e = exp4(f32x4.sub(loadFloats(tail, length & 3, splat(-Infinity)), largest));
    storeFloats(out, length & 3, e);
    chains = f32x4.add(chains, e);
  }
  return joinLanes<Sum>(chains);
}

/** (x - max) - ln(sum of e^(x - max)) over each group. */
export function logSoftmaxLast(
  x: usize, xRowStride: usize, out: usize, outRowStride: usize, rows: i32, groups: i32, length: i32,
): void {
  const groupBytes = <usize>length << 2;
  for (let r = 0; r < rows; r++) {
    for (let g = 0; g < groups; g++) logSoftmaxGroup(x + <usize>g * groupBytes, out + <usize>g * groupBytes, length);
    x += xRowStride;
    out += outRowStride;
  }
}

// @ts-ignore: decorator
@inline
function logSoftmaxGroup(x: usize, out: usize, length: i32): void {
  const largest = reduceGroup<Max>(x, length);
  const tail = x + (<usize>(length >> 2) << 4);
  let chains = splat(0);
  for (let at = x; at < tail; at += VECTOR_BYTES) chains = f32x4.add(chains, exp4(f32x4.sub(v128.load(at), largest)));
  const rest = loadFloats(tail, length & 3, splat(-Infinity));
  if (length & 3) chains = f32x4.add(chains, exp4(f32x4.sub(rest, largest)));
  const logTotal = log4(joinLanes<Sum>(chains));
  for (; x < tail; x += VECTOR_BYTES, out += VECTOR_BYTES) {
    v128.store(out, f32x4.sub(f32x4.sub(v128.load(x), largest), logTotal));
  }
  storeFloats(out, length & 3, f32x4.sub(f32x4.sub(rest, largest), logTotal));
}
