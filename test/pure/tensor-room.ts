import type { TensorRoom } from '../../cluster/tensor-coding.js';
import { Arena } from '../../src/kernels/arena.js';
import { compileKernels, instantiateKernels } from '../../src/kernels/load.js';

const MODULE = compileKernels('portable');

/** An arena with kernels, and tensors in it. */
export class Room implements TensorRoom {
  readonly #arena = new Arena();
  readonly kernels = instantiateKernels(MODULE, this.#arena.memory);
  readonly memory = this.#arena.memory;
  readonly allocate = (name: string, byteLength: number): number => this.#arena.slot(name, byteLength);

  /** Address of a tensor with these values. */
  put(values: Float32Array): number {
    const address = this.allocate('a tensor', values.byteLength);
    this.at(address, values.length).set(values);
    return address;
  }

  at(address: number, floats: number): Float32Array {
    return new Float32Array(this.memory.buffer, address, floats);
  }
}
