// What Prometheus reads of a coordinator: counted from the records of the run, and asked for when somebody reads.
import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from 'prom-client';
import type { RunObserver } from '../coordinator/observer.js';
import type { RunStatus } from '../coordinator/status.js';
import type { Traffic } from '../net/listen.js';
import type { EventRecord } from '../rounds/events.js';

export interface MetricsSources {
  readonly arithmetic: string;
  /** Of the training that goes on, or the last one; `training` counts them. */
  readonly status: () => (RunStatus & { readonly training: number }) | undefined;
  readonly traffic: () => Traffic;
  /** Events that the log lacks. */
  readonly missedEvents: () => number;
}

/** In seconds: from a small network on one machine to a large one over Wi-Fi. */
const ROUND_SECONDS = [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30];

/** Of the process, whatever runs in it: it is watched once. */
let processRegistry: Registry | undefined;

export class RunMetrics implements RunObserver {
  readonly #own = new Registry();
  readonly #all: Registry;
  /** When the open rounds began, by step. */
  readonly #begunMs = new Map<number, number>();
  readonly #rounds = new Histogram({ name: 'tensorflock_round_duration_seconds', help: 'Time from the begin of a round to its update.', buckets: ROUND_SECONDS, registers: [this.#own] });
  readonly #assignments = this.#counter('assignments', 'Subtrees of shards handed out, by purpose: share, backup or opinion.', 'purpose');
  readonly #shares = this.#counter('shares', 'Shares that came, by verdict.', 'verdict');
  readonly #refusals = this.#counter('refused_shares', 'Shares that did not count, by reason.', 'reason');
  readonly #departures = this.#counter('departures', 'Nodes that left, by reason.', 'reason');
  readonly #incidents = this.#counter('incidents', 'Shares of the same shards that differ, by kind.', 'kind');
  readonly #revoked = this.#counter('revocations', 'Times that overdue work of a node was given to others.');
  readonly #expelled = this.#counter('expulsions', 'Nodes that gave wrong bytes and were expelled.');
  readonly #starts = this.#counter('starts', 'Starts from a checkpoint, at the begin of a run or back in it.');
  readonly #sources: MetricsSources;
  /** Of the progress as it was read last. */
  #counted = { training: 0, steps: 0, examples: 0 };

  constructor(sources: MetricsSources) {
    this.#sources = sources;
    processRegistry ??= watchProcess();
    this.#watchProgress();
    this.#watchNetwork();
    this.#gauge('info', 'Always 1; its labels say what runs.', (gauge) => { gauge.set({ arithmetic: sources.arithmetic }, 1); }, ['arithmetic']);
    this.#all = Registry.merge([this.#own, processRegistry]);
  }

  get contentType(): string {
    return this.#all.contentType;
  }

  async text(): Promise<string> {
    return this.#all.metrics();
  }

  record(record: EventRecord): void {
    switch (record.event) {
      case 'start':
        this.#begunMs.clear();
        this.#starts.inc();
        return;
      case 'round':
        this.#begunMs.set(record.step, record.atMs);
        return;
      case 'assign':
        this.#assignments.inc({ purpose: record.purpose });
        return;
      case 'share':
        this.#shares.inc({ verdict: record.verdict });
        if (record.verdict === 'refused') this.#refusals.inc({ reason: record.reason ?? '' });
        return;
      case 'update':
        this.#finished(record.step, record.atMs);
        return;
      case 'member':
        if (record.departure !== undefined) this.#departures.inc({ reason: record.departure });
        return;
      case 'incident':
        this.#incidents.inc({ kind: record.kind });
        return;
      case 'revoke':
        this.#revoked.inc();
        return;
      case 'expel':
        this.#expelled.inc();
        return;
      case 'alone': case 'close': case 'deal': case 'period': case 'pause': case 'resume': case 'epoch': case 'end': case 'gap':
        return;
      default:
        record satisfies never;
    }
  }

  #finished(step: number, atMs: number): void {
    const begunMs = this.#begunMs.get(step);
    if (begunMs !== undefined) this.#rounds.observe((atMs - begunMs) / 1_000);
    this.#begunMs.delete(step);
  }

  /** Counters only grow: steps that are made again after a worker's death count when they are new. */
  #watchProgress(): void {
    const { status } = this.#sources;
    this.#counter('steps', 'Steps that were made, those before a resumption included.', undefined, (counter) => { counter.inc(this.#grown('steps')); });
    this.#counter('examples', 'Examples that were trained on; its rate is the speed.', undefined, (counter) => { counter.inc(this.#grown('examples')); });
    this.#gauge('parameters_version', 'Updates that made the parameters.', (gauge) => { gauge.set(status()?.version ?? 0); });
    this.#gauge('epoch', 'The epoch in work, from 1.', (gauge) => { gauge.set((status()?.epoch ?? -1) + 1); });
    this.#gauge('nodes', 'Nodes in each state.', (gauge) => {
      for (const state of ['joined', 'probed', 'fetching', 'ready', 'suspected']) gauge.set({ state }, status()?.nodes.get(state) ?? 0);
    }, ['state']);
  }

  #grown(name: 'steps' | 'examples'): number {
    const status = this.#sources.status();
    if (status === undefined) return 0;
    if (status.training !== this.#counted.training) this.#counted = { training: status.training, steps: 0, examples: 0 };
    const grown = Math.max(0, status[name] - this.#counted[name]);
    this.#counted[name] += grown;
    return grown;
  }

  #watchNetwork(): void {
    const { traffic, missedEvents } = this.#sources;
    this.#total('received_bytes', 'Bytes that came over the network, framing and TLS included.', () => traffic().receivedBytes);
    this.#total('sent_bytes', 'Bytes that were handed to the network, framing and TLS included.', () => traffic().sentBytes);
    this.#total('event_log_missed_events', 'Events that the log lacks, because its disk is slower than the run.', missedEvents);
    this.#gauge('connections', 'Connections whose other side has proved the key.', (gauge) => { gauge.set(traffic().connections); });
    this.#gauge('buffered_bytes', 'Bytes that wait for nodes to read them.', (gauge) => { gauge.set(traffic().bufferedBytes); });
    this.#gauge('longest_silence_seconds', 'Time since the node that was silent longest was heard.', (gauge) => { gauge.set(traffic().longestSilenceMs / 1_000); });
  }

  #counter(name: string, help: string, label?: string, collect?: (counter: Counter) => void): Counter {
    const counter: Counter = new Counter({
      name: `tensorflock_${name}_total`, help, registers: [this.#own], labelNames: label === undefined ? [] : [label],
      ...(collect === undefined ? {} : { collect: () => { collect(counter); } }),
    });
    return counter;
  }

  /** What somebody else counts. */
  #total(name: string, help: string, read: () => number): void {
    let counted = 0;
    this.#counter(name, help, undefined, (counter) => {
      const total = Math.max(counted, read());
      counter.inc(total - counted);
      counted = total;
    });
  }

  #gauge(name: string, help: string, collect: (gauge: Gauge) => void, labelNames: readonly string[] = []): void {
    const gauge: Gauge = new Gauge({ name: `tensorflock_${name}`, help, registers: [this.#own], labelNames: [...labelNames], collect: () => { collect(gauge); } });
  }
}

function watchProcess(): Registry {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  return registry;
}
