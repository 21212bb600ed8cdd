// Compressing A for matrix products over data with many zeros (images on a black ground): a term with a zero factor adds
// nothing to a chain, as long as the other factor is finite, so that leaving it out gives the same bits.
//
// A is cut into groups of as many rows (or, for the weight gradient, columns) as the tile has rows. A group keeps the
// places where any of its rows is not zero:
//
//   header | values: R floats an entry | slack | indices: u32 an entry
//
// where an index is the entry's place along the chain. The header of columns has the entries of each shard; that of rows has
// the entries and then the numbers of the group's rows: rows that have zeros in the same places are put together.
import { tileRows } from './pack';

/** A vector stored for the last entry may reach so far behind it. */
export const SLACK_BYTES: usize = 32;

/** Bytes of the header of a group of rows: a count, and the numbers of at most six rows. */
export const ROWS_HEADER_BYTES: usize = 32;

/** Bytes of the header of a group of columns. */
export function headerLength(shards: i32): usize {
  return (<usize>shards * 4 + 15) & ~15;
}

/** Bytes of values and indices of a group of `rows` rows with at most K entries. */
export function entriesLength(rows: i32, K: i32): usize {
  return (<usize>(K * (rows + 1)) * 4 + SLACK_BYTES + 15) & ~15;
}

/** Places that a word of a row's mask tells of. */
const WORD_BITS: i32 = 64;

/**
 * Compresses a row-major [M,K] matrix for matmulSparse; returns the entries of all groups. Needs M of a tile's rows or more,
 * and behind the groups room for a bit of each element, a row of bits and three words of each row.
 */
export function compressRows(tile: i32, x: usize, xStride: usize, M: i32, K: i32, out: usize): i32 {
  const rows = tileRows(tile);
  const groupBytes = ROWS_HEADER_BYTES + entriesLength(rows, K);
  const maskBytes = <usize>((K + WORD_BITS - 1) / WORD_BITS) * 8;
  const union = out + <usize>((M + rows - 1) / rows) * groupBytes;
  const masks = union + maskBytes;
  const waiting = masks + <usize>M * (maskBytes + 8);
  for (let row = 0; row < M; row++) {
    const mask = masks + <usize>row * (maskBytes + 8);
    writeMask(x + <usize>row * xStride, K, mask);
    store<u64>(mask + maskBytes, placesOf(mask, mask, maskBytes, 8));
    store<usize>(waiting + (<usize>row << 2), mask);
  }
  let total = 0;
  for (let left = M; left > 0; out += groupBytes) {
    const taken = min(rows, left);
    chooseGroup(waiting, left, taken, union, maskBytes);
    left -= taken;
    // The chosen ones now stand behind those that wait; where they are too few, the last is computed again.
    for (let r = 0; r < rows; r++) {
      const mask = load<usize>(waiting + (<usize>(left + min(r, taken - 1)) << 2));
      store<u32>(out + 4 + (<usize>r << 2), <u32>((mask - masks) / (maskBytes + 8)));
    }
    total += writeEntries(out, rows, x, xStride, K, union, maskBytes);
  }
  return total;
}

/** Sets the bits of the elements that are not zero. */
// @ts-ignore: decorator
@inline
function writeMask(row: usize, K: i32, mask: usize): void {
  const zero = f32x4.splat(0);
  for (let first = 0; first < K; first += WORD_BITS, mask += 8) {
    const end = min(K, first + WORD_BITS);
    let bits: u64 = 0;
    for (let k = first; k < end; k += 4) {
      let four = i32x4.bitmask(f32x4.ne(v128.load(row + (<usize>k << 2)), zero));
      if (end - k < 4) four &= (1 << (end - k)) - 1;
      bits |= <u64>four << (k - first);
    }
    store<u64>(mask, bits);
  }
}

/**
 * Words of a mask of which one tells enough to choose by: with every third of an image's the groups have 1 % more entries, and
 * are found in a third of the time.
 */
// @ts-ignore: decorator
@inline
function sampleStep(maskBytes: usize): usize {
  return max(maskBytes >> 5, 1) << 3;
}

/**
 * Moves `taken` of the `left` rows that wait to the end of their list: the one with the fewest places, and those that add the
 * fewest to it, one after the other. Their places are left in `union`. (Beginning with the fewest leaves 7 % fewer entries on
 * images than beginning anywhere.)
 */
// @ts-ignore: decorator
@inline
function chooseGroup(waiting: usize, left: i32, taken: i32, union: usize, maskBytes: usize): void {
  const step = sampleStep(maskBytes);
  let end = waiting + (<usize>left << 2);
  for (let chosen = 0; chosen < taken; chosen++) {
    let fewest: u64 = u64.MAX_VALUE;
    let best: usize = 0;
    for (let at = waiting; at < end; at += 4) {
      const mask = load<usize>(at);
      const places = chosen == 0 ? load<u64>(mask + maskBytes) : placesOf(mask, union, maskBytes, step);
      if (places < fewest) {
        fewest = places;
        best = at;
      }
    }
    end -= 4;
    const mask = load<usize>(best);
    store<usize>(best, load<usize>(end));
    store<usize>(end, mask);
    for (let at: usize = 0; at < maskBytes; at += 8) store<u64>(union + at, load<u64>(mask + at) | (chosen == 0 ? 0 : load<u64>(union + at)));
  }
}

/** Places of the union and a row together, in the words that are `step` bytes apart. */
// @ts-ignore: decorator
@inline
function placesOf(mask: usize, union: usize, maskBytes: usize, step: usize): u64 {
  let places: u64 = 0;
  for (let at: usize = (step >> 4) << 3; at < maskBytes; at += step) places += popcnt(load<u64>(union + at) | load<u64>(mask + at));
  return places;
}

/** Address of a row of a group; the last one where there are not so many. */
// @ts-ignore: decorator
@inline
function rowAt(group: usize, r: i32, rows: i32, x: usize, xStride: usize): usize {
  return x + <usize>load<u32>(group + 4 + (<usize>min(r, rows - 1) << 2)) * xStride;
}

/** Writes the entries of the group whose rows its header names: the places of `union`. Returns how many. */
// @ts-ignore: decorator
@inline
function writeEntries(group: usize, rows: i32, x: usize, xStride: usize, K: i32, union: usize, maskBytes: usize): i32 {
  const row0 = rowAt(group, 0, rows, x, xStride);
  const row1 = rowAt(group, 1, rows, x, xStride);
  const row2 = rowAt(group, 2, rows, x, xStride);
  const row3 = rowAt(group, 3, rows, x, xStride);
  const row4 = rowAt(group, 4, rows, x, xStride);
  const row5 = rowAt(group, 5, rows, x, xStride);
  const valueBytes = <usize>rows << 2;
  let value = group + ROWS_HEADER_BYTES;
  const indices = value + <usize>K * valueBytes + SLACK_BYTES;
  let index = indices;
  for (let word: usize = 0; word < maskBytes; word += 8) {
    for (let bits = load<u64>(union + word); bits; bits &= bits - 1) {
      const k = (<u32>word << 3) + <u32>ctz(bits);
      const at = <usize>k << 2;
      store<f32>(value, load<f32>(row0 + at));
      store<f32>(value, load<f32>(row1 + at), 4);
      if (rows > 2) store<f32>(value, load<f32>(row2 + at), 8);
      if (rows > 3) {
        store<f32>(value, load<f32>(row3 + at), 12);
        if (rows > 4) store<f32>(value, load<f32>(row4 + at), 16);
        if (rows > 5) store<f32>(value, load<f32>(row5 + at), 20);
      }
      value += valueBytes;
      store<u32>(index, k);
      index += 4;
    }
  }
  const count = <i32>((index - indices) >> 2);
  store<i32>(group, count);
  return count;
}

/** Compresses the columns of a row-major [rows][M] matrix for matmulFoldSparse; returns the entries of all groups. */
export function compressColumns(tile: i32, x: usize, xStride: usize, rows: i32, M: i32, shardRows: i32, out: usize): i32 {
  const width = tileRows(tile);
  const zero = f32x4.splat(0);
  const shards = (rows + shardRows - 1) / shardRows;
  const groupBytes = headerLength(shards) + entriesLength(width, rows);
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
