// What somebody who opens the page late is told first: the run so far, in a bounded number of records.
import type { EpochRecord, EventFeedRecord, FeedRecord, HealthRecord, MomentRecord, NodesRecord, OutcomeRecord, RunRecord, StateRecord } from './records.js';

/** As many points as a wide screen can show. Beyond them each two become one. */
const MOST_MOMENTS = 1_200;
const MOST_EPOCHS = 2_000;
const MOST_EVENTS = 300;

/** Of which the last one counts. */
interface Latest {
  readonly state?: StateRecord;
  readonly nodes?: NodesRecord;
  readonly health?: HealthRecord;
  readonly outcome?: OutcomeRecord;
}

export class FeedHistory {
  #run: RunRecord | undefined;
  #moments: MomentRecord[] = [];
  #epochs: EpochRecord[] = [];
  #events: EventFeedRecord[] = [];
  #latest: Latest = {};

  add(record: FeedRecord): void {
    switch (record.kind) {
      case 'run':
        this.#begin(record);
        return;
      case 'moment':
        this.#moments.push(record);
        if (this.#moments.length > MOST_MOMENTS) this.#moments = pairwise(this.#moments, meanOf);
        return;
      case 'epoch':
        this.#epochs.push(record);
        if (this.#epochs.length > MOST_EPOCHS) this.#epochs = pairwise(this.#epochs, (_, later) => later);
        return;
      case 'event':
        this.#events.push(record);
        if (this.#events.length > MOST_EVENTS) this.#events.shift();
        return;
      case 'state': case 'nodes': case 'health': case 'outcome':
        this.#latest = { ...this.#latest, [record.kind]: record };
        return;
      default: record satisfies never;
    }
  }

  /** Begins with the run; none before there is one. */
  records(): FeedRecord[] {
    if (this.#run === undefined) return [];
    return [this.#run, ...this.#moments, ...this.#epochs, ...this.#events, ...(Object.values(this.#latest) as FeedRecord[])];
  }

  #begin(run: RunRecord): void {
    this.#run = run;
    this.#moments = [];
    this.#epochs = [];
    this.#events = [];
    this.#latest = {};
  }
}

/** Half as many, in order; the last of an odd number stays as it is. */
function pairwise<T>(items: readonly T[], join: (one: T, later: T) => T): T[] {
  const joined: T[] = [];
  for (let index = 0; index < items.length; index += 2) joined.push(index + 1 < items.length ? join(items[index]!, items[index + 1]!) : items[index]!);
  return joined;
}

/** Both stand for about the same time, so that the plain mean is that of their steps, nearly. */
function meanOf(one: MomentRecord, later: MomentRecord): MomentRecord {
  const logs = Object.fromEntries(Object.entries(later.logs).map(([name, value]) => [name, (value + (one.logs[name] ?? value)) / 2]));
  return { ...later, logs, examplesPerSecond: (one.examplesPerSecond + later.examplesPerSecond) / 2 };
}
