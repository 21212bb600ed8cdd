import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Arena, SLOT_ALIGNMENT_BYTES } from '../../src/kernels/arena.js';
import { PAGE_BYTES, RESERVED_BYTES } from '../../src/kernels/load.js';
import { seed } from './arena.js';

/** Slots, as byte ranges, handed out from some sizes. */
const ranges = (arena: Arena, sizes: readonly number[]): (readonly [number, number])[] =>
  sizes.map((byteLength, index) => {
    const start = arena.slot(`slot ${index}`, byteLength);
    return [start, start + byteLength];
  });

test('slots are whole cache lines, behind one another, inside the memory with a vector to spare', () => {
  fc.assert(fc.property(fc.array(fc.nat(100_000), { maxLength: 30 }), (sizes) => {
    const arena = new Arena();
    const all = ranges(arena, sizes);
    let end = RESERVED_BYTES;
    for (const [start, slotEnd] of all) {
      expect(start % SLOT_ALIGNMENT_BYTES).toBe(0);
      expect(start).toBeGreaterThanOrEqual(end);
      end = slotEnd;
    }
    expect(arena.usedBytes).toBe(end);
    expect(arena.memory.buffer.byteLength).toBeGreaterThanOrEqual(end + 64);
  }), { seed });
});

test('a slot that does not fit is refused with the bytes needed and available, and the arena is as it was', () => {
  const arena = new Arena(4 * PAGE_BYTES);
  const first = arena.slot('the parameters', 100);
  const before = { used: arena.usedBytes, bytes: arena.memory.buffer.byteLength };
  // Four pages of 65,536 less the kernels' own, the first slot's two lines and the guard's line: 196,608 - 128 - 64.
  expect(() => arena.slot('the data', 196_417)).toThrow(expect.objectContaining({
    code: 'ERR_ARENA_FULL', kind: 'input', message: 'the data needs 196,417 bytes and the arena has 196,416 left; use a smaller model, batch or data set.',
  }) as Error);
  expect({ used: arena.usedBytes, bytes: arena.memory.buffer.byteLength }).toEqual(before);
  expect(arena.slot('the data', 196_416)).toBe(first + 128);
  expect(() => arena.slot('one byte more', 1)).toThrow('and the arena has 0 left');
});

test('what the engine cannot address is refused, whatever the size', () => {
  const arena = new Arena();
  expect(() => arena.slot('the data', 2 ** 40)).toThrow(/^the data needs 1,099,511,627,776 bytes and the arena has 4,294,[\d,]+ left/);
  expect(arena.usedBytes).toBe(RESERVED_BYTES);
});

test('slots since a mark are given back together, and their places handed out again', () => {
  const arena = new Arena();
  arena.slot('kept', 10);
  const mark = arena.mark();
  const [first, second] = ranges(arena, [1_000, 2_000]);
  const { byteLength } = arena.memory.buffer;
  arena.release(mark);
  expect(ranges(arena, [1_000, 2_000])).toEqual([first, second]);
  expect(arena.memory.buffer.byteLength).toBe(byteLength);
});

test('views see the same bytes, whatever has been added since', () => {
  const arena = new Arena();
  const address = arena.slot('values', 16);
  const floats = arena.floats(address, 4);
  floats.set([1, 2, 3, 4]);
  arena.slot('much more', 10 * PAGE_BYTES);
  floats[0] = 5;
  expect([...arena.floats(address, 4)]).toEqual([5, 2, 3, 4]);
  expect(arena.words(address, 1)[0]).toBe(0x40a00000); // 5 in binary32
  expect([...arena.bytes(address, 4)]).toEqual([0, 0, 0xa0, 0x40]);
});

test('a slot of zeros is that wherever it lies, and is written to only where another may have been', () => {
  const arena = new Arena();
  const mark = arena.mark();
  const first = arena.slot('another', 1_000);
  arena.bytes(first, 1_000).fill(7);
  arena.release(mark);
  const untouched = first + 2_000;
  arena.bytes(untouched, 1)[0] = 1; // nobody else would
  const slot = arena.zeroSlot('zeros', 3_000);
  expect(slot).toBe(first);
  expect(arena.bytes(slot, 3_000).findIndex((byte) => byte !== 0)).toBe(2_000);
  arena.release(mark);
  arena.bytes(arena.slot('another', 3_000), 3_000).fill(7);
  arena.release(mark);
  expect(arena.bytes(arena.zeroSlot('zeros', 3_000), 3_000).every((byte) => byte === 0)).toBe(true);
});
