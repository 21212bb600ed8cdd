// Packing of B for matrix products: panels of the tile's width in columns, each [K][width], the last one only as many
// vectors wide as there are columns left. Columns behind the last are zeros, so that pads of results stay zero.
import { S2, S3, S4 } from './tile';

/** Panels filled side by side: enough to read B in runs of cache lines, and no more places than one set of the cache holds. */
const PANELS_AT_ONCE: i32 = 4;

/** Steps of k after which the transposing moves on to the next columns of a panel: two cache lines of each row of B. */
const DEPTH: i32 = 32;

/** Vectors of a full panel of a tile: see TILES in tiles.ts. */
export function panelVectors(tile: i32): i32 {
  return tile < 2 ? 3 : tile == 2 ? 2 : 4;
}

/** Rows of a tile. */
export function tileRows(tile: i32): i32 {
  return tile == 0 ? 3 : tile == 1 ? 2 : tile == 2 ? 6 : tile == 3 ? 4 : 5;
}

/** All ones in the lanes of the vector that begins at `column` that are columns of the matrix. */
// @ts-ignore: decorator
@inline
function columnMask(column: i32, N: i32): v128 {
  return i32x4.lt_s(i32x4.add(i32x4.splat(column), i32x4(0, 1, 2, 3)), i32x4.splat(N));
}

/**
 * Packs rows [first, first + count) of a row-major [K,N] matrix; `b` is the first of them, `bStride` in bytes. Returns 1
 * where all of them are finite, else 0. Rows apart may be packed at the same time.
 */
export function packB(tile: i32, b: usize, bStride: usize, K: i32, N: i32, out: usize, first: i32, count: i32): i32 {
  const vectors = panelVectors(tile);
  const full = N / (vectors * 4);
  const to = out + <usize>(first * vectors) * 16;
  let bad = f32x4.splat(0);
  if (vectors == 2) bad = packFullPanels<S2>(b, bStride, K, full, to, count);
  if (vectors == 3) bad = packFullPanels<S3>(b, bStride, K, full, to, count);
  if (vectors == 4) bad = packFullPanels<S4>(b, bStride, K, full, to, count);
  const column = full * vectors * 4;
  if (column < N) bad = v128.or(bad, packLastPanel(b + <usize>column * 4, bStride, N - column, out + <usize>(column * K) * 4, first, count));
  return v128.any_true(bad) ? 0 : 1;
}

/** All ones in the lanes that are NaN or infinite. */
// @ts-ignore: decorator
@inline
function nonFinite(x: v128): v128 {
  return i32x4.ge_u(v128.and(x, i32x4.splat(0x7fffffff)), i32x4.splat(0x7f800000));
}

// @ts-ignore: decorator
@inline
function packFullPanels<V>(b: usize, bStride: usize, K: i32, panels: i32, out: usize, rows: i32): v128 {
  let bad = f32x4.splat(0);
  const vectors = <i32>offsetof<V>();
  const rowBytes = <usize>vectors * 16;
  const panelBytes = <usize>K * rowBytes;
  for (let first = 0; first < panels; first += PANELS_AT_ONCE) {
    const count = min(PANELS_AT_ONCE, panels - first);
    let row = b + <usize>first * rowBytes;
    let to = out + <usize>first * panelBytes;
    for (let k = 0; k < rows; k++) {
      let from = row;
      let place = to;
      for (let panel = 0; panel < count; panel++) {
        const x0 = v128.load(from, 0);
        const x1 = v128.load(from, 16);
        v128.store(place, x0, 0);
        v128.store(place, x1, 16);
        bad = v128.or(bad, v128.or(nonFinite(x0), nonFinite(x1)));
        if (vectors > 2) {
          const x2 = v128.load(from, 32);
          v128.store(place, x2, 32);
          bad = v128.or(bad, nonFinite(x2));
        }
        if (vectors > 3) {
          const x3 = v128.load(from, 48);
          v128.store(place, x3, 48);
          bad = v128.or(bad, nonFinite(x3));
        }
        from += rowBytes;
        place += panelBytes;
      }
      row += bStride;
      to += rowBytes;
    }
  }
  return bad;
}

/** The panel of the `columns` that are left, which may end within a vector. */
function packLastPanel(b: usize, bStride: usize, columns: i32, out: usize, first: i32, rows: i32): v128 {
  let bad = f32x4.splat(0);
  const last = <usize>((columns - 1) >> 2) * 16;
  const mask = columnMask((columns - 1) & ~3, columns);
  out += <usize>first * (last + 16);
  for (let k = 0; k < rows; k++) {
    for (let at: usize = 0; at < last; at += 16) {
      const x = v128.load(b + at);
      bad = v128.or(bad, nonFinite(x));
      v128.store(out + at, x);
    }
    const x = v128.and(v128.load(b + last), mask);
    bad = v128.or(bad, nonFinite(x));
    v128.store(out + last, x);
    b += bStride;
    out += last + 16;
  }
  return bad;
}

/**
 * Packs columns [first, first + count) of the transpose of a row-major [N,K] matrix, four by four; `b` is its row `first`,
 * a multiple of 4, `bStride` in bytes. Columns apart may be packed at the same time. Returns 1 where all of them are finite,
 * else 0.
 */
export function packBTransposed(tile: i32, b: usize, bStride: usize, K: i32, N: i32, out: usize, first: i32, count: i32): i32 {
  let bad = f32x4.splat(0);
  const width = panelVectors(tile) * 4;
  const end = first + count;
  for (let column = first; column < end; ) {
    const panel = column / width * width;
    const rowBytes = <usize>((min(width, N - panel) + 3) >> 2) * 16;
    const columns = min(panel + width, end) - column;
    const to = out + <usize>(panel * K) * 4 + <usize>(column - panel) * 4;
    for (let k = 0; k < K; k += DEPTH) {
      const steps = min(DEPTH, K - k);
      for (let n = 0; n < columns; n += 4) {
        const from = b + <usize>(column - first + n) * bStride + <usize>k * 4;
        bad = v128.or(bad, transposeFour(from, bStride, columns - n, steps, to + <usize>k * rowBytes + <usize>n * 4, rowBytes));
      }
    }
    column += columns;
  }
  return v128.any_true(bad) ? 0 : 1;
}

/**
 * Writes up to four rows of B, `columns` of them, as the lanes of `steps` vectors that lie `rowBytes` apart. Returns ones where a
 * lane is not finite.
 */
// @ts-ignore: decorator
@inline
function transposeFour(b: usize, bStride: usize, columns: i32, steps: i32, to: usize, rowBytes: usize): v128 {
  const zero = f32x4.splat(0);
  let bad = zero;
  for (; steps > 0; steps -= 4) {
    const r0 = v128.load(b);
    const r1 = columns > 1 ? v128.load(b + bStride) : zero;
    const r2 = columns > 2 ? v128.load(b + bStride * 2) : zero;
    const r3 = columns > 3 ? v128.load(b + bStride * 3) : zero;
    const low01 = v128.shuffle<f32>(r0, r1, 0, 4, 1, 5);
    const high01 = v128.shuffle<f32>(r0, r1, 2, 6, 3, 7);
    const low23 = v128.shuffle<f32>(r2, r3, 0, 4, 1, 5);
    const high23 = v128.shuffle<f32>(r2, r3, 2, 6, 3, 7);
    bad = v128.or(bad, storeStep(to, v128.shuffle<f32>(low01, low23, 0, 1, 4, 5)));
    if (steps > 1) bad = v128.or(bad, storeStep(to + rowBytes, v128.shuffle<f32>(low01, low23, 2, 3, 6, 7)));
    if (steps > 2) bad = v128.or(bad, storeStep(to + rowBytes * 2, v128.shuffle<f32>(high01, high23, 0, 1, 4, 5)));
    if (steps > 3) bad = v128.or(bad, storeStep(to + rowBytes * 3, v128.shuffle<f32>(high01, high23, 2, 3, 6, 7)));
    to += rowBytes * 4;
    b += 16;
  }
  return bad;
}

/** Stores a vector; returns ones where a lane of it is not finite. */
// @ts-ignore: decorator
@inline
function storeStep(to: usize, x: v128): v128 {
  v128.store(to, x);
  return nonFinite(x);
}
