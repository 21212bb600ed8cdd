// Kernels and their memory, as every engine has them; how Node loads them is in load.ts.

/** Which build of the kernels computes. */
export type Arithmetic = 'fma' | 'portable';

/** The instantiated kernels: every export takes byte addresses (unsigned) and counts, and returns at most one number. */
export type Kernels = Readonly<Record<string, (...args: number[]) => number>>;

/** One page holds the kernels' own constants; slots begin behind it. */
export const RESERVED_BYTES = 65_536;
export const PAGE_BYTES = 65_536;
export const MAX_PAGES = 65_536;

/** A function of type (v128, v128, v128) -> v128 whose body is one f32x4.relaxed_madd. */
const RELAXED_SIMD_PROBE = new Uint8Array([
  0, 97, 115, 109, 1, 0, 0, 0, 1, 8, 1, 96, 3, 123, 123, 123, 1, 123, 3, 2, 1, 0, 10, 13, 1, 11, 0, 32, 0, 32, 1, 32,
  2, 253, 133, 2, 11,
]);

/** A function of type () -> v128 that splats a byte. */
const SIMD_PROBE = new Uint8Array([
  0, 97, 115, 109, 1, 0, 0, 0, 1, 5, 1, 96, 0, 1, 123, 3, 2, 1, 0, 10, 10, 1, 8, 0, 65, 0, 253, 15, 253, 98, 11,
]);

/** Without it there are no kernels. */
export function hasSimd(): boolean {
  return WebAssembly.validate(SIMD_PROBE);
}

export function hasRelaxedSimd(): boolean {
  return WebAssembly.validate(RELAXED_SIMD_PROBE);
}

/** @param isShared pages that may not share have memories of one thread, which the kernels must be built for */
export function createMemory(pages: number, isShared = true): WebAssembly.Memory {
  return new WebAssembly.Memory({ initial: pages, maximum: MAX_PAGES, shared: isShared });
}

export function instantiateKernels(module: WebAssembly.Module, memory: WebAssembly.Memory): Kernels {
  return new WebAssembly.Instance(module, { env: { memory } }).exports as unknown as Kernels;
}
