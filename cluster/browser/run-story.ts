// What the records told about the training that is shown, in bounded memory.
import { shownNames } from '../feed/class-names.js';
import type { EpochRecord, EventFeedRecord, FeedRecord, HealthRecord, MomentRecord, NodesRecord, OutcomeRecord, RunRecord, StateRecord } from '../feed/records.js';
import { ThinnedCurve, type CurvePoint } from './thinning.js';

/** More than a wide screen has columns for. */
const MOST_POINTS = 1_500;
const MOST_EPOCHS = 1_000;
const MOST_EVENTS = 200;

/** Names beside those of metrics. */
export const SPEED = 'examplesPerSecond';
export const RATE = 'learningRate';

export class RunStory {
  run: RunRecord | undefined;
  state: StateRecord | undefined;
  nodes: NodesRecord | undefined;
  health: HealthRecord | undefined;
  outcome: OutcomeRecord | undefined;
  moment: MomentRecord | undefined;
  epoch: EpochRecord | undefined;
  #moments = new ThinnedCurve(MOST_POINTS);
  #epochs = new ThinnedCurve(MOST_EPOCHS);
  #events: EventFeedRecord[] = [];

  /** Metrics along the steps, with SPEED and RATE. */
  get moments(): readonly CurvePoint[] {
    return this.#moments.points;
  }

  /** Metrics of epochs, `val_` included. */
  get epochs(): readonly CurvePoint[] {
    return this.#epochs.points;
  }

  /** The last ones, in order. */
  get events(): readonly EventFeedRecord[] {
    return this.#events;
  }

  tell(record: FeedRecord): void {
    switch (record.kind) {
      case 'run': this.#begin(record); return;
      case 'state': this.state = record; return;
      case 'nodes': this.nodes = record; return;
      case 'health': this.health = record; return;
      case 'outcome': this.outcome = record; return;
      case 'moment':
        this.moment = record;
        this.#moments.add({ step: record.step, atMs: record.atMs, values: { ...record.logs, [SPEED]: record.examplesPerSecond, [RATE]: record.learningRate } });
        return;
      case 'epoch':
        this.epoch = record;
        this.#epochs.add({ step: record.step, atMs: record.atMs, values: record.logs });
        return;
      case 'event':
        this.#events.push(record);
        if (this.#events.length > MOST_EVENTS) this.#events.shift();
        return;
      default: record satisfies never;
    }
  }

  #begin(run: RunRecord): void {
    this.run = { ...run, classNames: shownNames(run.classNames) }; // from the wire, and shown
    this.state = this.nodes = this.health = this.outcome = this.moment = this.epoch = undefined;
    this.#moments = new ThinnedCurve(MOST_POINTS);
    this.#epochs = new ThinnedCurve(MOST_EPOCHS);
    this.#events = [];
  }
}
