// Packing of B for matrix products: panels of the tile's width in columns, each [K][width], the last one only as many
// vectors wide as there are columns left. Columns behind the last are zeros, so that pads of results stay zero.

/** Vectors of a full panel of a tile: see TILES in tiles.ts. */
export function panelVectors(tile: i32): i32 {
  return tile < 2 ? 3 : tile == 2 ? 2 : 4;
}

/** All ones in the lanes of the vector that begins at `column` that are columns of the matrix. */
// @ts-ignore: decorator
@inline
function columnMask(column: i32, N: i32): v128 {
  return i32x4.lt_s(i32x4.add(i32x4.splat(column), i32x4(0, 1, 2, 3)), i32x4.splat(N));
}

/** Packs a row-major [K,N] matrix; `bStride` in bytes. */
export function packB(tile: i32, b: usize, bStride: usize, K: i32, N: i32, out: usize): void {
  const width = panelVectors(tile) * 4;
  for (let column = 0; column < N; column += width) {
    const vectors = (min(width, N - column) + 3) >> 2;
    const lastMask = columnMask(column + (vectors - 1) * 4, N);
    let from = b + <usize>column * 4;
    for (let k = 0; k < K; k++) {
      for (let v = 0; v < vectors - 1; v++) v128.store(out + <usize>v * 16, v128.load(from + <usize>v * 16));
      const last = <usize>(vectors - 1) * 16;
      v128.store(out + last, v128.and(v128.load(from + last), lastMask));
      from += bStride;
      out += <usize>vectors * 16;
    }
  }
}

/** Packs the transpose of a row-major [N,K] matrix, four by four; `bStride` in bytes. */
export function packBTransposed(tile: i32, b: usize, bStride: usize, K: i32, N: i32, out: usize): void {
  const width = panelVectors(tile) * 4;
  const zero = f32x4.splat(0);
  for (let column = 0; column < N; column += width) {
    const vectors = (min(width, N - column) + 3) >> 2;
    const rowBytes = <usize>vectors * 16;
    for (let v = 0; v < vectors; v++) {
      const n = column + v * 4;
      const from = b + <usize>n * bStride;
      const to = out + <usize>v * 16;
      for (let k = 0; k < K; k += 4) {
        const at = from + <usize>k * 4;
        const r0 = v128.load(at);
        const r1 = n + 1 < N ? v128.load(at + bStride) : zero;
        const r2 = n + 2 < N ? v128.load(at + bStride * 2) : zero;
        const r3 = n + 3 < N ? v128.load(at + bStride * 3) : zero;
        const low01 = v128.shuffle<f32>(r0, r1, 0, 4, 1, 5);
        const high01 = v128.shuffle<f32>(r0, r1, 2, 6, 3, 7);
        const low23 = v128.shuffle<f32>(r2, r3, 0, 4, 1, 5);
        const high23 = v128.shuffle<f32>(r2, r3, 2, 6, 3, 7);
        const target = to + <usize>k * rowBytes;
        v128.store(target, v128.shuffle<f32>(low01, low23, 0, 1, 4, 5));
        if (k + 1 < K) v128.store(target + rowBytes, v128.shuffle<f32>(low01, low23, 2, 3, 6, 7));
        if (k + 2 < K) v128.store(target + rowBytes * 2, v128.shuffle<f32>(high01, high23, 0, 1, 4, 5));
        if (k + 3 < K) v128.store(target + rowBytes * 3, v128.shuffle<f32>(high01, high23, 2, 3, 6, 7));
      }
    }
    out += <usize>K * rowBytes;
  }
}
