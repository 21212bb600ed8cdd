// What an event log says in a few lines: who gave how much, who came and went, and what went wrong.
import type { EventRecord } from './events.js';
import type { Replay } from './replay.js';

type RecordOf<Event extends EventRecord['event']> = Extract<EventRecord, { event: Event }>;

/** A member with what became of its shares. */
export interface SourceSummary {
  readonly source: number;
  readonly kind: RecordOf<'member'>['kind'];
  readonly identity: string;
  /** Subtrees that it was given, and times that overdue ones were given to others. */
  readonly assignments: number;
  readonly revocations: number;
  /** Its shares by verdict. */
  readonly verdicts: Readonly<Record<string, number>>;
  /** Shards, as leaves of the rounds, that it gave to the updates that count. */
  readonly leaves: number;
}

export interface MembershipChange {
  /** Since the first start, in ms, by the wall clock of each start. */
  readonly sinceMs: number;
  readonly member: number;
  readonly state: string;
  readonly departure?: string | undefined;
}

export interface LogSummary {
  readonly events: number;
  readonly starts: readonly RecordOf<'start'>[];
  readonly end: RecordOf<'end'> | undefined;
  readonly sources: readonly SourceSummary[];
  readonly membership: readonly MembershipChange[];
  readonly incidents: readonly (RecordOf<'incident'> | RecordOf<'expel'>)[];
}

/** Collects a log record by record. */
export class Summarizer {
  #events = 0;
  #end: RecordOf<'end'> | undefined;
  readonly #starts: RecordOf<'start'>[] = [];
  readonly #incidents: LogSummary['incidents'][number][] = [];
  readonly #membership: MembershipChange[] = [];
  readonly #sources = new Map<number, { member: RecordOf<'member'>; assignments: number; revocations: number; verdicts: Record<string, number> }>();
  /** Leaves of a step, which decide how many a subtree at its ragged end has. */
  readonly #leaves = new Map<number, number>();

  take(record: EventRecord): void {
    this.#events++;
    switch (record.event) {
      case 'start':
        this.#starts.push(record);
        this.#end = undefined;
        return;
      case 'end':
        this.#end = record;
        return;
      case 'member':
        this.#member(record);
        return;
      case 'round':
        this.#leaves.set(record.step, record.leaves);
        return;
      case 'assign':
        this.#count(record.source, 'assignments');
        return;
      case 'revoke':
        this.#count(record.source, 'revocations');
        return;
      case 'share': {
        const verdicts = this.#sources.get(record.source)?.verdicts;
        if (verdicts !== undefined) verdicts[record.verdict] = (verdicts[record.verdict] ?? 0) + 1;
        return;
      }
      case 'incident':
      case 'expel':
        this.#incidents.push(record);
        return;
      case 'update': case 'alone': case 'close': case 'deal': case 'period': case 'pause': case 'resume': case 'epoch': case 'gap':
        return;
      default:
        record satisfies never;
    }
  }

  /** @param replay of the same records: the updates that count */
  summary(replay: Pick<Replay, 'updates'>): LogSummary {
    const leaves = this.#appliedLeaves(replay);
    return {
      events: this.#events, starts: this.#starts, end: this.#end, membership: this.#membership, incidents: this.#incidents,
      sources: [...this.#sources].map(([source, { member: { kind, identity }, ...counts }]) => ({ source, kind, identity, ...counts, leaves: leaves.get(source) ?? 0 })),
    };
  }

  #member(record: RecordOf<'member'>): void {
    const { atMs, member, state, departure } = record;
    this.#membership.push({ sinceMs: this.#sinceMs(atMs), member, state, departure });
    const known = this.#sources.get(member);
    if (known === undefined) this.#sources.set(member, { member: record, assignments: 0, revocations: 0, verdicts: {} });
    else known.member = record;
  }

  /** Every process has a clock of its own. */
  #sinceMs(atMs: number): number {
    const own = this.#starts.filter(({ unixMs }) => unixMs !== undefined);
    const [first, last] = [own[0], own.at(-1)];
    if (first === undefined || last === undefined) return atMs;
    return last.unixMs! - first.unixMs! + atMs - last.atMs;
  }

  #count(source: number, what: 'assignments' | 'revocations'): void {
    const known = this.#sources.get(source);
    if (known !== undefined) known[what]++;
  }

  #appliedLeaves({ updates }: Pick<Replay, 'updates'>): Map<number, number> {
    const leaves = new Map<number, number>();
    for (const { step, shares } of updates) {
      const last = this.#leaves.get(step) ?? Infinity;
      for (const { source, level, index } of shares) {
        const count = Math.min(last, (index + 1) * 2 ** level) - index * 2 ** level;
        leaves.set(source, (leaves.get(source) ?? 0) + count);
      }
    }
    return leaves;
  }
}
