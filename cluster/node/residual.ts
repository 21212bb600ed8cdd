import type { TreeNode } from '../../src/plan/tree.js';
import type { TensorRoom } from '../tensor-coding.js';

/** Which share of this node. */
export interface SentShare {
  readonly assignment: number;
  readonly subtree: TreeNode;
}

/** Shares that nobody said anything about; a coordinator that is silent for longer has taken them. */
const MOST_CHANGES = 32;

/**
 * What the encoding of this node's shares lost so far. It belongs to the node and is added to the next share that it sends, of
 * whatever leaves: e = g + r - decode(encode(g + r)), then r = e (Seide et al., 1-Bit Stochastic Gradient Descent, 2014; Stich et
 * al., Sparsified SGD with Memory, 2018). A share that does not count, because it was lost or others were faster, has delivered
 * nothing of r, and its g comes from others: then r is what it would be without that share, r + (r before - r after).
 */
export class Residual {
  readonly address: number;
  readonly #before: number;
  /** By share: by how much its encoding changed the residual, as long as nobody said whether it counts. */
  readonly #changes = new Map<string, Float32Array>();
  #run = '';

  constructor(private readonly room: TensorRoom, private readonly floats: number) {
    this.address = room.allocate('what the codec lost', floats * 4);
    this.#before = room.allocate('what the codec had lost before', floats * 4);
    this.#view(this.address).fill(0);
  }

  /** It goes on where its node comes back to the same run, and begins anew in another, and where steps of a run are made again. */
  belongTo(run: string): void {
    if (run === this.#run) return;
    this.#run = run;
    this.#changes.clear();
    this.#view(this.address).fill(0);
  }

  /** Runs the encoding of a share, which changes the residual, and remembers by how much. */
  remember<T>(share: SentShare, encode: () => T): T {
    const { kernels } = this.room;
    kernels['copyFloats']!(this.address, this.floats, this.#before);
    const encoded = encode();
    kernels['sub']!(this.#before, 0, 0, this.address, 0, 0, this.#before, 0, 1, this.floats);
    this.#changes.set(nameOf(share), this.#view(this.#before).slice());
    if (this.#changes.size > MOST_CHANGES) this.#changes.delete(this.#changes.keys().next().value!);
    return encoded;
  }

  /** It is known whether a share counts. */
  settle(share: SentShare, counts: boolean): void {
    const name = nameOf(share);
    const change = this.#changes.get(name);
    this.#changes.delete(name);
    if (change === undefined || counts) return;
    this.#view(this.#before).set(change);
    this.room.kernels['addInto']!(this.address, this.#before, this.floats);
  }

  #view(address: number): Float32Array {
    return new Float32Array(this.room.memory.buffer, address, this.floats);
  }
}

export function nameOf({ assignment, subtree: { level, index } }: SentShare): string {
  return `${assignment} ${level} ${index}`;
}
