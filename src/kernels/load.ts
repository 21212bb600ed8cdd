import { readFileSync } from 'node:fs';
import { setFlagsFromString } from 'node:v8';
import { inputError } from '../errors.js';

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

export function hasRelaxedSimd(): boolean {
  return WebAssembly.validate(RELAXED_SIMD_PROBE);
}

/**
 * Turns on what this V8 hides behind a flag, for this process: relaxed SIMD on Node 20, and on newer x64 engines the
 * pairing of 128-bit operations into 256-bit ones. Must come before the first compilation. Returns the flags set.
 */
export function setEngineFlags(): readonly string[] {
  if (!hasRelaxedSimd()) setEngineFlag('--experimental-wasm-relaxed-simd');
  if (process.arch === 'x64' && Number(process.versions.node.split('.')[0]) >= 22) setEngineFlag('--experimental-wasm-revectorize');
  return [...flagsSet];
}

/** V8 has no way back: what was set once stays for the process. */
const flagsSet = new Set<string>();

function setEngineFlag(flag: string): void {
  setFlagsFromString(flag);
  flagsSet.add(flag);
}

/** The arithmetic for `--kernels auto|fma|portable`; `fma` where the engine cannot is refused with the way out. */
export function chooseArithmetic(wanted: 'auto' | Arithmetic): Arithmetic {
  if (wanted === 'portable') return 'portable';
  if (hasRelaxedSimd()) return 'fma';
  if (wanted === 'auto') return 'portable';
  throw inputError(
    'ERR_NO_FMA',
    'kernels "fma" need relaxed SIMD, which this engine does not offer by default; set engineFlags: true, use Node 22 or newer, or kernels "portable".',
  );
}

export function compileKernels(arithmetic: Arithmetic): WebAssembly.Module {
  return new WebAssembly.Module(readFileSync(new URL(`./${arithmetic}.wasm`, import.meta.url)));
}

export function createMemory(pages: number): WebAssembly.Memory {
  return new WebAssembly.Memory({ initial: pages, maximum: MAX_PAGES, shared: true });
}

export function instantiateKernels(module: WebAssembly.Module, memory: WebAssembly.Memory): Kernels {
  return new WebAssembly.Instance(module, { env: { memory } }).exports as unknown as Kernels;
}
