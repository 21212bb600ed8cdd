import { inputError } from '../errors.js';
import { createMemory, MAX_PAGES, PAGE_BYTES, RESERVED_BYTES } from './instance.js';

/** Slots start on a cache line: no two workers' slots share one. */
export const SLOT_ALIGNMENT_BYTES = 64;

/** Kernels may load a whole vector at a slot's last byte. */
const GUARD_BYTES = 64;

/**
 * The one shared memory: slots are handed out in order and given back all together, down to a mark. Grows as needed,
 * up to what 32-bit addresses reach. Where it belongs to one thread alone, a slot ends every view that was taken before it.
 */
export class Arena {
  readonly memory: WebAssembly.Memory;
  #nextByte = RESERVED_BYTES;
  /** From here on nobody has written: a memory begins as zeros. */
  #freshByte = RESERVED_BYTES;

  constructor(private readonly maxBytes = MAX_PAGES * PAGE_BYTES, isShared = true) {
    this.memory = createMemory(2, isShared);
  }

  /** Bytes in use, the kernels' own page included. */
  get usedBytes(): number {
    return this.#nextByte;
  }

  /**
   * Address of a new slot; its bytes are whatever they were.
   * @throws ERR_ARENA_FULL with the bytes needed and available; the arena is then as it was
   */
  slot(name: string, byteLength: number): number {
    const start = alignTo(this.#nextByte, SLOT_ALIGNMENT_BYTES);
    const end = start + byteLength;
    if (end + GUARD_BYTES > this.maxBytes) {
      throw inputError('ERR_ARENA_FULL', `${name} needs ${count(byteLength)} bytes and the arena has ${count(Math.max(0, this.maxBytes - start - GUARD_BYTES))} left; use a smaller model, batch or data set.`);
    }
    this.#growTo(end + GUARD_BYTES, name);
    this.#nextByte = end; // only now: a refused slot leaves the arena as it was
    this.#freshByte = Math.max(this.#freshByte, end + GUARD_BYTES);
    return start;
  }

  /** As `slot`, but its bytes are 0. To write zeros where there are some already would cost as much time as any others, and memory. */
  zeroSlot(name: string, byteLength: number): number {
    const fresh = this.#freshByte;
    const start = this.slot(name, byteLength);
    if (start < fresh) this.bytes(start, Math.min(byteLength, fresh - start)).fill(0);
    return start;
  }

  /** A place to go back to. */
  mark(): number {
    return this.#nextByte;
  }

  /** Gives back every slot handed out since the mark. */
  release(mark: number): void {
    this.#nextByte = mark;
  }

  floats(address: number, count: number): Float32Array {
    return new Float32Array(this.memory.buffer, address, count);
  }

  bytes(address: number, byteLength: number): Uint8Array {
    return new Uint8Array(this.memory.buffer, address, byteLength);
  }

  words(address: number, count: number): Uint32Array {
    return new Uint32Array(this.memory.buffer, address, count);
  }

  #growTo(byteLength: number, name: string): void {
    const missing = byteLength - this.memory.buffer.byteLength;
    if (missing <= 0) return;
    try {
      this.memory.grow(Math.ceil(missing / PAGE_BYTES));
    } catch (cause) {
      throw inputError('ERR_ARENA_FULL', `${name} needs ${count(missing)} bytes more than the system gives; close other programs, or use a smaller model, batch or data set.`, { cause });
    }
  }
}

function alignTo(value: number, alignment: number): number {
  return Math.ceil(value / alignment) * alignment;
}

function count(bytes: number): string {
  return bytes.toLocaleString('en-US');
}
