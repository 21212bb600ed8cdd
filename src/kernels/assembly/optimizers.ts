// The updates of the optimizers, in place over a range of parameters, and what clipping needs.
//
// name(parameters, gradients, ...states, floatCount, scale, ...scalars): floatCount is a multiple of 4, and g in the formulas the
// gradient times `scale`, which saves a pass over it to make a sum a mean. An element's bits depend on its own numbers alone. Where gradient, parameter and moments are 0 the parameter stays 0, so pads of zeros stay zeros.
//
// A moving average x' = (1 - c) x + c g is taken as (x - c x) + c g, with c = 1 - decay rounded to float32: a decay near 1
// rounded by itself would be off by up to 3e-8, which is 3e-4 of 1 - decay = 1e-4 and as much of the average.
// Moments below the smallest normal number become 0, because arithmetic on denormals is many times slower.
import { madd, nmadd, VECTOR_BYTES } from './simd';
import { bounded, splat } from './vectors';

const SMALLEST_NORMAL: f32 = 1.17549435e-38;

/** 0 instead of a denormal; NaN stays. */
// @ts-ignore: decorator
@inline
function flushed(x: v128): v128 {
  return v128.andnot(x, f32x4.lt(f32x4.abs(x), splat(SMALLEST_NORMAL)));
}

/** x - share x. */
// @ts-ignore: decorator
@inline
function kept(x: v128, share: v128): v128 {
  return nmadd(share, x, x);
}

/** (x - share x) + share g. */
// @ts-ignore: decorator
@inline
function averaged(x: v128, g: v128, share: v128): v128 {
  return flushed(madd(share, g, kept(x, share)));
}

/** (x - share x) + share g^2. */
// @ts-ignore: decorator
@inline
function averagedSquare(x: v128, g: v128, share: v128): v128 {
  return flushed(madd(f32x4.mul(share, g), g, kept(x, share)));
}

/** p -= rate * g. */
export function sgd(p: usize, g: usize, floatCount: i32, scale: f32, rate: f32): void {
  const end = p + (<usize>floatCount << 2);
  const scales = splat(scale);
  const rates = splat(rate);
  for (; p < end; p += VECTOR_BYTES, g += VECTOR_BYTES) v128.store(p, nmadd(rates, f32x4.mul(v128.load(g), scales), v128.load(p)));
}

/** a = momentum * a + g; p -= rate * a. */
export function momentum(p: usize, g: usize, a: usize, floatCount: i32, scale: f32, rate: f32, momentum: f32): void {
  withMomentum(p, g, a, floatCount, scale, rate, momentum, false);
}

/** a = momentum * a + g; p -= rate * (g + momentum * a). */
export function nesterov(p: usize, g: usize, a: usize, floatCount: i32, scale: f32, rate: f32, momentum: f32): void {
  withMomentum(p, g, a, floatCount, scale, rate, momentum, true);
}

// @ts-ignore: decorator
@inline
function withMomentum(p: usize, g: usize, a: usize, floatCount: i32, scale: f32, rate: f32, momentum: f32, looksAhead: bool): void {
  const end = p + (<usize>floatCount << 2);
  const scales = splat(scale);
  const rates = splat(rate);
  const momenta = splat(momentum);
  for (; p < end; p += VECTOR_BYTES, g += VECTOR_BYTES, a += VECTOR_BYTES) {
    const gradient = f32x4.mul(v128.load(g), scales);
    const velocity = flushed(madd(momenta, v128.load(a), gradient));
    v128.store(a, velocity);
    const direction = looksAhead ? madd(momenta, velocity, gradient) : velocity;
    v128.store(p, nmadd(rates, direction, v128.load(p)));
  }
}

/** s += g^2; p -= rate * g / sqrt(s + epsilon). */
export function adagrad(p: usize, g: usize, s: usize, floatCount: i32, scale: f32, rate: f32, epsilon: f32): void {
  const end = p + (<usize>floatCount << 2);
  const scales = splat(scale);
  const rates = splat(rate);
  const epsilons = splat(epsilon);
  for (; p < end; p += VECTOR_BYTES, g += VECTOR_BYTES, s += VECTOR_BYTES) {
    const gradient = f32x4.mul(v128.load(g), scales);
    const sum = flushed(madd(gradient, gradient, v128.load(s)));
    v128.store(s, sum);
    const root = f32x4.sqrt(f32x4.add(sum, epsilons));
    v128.store(p, nmadd(rates, f32x4.div(gradient, root), v128.load(p)));
  }
}

/** s averages g^2 with weight `share`; p -= rate * g / sqrt(s + epsilon). */
export function rmsprop(p: usize, g: usize, s: usize, floatCount: i32, scale: f32, rate: f32, share: f32, epsilon: f32): void {
  withRootMeanSquare(p, g, s, 0, 0, floatCount, scale, rate, share, epsilon, 0, false, false);
}

/** b = momentum * b + rate * g / sqrt(s + epsilon); p -= b. */
export function rmspropMomentum(
  p: usize, g: usize, s: usize, b: usize, floatCount: i32, scale: f32, rate: f32, share: f32, epsilon: f32, momentum: f32,
): void {
  withRootMeanSquare(p, g, s, 0, b, floatCount, scale, rate, share, epsilon, momentum, false, true);
}

/** a averages g too; p -= rate * g / sqrt(s - a^2 + epsilon). */
export function rmspropCentered(
  p: usize, g: usize, s: usize, a: usize, floatCount: i32, scale: f32, rate: f32, share: f32, epsilon: f32,
): void {
  withRootMeanSquare(p, g, s, a, 0, floatCount, scale, rate, share, epsilon, 0, true, false);
}

/** b = momentum * b + rate * g / sqrt(s - a^2 + epsilon); p -= b. */
export function rmspropCenteredMomentum(
  p: usize, g: usize, s: usize, a: usize, b: usize, floatCount: i32, scale: f32, rate: f32, share: f32, epsilon: f32, momentum: f32,
): void {
  withRootMeanSquare(p, g, s, a, b, floatCount, scale, rate, share, epsilon, momentum, true, true);
}

// @ts-ignore: decorator
@inline
function withRootMeanSquare(
  p: usize, g: usize, s: usize, a: usize, b: usize, floatCount: i32,
  scale: f32, rate: f32, share: f32, epsilon: f32, momentum: f32, isCentered: bool, hasMomentum: bool,
): void {
  const byteLength = <usize>floatCount << 2;
  const scales = splat(scale);
  const rates = splat(rate);
  const shares = splat(share);
  const epsilons = splat(epsilon);
  for (let at: usize = 0; at < byteLength; at += VECTOR_BYTES) {
    const gradient = f32x4.mul(v128.load(g + at), scales);
    let square = averagedSquare(v128.load(s + at), gradient, shares);
    v128.store(s + at, square);
    if (isCentered) {
      const mean = averaged(v128.load(a + at), gradient, shares);
      v128.store(a + at, mean);
      // A variance is not negative, but for equal gradients its two terms differ by their rounding only.
      square = f32x4.pmax(nmadd(mean, mean, square), splat(0));
    }
    let step = f32x4.div(f32x4.mul(rates, gradient), f32x4.sqrt(f32x4.add(square, epsilons)));
    if (hasMomentum) {
      step = flushed(madd(splat(momentum), v128.load(b + at), step));
      v128.store(b + at, step);
    }
    v128.store(p + at, f32x4.sub(v128.load(p + at), step));
  }
}

/**
 * m averages g with weight `meanShare`, v averages g^2 with weight `varianceShare`; p -= rate * m / (sqrt(v) + epsilon). The
 * caller folds both bias corrections into `rate` and `epsilon`.
 */
export function adam(
  p: usize, g: usize, m: usize, v: usize, floatCount: i32, scale: f32, rate: f32, epsilon: f32, meanShare: f32, varianceShare: f32,
): void {
  withTwoMoments(p, g, m, v, floatCount, scale, rate, epsilon, meanShare, varianceShare, 0, false);
}

/** p -= decay * p, then as adam. */
export function adamw(
  p: usize, g: usize, m: usize, v: usize, floatCount: i32,
  scale: f32, rate: f32, epsilon: f32, meanShare: f32, varianceShare: f32, decay: f32,
): void {
  withTwoMoments(p, g, m, v, floatCount, scale, rate, epsilon, meanShare, varianceShare, decay, true);
}

// @ts-ignore: decorator
@inline
function withTwoMoments(
  p: usize, g: usize, m: usize, v: usize, floatCount: i32,
  scale: f32, rate: f32, epsilon: f32, meanShare: f32, varianceShare: f32, decay: f32, decays: bool,
): void {
  const end = p + (<usize>floatCount << 2);
  const end32 = p + (<usize>(floatCount >> 3) << 5);
  const scales = splat(scale);
  const rates = splat(rate);
  const epsilons = splat(epsilon);
  const meanShares = splat(meanShare);
  const varianceShares = splat(varianceShare);
  const decayShares = splat(decay);
  // Two vectors side by side with the offsets as immediates: a fifth faster, and what newer engines pair into 256 bits.
  for (; p < end32; p += 32, g += 32, m += 32, v += 32) {
    const g0 = f32x4.mul(v128.load(g), scales);
    const g1 = f32x4.mul(v128.load(g, 16), scales);
    const m0 = averaged(v128.load(m), g0, meanShares);
    const m1 = averaged(v128.load(m, 16), g1, meanShares);
    const v0 = averagedSquare(v128.load(v), g0, varianceShares);
    const v1 = averagedSquare(v128.load(v, 16), g1, varianceShares);
    v128.store(m, m0);
    v128.store(m, m1, 16);
    v128.store(v, v0);
    v128.store(v, v1, 16);
    const p0 = decays ? kept(v128.load(p), decayShares) : v128.load(p);
    const p1 = decays ? kept(v128.load(p, 16), decayShares) : v128.load(p, 16);
    v128.store(p, nmadd(rates, direction(m0, v0, epsilons), p0));
    v128.store(p, nmadd(rates, direction(m1, v1, epsilons), p1), 16);
  }
  if (p < end) {
    const g0 = f32x4.mul(v128.load(g), scales);
    const m0 = averaged(v128.load(m), g0, meanShares);
    const v0 = averagedSquare(v128.load(v), g0, varianceShares);
    v128.store(m, m0);
    v128.store(v, v0);
    const p0 = decays ? kept(v128.load(p), decayShares) : v128.load(p);
    v128.store(p, nmadd(rates, direction(m0, v0, epsilons), p0));
  }
}

/** m / (sqrt(v) + epsilon). */
// @ts-ignore: decorator
@inline
function direction(m: v128, v: v128, epsilons: v128): v128 {
  return f32x4.div(m, f32x4.add(f32x4.sqrt(v), epsilons));
}

/** x[i] = min(max(x[i], -limit), limit); NaN stays. */
export function clipValue(x: usize, floatCount: i32, limit: f32): void {
  const end = x + (<usize>floatCount << 2);
  for (; x < end; x += VECTOR_BYTES) v128.store(x, bounded(v128.load(x), splat(-limit), splat(limit)));
}

/**
 * Stores the sum of squares of a block as one float32. Element i is added to chain i % 16 of sixteen from +0, in four vectors
 * A, B, C, D; then (A + B) + (C + D), and of its lanes (0 + 1) + (2 + 3).
 */
export function sumOfSquares(x: usize, floatCount: i32, out: usize): void {
  const end = x + (<usize>floatCount << 2);
  const end64 = x + (<usize>(floatCount >> 4) << 6);
  let a = splat(0);
  let b = splat(0);
  let c = splat(0);
  let d = splat(0);
  for (; x < end64; x += 64) {
    a = addSquare(a, x);
    b = addSquare(b, x + 16);
    c = addSquare(c, x + 32);
    d = addSquare(d, x + 48);
  }
  if (x < end) a = addSquare(a, x);
  if (x + 16 < end) b = addSquare(b, x + 16);
  if (x + 32 < end) c = addSquare(c, x + 32);
  const chains = f32x4.add(f32x4.add(a, b), f32x4.add(c, d));
  const pairs = f32x4.add(i32x4.shuffle(chains, chains, 0, 0, 2, 2), i32x4.shuffle(chains, chains, 1, 1, 3, 3));
  v128.store32_lane(out, f32x4.add(pairs, i32x4.shuffle(pairs, pairs, 2, 2, 2, 2)), 0);
}

// @ts-ignore: decorator
@inline
function addSquare(sum: v128, x: usize): v128 {
  const value = v128.load(x);
  return madd(value, value, sum);
}
