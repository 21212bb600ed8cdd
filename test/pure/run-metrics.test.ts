import { expect, test } from 'vitest';
import { RunMetrics, type MetricsSources } from '../../cluster/operations/run-metrics.js';
import { simulate } from './rounds-simulator.js';

type Status = NonNullable<ReturnType<MetricsSources['status']>>;

const IDLE = { receivedBytes: 0, sentBytes: 0, connections: 0, bufferedBytes: 0, longestSilenceMs: 0 };
const status = (steps: number, training = 1): Status => ({ training, epoch: 0, steps, examples: steps * 32, version: steps, nodes: new Map([['ready', 2]]) });

function metricsOf(sources: Partial<MetricsSources>): RunMetrics {
  return new RunMetrics({ arithmetic: 'portable', status: () => undefined, traffic: () => IDLE, missedEvents: () => 0, ...sources });
}

/** Values by name and labels, without those of the process. */
async function valuesOf(metrics: RunMetrics): Promise<ReadonlyMap<string, number>> {
  const lines = (await metrics.text()).split('\n').filter((line) => line.startsWith('tensorflock_'));
  return new Map(lines.map((line) => [line.slice(0, line.lastIndexOf(' ')), Number(line.slice(line.lastIndexOf(' ') + 1))]));
}

const NODES = Array.from({ length: 3 }, (_, latencyMs) => ({ kind: 'node', speed: 20_000, latencyMs: 1 + latencyMs } as const));
const liar = { kind: 'node', speed: 50_000, latencyMs: 1, faults: [{ kind: 'lie', fromStep: 2, probability: 1 }] } as const;

test('the records of a run are counted', async () => {
  const { records } = simulate({ seed: 1, steps: 40, examples: 250, shardExamples: 16, nodes: [{ kind: 'local', speed: 20_000, latencyMs: 0 }, liar, ...NODES], auditProbability: 0.5 });
  const metrics = metricsOf({});
  for (const record of records) metrics.record(record);
  const values = await valuesOf(metrics);
  const count = (event: string, field?: string, value?: string): number => records.filter((record) => record.event === event && (field === undefined || (record as Record<string, unknown>)[field] === value)).length;
  expect(values.get('tensorflock_round_duration_seconds_count')).toBe(count('update'));
  expect(values.get('tensorflock_round_duration_seconds_sum')).toBeGreaterThan(0);
  for (const verdict of ['accepted', 'held', 'settled']) expect(values.get(`tensorflock_shares_total{verdict="${verdict}"}`), verdict).toBe(count('share', 'verdict', verdict));
  for (const purpose of ['share', 'opinion']) expect(values.get(`tensorflock_assignments_total{purpose="${purpose}"}`)).toBe(count('assign', 'purpose', purpose));
  expect(values.get('tensorflock_incidents_total{kind="differentBytes"}')).toBe(count('incident'));
  expect(values.get('tensorflock_expulsions_total')).toBe(1);
  expect(values.get('tensorflock_starts_total')).toBe(count('start'));
});

test('progress and network are what they are when somebody reads', async () => {
  let [now, traffic] = [status(5), { receivedBytes: 10, sentBytes: 20, connections: 2, bufferedBytes: 7, longestSilenceMs: 1_500 }];
  const metrics = metricsOf({ status: () => now, traffic: () => traffic, missedEvents: () => 3 });
  const read = async (...names: string[]): Promise<(number | undefined)[]> => {
    const values = await valuesOf(metrics);
    return names.map((name) => values.get(`tensorflock_${name}`));
  };
  expect(await read('steps_total', 'examples_total', 'parameters_version', 'epoch', 'nodes{state="ready"}', 'nodes{state="joined"}')).toEqual([5, 160, 5, 1, 2, 0]);
  expect(await read('received_bytes_total', 'sent_bytes_total', 'connections', 'buffered_bytes', 'longest_silence_seconds', 'event_log_missed_events_total')).toEqual([10, 20, 2, 7, 1.5, 3]);
  [now, traffic] = [status(9), { ...traffic, receivedBytes: 15 }];
  expect(await read('steps_total', 'received_bytes_total')).toEqual([9, 15]);
});

test('counters only grow: a worker that died takes no step back, and a further training adds its own', async () => {
  let now = status(100);
  const metrics = metricsOf({ status: () => now });
  const steps = async (): Promise<number | undefined> => (await valuesOf(metrics)).get('tensorflock_steps_total');
  expect(await steps()).toBe(100);
  now = status(60);
  expect(await steps()).toBe(100);
  now = status(110);
  expect(await steps()).toBe(110);
  now = status(20, 2);
  expect(await steps()).toBe(130);
});

test('names are as Prometheus asks, and the process is watched once, however many runs there are', async () => {
  const [, second] = [metricsOf({}), metricsOf({})];
  const text = await second.text();
  const types = new Map([...text.matchAll(/^# TYPE (tensorflock_\w+) (\w+)$/gm)].map(([, name, type]) => [name!, type!]));
  expect(types.size).toBeGreaterThan(15);
  for (const [name, type] of types) {
    expect(name, 'counters alone end in _total').toMatch(type === 'counter' ? /^[a-z_]+_total$/ : /^(?!.*_total$)[a-z_]+$/);
    expect(name, 'base units').not.toMatch(/_(ms|milliseconds|kb|mib)(_|$)/);
  }
  expect(text.match(/^# TYPE process_cpu_seconds_total counter$/gm)).toHaveLength(1);
  expect(second.contentType).toMatch(/^text\/plain; version=0\.0\.4/);
});
