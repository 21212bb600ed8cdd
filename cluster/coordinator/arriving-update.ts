import { ALL_FLOATS, COMMAND, DECISION, FIELD, type Control, type SlotSum } from '../../src/train/control.js';
import type { Session, SessionRunner } from '../../src/train/session.js';
import type { TreeNode } from '../../src/plan/tree.js';
import { accept, openCoverage, summation, type Summation } from '../rounds/coverage.js';
import { examplesOf, type Round, type Run } from '../rounds/run.js';
import type { Attendance } from './attendance.js';
import type { LocalShares } from './local-shares.js';

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
  readonly session: Session;
  readonly control: Control;
  readonly runner: SessionRunner;
  readonly run: Run;
  readonly attendance: Attendance;
  readonly localShares: LocalShares;
  /** Whether parameters can leave before all of them are there. */
  readonly isSentAhead: boolean;
}

/** What arrives within this is there before the workers have begun: on one machine, and over fast links. */
const PATIENCE_MS = 1;

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
  /** The round that waits for shares, and since when; in run time. */
  #awaited: { readonly round: Round; readonly sinceMs: number } | undefined;

  constructor(private readonly options: ArrivingUpdateOptions) {}

  /** Whether the workers have ended an update that nothing was decided of: one of them died. */
  get hasFailed(): boolean {
    return this.#attempt?.hasEnded === true && this.#attempt.decision === 'none';
  }

  /** Slots whose bytes it needs. */
  get slots(): readonly number[] {
    return this.#attempt === undefined ? [] : [...this.#attempt.slots, ...this.#attempt.scratch];
  }

  /**
   * Nothing is to be done but to wait for shares: begins where those that are there and those that are coming are all of the only round.
   * `free` are slots that nobody uses.
   */
  begin(comingOf: (round: Round) => readonly ComingShare[], free: () => readonly number[]): void {
    const { run: { rounds: [round, other], version, nextStep, endStep }, localShares } = this.options;
    if (round === undefined || other !== undefined || round.version !== version || this.#attempt !== undefined || !localShares.isIdle || !this.#isWorthwhile) return;
    if (nextStep >= endStep) return; // perhaps nobody needs the parameters that it leads to
    const coming = comingOf(round);
    if (coming.length === 0 || !this.#isPatienceOver(round)) return;
    const all = coverageWith(round, coming);
    const slots = all?.shares.map(({ slot }) => slot) ?? [];
    const sums = all && sumsOf(slots, all.additions, free());
    if (sums !== undefined) this.#begin(round, coming, slots, sums);
  }

  #isPatienceOver(round: Round): boolean {
    const nowMs = this.options.attendance.nowMs();
    if (this.#awaited?.round !== round) this.#awaited = { round, sinceMs: nowMs };
    return nowMs - this.#awaited.sinceMs >= PATIENCE_MS;
  }

  /** What may well be called off is not worth beginning, nor what cannot leave before it is whole; and a norm is of all of a gradient. */
  get #isWorthwhile(): boolean {
    const { run: { settings: { mode, auditProbability, checkShares } }, session: { update }, isSentAhead } = this.options;
    const { kept, optimizer: { clip } } = update!;
    return kept !== undefined && isSentAhead && mode.kind === 'sync' && auditProbability === 0 && !checkShares && clip.every(({ kind }) => kind !== 'norm');
  }

  #begin(round: Round, coming: readonly ComingShare[], slots: readonly number[], sums: readonly SlotSum[]): void {
    const { control: { fields, orders, progress }, localShares, runner, attendance } = this.options;
    Atomics.store(fields, FIELD.decision, DECISION.none);
    progress.begin(-1);
    const attempt: Attempt = {
      step: round.step, version: round.version, slots, scratch: sums.map(({ to }) => to),
      coming: new Map(coming.map(({ slot, floats }) => [slot, floats])),
      decision: 'none', hasEnded: false,
      done: localShares.exclusively(async () => {
        orders.writeArriving({ rows: examplesOf(round, round.coverage.root), sums });
        await runner.run(COMMAND.applyArriving);
      }).finally(() => {
        attempt.hasEnded = true;
        progress.wake();
        attendance.wake();
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
    this.options.attendance.nodes.takeBackAhead();
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
    const { control: { progress }, session: { workers }, run: { generation, rounds }, attendance } = this.options;
    // Who gets work of the next step is not known yet: most likely who got some of this one.
    const members = new Set(rounds[0]!.assignments.map(({ source }) => source));
    for (let sent = 0; !attempt.hasEnded && attempt.decision !== 'calledOff'; ) {
      const { tick } = progress;
      const { share, floats } = progress.at(workers);
      if (share === 0 && floats > sent) attendance.nodes.sendAhead(members, { generation, version: attempt.version + 1 }, (sent = floats));
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
