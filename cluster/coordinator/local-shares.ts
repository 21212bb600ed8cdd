import { COMMAND, type Control, type ShareOrder } from '../../src/train/control.js';
import type { TreeNode } from '../../src/plan/tree.js';
import type { SessionRunner } from '../../src/train/session.js';

/** A subtree of shards that this machine's workers are to compute. */
export interface LocalOrder {
  readonly step: number;
  /** Of leaves, as the rounds name it. */
  readonly subtree: TreeNode;
  readonly shards: TreeNode;
}

export interface ComputedOrder extends LocalOrder {
  readonly slot: number;
  readonly computeMs: number;
}

export interface LocalSharesOptions {
  readonly control: Control;
  readonly runner: SessionRunner;
  /** Whether a step is still in work. */
  readonly isOpen: (step: number) => boolean;
  /** A slot that nobody uses, the given ones left out. */
  readonly freeSlot: (taken: ReadonlySet<number>) => number;
  readonly computed: (orders: readonly ComputedOrder[]) => void;
  /** Nothing is being computed any more. */
  readonly rested: () => void;
  /** In milliseconds. */
  readonly now: () => number;
}

/** The local pool as one source of shares: computes what is ordered, and what is ordered meanwhile. */
export class LocalShares {
  #orders: LocalOrder[] = [];
  #work: Promise<void> | undefined;
  /** Slots that are being computed into. */
  #computing: ReadonlySet<number> = new Set();
  #failure: { readonly error: unknown } | undefined;

  constructor(private readonly options: LocalSharesOptions) {}

  get computing(): ReadonlySet<number> {
    return this.#computing;
  }

  order(orders: readonly LocalOrder[]): void {
    this.#orders.push(...orders);
    this.#work ??= this.#computeAll();
  }

  /** Nothing is computed any more. */
  async idle(): Promise<void> {
    await this.#work;
  }

  /** Waits for what is being computed, and leaves out what is only ordered. */
  async stop(): Promise<void> {
    this.#orders = [];
    await this.#work;
  }

  /** @throws what the workers threw */
  throwFailure(): void {
    if (this.#failure !== undefined) throw this.#failure.error;
  }

  async #computeAll(): Promise<void> {
    try {
      while (this.#orders.length > 0) {
        const orders = this.#orders.splice(0).filter(({ step }) => this.options.isOpen(step));
        if (orders.length > 0) await this.#compute(orders);
      }
    } catch (error) {
      this.#failure = { error };
    } finally {
      this.#work = undefined;
      this.options.rested();
    }
  }

  async #compute(orders: readonly LocalOrder[]): Promise<void> {
    const { control, runner, now, computed } = this.options;
    const placed = this.#place(orders);
    control.orders.writeShares(placed.map(({ shards, slot }): ShareOrder => ({ ...shards, slot })));
    const startMs = now();
    await runner.run(COMMAND.shares);
    const computeMs = (now() - startMs) / placed.length;
    computed(placed.map((order) => ({ ...order, computeMs })));
    this.#computing = new Set();
  }

  #place(orders: readonly LocalOrder[]): (LocalOrder & { readonly slot: number })[] {
    const taken = new Set<number>();
    const placed = orders.map((order) => {
      const slot = this.options.freeSlot(taken);
      taken.add(slot);
      return { ...order, slot };
    });
    this.#computing = taken;
    return placed;
  }
}
