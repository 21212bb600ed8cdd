import { ALL_FLOATS, COMMAND, DECISION, FIELD, type Control, type SlotSum } from '../../src/train/control.js';
import type { SessionRunner } from '../../src/train/session.js';
import { accept, openCoverage, summation, type Summation } from '../rounds/coverage.js';
import { examplesOf, type Round, type Run } from '../rounds/run.js';
import type { TreeNode } from '../../src/plan/tree.js';

/** A share of which some panels have come, or all. */
export interface ArrivingShare {
  readonly subtree: TreeNode;
  readonly slot: number;
}

/** One that is still coming. */
export interface ComingShare extends ArrivingShare {
  /** How many of its floats are there. */
  readonly floats: number;
}

export interface ArrivingUpdateOptions {
  readonly control: Control;
  readonly runner: SessionRunner;
  readonly workers: number;
  /** Runs the workers' command after the one that they are at. */
  readonly exclusively: <T>(act: () => Promise<T>) => Promise<T>;
  /** The first floats of the next version are there. */
  readonly updated: (floats: number) => void;
  /** What was said to be updated is not the next version. */
  readonly calledOff: () => void;
  /** The workers ended the update by themselves. */
  readonly ended: () => void;
}

/** An update under way. */
interface Attempt {
  readonly step: number;
  readonly version: number;
  /** In the order of their leaves. */
  readonly slots: readonly number[];
  readonly scratch: readonly number[];
  /** How many floats are there of those that are still coming, by slot. Where one does not come any more, its number stays as it is. */
  readonly coming: Map<number, number>;
  readonly done: Promise<unknown>;
  decision: 'none' | 'counts' | 'calledOff';
  hasEnded: boolean;
}

/**
 * The update of a round whose last shares are still arriving: the workers make it chunk by chunk as the panels come, and what they
 * have made goes back to the nodes meanwhile, so that both directions of a link are used at once. It decides nothing: when the round
 * is complete and its shares are those that were taken, it counts; before anything else is done, and where a share does not come, it
 * is called off, and everything is as it was.
 */
export class ArrivingUpdate {
  #attempt: Attempt | undefined;

  constructor(private readonly options: ArrivingUpdateOptions) {}

  get isUnderWay(): boolean {
    return this.#attempt !== undefined;
  }

  /** Whether the workers have ended an update that nothing was decided of: one of them died. */
  get hasFailed(): boolean {
    return this.#attempt?.hasEnded === true && this.#attempt.decision === 'none';
  }

  /** Slots whose bytes it needs. */
  get slots(): readonly number[] {
    return this.#attempt === undefined ? [] : [...this.#attempt.slots, ...this.#attempt.scratch];
  }

  /** Begins where the shares that are there and those that are coming are all of the round. `free` are slots that nobody uses. */
  begin({ version: runVersion }: Run, round: Round, coming: readonly ComingShare[], free: readonly number[]): void {
    const all = coverageWith(round, coming);
    if (this.#attempt !== undefined || all === undefined || round.version !== runVersion) return;
    const slots = all.shares.map(({ slot }) => slot);
    const sums = sumsOf(slots, all.additions, free);
    if (sums === undefined) return;
    const { control: { fields, orders, progress }, exclusively, runner } = this.options;
    Atomics.store(fields, FIELD.decision, DECISION.none);
    progress.begin(-1);
    const attempt: Attempt = {
      step: round.step, version: runVersion, slots, scratch: sums.map(({ to }) => to),
      coming: new Map(coming.map(({ slot, floats }) => [slot, floats])),
      decision: 'none', hasEnded: false,
      done: exclusively(async () => {
        orders.writeArriving({ rows: examplesOf(round, round.coverage.root), sums });
        await runner.run(COMMAND.applyArriving);
      }).finally(() => {
        attempt.hasEnded = true;
        progress.wake();
        this.options.ended();
      }),
    };
    attempt.done.catch(() => undefined); // thrown where it is waited for
    this.#attempt = attempt;
    this.#tellArrived(attempt);
    void this.#follow(attempt);
  }

  /** More of a share is there. */
  arrived(slot: number, floats: number): void {
    if (this.#attempt?.coming.has(slot) !== true) return;
    this.#attempt.coming.set(slot, floats);
    this.#tellArrived(this.#attempt);
  }

  /** Whether these shares, of a complete round, are those that the update is made of. */
  isOf({ step, version, shares }: { readonly step: number; readonly version: number; readonly shares: readonly { readonly slot: number }[] }): boolean {
    const attempt = this.#attempt;
    return attempt?.decision === 'none' && attempt.step === step && attempt.version === version && String(shares.map(({ slot }) => slot)) === String(attempt.slots);
  }

  /** It counts. Resolves when it is made, or a worker has died in it. */
  async conclude(): Promise<void> {
    this.#decide('counts');
    await this.#end();
  }

  /** Everything is as before, if there is one; nothing else may be done with the parameters before. */
  async callOff(): Promise<void> {
    if (this.#attempt === undefined) return;
    this.#decide('calledOff');
    await this.#end();
    this.options.calledOff();
  }

  #decide(decision: 'counts' | 'calledOff'): void {
    const { fields } = this.options.control;
    if (this.#attempt === undefined || this.#attempt.decision !== 'none') return;
    this.#attempt.decision = decision;
    Atomics.store(fields, FIELD.decision, DECISION[decision]);
    Atomics.store(fields, FIELD.arrivedFloats, ALL_FLOATS); // who waits for floats looks at the decision first
    for (const field of [FIELD.decision, FIELD.arrivedFloats]) Atomics.notify(fields, field);
  }

  async #end(): Promise<void> {
    try {
      await this.#attempt!.done;
    } finally {
      this.#attempt = undefined;
    }
  }

  #tellArrived({ coming, decision }: Attempt): void {
    if (decision !== 'none') return;
    const { fields } = this.options.control;
    Atomics.store(fields, FIELD.arrivedFloats, Math.min(ALL_FLOATS, ...coming.values()));
    Atomics.notify(fields, FIELD.arrivedFloats);
  }

  async #follow(attempt: Attempt): Promise<void> {
    const { control: { progress }, workers, updated } = this.options;
    for (let told = 0; !attempt.hasEnded && attempt.decision !== 'calledOff'; ) {
      const { tick } = progress;
      const { share, floats } = progress.at(workers);
      if (share === 0 && floats > told) updated((told = floats));
      await progress.moved(tick);
    }
  }
}

/** How the shares that are there and those that are coming become one sum; undefined where they are not all. */
function coverageWith({ coverage }: Round, coming: readonly ComingShare[]): Summation<ArrivingShare> | undefined {
  const all = openCoverage<ArrivingShare>(coverage.leafCount, coverage.root);
  for (const covering of new Set(coverage.byLeaf)) if (covering !== undefined) accept(all, covering.subtree, { subtree: covering.subtree, slot: covering.share.slot });
  for (const share of coming) if (accept(all, share.subtree, share) === 'overlaps') return undefined;
  return all.covered === all.byLeaf.length ? summation(all) : undefined;
}

/** The additions, without changing what they add; undefined where there are too few slots for their sums. */
function sumsOf(slots: readonly number[], additions: Summation<unknown>['additions'], free: readonly number[]): SlotSum[] | undefined {
  const places = [...slots];
  const taken = [...free];
  const sums: SlotSum[] = [];
  const sum = (at: number, right: number | undefined): boolean => {
    const isOwn = places[at] !== slots[at];
    const to = isOwn ? places[at]! : taken.shift();
    if (to === undefined) return false;
    sums.push({ left: places[at]!, right, to });
    places[at] = to;
    return true;
  };
  if (additions.length === 0) return sum(0, undefined) ? sums : undefined;
  return additions.every(({ into, from }) => sum(into, places[from])) ? sums : undefined;
}
