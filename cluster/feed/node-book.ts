// What each member of a run did, kept from the records of the run alone: the cards of the feed.
import type { EventRecord } from '../rounds/events.js';
import { COUNTED } from '../rounds/replay.js';
import type { NodeCard } from './records.js';

/** Since the window was opened, in milliseconds and examples. */
interface Window {
  busyMs: number;
  computeMs: number;
  encodeMs: number;
  examples: number;
}

interface Entry {
  kind: NodeCard['kind'];
  state: string;
  workers: number;
  shares: number;
  window: Window;
  /** Shares that it owes, by step. */
  readonly owes: Map<number, number>;
  /** When it was given work while it owed nothing. */
  busySinceMs: number;
}

type RecordOf<Event extends EventRecord['event']> = Extract<EventRecord, { readonly event: Event }>;

export class NodeBook {
  readonly #entries = new Map<number, Entry>();
  /** Of steps that are open: examples and leaves. */
  readonly #rounds = new Map<number, { readonly examples: number; readonly leaves: number }>();
  /** Mode `local`: own steps that were dealt last. */
  readonly #dealt = new Map<number, number>();
  #mode: RecordOf<'start'>['mode'] = 'sync';
  #openedMs = 0;

  /** @param batchSize examples of a step */
  constructor(private readonly batchSize: number, private readonly localWorkers: number) {}

  record(record: EventRecord): void {
    switch (record.event) {
      case 'start':
        this.#mode = record.mode;
        if (record.unixMs !== undefined) this.#openedMs = record.atMs; // else it goes back
        return this.#startOver(record.atMs);
      case 'member': return this.#member(record);
      case 'round': this.#rounds.set(record.step, record); return;
      case 'assign': return this.#assign(record);
      case 'share': return this.#share(record);
      case 'revoke': return this.#settle(record.source, record.step, record.atMs);
      case 'update':
        if (this.#mode !== 'async') this.#close(record.step, record.atMs); // there an update is of one share
        return;
      case 'close': return this.#close(record.step, record.atMs);
      case 'deal': return this.#deal(record);
      case 'period': return this.#period(record);
      case 'alone': case 'incident': case 'expel': case 'pause': case 'resume': case 'epoch': case 'end': case 'gap': return;
      default: record satisfies never;
    }
  }

  /**
   * The members that are present, over the time since this was last asked for.
   * @param examples that all made meanwhile; those of no share this machine's workers made alone
   */
  cards(nowMs: number, examples: number): NodeCard[] {
    const elapsedMs = Math.max(1, nowMs - this.#openedMs);
    const alone = Math.max(0, examples - [...this.#entries.values()].reduce((sum, { window }) => sum + window.examples, 0));
    const cards = [...this.#entries].flatMap(([member, entry]) => {
      const { kind, state, workers, shares, window } = entry;
      if (entry.owes.size > 0) this.#rest(entry, nowMs); // up to now; the rest is of the next window
      entry.window = { busyMs: 0, computeMs: 0, encodeMs: 0, examples: 0 };
      if (state === 'left') return [];
      const own = window.examples + (kind === 'local' ? alone : 0);
      const isLone = kind === 'local' && alone > examples / 2;
      const time = isLone ? { compute: 1, encode: 0, wire: 0, wait: 0 } : timeOf(window, elapsedMs);
      return [{ member, kind, state, workers, examplesPerSecond: (own * 1_000) / elapsedMs, shares, time }];
    });
    this.#openedMs = nowMs;
    return cards.sort((one, other) => one.member - other.member);
  }

  /** Work that was handed out before is nobody's any more. */
  #startOver(atMs: number): void {
    for (const entry of this.#entries.values()) {
      if (entry.owes.size > 0) this.#rest(entry, atMs);
      entry.owes.clear();
    }
    this.#rounds.clear();
  }

  #member({ member, kind, state, workers, atMs }: RecordOf<'member'>): void {
    const entry = this.#entries.get(member) ?? { kind, state, workers: 0, shares: 0, window: { busyMs: 0, computeMs: 0, encodeMs: 0, examples: 0 }, owes: new Map<number, number>(), busySinceMs: 0 };
    this.#entries.set(member, entry);
    if (state === 'left' && entry.owes.size > 0) {
      this.#rest(entry, atMs);
      entry.owes.clear();
    }
    Object.assign(entry, { kind, state, workers: kind === 'local' ? this.localWorkers : state === 'left' ? 0 : (workers ?? entry.workers) });
  }

  #assign({ source, step, atMs }: Pick<RecordOf<'assign'>, 'source' | 'step' | 'atMs'>): void {
    const entry = this.#entries.get(source);
    if (entry === undefined) return;
    if (entry.owes.size === 0) entry.busySinceMs = atMs;
    entry.owes.set(step, (entry.owes.get(step) ?? 0) + 1);
  }

  #share({ source, step, level, index, verdict, computeMs = 0, encodeMs = 0, atMs }: RecordOf<'share'>): void {
    const entry = this.#entries.get(source);
    if (entry === undefined) return;
    const { window } = entry;
    window.computeMs += computeMs;
    window.encodeMs += encodeMs;
    if (COUNTED.has(verdict)) {
      entry.shares++;
      window.examples += this.#examplesOf(step, level, index);
    }
    const owed = (entry.owes.get(step) ?? 0) - 1;
    if (owed > 0) entry.owes.set(step, owed);
    else this.#settle(source, step, atMs);
  }

  #examplesOf(step: number, level: number, index: number): number {
    const round = this.#rounds.get(step);
    if (round === undefined) return 0;
    const leaves = Math.min(2 ** level, round.leaves - index * 2 ** level);
    return (round.examples * leaves) / round.leaves;
  }

  /** It owes nothing of the step any more. */
  #settle(source: number, step: number, atMs: number): void {
    const entry = this.#entries.get(source);
    if (entry?.owes.delete(step) === true && entry.owes.size === 0) this.#rest(entry, atMs);
  }

  /** It was busy until then, as far as that is in this window. */
  #rest(entry: Entry, atMs: number): void {
    entry.window.busyMs += Math.max(0, atMs - Math.max(entry.busySinceMs, this.#openedMs));
  }

  /** What others still owe of it is not wanted any more. */
  #close(step: number, atMs: number): void {
    for (const source of this.#entries.keys()) this.#settle(source, step, atMs);
    this.#rounds.delete(step);
  }

  #deal({ parts, atMs }: RecordOf<'deal'>): void {
    for (const { source, firstStep, steps } of parts) {
      this.#dealt.set(source, steps);
      this.#assign({ source, step: firstStep, atMs });
    }
  }

  #period({ sources, computeMs, atMs }: RecordOf<'period'>): void {
    sources.forEach((source, index) => {
      const entry = this.#entries.get(source);
      if (entry === undefined) return;
      entry.shares++;
      entry.window.computeMs += computeMs?.[index] ?? 0;
      entry.window.examples += (this.#dealt.get(source) ?? 0) * this.batchSize;
    });
    this.#startOver(atMs);
  }
}

/** What a source says of its times is believed as far as it was busy. */
function timeOf({ busyMs, computeMs, encodeMs }: Window, elapsedMs: number): NodeCard['time'] {
  const busy = Math.min(1, busyMs / elapsedMs);
  const compute = Math.min(busy, computeMs / elapsedMs);
  const encode = Math.min(busy - compute, encodeMs / elapsedMs);
  return { compute, encode, wire: busy - compute - encode, wait: 1 - busy };
}
