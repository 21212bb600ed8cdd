import { actionRecords, memberRecord, periodRecords, roundRecord, shareRecord, startRecord, type EventRecord } from '../rounds/events.js';
import { present, stateOf, type Member, type Members } from '../rounds/membership.js';
import type { Mode } from '../rounds/modes.js';
import type { Action } from '../rounds/next-action.js';
import type { PeriodAction } from '../rounds/period.js';
import type { Verdict } from '../rounds/receive.js';
import type { Round } from '../rounds/run.js';
import type { Share } from '../rounds/share.js';

/** Is told everything that happens in a run, in its order. It may neither throw nor take long: the rounds wait for it. */
export interface RunObserver {
  record(record: EventRecord): void;
}

/** Where a run stands when it begins, or goes back. */
export interface Standing {
  readonly generation: number;
  readonly version: number;
  readonly nextStep: number;
}

/** Makes the records of a run for its observers; where there are none, nothing is made. */
export class Chronicle {
  /** Of members as they were recorded last. */
  readonly #known = new Map<number, string>();
  #mode: Mode | undefined;

  /** @param workersOf of a node that is ready */
  constructor(private readonly members: Members, private readonly observers: readonly RunObserver[], private readonly workersOf: (member: number) => number | undefined) {}

  /** The run begins, unless it has begun already. Who came before is named now. */
  begin(standing: Standing, mode: Mode, nowMs: number): void {
    if (this.#mode !== undefined || this.observers.length === 0) return;
    this.#mode = mode;
    this.#record(startRecord(standing, mode, nowMs, Date.now()));
    for (const member of present(this.members)) this.member(member, nowMs);
  }

  /** The run goes back to a version and step, which are those of a checkpoint or a snapshot. */
  restored(standing: Standing, nowMs: number): void {
    if (this.#mode !== undefined) this.#record(startRecord(standing, this.#mode, nowMs));
  }

  /** Is called whenever a member may have changed; what has not leaves no record. */
  member(member: Member, nowMs: number): void {
    if (this.#mode === undefined) return;
    const state = `${stateOf(member)} ${member.connection}`;
    if (this.#known.get(member.number) === state) return;
    this.#known.set(member.number, state);
    this.#record(memberRecord(member, nowMs, this.workersOf(member.number)));
  }

  round(round: Round, nowMs: number): void {
    if (this.#mode !== undefined) this.#record(roundRecord(round, nowMs));
  }

  share(share: Share, verdict: Verdict, draw: number | undefined, nowMs: number): void {
    if (this.#mode !== undefined) this.#record(shareRecord(share, verdict, draw, nowMs));
  }

  /** After an action was performed. */
  action(action: Action, nowMs: number): void {
    if (this.#mode === undefined) return;
    for (const record of actionRecords(action, nowMs)) this.#record(record);
    this.#membersOf(action, nowMs);
    if (action.kind === 'expel') this.#changed(action.liar.source, nowMs);
  }

  /** The same in mode `local`. */
  periodAction(action: PeriodAction, nowMs: number): void {
    if (this.#mode === undefined) return;
    for (const record of periodRecords(action, nowMs)) this.#record(record);
    this.#membersOf(action, nowMs);
  }

  /** The local pool made these steps by itself, each an update. */
  alone(firstStep: number, version: number, steps: number, nowMs: number): void {
    if (this.#mode !== undefined && steps > 0) this.#record({ event: 'alone', atMs: nowMs, firstStep, version, steps });
  }

  /** No work is handed out, until it is again. */
  rests(reason: 'quorum' | 'operator', nowMs: number): void {
    if (this.#mode !== undefined) this.#record({ event: 'pause', atMs: nowMs, reason });
  }

  goesOn(nowMs: number): void {
    if (this.#mode !== undefined) this.#record({ event: 'resume', atMs: nowMs });
  }

  /** @param epoch from 1 */
  epoch(epoch: number, version: number, logs: Readonly<Record<string, number>>, nowMs: number): void {
    if (this.#mode !== undefined) this.#record({ event: 'epoch', atMs: nowMs, epoch, version, logs: { ...logs } });
  }

  end(outcome: 'finished' | 'stopped', version: number, nowMs: number): void {
    if (this.#mode !== undefined) this.#record({ event: 'end', atMs: nowMs, outcome, version });
  }

  #membersOf(action: Action | PeriodAction, nowMs: number): void {
    if (action.kind === 'suspect' || action.kind === 'lose') this.#changed(action.member, nowMs);
  }

  #changed(number: number, nowMs: number): void {
    this.member(this.members.byNumber.get(number)!, nowMs);
  }

  #record(record: EventRecord): void {
    for (const observer of this.observers) observer.record(record);
  }
}
