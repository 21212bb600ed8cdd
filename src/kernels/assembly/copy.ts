// Kernels that move values and compute nothing.
import { VECTOR_BYTES } from './simd';
import { copyRun, fillRun } from './runs';
import { splat } from './vectors';

/**
 * dst[i0 t0 + ... + i4 t4] = src[i0 s0 + ... + i4 s4] for all i below the dims d; strides in floats, any of them 0 or
 * negative (as wrapping numbers). Transposes, broadcasts (s = 0), slices, concatenations and the inside of pads are all
 * this. src and dst must not overlap.
 */
export function copyStrided(
  src: usize, dst: usize, d0: i32, d1: i32, d2: i32, d3: i32, d4: i32,
  s0: i32, s1: i32, s2: i32, s3: i32, s4: i32, t0: i32, t1: i32, t2: i32, t3: i32, t4: i32,
): void {
  // Inner axes that follow on without gaps on both sides are one long axis.
  for (let merged = 0; merged < 4 && s4 == 1 && t4 == 1 && (d3 == 1 || (s3 == d4 && t3 == d4)); merged++) {
    d4 *= d3;
    d3 = d2; s3 = s2; t3 = t2;
    d2 = d1; s2 = s1; t2 = t1;
    d1 = d0; s1 = s0; t1 = t0;
    d0 = 1;
  }
  for (let i0 = 0; i0 < d0; i0++) {
    for (let i1 = 0; i1 < d1; i1++) {
      for (let i2 = 0; i2 < d2; i2++) {
        const from = src + <usize>((i0 * s0 + i1 * s1 + i2 * s2) << 2);
        const to = dst + <usize>((i0 * t0 + i1 * t1 + i2 * t2) << 2);
        copyPlane(from, to, d3, d4, s3, s4, t3, t4);
      }
    }
  }
}

// @ts-ignore: decorator
@inline
function copyPlane(from: usize, to: usize, d3: i32, d4: i32, s3: i32, s4: i32, t3: i32, t4: i32): void {
  for (let i = 0; i < d3; i++) {
    if (t4 == 1 && s4 == 1) copyRun(from, to, d4);
    else if (t4 == 1 && s4 == 0) fillRun(from, to, d4);
    else copyElements(from, to, d4, s4 << 2, t4 << 2);
    from += s3 << 2;
    to += t3 << 2;
  }
}

function copyElements(from: usize, to: usize, count: i32, fromStep: i32, toStep: i32): void {
  for (let i = 0; i < count; i++) {
    store<u32>(to, load<u32>(from));
    from += fromStep;
    to += toStep;
  }
}

/**
 * A row of [groups] indices (whole numbers as float32) becomes [groups][depth]: `on` at the index, `off` elsewhere; an index
 * outside 0..depth-1, a fraction or NaN gives `off` alone. Strides in bytes.
 */
export function oneHot(
  indices: usize, indicesRowStride: usize, out: usize, outRowStride: usize,
  rows: i32, groups: i32, depth: i32, on: f32, off: f32,
): void {
  const values = splat(off);
  const rowBytes = (<usize>(groups * depth) * 4 + 15) & ~15;
  for (let r = 0; r < rows; r++) {
    const end = out + rowBytes;
    for (let at = out; at < end; at += VECTOR_BYTES) v128.store(at, values);
    for (let g = 0; g < groups; g++) {
      const index = load<f32>(indices + (<usize>g << 2));
      const position = <i32>index;
      const isClass = <f32>position == index && <u32>position < <u32>depth;
      if (isClass) store<f32>(out + (<usize>(g * depth + position) << 2), on);
    }
    indices += indicesRowStride;
    out += outRowStride;
  }
}
