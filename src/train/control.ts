// The control block at the head of a session: what the coordinator and the workers tell each other without messages.
import type { TreeNode } from '../plan/tree.js';

/** Int32 fields. Order is layout: append, never reorder. */
export const FIELD = {
  /** Moved by the coordinator when a command is there; workers sleep on it. */
  command: 0,
  /** Which command: see `COMMAND`. */
  kind: 1,
  /** Set when a member is dead: every waiter leaves with an error. */
  poison: 2,
  barrierArrived: 3,
  barrierGeneration: 4,
  /** Next step of the epoch; moved at the end of a step. */
  epochStep: 5,
  /** The workers stop before this step of the epoch. */
  stepLimit: 6,
  /** Updates made so far: the version of the parameters. */
  version: 7,
  /** Asks the workers to stop after the current step. */
  stopRequested: 8,
  /** Set at a step whose loss is not finite, before any update of it. */
  badLoss: 9,
  /** 1 while the snapshot is being overwritten: the live state is whole then. */
  snapshotBusy: 10,
  /** Epoch step and version that the snapshot holds. */
  snapshotEpochStep: 11,
  snapshotVersion: 12,
  /** Examples of the data set in an evaluation or prediction. */
  examples: 13,
  /** Version of the parameters that the workers have packed for training; -1: none. */
  packedVersion: 14,
  /** Epoch that the steps are of, from 0. */
  epoch: 15,
  /** A node is there: the workers hand back after the current step, as at a request to stop. */
  handBack: 16,
  /** Number of the epoch's first step, which every step's own follows from: it keys random draws and the schedule of the rate. */
  firstStep: 17,
  /** Of the shares that are ordered: the one whose gradients are being summed; its sums of loss and metrics are there. -1 before the first. */
  foldingShare: 18,
  /** Moves whenever a worker has got further in it. */
  foldTick: 19,
  /** How many floats of every share of an arriving update are there. */
  arrivedFloats: 20,
  /** Whether an arriving update counts: see `DECISION`. */
  decision: 21,
} as const;

/** What becomes of an update that is made while its shares arrive. */
export const DECISION = { none: 0, counts: 1, calledOff: 2 } as const;

const INT_COUNT = 32;
/** Float64 sums of an epoch: examples, loss, then the metrics; and as many again for the snapshot. */
export const MAX_SUMS = 32;
/** Float32 scalars of a step for the optimizer, and the factor of a global norm. */
export const MAX_SCALARS = 32;

/** A counter for each worker, on a cache line of its own: parts of its work that somebody has taken. */
const CLAIM_STRIDE = 16;
const MAX_CLAIMANTS = 64;

const CLAIMS_AT = INT_COUNT * 4 + MAX_SUMS * 2 * 8 + MAX_SCALARS * 4;

export const CLAIMS_BYTES = MAX_CLAIMANTS * CLAIM_STRIDE * 4;

/** Most shares that one command computes or adds. */
export const MAX_SHARES = 256;
const ORDER_WORDS = 5 + 3 * MAX_SHARES;
const ORDERS_AT = CLAIMS_AT + 2 * CLAIMS_BYTES;

const PROGRESS_AT = Math.ceil((ORDERS_AT + ORDER_WORDS * 4) / 64) * 64;

const SPENT_AT = PROGRESS_AT + CLAIMS_BYTES;

export const CONTROL_BYTES = SPENT_AT + MAX_SHARES * 8;

export const COMMAND = { train: 1, evaluate: 2, predict: 3, gradients: 4, diagnose: 5, end: 6, shares: 7, apply: 8, applyArriving: 9 } as const;
export type CommandKind = (typeof COMMAND)[Exclude<keyof typeof COMMAND, 'end'>];

/** The control block's views. */
export interface Control {
  readonly fields: Int32Array;
  /** Running sums of the epoch (or of an evaluation): examples, loss, metrics. */
  readonly sums: Float64Array;
  readonly snapshotSums: Float64Array;
  readonly scalars: Float32Array;
  /** Of parts of the rows of a piece, and of chunks of the parameters. */
  readonly rowClaims: Claims;
  readonly chunkClaims: Claims;
  readonly orders: Orders;
  readonly progress: FoldProgress;
}

/** A subtree of shards to be computed, and the slot for its share. */
export interface ShareOrder extends TreeNode {
  readonly slot: number;
}

/** Shares of one step. */
export interface SharesOrder {
  /** Step of the epoch. */
  readonly step: number;
  /** Keys the random draws. */
  readonly draw: number;
  readonly shares: readonly ShareOrder[];
}

/** An update: shares in slots, whose sum the additions leave in slot `result`. */
export interface UpdateOrder {
  readonly rows: number;
  readonly result: number;
  readonly additions: readonly { readonly into: number; readonly from: number }[];
  /** Mode `async`: it is of one share alone, of a step of the epoch, computed from parameters that are `age` versions old. */
  readonly single?: { readonly step: number; readonly age: number } | undefined;
}

/** The sum of two shares, or a copy of one; all are slots. */
export interface SlotSum {
  readonly left: number;
  readonly right: number | undefined;
  readonly to: number;
}

/** An update of shares of which some are still arriving. What came is not changed: its sums are made elsewhere, the last is that of all. */
export interface ArrivingOrder {
  readonly rows: number;
  readonly sums: readonly SlotSum[];
}

const SHARES_HEAD = 3;
const UPDATE_HEAD = 5;
const ARRIVING_HEAD = 2;
const NO_SLOT = -1;
/** In the place of an age: the update is of a whole step. */
const WHOLE_STEP = -1;

/** What the commands `shares`, `apply` and `applyArriving` are about: at most MAX_SHARES. */
export class Orders {
  readonly #words: Int32Array;

  constructor(memory: ArrayBufferLike, address: number) {
    this.#words = new Int32Array(memory, address, ORDER_WORDS);
  }

  writeShares({ step, draw, shares }: SharesOrder): void {
    this.#words.set([shares.length, step, draw]);
    shares.forEach(({ level, index, slot }, at) => { this.#words.set([level, index, slot], SHARES_HEAD + at * 3); });
  }

  readShares(): SharesOrder {
    const [count, step, draw] = this.#words as unknown as [number, number, number];
    const shares = Array.from({ length: count }, (_, at) => {
      const [level, index, slot] = this.#words.subarray(SHARES_HEAD + at * 3) as unknown as [number, number, number];
      return { level, index, slot };
    });
    return { step, draw, shares };
  }

  writeUpdate({ rows, result, additions, single }: UpdateOrder): void {
    this.#words.set([rows, result, additions.length, single?.age ?? WHOLE_STEP, single?.step ?? 0]);
    additions.forEach(({ into, from }, at) => { this.#words.set([into, from], UPDATE_HEAD + at * 2); });
  }

  readUpdate(): UpdateOrder {
    const [rows, result, count, age, step] = this.#words as unknown as [number, number, number, number, number];
    const additions = Array.from({ length: count }, (_, at) => ({ into: this.#words[UPDATE_HEAD + at * 2]!, from: this.#words[UPDATE_HEAD + at * 2 + 1]! }));
    return { rows, result, additions, single: age === WHOLE_STEP ? undefined : { step, age } };
  }

  writeArriving({ rows, sums }: ArrivingOrder): void {
    this.#words.set([rows, sums.length]);
    sums.forEach(({ left, right = NO_SLOT, to }, at) => { this.#words.set([left, right, to], ARRIVING_HEAD + at * 3); });
  }

  readArriving(): ArrivingOrder {
    const [rows, count] = this.#words as unknown as [number, number];
    const sums = Array.from({ length: count }, (_, at) => {
      const [left, right, to] = this.#words.subarray(ARRIVING_HEAD + at * 3) as unknown as [number, number, number];
      return { left, right: right === NO_SLOT ? undefined : right, to };
    });
    return { rows, sums };
  }
}

/**
 * Which parts of the workers' work are taken. Every worker begins with its own, whose memory is near, and goes on with what is
 * left of the others': one that was held up, or is slower, holds nobody up for long. No bit depends on who computes what.
 */
export class Claims {
  readonly #counters: Int32Array;

  /** @param memory of the workers together, or of one that divides its work with nobody */
  constructor(memory: ArrayBufferLike, address: number) {
    this.#counters = new Int32Array(memory, address, MAX_CLAIMANTS * CLAIM_STRIDE);
  }

  /** Calls `take` with the owner and number of each part that this worker gets; `counts` has how many each owner has. */
  takeAll(worker: number, counts: readonly number[], take: (owner: number, part: number) => void): void {
    for (let turn = 0; turn < counts.length; turn++) {
      const owner = (worker + turn) % counts.length;
      for (let part = this.#next(owner); part < counts[owner]!; part = this.#next(owner)) take(owner, part);
    }
  }

  /** All parts are free again; nobody may be taking any. */
  reset(): void {
    this.#counters.fill(0);
  }

  #next(owner: number): number {
    return Atomics.add(this.#counters, owner * CLAIM_STRIDE, 1);
  }
}

/** More than any share has. */
export const ALL_FLOATS = 2 ** 31 - 1;

/** How far the sums of a share have come while the workers make them: for whoever sends them meanwhile. */
export class FoldProgress {
  readonly #reached: Int32Array;
  /** Not in a memory of one thread, and not in every browser. */
  readonly #canWait: boolean;
  #waiting: (() => void)[] = [];

  /** @param spentMs by share: what was spent on it, when it is final */
  constructor(private readonly fields: Int32Array, memory: ArrayBufferLike, address: number, readonly spentMs: Float64Array) {
    this.#reached = new Int32Array(memory, address, MAX_CLAIMANTS * CLAIM_STRIDE);
    this.#canWait = !(memory instanceof ArrayBuffer) && 'waitAsync' in Atomics;
  }

  /** A share, by its place among those that are ordered, is summed from now on; -1: none is. Nobody may be summing any. */
  begin(share: number): void {
    this.#reached.fill(0); // first: who reads the new share must not read how far the one before has come
    Atomics.store(this.fields, FIELD.foldingShare, share);
    this.#move();
  }

  /** A worker, which takes chunks in the order of the parameters, is done with all that it took below `floats`; by default with all. */
  reach(worker: number, floats = ALL_FLOATS): void {
    Atomics.store(this.#reached, worker * CLAIM_STRIDE, floats);
    this.#move();
  }

  /** The share that is being summed, and how many of its floats are final at least; those before it are final. */
  at(workers: number): { readonly share: number; readonly floats: number } {
    const share = Atomics.load(this.fields, FIELD.foldingShare);
    const reached = Array.from({ length: workers }, (_, worker) => Atomics.load(this.#reached, worker * CLAIM_STRIDE));
    return { share, floats: Math.min(...reached) };
  }

  /** Names a moment: see `moved`. */
  get tick(): number {
    return Atomics.load(this.fields, FIELD.foldTick);
  }

  /**
   * Resolves when there is something new since `tick`; where this engine cannot wait for other threads without standing still, when
   * nobody has to wait any more. It keeps no process alive.
   */
  async moved(tick: number): Promise<void> {
    if (!this.#canWait) return new Promise((resolve) => { this.#waiting.push(resolve); });
    const wait = Atomics.waitAsync(this.fields, FIELD.foldTick, tick);
    if (wait.async) await wait.value;
  }

  /** Nobody has to wait any more. */
  wake(): void {
    this.#move();
    for (const resolve of this.#waiting.splice(0)) resolve();
  }

  #move(): void {
    Atomics.add(this.fields, FIELD.foldTick, 1);
    Atomics.notify(this.fields, FIELD.foldTick);
  }
}

export function viewControl(memory: WebAssembly.Memory, address: number): Control {
  const sumsAt = address + INT_COUNT * 4;
  const fields = new Int32Array(memory.buffer, address, INT_COUNT);
  return {
    fields,
    sums: new Float64Array(memory.buffer, sumsAt, MAX_SUMS),
    snapshotSums: new Float64Array(memory.buffer, sumsAt + MAX_SUMS * 8, MAX_SUMS),
    scalars: new Float32Array(memory.buffer, sumsAt + MAX_SUMS * 16, MAX_SCALARS),
    rowClaims: new Claims(memory.buffer, address + CLAIMS_AT),
    chunkClaims: new Claims(memory.buffer, address + CLAIMS_AT + CLAIMS_BYTES),
    orders: new Orders(memory.buffer, address + ORDERS_AT),
    progress: new FoldProgress(fields, memory.buffer, address + PROGRESS_AT, new Float64Array(memory.buffer, address + SPENT_AT, MAX_SHARES)),
  };
}
