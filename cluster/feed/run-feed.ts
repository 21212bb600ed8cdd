// The feed of a run's trainings: what its records, its fits and looks into its network say, put into words that a page shows.
import { rateAt } from '../../src/optimizers/index.js';
import { layersHealth } from '../../src/report/network-health.js';
import { classesOf } from '../../src/report/outcome.js';
import { sliceColumns } from '../../src/train/columns.js';
import type { Logs } from '../../src/train/fit.js';
import { Inspector } from '../../src/train/inspector.js';
import type { WorkerPool } from '../../src/train/session.js';
import type { Examples } from '../../src/train/trainer.js';
import type { FitMoment, FitWatcher, WatchedFit } from '../../src/train/watcher.js';
import type { RunObserver } from '../coordinator/observer.js';
import type { Clock } from '../net/clock.js';
import type { EventRecord } from '../rounds/events.js';
import { Budget } from './budget.js';
import { shownNames } from './class-names.js';
import { Feed } from './feed.js';
import { NodeBook } from './node-book.js';
import type { NodeCard, StateRecord } from './records.js';
import { sentenceOf } from './sentences.js';
import { outcomeOf } from './validation-outcome.js';

const MOMENT_MS = 250;
/** Of moments: cards of nodes are as seldom. */
const MOMENTS_A_CARD = 4;
/** Looks into the network take no more of a run's time, but for one after the last epoch. */
const INSPECTION_PART = 0.01;
const MOST_INSPECTED = 64;
const MOST_PREDICTED = 1_000;

export interface RunFeedOptions {
  readonly localWorkers: number;
  /** Computes on the calling thread. */
  readonly createPool: () => Promise<WorkerPool>;
  readonly mayChaos: boolean;
  /** What the chaos panel does to a node. */
  readonly chaosOf: (member: number) => NodeCard['chaos'];
  readonly clock: Clock;
  /** Of the wall. */
  readonly unixMs: () => number;
}

/** A fit that goes on. */
interface Watched {
  readonly fit: WatchedFit;
  readonly beganMs: number;
  readonly book: NodeBook;
  readonly budget: Budget;
  inspector: Inspector | undefined;
  cancelTick: () => void;
  ticks: number;
  last: Moment;
  /** Trained on since the cards were told last. */
  examples: number;
  /** By which the clock is ahead of the records' times. */
  aheadMs: number;
}

/** A look at the fit; `atMs` since it began. */
interface Moment extends FitMoment {
  readonly atMs: number;
}

export class RunFeed implements FitWatcher, RunObserver {
  readonly feed = new Feed();
  #trainings = 0;
  #watched: Watched | undefined;

  constructor(private readonly options: RunFeedOptions) {}

  begins(fit: WatchedFit): void {
    const { clock, localWorkers, mayChaos, unixMs } = this.options;
    const { parts: { facts, optimizer, plans, model, state }, epochs, batchSize, stepsPerEpoch, train, validation } = fit;
    const last = fit.look() ?? { epoch: 0, epochStep: 0, version: state.version, sums: new Float64Array(plans.sumNames.length + 1) };
    this.#watched = {
      fit, beganMs: clock.nowMs(), book: new NodeBook(batchSize, localWorkers), budget: new Budget(INSPECTION_PART), inspector: undefined,
      cancelTick: () => undefined, ticks: 0, last: { ...last, atMs: 0 }, examples: 0, aheadMs: Infinity,
    };
    this.#trainings++;
    this.feed.publish({
      kind: 'run', training: this.#trainings, unixMs: unixMs(), epochs, stepsPerEpoch, batchSize, examples: train.count, validationExamples: validation?.count ?? 0,
      mode: facts.mode.kind, arithmetic: facts.arithmetic, optimizer: optimizer.rule, parameterCount: model.countParams(), metrics: plans.sumNames, classNames: shownNames(fit.classNames), mayChaos,
    });
    this.#tellState('running');
    this.#tick(this.#watched);
  }

  record(record: EventRecord): void {
    const watched = this.#watched;
    if (watched === undefined) return;
    watched.aheadMs = Math.min(watched.aheadMs, this.options.clock.nowMs() - record.atMs);
    watched.book.record(record);
    if (record.event === 'pause') this.#tellState(record.reason === 'operator' ? 'paused' : 'waiting');
    if (record.event === 'resume') this.#tellState('running');
    if (record.event === 'end') this.#tellState(record.outcome);
    const said = sentenceOf(record);
    if (said !== undefined) this.feed.publish({ kind: 'event', atMs: this.#atMs(watched), step: this.#stepOf(watched.last, watched.fit), ...said });
  }

  async epochEnds(epoch: number, logs: Logs): Promise<void> {
    const watched = this.#watched!;
    const { fit, budget } = watched;
    const place = { atMs: this.#atMs(watched), epoch: epoch + 1, step: (epoch + 1) * fit.stepsPerEpoch };
    this.#moment(watched);
    this.feed.publish({ kind: 'epoch', ...place, logs });
    const isLast = epoch + 1 === fit.epochs;
    const { clock } = this.options;
    if (!this.feed.isWatched || !(isLast || budget.isDue(clock.nowMs()))) return;
    watched.inspector ??= new Inspector(fit.parts, await this.options.createPool());
    const startMs = clock.nowMs();
    await this.#inspect(watched.inspector, fit, place);
    budget.spent(startMs, clock.nowMs());
  }

  ends(): void {
    const watched = this.#watched;
    if (watched === undefined) return;
    watched.cancelTick();
    this.#cards(watched);
    this.#watched = undefined;
  }

  async #inspect(inspector: Inspector, { train, validation }: WatchedFit, place: { readonly atMs: number; readonly epoch: number; readonly step: number }): Promise<void> {
    const sample = firstOf(train, MOST_INSPECTED);
    const layers = layersHealth(await inspector.weights(sample), await inspector.outputs(sample));
    this.feed.publish({ kind: 'health', ...place, examples: sample.count, layers });
    if (validation === undefined) return;
    const asked = firstOf(validation, MOST_PREDICTED);
    const outputs = await inspector.predictions(asked);
    const actual = classesOf({ y: asked.targets }, outputs.length / asked.count);
    if (actual !== undefined) this.feed.publish({ kind: 'outcome', ...place, ...outcomeOf(outputs, actual, asked.inputs) });
  }

  #tick(watched: Watched): void {
    watched.cancelTick = this.options.clock.after(MOMENT_MS, () => {
      this.#moment(watched);
      if (watched.ticks++ % MOMENTS_A_CARD === 0) this.#cards(watched);
      this.#tick(watched);
    });
  }

  #moment(watched: Watched): void {
    const { fit, last } = watched;
    const look = fit.look();
    if (look === undefined) return;
    const now = { ...look, atMs: this.#atMs(watched) };
    const before = look.epoch === last.epoch && look.epochStep >= last.epochStep ? last.sums : new Float64Array(look.sums.length);
    const examples = look.sums[0]! - before[0]!;
    watched.last = now;
    if (examples <= 0) return;
    watched.examples += examples;
    const { sumNames } = fit.parts.plans;
    const logs = Object.fromEntries(sumNames.map((name, index) => [name, (look.sums[index + 1]! - before[index + 1]!) / examples]));
    this.feed.publish({
      kind: 'moment', atMs: now.atMs, epoch: look.epoch + 1, step: this.#stepOf(look, fit), logs,
      examplesPerSecond: (examples * 1_000) / Math.max(1, now.atMs - last.atMs), learningRate: rateAt(fit.parts.optimizer.learningRate, look.version),
    });
  }

  #cards(watched: Watched): void {
    if (!Number.isFinite(watched.aheadMs)) return; // nobody is known before the first record
    const nowMs = this.options.clock.nowMs() - watched.aheadMs;
    const nodes = watched.book.cards(nowMs, watched.examples).map((card) => ({ ...card, ...given(this.options.chaosOf(card.member)) }));
    watched.examples = 0;
    this.feed.publish({ kind: 'nodes', atMs: this.#atMs(watched), nodes });
  }

  #tellState(state: StateRecord['state']): void {
    this.feed.publish({ kind: 'state', atMs: this.#atMs(this.#watched!), state });
  }

  #atMs({ beganMs }: Watched): number {
    return Math.round(this.options.clock.nowMs() - beganMs);
  }

  #stepOf({ epoch, epochStep }: FitMoment, { stepsPerEpoch }: WatchedFit): number {
    return epoch * stepsPerEpoch + epochStep;
  }
}

function given(chaos: NodeCard['chaos']): Pick<NodeCard, 'chaos'> {
  return chaos === undefined ? {} : { chaos };
}

function firstOf({ inputs, targets, count }: Examples, most: number): Examples {
  const end = Math.min(most, count);
  return { inputs: sliceColumns(inputs, 0, end), targets: sliceColumns(targets, 0, end), count: end };
}
