import { encodedBytes, type Codec } from '../src/codecs/codec.js';
import { decode, encode } from '../src/codecs/coding.js';
import type { Kernels } from '../src/kernels/load.js';
import { longestPanel, type Panel } from './panels.js';

/** Where tensors lie, and what works on them there. */
export interface TensorRoom {
  readonly memory: WebAssembly.Memory;
  readonly kernels: Kernels;
  /** Address of a new slot of the memory. @throws ERR_ARENA_FULL */
  readonly allocate: (name: string, byteLength: number) => number;
}

/** Encodes and decodes panels of tensors of one size, on the thread that sends and receives: the workers have other things to do. */
export class TensorCoding {
  /** Of one encoded panel; float32 needs none. */
  readonly #encoding: number;

  constructor(private readonly room: TensorRoom, readonly codec: Codec, readonly values: number) {
    this.#encoding = codec.name === 'float32' ? 0 : room.allocate('an encoded panel', this.encodedBytes(longestPanel(codec, values)));
  }

  encodedBytes(valueCount: number): number {
    return encodedBytes(this.codec, valueCount);
  }

  /**
   * A panel of the tensor at an address, as it is sent; what the encoding loses goes into the residual, if there is one (see
   * `encode`). Of float32 it is the tensor's own memory, of the others a copy.
   */
  encode(address: number, { firstValue, valueCount }: Panel, residual?: number): Uint8Array {
    const { memory, kernels } = this.room;
    const [from, byteLength] = [address + firstValue * 4, this.encodedBytes(valueCount)];
    if (this.codec.name === 'float32') return new Uint8Array(memory.buffer, from, byteLength);
    encode(kernels, this.codec, from, valueCount, this.#encoding, residual === undefined ? undefined : residual + firstValue * 4);
    return new Uint8Array(memory.buffer, this.#encoding, byteLength).slice();
  }

  /** Writes a panel into the tensor at an address. @returns whether the bytes are an encoding of it; if not, nothing was written */
  decode(bytes: Uint8Array, { firstValue, valueCount }: Panel, address: number): boolean {
    if (bytes.byteLength !== this.encodedBytes(valueCount)) return false;
    const to = address + firstValue * 4;
    const { memory, kernels } = this.room;
    const landing = this.codec.name === 'float32' ? to : this.#encoding;
    new Uint8Array(memory.buffer, landing, bytes.byteLength).set(bytes);
    return this.codec.name === 'float32' || decode(kernels, this.codec, landing, valueCount, to);
  }
}
