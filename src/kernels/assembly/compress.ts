// Compressing A for matrix products over data with many zeros (images on a black ground): a term with a zero factor adds
// nothing to a chain, as long as the other factor is finite, so that leaving it out gives the same bits.
//
// A is cut into groups of as many rows (or, for the weight gradient, columns) as the tile has rows. A group keeps the
// places where any of its rows is not zero:
//
//   [entries of shard 0][of shard 1]... padded to 16 bytes | values: R floats an entry | slack | indices: u32 an entry
//
// where an index is the entry's place along the chain.
import { tileRows } from './pack';

/** A vector stored for the last entry may reach so far behind it. */
export const SLACK_BYTES: usize = 32;

/** Bytes of a group's counts. */
export function headerLength(shards: i32): usize {
  return (<usize>shards * 4 + 15) & ~15;
}

/** Bytes of a group of `rows` rows with at most K entries. */
export function groupLength(rows: i32, K: i32, shards: i32): usize {
  return headerLength(shards) + ((<usize>(K * (rows + 1)) * 4 + SLACK_BYTES + 15) & ~15);
}

/** Compresses a row-major [M,K] matrix for matmulSparse; returns the entries of all groups. Needs M of a tile's rows or more. */
export function compressRows(tile: i32, x: usize, xStride: usize, M: i32, K: i32, out: usize): i32 {
  const rows = tileRows(tile);
  const zero = f32x4.splat(0);
  const groupBytes = groupLength(rows, K, 1);
  const valuesAt = headerLength(1);
  const indicesAt = valuesAt + <usize>(K * rows) * 4 + SLACK_BYTES;
  let total = 0;
  for (let i = 0; i < M; i += rows) {
    const from = x + <usize>min(i, M - rows) * xStride;
    let value = out + valuesAt;
    let index = out + indicesAt;
    for (let k = 0; k < K; k += 4) {
      const at = from + <usize>k * 4;
      let any = f32x4.ne(v128.load(at), zero);
      for (let r = 1; r < rows; r++) any = v128.or(any, f32x4.ne(v128.load(at + <usize>r * xStride), zero));
      let bits = i32x4.bitmask(any);
      if (K - k < 4) bits &= (1 << (K - k)) - 1;
      for (; bits; bits &= bits - 1) {
        const lane = ctz(bits);
        let entry = at + (<usize>lane << 2);
        for (let r = 0; r < rows; r++, entry += xStride, value += 4) store<f32>(value, load<f32>(entry));
        store<u32>(index, k + lane);
        index += 4;
      }
    }
    const count = <i32>((index - out - indicesAt) >> 2);
    store<i32>(out, count);
    total += count;
    out += groupBytes;
  }
  return total;
}

/** Compresses the columns of a row-major [rows][M] matrix for matmulFoldSparse; returns the entries of all groups. */
export function compressColumns(tile: i32, x: usize, xStride: usize, rows: i32, M: i32, shardRows: i32, out: usize): i32 {
  const width = tileRows(tile);
  const zero = f32x4.splat(0);
  const shards = (rows + shardRows - 1) / shardRows;
  const groupBytes = groupLength(width, rows, shards);
  const valuesAt = headerLength(shards);
  const indicesAt = valuesAt + <usize>(rows * width) * 4 + SLACK_BYTES;
  const lowMask = (1 << min(width, 4)) - 1;
  const highMask = (1 << max(width - 4, 0)) - 1;
  const entryBytes = <usize>width * 4;
  let total = 0;
  for (let i = 0; i < M; i += width) {
    let from = x + <usize>min(i, M - width) * 4;
    let value = out + valuesAt;
    let index = out + indicesAt;
    let header = out;
    for (let first = 0; first < rows; first += shardRows, header += 4) {
      const begin = index;
      const end = min(rows, first + shardRows);
      for (let row = first; row < end; row++) {
        const low = v128.load(from);
        let bits = i32x4.bitmask(f32x4.ne(low, zero)) & lowMask;
        v128.store(value, low);
        if (width > 4) {
          const high = v128.load(from, 16);
          bits |= i32x4.bitmask(f32x4.ne(high, zero)) & highMask;
          v128.store(value, high, 16);
        }
        store<u32>(index, row);
        // The entry stays only if it is not all zeros: without a branch, since zeros come as they like.
        const keep = <usize>(bits != 0);
        value += keep * entryBytes;
        index += keep << 2;
        from += xStride;
      }
      store<i32>(header, <i32>((index - begin) >> 2));
    }
    total += <i32>((index - out - indicesAt) >> 2);
    out += groupBytes;
  }
  return total;
}
