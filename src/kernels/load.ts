import { readFileSync } from 'node:fs';
import { setFlagsFromString } from 'node:v8';
import { inputError } from '../errors.js';
import { hasRelaxedSimd, type Arithmetic } from './instance.js';

export * from './instance.js';

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
