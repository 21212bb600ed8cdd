import { expect, test } from 'vitest';
import { compileKernels, createMemory, instantiateKernels, PAGE_BYTES, RESERVED_BYTES } from '../../src/kernels/load.js';
import { packedByteLength, TILES } from '../../src/kernels/tiles.js';
import { ARITHMETICS } from './arena.js';

const PAGES = 4;

/** C[M,N] = A[M,K] B, with values that depend on their places, and a packed B that ends where the memory does. */
function productAtTheEnd(module: WebAssembly.Module, tile: number, m: number, n: number, k: number, isShared: boolean): Float32Array {
  const memory = createMemory(PAGES);
  const kernels = instantiateKernels(module, memory);
  kernels['sharePanels']!(Number(isShared));
  const values = new Float32Array(memory.buffer);
  const [a, c] = [RESERVED_BYTES, RESERVED_BYTES + PAGE_BYTES];
  const panels = PAGES * PAGE_BYTES - packedByteLength(k, n);
  for (let i = 0; i < m * k; i++) values[a / 4 + i] = Math.fround(1 / (i + 1));
  for (let i = panels / 4; i < values.length; i++) values[i] = Math.fround(1 - i / 65_537);
  kernels['matmul']!(tile, m, n, k, a, k * 4, panels, c, n * 4);
  return values.slice(c / 4, c / 4 + m * n);
}

test.each(ARITHMETICS)('loading panels that others have written reads nothing beyond them and changes no bit: %s', (arithmetic) => {
  const module = compileKernels(arithmetic);
  for (const { id, rows, columns } of TILES) {
    for (let k = 4; k <= 40; k += 4) {
      const alone = productAtTheEnd(module, id, rows, columns, k, false);
      expect(productAtTheEnd(module, id, rows, columns, k, true)).toEqual(alone);
      expect(alone.every((value) => Number.isFinite(value) && value !== 0)).toBe(true);
    }
  }
});
