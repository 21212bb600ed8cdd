import { createHash } from 'node:crypto';
import type { Kernels } from '../../src/kernels/load.js';
import type { Program } from '../../src/train/session.js';

/** Shares lie in slots of the arena, whoever computed them. */
export class ShareSlots {
  /** Slots that a socket still reads. */
  readonly lent = new Set<number>();
  readonly #bytes: Uint8Array;
  readonly #floats: Float32Array;

  constructor(private readonly program: Program, memory: WebAssembly.Memory, private readonly kernels: Kernels) {
    this.#bytes = new Uint8Array(memory.buffer);
    this.#floats = new Float32Array(memory.buffer);
  }

  get gradientFloats(): number {
    return this.program.plan.sumsOffset;
  }

  get sumCount(): number {
    return this.program.plan.sumCount;
  }

  /** Slots that are not among those in use, nor lent. */
  free(used: ReadonlySet<number>): number[] {
    return Array.from({ length: this.program.shareSlots }, (_, slot) => slot).filter((slot) => !used.has(slot) && !this.lent.has(slot));
  }

  /** Leaves the sums of a share in its slot, as a worker would. */
  writeSums(slot: number, sums: Float32Array): void {
    const address = this.address(slot);
    sums.forEach((sum, index) => { this.#floats[address / 4 + this.gradientFloats + index * 4] = sum; });
  }

  /** Of loss and metrics. */
  sums(slot: number): Float32Array {
    const address = this.address(slot);
    return Float32Array.from({ length: this.sumCount }, (_, index) => this.#floats[address / 4 + this.gradientFloats + index * 4]!);
  }

  /** Adds the share in one slot to that in another, gradients and sums. */
  add(into: number, from: number): void {
    this.kernels['addInto']!(this.address(into), this.address(from), this.gradientFloats + this.sumCount * 4);
  }

  /** Names a share's bytes: gradients and sums. */
  digest(slot: number): string {
    const address = this.address(slot);
    const sums = this.sums(slot);
    return createHash('sha256').update(this.#bytes.subarray(address, address + this.gradientFloats * 4)).update(new Uint8Array(sums.buffer)).digest('hex');
  }

  isFinite(slot: number): boolean {
    const address = this.address(slot);
    for (let index = 0; index < this.sumCount; index++) if (!Number.isFinite(this.#floats[address / 4 + this.gradientFloats + index * 4]!)) return false;
    return this.kernels['allFinite']!(address, 0, 1, this.gradientFloats) === 1;
  }

  /** Euclidean norm of the gradient, in float64. */
  norm(slot: number): number {
    const start = this.address(slot) / 4;
    let squares = 0;
    for (let index = start; index < start + this.gradientFloats; index++) squares += this.#floats[index]! ** 2;
    return Math.sqrt(squares);
  }

  /** Of its gradients. */
  address(slot: number): number {
    return this.program.shares + slot * this.program.shareBytes;
  }
}
