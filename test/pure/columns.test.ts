import { describe, expect, test } from 'vitest';
import type { Column } from '../../src/data/dataset.js';
import { Arena } from '../../src/kernels/arena.js';
import { placeColumns } from '../../src/train/programs.js';

/** Bytes that a column takes, and what lies there. */
function placed(column: Column): { readonly type: string; readonly taken: number; readonly bytes: number[]; readonly table: number } {
  const arena = new Arena();
  const before = arena.usedBytes;
  const [bound] = placeColumns(arena, [column], 'a test');
  return { type: bound!.type, taken: arena.usedBytes - before, bytes: [...arena.bytes(bound!.address, column.values.byteLength)], table: bound!.table };
}

describe('a column in the arena', () => {
  // 128 is two cache lines, so that no end is rounded.
  test.each([
    ['bytes', Uint8Array.from({ length: 128 }, (_, i) => i), 'u8', 128],
    ['int32', Int32Array.from({ length: 32 }, (_, i) => -i), 'i32', 128],
    ['float32', Float32Array.from({ length: 32 }, (_, i) => i / 3), 'f32', 128],
  ] as const)('of %s keeps its type and takes no more than its bytes', (_name, values, type, byteLength) => {
    const column = placed({ values, shape: [values.length], ...(type === 'u8' ? { scale: 1 / 255 } : {}) });
    expect(column).toEqual({ type, taken: byteLength, bytes: [...new Uint8Array(values.buffer)], table: 0 });
  });

  test('of bytes with a scale that two pieces cannot give has a table of 256 floats beside it', () => {
    const { taken, table } = placed({ values: new Uint8Array(128), shape: [128], scale: -0.1 });
    expect(taken).toBe(128 + 256 * 4);
    expect(table).toBeGreaterThan(0);
  });

  test('that is a view brings its own bytes alone', () => {
    const { bytes, taken } = placed({ values: Uint8Array.from({ length: 256 }, (_, i) => i).subarray(64, 192), shape: [128] });
    expect(taken).toBe(128);
    expect(bytes).toEqual(Array.from({ length: 128 }, (_, i) => 64 + i));
  });
});
