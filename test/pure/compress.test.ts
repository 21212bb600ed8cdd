import { beforeAll, describe, expect, test } from 'vitest';
import { compileKernels, createMemory, instantiateKernels, setEngineFlags, type Kernels } from '../../src/kernels/load.js';
import { FOLD_STACK_BYTES, TILES } from '../../src/kernels/tiles.js';

// Products that leave zeros out have the bytes of those that do not.

const MAX = 96;
const MATRIX_BYTES = MAX * MAX * 4 * 4;
const [A, B, PACKED, DENSE, SPARSE, STACK, GROUPS] = [0, 1, 2, 3, 4, 5, 6].map((slot) => 131_072 + slot * MATRIX_BYTES) as [number, number, number, number, number, number, number];

/** A linear congruential step: numbers of many sizes, about half of them zeros of both signs. */
function holed(count: number, salt: number): Float32Array {
  let state = salt;
  const next = (): number => (state = (Math.imul(state, 1664525) + 1013904223) >>> 0) / 2 ** 32;
  return Float32Array.from({ length: count }, () => {
    const kind = next();
    if (kind < 0.5) return kind < 0.1 ? -0 : 0;
    // Products of the smallest underflow, where fused rounding can leave -0.
    return (next() - 0.5) * (kind < 0.6 ? 1e-30 : 2);
  });
}

describe.each(['fma', 'portable'] as const)('%s', (arithmetic) => {
  let kernels: Kernels;
  let memory: WebAssembly.Memory;
  beforeAll(() => {
    setEngineFlags();
    memory = createMemory(64);
    kernels = instantiateKernels(compileKernels(arithmetic), memory);
    expect(STACK + FOLD_STACK_BYTES).toBeLessThan(GROUPS);
  });
  const put = (address: number, values: Float32Array): void => { new Float32Array(memory.buffer, address, values.length).set(values); };
  const bytes = (address: number, floats: number): Buffer => Buffer.from(new Uint8Array(memory.buffer, address, floats * 4).slice());
  const pad = (length: number): number => Math.ceil(length / 4) * 4;

  describe.each(TILES.map((tile, index) => ({ ...tile, index })))('tile $name', ({ index, rows }) => {
    test('a product', () => {
      const heights = Array.from({ length: 41 - rows }, (_, above) => rows + above);
      for (const m of heights) for (const k of [1, 5, 64]) for (const n of [4, 12, 21, 50]) {
        const [stride, cStride] = [pad(k), pad(n)];
        put(A, holed(m * stride, m + k));
        put(B, holed(k * cStride, n).map((value) => value + 0.25));
        expect(kernels['packB']!(index, B, cStride * 4, k, n, PACKED, 0, k)).toBe(1);
        kernels['matmul']!(index, m, n, k, A, stride * 4, PACKED, DENSE, cStride * 4);
        const entries = kernels['compressRows']!(index, A, stride * 4, m, k, GROUPS);
        expect(entries).toBeLessThanOrEqual(Math.ceil(m / rows) * k);
        kernels['matmulSparse']!(index, m, n, k, A, stride * 4, PACKED, SPARSE, cStride * 4, GROUPS);
        expect(bytes(SPARSE, m * cStride).equals(bytes(DENSE, m * cStride)), `${m}x${k}x${n}`).toBe(true);
      }
    });

    test('puts rows with zeros in the same places together', () => {
      // Rows with numbers in the first or in the second half, alternating: groups of one kind have half the places.
      const [m, k, stride] = [rows * 4, 70, 72];
      put(A, Float32Array.from({ length: m * stride }, (_, at) => (Math.floor((at % stride) / 35) === Math.floor(at / stride) % 2 ? 1 : 0)));
      // 2 x rows of each kind make two groups each, of 35 places.
      expect(kernels['compressRows']!(index, A, stride * 4, m, k, GROUPS)).toBe(4 * 35);
    });

    test('a fold', () => {
      const counts = Array.from({ length: 40 }, (_, index) => index + 1);
      for (const m of [rows, rows + 1, 13, 61]) for (const examples of counts) for (const shard of [1, 3, 16]) for (const n of [4, 21, 50]) {
        const [stride, cStride] = [pad(m), pad(n)];
        put(A, holed(examples * stride, m + examples));
        put(B, holed(examples * cStride, n + shard));
        kernels['packB']!(index, B, cStride * 4, examples, n, PACKED, 0, examples);
        kernels['matmulFold']!(index, m, n, examples, shard, A, stride * 4, PACKED, DENSE, cStride * 4, STACK);
        kernels['compressColumns']!(index, A, stride * 4, examples, m, shard, GROUPS);
        kernels['matmulFoldSparse']!(index, m, n, examples, shard, A, stride * 4, PACKED, SPARSE, cStride * 4, STACK, GROUPS);
        expect(bytes(SPARSE, m * cStride).equals(bytes(DENSE, m * cStride)), `${m}x${examples}/${shard}x${n}`).toBe(true);
      }
    });

    test('packing says whether all of a matrix is finite', () => {
      for (const bad of [Infinity, -Infinity, NaN]) for (const at of [0, 7, 20, 21 * 24 - 4]) {
        const values = holed(21 * 24, 3);
        values[at] = bad;
        put(B, values);
        // Column 20 of 24 is the last of 21: the pads behind it do not count.
        expect(kernels['packB']!(index, B, 96, 21, 21, PACKED, 0, 21), `${bad} at ${at}`).toBe(0);
      }
      const pads = holed(21 * 24, 3);
      pads[23] = NaN;
      put(B, pads);
      expect(kernels['packB']!(index, B, 96, 21, 21, PACKED, 0, 21)).toBe(1);
    });
  });
});
