import type { Optimizer } from '../../src/optimizers/index.js';
import { bindUpdate, initialStateValue, normScale, stateNames, stepScalars } from '../../src/optimizers/index.js';
import type { Arena } from './arena.js';

const BLOCK_FLOATS = 1_024;

/** Parameters in an arena that an optimizer updates as a worker does, pads of zeros included. */
export class Updating {
  readonly #update: ReturnType<typeof bindUpdate>;
  readonly #floats: number;
  readonly #parameters: number;
  readonly #gradients: number;
  readonly #blockSums: number;
  readonly #states: number[];
  #step = 0;

  constructor(private readonly arena: Arena, private readonly optimizer: Optimizer, private readonly initial: ArrayLike<number>) {
    this.#floats = Math.ceil(initial.length / 4) * 4;
    this.#update = bindUpdate(arena.kernels, optimizer);
    this.#parameters = this.#slot(0);
    arena.floats(this.#parameters, initial.length).set(initial);
    this.#gradients = this.#slot(0);
    this.#states = stateNames(optimizer).map((name) => this.#slot(initialStateValue(optimizer, name)));
    this.#blockSums = arena.slot(Math.ceil(this.#floats / BLOCK_FLOATS));
  }

  /** Clips and applies one mean gradient. */
  step(gradient: ArrayLike<number>): void {
    this.arena.floats(this.#gradients, this.initial.length).set(gradient);
    this.#clipNorm();
    this.#update(this.#parameters, this.#gradients, this.#states, this.#floats, 1, stepScalars(this.optimizer, this.#step++));
  }

  get parameters(): Float32Array {
    return this.#values(this.#parameters);
  }

  get states(): Record<string, Float32Array> {
    return Object.fromEntries(stateNames(this.optimizer).map((name, index) => [name, this.#values(this.#states[index]!)]));
  }

  /** What stands behind the parameters up to the end of their last vector. */
  get pads(): Float32Array {
    return this.arena.floats(this.#parameters, this.#floats).slice(this.initial.length);
  }

  #values(address: number): Float32Array {
    return this.arena.floats(address, this.initial.length).slice();
  }

  #slot(value: number): number {
    const address = this.arena.slot(this.#floats);
    this.arena.floats(address, this.#floats).fill(value);
    return address;
  }

  #clipNorm(): void {
    const blocks = Math.ceil(this.#floats / BLOCK_FLOATS);
    for (let block = 0; block < blocks; block++) {
      const floats = Math.min(BLOCK_FLOATS, this.#floats - block * BLOCK_FLOATS);
      this.arena.call('sumOfSquares', this.#gradients + block * BLOCK_FLOATS * 4, floats, this.#blockSums + block * 4);
    }
    this.arena.call('scaleInto', this.#gradients, this.#floats, normScale(this.optimizer, this.arena.floats(this.#blockSums, blocks)));
  }
}
