// Compressing A for matrix products over data with many zeros (images on a black ground, what comes out of a relu): a term with
// a zero factor adds nothing to a chain, as long as the other factor is finite, so that leaving it out gives the same bits.
//
// A is cut into groups of as many rows (or, for the weight gradient, columns) as the tile has rows. A group keeps the
// places along the chain where any of its rows is not zero:
//
//   rows     header | indices: u32 an entry
//   columns  header | values: R floats an entry | slack | indices: u32 an entry
//
// where an index is the entry's place. The header of columns has the entries of each shard; that of rows has the entries and
// then the numbers of the group's rows: rows that have zeros in the same places are put together. The values of rows are read
// where they are, along the whole chain; those of columns, whose chains are short, are copied together: it costs less than it saves.
import { tileRows } from './pack';

/** A vector stored for the last entry may reach so far behind it. */
const SLACK_BYTES: usize = 32;

/** Bytes of the header of a group of rows: a count, and the numbers of at most six rows. */
export const ROWS_HEADER_BYTES: usize = 32;

/** Bytes of the header of a group of columns. */
export function headerLength(shards: i32): usize {
  return (<usize>shards * 4 + 15) & ~15;
}

/** Bytes of the values of a group of `width` columns with at most K entries. */
export function valuesLength(width: i32, K: i32): usize {
  return <usize>(K * width) * 4 + SLACK_BYTES;
}

/** Bytes of a group behind its header, of which so many are values. */
export function entriesLength(valueBytes: usize, K: i32): usize {
  return (valueBytes + <usize>K * 4 + 15) & ~15;
}

/** Places that a word of a row's mask tells of. */
const WORD_BITS: i32 = 64;

/** Words of a row's mask of which rows are chosen by, wherever they lie in it. */
const SAMPLES: i32 = 4;

// A row that waits: its samples, how many places it has, its number.
const PLACES_AT: usize = <usize>SAMPLES * 8;
const ROW_AT: usize = PLACES_AT + 4;
const WAITING_BYTES: usize = ROW_AT + 4;

/**
 * Compresses a row-major [M,K] matrix for matmulSparse; returns the entries of all groups. Needs M of a tile's rows or more,
 * and behind the groups room for a bit of each element, a row of bits and WAITING_BYTES of each row.
 */
export function compressRows(tile: i32, x: usize, xStride: usize, M: i32, K: i32, out: usize): i32 {
  const rows = tileRows(tile);
  const groupBytes = ROWS_HEADER_BYTES + entriesLength(0, K);
  const maskBytes = <usize>((K + WORD_BITS - 1) / WORD_BITS) * 8;
  const union = out + <usize>((M + rows - 1) / rows) * groupBytes;
  const masks = union + maskBytes;
  const waiting = masks + <usize>M * maskBytes;
  for (let row = 0; row < M; row++) {
    const mask = masks + <usize>row * maskBytes;
    writeMask(x + <usize>row * xStride, K, mask);
    writeWaiting(waiting + <usize>row * WAITING_BYTES, row, mask, maskBytes);
  }
  let total = 0;
  for (let left = M; left > 0; out += groupBytes) {
    const taken = min(rows, left);
    chooseGroup(waiting, left, taken);
    left -= taken;
    memory.fill(union, 0, maskBytes);
    // The chosen ones now stand behind those that wait; where they are too few, the last is computed again.
    for (let r = 0; r < rows; r++) {
      const row = load<u32>(waiting + <usize>(left + min(r, taken - 1)) * WAITING_BYTES, ROW_AT);
      store<u32>(out + 4 + (<usize>r << 2), row);
      addPlaces(union, masks + <usize>row * maskBytes, maskBytes);
    }
    total += writeIndices(out, union, maskBytes);
  }
  return total;
}

/** Sets the bits of the elements that are not zero. */
// @ts-ignore: decorator
@inline
function writeMask(row: usize, K: i32, mask: usize): void {
  for (let first = 0; first < K; first += WORD_BITS, mask += 8) store<u64>(mask, wordOf(row + (<usize>first << 2), min(WORD_BITS, K - first)));
}

/** A bit for each of up to 64 elements, set where it is not zero. */
// @ts-ignore: decorator
@inline
function wordOf(x: usize, count: i32): u64 {
  if (count == WORD_BITS) return nonZeros(x) | (nonZeros(x + 64) << 16) | (nonZeros(x + 128) << 32) | (nonZeros(x + 192) << 48);
  const zero = f32x4.splat(0);
  let bits: u64 = 0;
  let at = 0;
  for (; at + 16 <= count; at += 16) bits |= nonZeros(x + (<usize>at << 2)) << at;
  for (; at < count; at += 4) bits |= <u64>i32x4.bitmask(f32x4.ne(v128.load(x + (<usize>at << 2)), zero)) << at;
  return bits & ((<u64>1 << count) - 1); // what lies behind the row is no place of it
}

/** A bit for each of 16 elements, set where it is not zero. */
// @ts-ignore: decorator
@inline
function nonZeros(x: usize): u64 {
  const zero = f32x4.splat(0);
  const low = i16x8.narrow_i32x4_s(f32x4.ne(v128.load(x), zero), f32x4.ne(v128.load(x, 16), zero));
  const high = i16x8.narrow_i32x4_s(f32x4.ne(v128.load(x, 32), zero), f32x4.ne(v128.load(x, 48), zero));
  return <u64>i8x16.bitmask(i8x16.narrow_i16x8_s(low, high));
}

/** Notes what a row is chosen by. */
// @ts-ignore: decorator
@inline
function writeWaiting(waiting: usize, row: i32, mask: usize, maskBytes: usize): void {
  const words = <i32>(maskBytes >> 3);
  for (let sample = 0; sample < SAMPLES; sample++) {
    const word = ((2 * sample + 1) * words) / (2 * SAMPLES);
    store<u64>(waiting + (<usize>sample << 3), load<u64>(mask + (<usize>word << 3)));
  }
  let places: u64 = 0;
  for (let at: usize = 0; at < maskBytes; at += 8) places += popcnt(load<u64>(mask + at));
  store<u32>(waiting, <u32>places, PLACES_AT);
  store<u32>(waiting, row, ROW_AT);
}

/**
 * Moves `taken` of the `left` rows that wait to the end of their list: the one with the fewest places, and those that add the
 * fewest to it, one after the other. (Beginning with the fewest leaves 7 % fewer entries on images than beginning anywhere;
 * looking at samples instead of whole masks leaves 1 % more, in a fraction of the time.)
 */
// @ts-ignore: decorator
@inline
function chooseGroup(waiting: usize, left: i32, taken: i32): void {
  let u0: u64 = 0, u1: u64 = 0, u2: u64 = 0, u3: u64 = 0;
  let end = waiting + <usize>left * WAITING_BYTES;
  for (let chosen = 0; chosen < taken; chosen++) {
    let fewest = u32.MAX_VALUE;
    let best = waiting;
    for (let at = waiting; at < end; at += WAITING_BYTES) {
      let places = load<u32>(at, PLACES_AT);
      if (chosen > 0) places = <u32>(popcnt(u0 | load<u64>(at)) + popcnt(u1 | load<u64>(at, 8)) + popcnt(u2 | load<u64>(at, 16)) + popcnt(u3 | load<u64>(at, 24)));
      if (places < fewest) {
        fewest = places;
        best = at;
      }
    }
    u0 |= load<u64>(best);
    u1 |= load<u64>(best, 8);
    u2 |= load<u64>(best, 16);
    u3 |= load<u64>(best, 24);
    end -= WAITING_BYTES;
    swapWaiting(best, end);
  }
}

// @ts-ignore: decorator
@inline
function swapWaiting(a: usize, b: usize): void {
  for (let at: usize = 0; at < WAITING_BYTES; at += 8) {
    const word = load<u64>(a + at);
    store<u64>(a + at, load<u64>(b + at));
    store<u64>(b + at, word);
  }
}

/** Adds the places of a row to those of its group. */
// @ts-ignore: decorator
@inline
function addPlaces(union: usize, mask: usize, maskBytes: usize): void {
  for (let at: usize = 0; at < maskBytes; at += 8) store<u64>(union + at, load<u64>(union + at) | load<u64>(mask + at));
}

/** Writes the places of `union` behind the header of a group. Returns how many. */
// @ts-ignore: decorator
@inline
function writeIndices(group: usize, union: usize, maskBytes: usize): i32 {
  const indices = group + ROWS_HEADER_BYTES;
  let index = indices;
  for (let word: usize = 0; word < maskBytes; word += 8) {
    for (let bits = load<u64>(union + word); bits; bits &= bits - 1, index += 4) store<u32>(index, (<u32>word << 3) + <u32>ctz(bits));
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
  const valuesAt = headerLength(shards);
  const valueBytes = valuesLength(width, rows);
  const indicesAt = valuesAt + valueBytes;
  const groupBytes = valuesAt + entriesLength(valueBytes, rows);
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
