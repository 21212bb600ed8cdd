// Reads the event log of a run again: who computed what, and whether every promise about it was kept.
import { accept, isComplete, isWithin, openCoverage, type Coverage } from './coverage.js';
import type { EventRecord } from './events.js';
import type { Verdict } from './receive.js';

type Used = Extract<EventRecord, { event: 'update' }>['shares'][number];

/** An update as it was made. */
export interface ReplayedUpdate {
  readonly generation: number;
  readonly step: number;
  /** The version that it was applied to. */
  readonly version: number;
  readonly shares: readonly Used[];
}

/** `steps` updates from version `version` on, each of all leaves of its step. */
export interface ReplayedStretch {
  readonly generation: number;
  readonly firstStep: number;
  readonly version: number;
  readonly steps: number;
}

export interface Replay {
  /** The updates that the final parameters are made of, in order: those that were redone are left out. */
  readonly updates: readonly ReplayedUpdate[];
  /** Own steps of `local` that were dealt and joined, by source. */
  readonly periods: readonly { readonly version: number; readonly sources: readonly number[] }[];
  /** Stretches of updates that the local pool made while nobody else was there, redone ones left out. */
  readonly alone: readonly ReplayedStretch[];
  /** Largest age of an applied share, in versions. */
  readonly oldest: number;
  /** Sentences about what should not have happened; of an honest log there are none. */
  readonly problems: readonly string[];
}

/**
 * Follows a log from its start. Checked are: versions follow each other; every leaf of every step was applied exactly once; no
 * applied share was computed from parameters of a later version, nor, except in `async`, of a version older than the mode's
 * bound; every applied share was assigned to its source in that step, and arrived as it was applied. Steps that were not
 * finished when the log ends are no problem. Where records are missing, nothing can be said until the next start.
 */
export function replay(records: Iterable<EventRecord>): Replay {
  const replayer = new Replayer();
  for (const record of records) replayer.take(record);
  return replayer;
}

/** Verdicts of shares that may be applied. */
export const COUNTED: ReadonlySet<string> = new Set<Verdict['kind']>(['accepted', 'held', 'undecided', 'settled']);

interface OpenStep {
  readonly coverage: Coverage<null>;
  readonly assigned: Set<string>;
  readonly arrived: Set<string>;
}

/** A replay that is given its records one after the other. */
export class Replayer implements Replay {
  updates: ReplayedUpdate[] = [];
  periods: { version: number; sources: number[] }[] = [];
  alone: ReplayedStretch[] = [];
  oldest = 0;
  readonly problems: string[] = [];
  #isWhole = true;
  /** The run before has ended, and what begins need not follow it. */
  #hasEnded = true;
  #generation = -1;
  #version = 0;
  #mode: Extract<EventRecord, { event: 'start' }>['mode'] = 'sync';
  #staleness = 0;
  #nextStep = 0;
  #dealt: readonly { readonly source: number; readonly firstStep: number; readonly steps: number }[] = [];
  readonly #steps = new Map<number, OpenStep>();

  take(record: EventRecord): void {
    if (!this.#isWhole && record.event !== 'start') return;
    switch (record.event) {
      case 'start':
        this.#start(record);
        return;
      case 'round':
        this.#require(record.step === this.#nextStep++, `step ${String(record.step)} was begun out of turn`);
        this.#steps.set(record.step, { coverage: openCoverage(record.leaves), assigned: new Set(), arrived: new Set() });
        return;
      case 'assign':
        this.#steps.get(record.step)?.assigned.add(nameOf(record));
        return;
      case 'share':
        if (COUNTED.has(record.verdict)) this.#steps.get(record.step)?.arrived.add(arrivalOf(record));
        return;
      case 'update':
        this.#update(record);
        return;
      case 'close':
        this.#close(record.step);
        return;
      case 'deal':
        this.#deal(record);
        return;
      case 'period':
        this.#period(record);
        return;
      case 'alone':
        this.#alone(record);
        return;
      case 'gap':
        this.problems.push(`${String(record.records)} events are missing after version ${String(this.#version)}; nothing can be said about what follows, up to the next start`);
        this.#isWhole = false;
        return;
      case 'end':
        this.#hasEnded = true;
        return;
      case 'member':
      case 'revoke':
      case 'incident':
      case 'expel': case 'pause': case 'resume': case 'epoch':
        return;
      default:
        record satisfies never;
    }
  }

  #require(holds: boolean, problem: string): void {
    if (!holds) this.problems.push(problem);
  }

  /** What was made of parameters that were given up has not happened. */
  #start({ generation, version, nextStep, mode, staleness, unixMs }: Extract<EventRecord, { event: 'start' }>): void {
    // Each process of a coordinator counts on from its own start.
    this.#require(unixMs !== undefined || generation > this.#generation, `generation ${String(generation)} began after generation ${String(this.#generation)}`);
    this.#require(this.#hasEnded || !this.#isWhole || version <= this.#version, `generation ${String(generation)} began with version ${String(version)}, which did not exist yet`);
    this.updates = this.updates.filter((update) => update.version < version);
    this.periods = this.periods.filter((period) => period.version < version);
    this.alone = this.alone.filter((stretch) => stretch.version < version).map((stretch) => ({ ...stretch, steps: Math.min(stretch.steps, version - stretch.version) }));
    this.#isWhole = true;
    this.#hasEnded = false;
    [this.#generation, this.#version, this.#nextStep, this.#mode, this.#staleness] = [generation, version, nextStep, mode, staleness];
    this.#steps.clear();
    this.#dealt = [];
  }

  #update({ step, version, shares }: Extract<EventRecord, { event: 'update' }>): void {
    const where = `the update of version ${String(version)}`;
    this.#require(version === this.#version, `${where} was made at version ${String(this.#version)}`);
    this.#version = version + 1;
    const open = this.#steps.get(step);
    if (open === undefined) {
      this.problems.push(`${where} is of step ${String(step)}, which was not open`);
      return;
    }
    for (const share of shares) this.#use(open, share, version, where);
    if (this.#mode !== 'async') this.#close(step);
    this.updates.push({ generation: this.#generation, step, version, shares });
  }

  #use({ coverage, assigned, arrived }: OpenStep, share: Used, version: number, where: string): void {
    const name = nameOf(share);
    const isNew = isWithin(coverage, share) && accept(coverage, share, null) === 'accepted';
    this.#require(isNew, `${where} has shards of ${name} that are covered already, or do not exist`);
    this.#require(assigned.has(name), `${where} has ${name}, which was never assigned`);
    this.#require(arrived.has(arrivalOf(share)), `${where} has ${name}, which did not arrive so`);
    const age = version - share.version;
    this.oldest = Math.max(this.oldest, age);
    this.#require(age >= 0, `${where} has ${name} from version ${String(share.version)}, which did not exist yet`);
    this.#require(this.#mode === 'async' || age <= this.#staleness, `${where} has ${name} from version ${String(share.version)}, older than ${String(this.#staleness)} versions`);
  }

  #close(step: number): void {
    const open = this.#steps.get(step);
    this.#require(open !== undefined && isComplete(open.coverage), `step ${String(step)} was closed with shards that nobody gave`);
    this.#steps.delete(step);
  }

  #alone({ firstStep, version, steps }: Extract<EventRecord, { event: 'alone' }>): void {
    this.#require(version === this.#version, `the local pool went on alone from version ${String(version)} at version ${String(this.#version)}`);
    this.#require(firstStep === this.#nextStep && this.#steps.size === 0, `the local pool went on alone with step ${String(firstStep)} out of turn`);
    this.#version = version + steps;
    this.#nextStep = firstStep + steps;
    this.alone.push({ generation: this.#generation, firstStep, version, steps });
  }

  #deal({ version, parts }: Extract<EventRecord, { event: 'deal' }>): void {
    this.#require(version === this.#version, `steps were dealt for version ${String(version)} at version ${String(this.#version)}`);
    // Steps of which nothing came are dealt again from the first on.
    let next = this.#dealt[0]?.firstStep ?? this.#nextStep;
    for (const { firstStep, steps } of parts) {
      this.#require(firstStep === next, `step ${String(firstStep)} was dealt where ${String(next)} was next`);
      next = firstStep + steps;
    }
    this.#dealt = parts;
  }

  #period({ version, sources }: Extract<EventRecord, { event: 'period' }>): void {
    this.#require(version === this.#version, `the update of version ${String(version)} was made at version ${String(this.#version)}`);
    const [known, used] = [this.#dealt.map(({ source }) => source), new Set(sources)];
    this.#require(used.size === sources.length && sources.every((source) => known.includes(source)), `the update of version ${String(version)} has parts that were not dealt, or twice`);
    this.#nextStep = this.#dealt.reduce((step, { firstStep, steps }) => Math.max(step, firstStep + steps), this.#nextStep);
    this.#version = this.#nextStep;
    this.#dealt = [];
    this.periods.push({ version, sources });
  }
}

interface Named {
  readonly source: number;
  readonly level: number;
  readonly index: number;
}

function nameOf({ source, level, index }: Named): string {
  return `subtree ${String(level)}/${String(index)} of source ${String(source)}`;
}

function arrivalOf(share: Named & { readonly version: number }): string {
  return `${nameOf(share)} from version ${String(share.version)}`;
}
