import {
  compileKernels, createMemory, instantiateKernels, RESERVED_BYTES, setEngineFlags,
  type Arithmetic, type Kernels,
} from '../../src/kernels/load.js';

setEngineFlags();

export const ARITHMETICS: readonly Arithmetic[] = ['fma', 'portable'];

/** What a slot is filled with before a kernel writes to it; found unchanged behind the slot afterwards. */
const CANARY_BITS = 0x7fabcdef;
const CANARY_BYTES = 64;

/** Kernels over a memory of their own, with slots handed out from the bottom until `reset`. */
export class Arena {
  readonly kernels: Kernels;
  private readonly memory = createMemory(512);
  private top = RESERVED_BYTES;

  constructor(arithmetic: Arithmetic) {
    this.kernels = instantiateKernels(compileKernels(arithmetic), this.memory);
  }

  reset(): void {
    this.top = RESERVED_BYTES;
  }

  /** Runs one kernel; the kernel returns at most one number. */
  call(kernel: string, ...args: number[]): number {
    const run = this.kernels[kernel];
    if (!run) throw new Error(`no kernel "${kernel}"`);
    return run(...args);
  }

  /** A slot for so many floats, full of NaN canaries up to and behind its padded end. Returns its address. */
  slot(floatCount: number): number {
    const address = this.top;
    const paddedBytes = Math.ceil(floatCount / 4) * 16;
    this.top += paddedBytes + CANARY_BYTES;
    this.words(address, (paddedBytes + CANARY_BYTES) / 4).fill(CANARY_BITS);
    return address;
  }

  /** A slot holding these floats, its pads NaN. */
  put(values: ArrayLike<number>): number {
    const address = this.slot(values.length);
    this.floats(address, values.length).set(values);
    return address;
  }

  /** A slot holding these bytes, for columns and index lists. */
  putBytes(values: Uint8Array): number {
    const address = this.slot(Math.ceil(values.length / 4));
    new Uint8Array(this.memory.buffer, address, values.length).set(values);
    return address;
  }

  /** A row tensor: every row padded to a multiple of 4 floats with NaN. */
  putRows(rows: readonly ArrayLike<number>[], floatsPerRow: number): number {
    const stride = rowStride(floatsPerRow) / 4;
    const address = this.slot(rows.length * stride);
    rows.forEach((row, r) => this.floats(address + r * stride * 4, floatsPerRow).set(row));
    return address;
  }

  floats(address: number, count: number): Float32Array {
    return new Float32Array(this.memory.buffer, address, count);
  }

  words(address: number, count: number): Uint32Array {
    return new Uint32Array(this.memory.buffer, address, count);
  }

  /** A copy of the rows of a row tensor, without pads. */
  rows(address: number, rowCount: number, floatsPerRow: number): Float32Array[] {
    const at = (r: number): number => address + r * rowStride(floatsPerRow);
    return Array.from({ length: rowCount }, (_, r) => this.floats(at(r), floatsPerRow).slice());
  }

  /** Whether everything behind the padded end of a slot of so many floats is as `slot` left it. */
  isIntactBehind(address: number, floatCount: number): boolean {
    const end = address + Math.ceil(floatCount / 4) * 16;
    return this.words(end, CANARY_BYTES / 4).every((word) => word === CANARY_BITS);
  }
}

/** Bytes from one row to the next. */
export function rowStride(floatsPerRow: number): number {
  return Math.ceil(floatsPerRow / 4) * 16;
}

/** The bits of float32 values, NaN in one form, for comparisons that tell -0 from 0. */
export function bits(values: ArrayLike<number>): number[] {
  const floats = Float32Array.from(values, (value) => (Number.isNaN(value) ? NaN : value));
  return Array.from(new Uint32Array(floats.buffer));
}

export const seed = Number(process.env['SEED'] ?? 1);

/** Numbers in 0..1 from a seed (mulberry32), for test inputs only. */
export function randomFrom(start: number): () => number {
  let state = start;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** Values where kernels go wrong: zeros, denormals, the ends of the range, infinities, NaN, halves. */
export const SPECIAL_VALUES: readonly number[] = [
  0, -0, 1e-45, -1e-45, 1.1754942e-38, 1.17549435e-38, -1.17549435e-38, 0.5, -0.5, 1, -1, 1.5, -1.5, 2, -2, 2.5, -2.5, 3,
  -3, 6, 7, 0.3333333, -0.3333333, 8388609, -8388609, 3.4028235e38, -3.4028235e38, Infinity, -Infinity, NaN,
].map(Math.fround);
