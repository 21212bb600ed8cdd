import { COMMAND, FIELD, type Control } from '../../src/train/control.js';
import type { TreeNode } from '../../src/plan/tree.js';
import type { SessionRunner } from '../../src/train/session.js';

/** A subtree of shards that this machine's workers are to compute. */
export interface LocalOrder {
  readonly step: number;
  /** Of the epoch. */
  readonly epochStep: number;
  /** Of leaves, as the rounds name it. */
  readonly subtree: TreeNode;
  readonly shards: TreeNode;
}

export interface PlacedOrder extends LocalOrder {
  readonly slot: number;
}

export interface ComputedOrder extends PlacedOrder {
  readonly computeMs: number;
  /** By `now`: those of a step are computed one after the other. */
  readonly doneMs: number;
}

export interface LocalSharesOptions {
  readonly control: Control;
  readonly runner: SessionRunner;
  /** Whether a step is still in work. */
  readonly isOpen: (step: number) => boolean;
  /** Slots that nobody uses. */
  readonly freeSlots: () => readonly number[];
  /** Told while the parameters are still those that were computed from. */
  readonly computed: (orders: readonly ComputedOrder[]) => void;
  /** Nothing is being computed any more. */
  readonly rested: () => void;
  /** In milliseconds. */
  readonly now: () => number;
}

/** Slots that are left for what others send meanwhile, where there are more. */
const SLOTS_FOR_OTHERS = 4;

/** The local pool as one source of shares: computes what is ordered, step by step, and what is ordered meanwhile. */
export class LocalShares {
  #orders: LocalOrder[] = [];
  #work: Promise<void> | undefined;
  /** The workers' last command, after which the next one begins. */
  #turn: Promise<unknown> = Promise.resolve();
  /** Slots that are being computed into. */
  #computing: ReadonlySet<number> = new Set();
  #failure: { readonly error: unknown } | undefined;

  constructor(private readonly options: LocalSharesOptions) {}

  get computing(): ReadonlySet<number> {
    return this.#computing;
  }

  get isIdle(): boolean {
    return this.#work === undefined && this.#orders.length === 0;
  }

  order(orders: readonly LocalOrder[]): void {
    this.#orders.push(...orders);
    this.goOn();
  }

  /** Computes what is ordered, as far as there are slots for it; to be called again when some may have become free. */
  goOn(): void {
    if (this.#orders.length > 0 && this.#work === undefined && this.options.freeSlots().length > 0) this.#work = this.#computeAll();
  }

  /** Another command for the workers, after what they are at; what is ordered waits for it. */
  exclusively<T>(act: () => Promise<T>): Promise<T> {
    const done = this.#turn.then(act);
    this.#turn = done.catch(() => undefined);
    return done;
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
      while (this.#orders.length > 0 && (await this.exclusively(() => this.#computeStep())));
    } catch (error) {
      this.#failure = { error };
    } finally {
      this.#work = undefined;
      this.options.rested();
    }
  }

  /** What is ordered of the first step: an update of it is not kept waiting by the steps behind it. @returns whether there was room for any */
  async #computeStep(): Promise<boolean> {
    this.#orders = this.#orders.filter(({ step }) => this.options.isOpen(step));
    const first = Math.min(...this.#orders.map(({ step }) => step));
    const placed = this.#place(this.#orders.filter(({ step }) => step === first));
    if (placed.length > 0) await this.#compute(placed[0]!.epochStep, placed);
    return placed.length > 0;
  }

  async #compute(step: number, placed: readonly PlacedOrder[]): Promise<void> {
    const { control, runner, now, computed } = this.options;
    control.orders.writeShares({ step, draw: control.fields[FIELD.firstStep]! + step, shares: placed.map(({ shards, slot }) => ({ ...shards, slot })) });
    await runner.run(COMMAND.shares);
    computed(withTimes(placed, control.progress.spentMs, now()));
    this.#computing = new Set();
  }

  /** As many orders as there are slots for; the others wait. */
  #place(orders: readonly LocalOrder[]): PlacedOrder[] {
    const slots = this.options.freeSlots();
    const chosen = orders.slice(0, Math.min(slots.length, Math.max(1, slots.length - SLOTS_FOR_OTHERS)));
    this.#orders = this.#orders.filter((order) => !chosen.includes(order));
    const placed = chosen.map((order, index) => ({ ...order, slot: slots[index]! }));
    this.#computing = new Set(placed.map(({ slot }) => slot));
    return placed;
  }
}

/** What was spent on each, and when it was done, where the last is done now. */
function withTimes(placed: readonly PlacedOrder[], spentMs: ArrayLike<number>, nowMs: number): ComputedOrder[] {
  const computed: ComputedOrder[] = [];
  let doneMs = nowMs;
  for (let at = placed.length - 1; at >= 0; at--) {
    computed.unshift({ ...placed[at]!, computeMs: spentMs[at]!, doneMs });
    doneMs -= spentMs[at]!;
  }
  return computed;
}
