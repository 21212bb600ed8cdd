import { decode, encode } from '../../src/codecs/coding.js';
import { encodedBytes, type Codec } from '../../src/codecs/codec.js';
import { compileKernels, createMemory, instantiateKernels, PAGE_BYTES, RESERVED_BYTES, setEngineFlags, type Arithmetic, type Kernels } from '../../src/kernels/load.js';

setEngineFlags();

const CANARY = 0xa5;
const EDGE_BYTES = 64;

/** Bytes from a multiple of 64 to where each begins. */
export interface Places {
  readonly from?: number;
  readonly to?: number;
  readonly residual?: number;
}

/** A memory in which the codecs are called with any bytes at any address, and every byte that is not theirs is looked after. */
export class CodecMemory {
  readonly #memory: WebAssembly.Memory;
  readonly #kernels: Kernels;
  readonly #expected: Buffer;

  /** @param pages of 65,536 bytes, a quarter each for source, encoding, residual and target */
  constructor(arithmetic: Arithmetic, pages: number) {
    this.#memory = createMemory(1 + pages);
    this.#kernels = instantiateKernels(compileKernels(arithmetic), this.#memory);
    this.#expected = Buffer.alloc(pages * PAGE_BYTES);
  }

  /** The encoding, and the residual after it. @throws where the encoding wrote anything else */
  encode(codec: Codec, values: Float32Array, residual?: Float32Array, at: Places = {}): { bytes: Uint8Array; residual: Float32Array } {
    const { length } = values;
    const [from, to, rest] = [this.#area(0) + (at.from ?? 0), this.#area(1) + (at.to ?? 0), this.#area(2) + (at.residual ?? 0)];
    this.#clear();
    this.#write(from, bytesOf(values));
    if (residual) this.#write(rest, bytesOf(residual));
    encode(this.#kernels, codec, from, length, to, residual && rest);
    const bytes = this.#read(to, encodedBytes(codec, length));
    const lost = residual ? this.#read(rest, length * 4) : new Uint8Array();
    this.#expectIntact([[from, bytesOf(values)], [to, bytes], [rest, lost]]);
    return { bytes, residual: new Float32Array(lost.buffer) };
  }

  /** What is decoded, or undefined where it is refused. @throws where anything but the target is written, or a refusal wrote */
  decode(codec: Codec, bytes: Uint8Array, length: number, at: Places = {}): Float32Array | undefined {
    const [from, to] = [this.#area(1) + (at.from ?? 0), this.#area(3) + (at.to ?? 0)];
    this.#clear();
    this.#write(from, bytes);
    const isAccepted = decode(this.#kernels, codec, from, length, to);
    const target = this.#read(to, isAccepted ? length * 4 : 0);
    this.#expectIntact([[from, bytes], [to, target]]);
    return isAccepted ? new Float32Array(target.buffer) : undefined;
  }

  /** Encoded, and decoded again. */
  roundTrip(codec: Codec, values: Float32Array): Float32Array {
    return this.decode(codec, this.encode(codec, values).bytes, values.length)!;
  }

  #area(index: number): number {
    return RESERVED_BYTES + (index * this.#expected.length) / 4 + EDGE_BYTES;
  }

  #all(): Uint8Array {
    return new Uint8Array(this.#memory.buffer, RESERVED_BYTES);
  }

  #clear(): void {
    this.#all().fill(CANARY);
  }

  #write(address: number, bytes: Uint8Array): void {
    new Uint8Array(this.#memory.buffer, address, bytes.length).set(bytes);
  }

  #read(address: number, byteLength: number): Uint8Array {
    return Uint8Array.from(new Uint8Array(this.#memory.buffer, address, byteLength));
  }

  #expectIntact(areas: readonly (readonly [number, Uint8Array])[]): void {
    const expected = this.#expected.fill(CANARY);
    for (const [address, bytes] of areas) expected.set(bytes, address - RESERVED_BYTES);
    if (expected.equals(this.#all())) return;
    const address = RESERVED_BYTES + expected.findIndex((byte, i) => byte !== this.#all()[i]);
    throw new Error(`byte ${address} was written, which is none of ${areas.map(([begin, bytes]) => `${begin}+${bytes.length}`).join(', ')}`);
  }
}

export function bytesOf(values: Float32Array | Uint32Array): Uint8Array {
  return new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
}
