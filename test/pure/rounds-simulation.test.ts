import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { replay } from '../../cluster/rounds/replay.js';
import { runs } from './properties.js';
import { bitsOf, trainAlone } from './rounds-arithmetic.js';
import { simulate, type Simulation, type SimulationOptions } from './rounds-simulator.js';
import type { Fault, NodePlan } from './rounds-virtual-node.js';

// Whole runs in virtual time, on the code that runs real ones; see rounds-simulator.ts.

const LOCAL: NodePlan = { kind: 'local', speed: 20_000, latencyMs: 0 };
const node = (plan: Partial<NodePlan> = {}): NodePlan => ({ kind: 'node', speed: 20_000, latencyMs: 1, ...plan });

/** 40 steps of 250 examples in 16 shards, the last of 10: about 13 ms a step for one of these sources. */
const SMALL = { seed: 1, steps: 40, examples: 250, shardExamples: 16 } as const;

const withNodes = (nodes: readonly NodePlan[], more: Partial<SimulationOptions> = {}): Simulation => simulate({ ...SMALL, nodes, ...more });

function expectSameBytes({ parameters, finished, records }: Simulation, { steps, examples, shardExamples }: Pick<SimulationOptions, 'steps' | 'examples' | 'shardExamples'> = SMALL): void {
  expect(finished).toBe(true);
  expect(replay(records).problems).toEqual([]);
  expect(replay(records).updates.map(({ step }) => step)).toEqual(Array.from({ length: steps }, (_, step) => step));
  expect(bitsOf(parameters)).toBe(bitsOf(trainAlone(steps, examples, shardExamples)));
}

const time = fc.integer({ min: 0, max: 700 });
const fault: fc.Arbitrary<Fault> = fc.oneof(
  fc.record({ kind: fc.constant('crash' as const), atMs: time, noticed: fc.boolean() }),
  fc.record({ kind: fc.constant('crash' as const), atMs: time, backAtMs: fc.integer({ min: 0, max: 1_500 }), noticed: fc.boolean() }),
  fc.record({ kind: fc.constant('freeze' as const), atMs: time, forMs: fc.integer({ min: 1, max: 3_000 }) }),
  fc.constant({ kind: 'oldParameters' as const }),
  fc.constant({ kind: 'repeat' as const }),
  fc.constant({ kind: 'late' as const }),
  fc.record({ kind: fc.constant('notFinite' as const), step: fc.integer({ min: 0, max: 30 }) }),
);
const plan: fc.Arbitrary<NodePlan> = fc.record({
  kind: fc.constantFrom('node' as const, 'relay' as const),
  speed: fc.integer({ min: 1_000, max: 200_000 }),
  latencyMs: fc.integer({ min: 0, max: 40 }),
  joinsAtMs: fc.integer({ min: 0, max: 600 }),
  faults: fc.array(fault, { maxLength: 3 }),
});
const cluster = fc.record({
  seed: fc.nat(),
  steps: fc.integer({ min: 1, max: 40 }),
  examples: fc.integer({ min: 1, max: 300 }),
  shardExamples: fc.integer({ min: 1, max: 40 }),
  nodes: fc.array(plan, { maxLength: 5 }),
  backup: fc.boolean(),
  freezes: fc.array(fc.record({ atMs: time, forMs: fc.integer({ min: 1, max: 4_000 }) }), { maxLength: 2 }),
});

/** Two nodes that stumble in the same step agree that its loss is not finite, and nobody is there to contradict them. */
function stumblingApart(nodes: readonly NodePlan[]): NodePlan[] {
  return nodes.map((each, index) => ({ ...each, faults: (each.faults ?? []).map((one) => (one.kind === 'notFinite' ? { ...one, step: 6 * index + (one.step % 6) } : one)) }));
}

const count = ({ records }: Simulation, event: string): number => records.filter((record) => record.event === event).length;
const departures = ({ records }: Simulation): string[] => records.flatMap((record) => (record.event === 'member' && record.departure !== undefined ? record.departure : []));

describe('the bytes are those of one worker', () => {
  test('whoever joins, crashes, freezes, comes back, repeats itself or stumbles', () => {
    fc.assert(fc.property(cluster, (options) => {
      expectSameBytes(simulate({ ...options, nodes: [LOCAL, ...options.nodes], limitMs: 120_000 }), options);
    }), runs(300));
  });

  test('without workers of the coordinator, as long as one node stays', () => {
    fc.assert(fc.property(cluster, (options) => {
      expectSameBytes(simulate({ ...options, nodes: [...stumblingApart(options.nodes), node()], limitMs: 120_000 }), options);
    }), runs(100));
  });

  test('with a single node that crashes within a step and comes back', () => {
    const run = withNodes([node({ faults: [{ kind: 'crash', atMs: 200, backAtMs: 900, noticed: false }] })]);
    expectSameBytes(run);
    // Its old connection was silent for 500 ms or was replaced by the new one; either way nobody else could go on.
    expect(run.appliedAtMs.filter((atMs) => atMs > 200 && atMs < 900)).toEqual([]);
  });

  test('with every share audited and a node that lies by one bit now and then', () => {
    fc.assert(fc.property(cluster, fc.integer({ min: 0, max: 20 }), fc.double({ min: 0.1, max: 1, noNaN: true }), (options, fromStep, probability) => {
      const liar = node({ speed: 50_000, faults: [{ kind: 'lie', fromStep, probability }] });
      // Who stumbles gives wrong bytes too.
      const others = options.nodes.map((each) => ({ ...each, faults: (each.faults ?? []).filter(({ kind }) => kind !== 'notFinite') }));
      const run = simulate({ ...options, nodes: [LOCAL, liar, ...others], auditProbability: 1, limitMs: 120_000 });
      expectSameBytes(run, options);
      expect(run.records.flatMap((record) => (record.event === 'expel' ? run.run.members.byNumber.get(record.source)?.identity : [])).filter((identity) => identity !== 'node 1')).toEqual([]);
    }), runs(100));
  });

  test.each([1, 2, 3, 4, 5, 6])('with a third of the shares audited, by going back to before the liar was last vouched for (seed %i)', (seed) => {
    const liar = node({ speed: 50_000, faults: [{ kind: 'lie', fromStep: 10, probability: 1 }] });
    const run = withNodes([LOCAL, liar, node()], { seed, steps: 60, auditProbability: 0.3 });
    // 50 steps go unaudited with a probability of 0.7^50, 2e-8.
    expect(departures(run)).toContain('expelled');
    expect(count(run, 'start')).toBe(2);
    expectSameBytes(run, { ...SMALL, steps: 60 });
  });

  test('with stretches that end while a node lies always, before anybody is told, though no audit is ever drawn', () => {
    fc.assert(fc.property(cluster, fc.integer({ min: 1, max: 20 }), fc.integer({ min: 0, max: 20 }), (shape, stretchSteps, fromStep) => {
      // Leaves for twice as many as are there: each gets one in the last step of a stretch.
      const options = { ...shape, examples: 250, shardExamples: 16 };
      const liar = node({ speed: 50_000, faults: [{ kind: 'lie', fromStep, probability: 1 }] });
      const others = options.nodes.map((each) => ({ ...each, faults: (each.faults ?? []).filter(({ kind }) => kind !== 'notFinite') }));
      const run = simulate({ ...options, nodes: [LOCAL, liar, ...others], auditProbability: 1e-12, stretchSteps, limitMs: 120_000 });
      expectSameBytes(run, options);
      expect(run.records.flatMap((record) => (record.event === 'expel' ? run.run.members.byNumber.get(record.source)?.identity : [])).filter((identity) => identity !== 'node 1')).toEqual([]);
      // Nothing is redone from before a stretch.
      const restarts = run.records.flatMap((record) => (record.event === 'start' ? record.version : []));
      const expelledIn = run.records.find((record) => record.event === 'expel')?.step ?? 0;
      for (const version of restarts.slice(1)) expect(version).toBeGreaterThanOrEqual(expelledIn - (expelledIn % stretchSteps));
    }), runs(100));
  });

  test('when two of three nodes agree and no worker of the coordinator can judge', () => {
    const run = withNodes([node(), node({ faults: [{ kind: 'lie', fromStep: 5, probability: 1 }] }), node()], { auditProbability: 1 });
    expectSameBytes(run);
    expect(run.records.filter((record) => record.event === 'expel')).toMatchObject([{ source: 1 }]);
    // The incident names both that differ.
    expect(run.records.find((record) => record.event === 'incident')).toMatchObject({ kind: 'differentBytes', claims: expect.arrayContaining([expect.objectContaining({ source: 1 })]) as unknown });
  });
});

test('a backup that comes while its step is still in work shows a lie, without audits', () => {
  // The liar stands still for a while, and another for longer: others compute what both owe, and the liar's share comes second.
  const standing = (...forMs: number[]): Fault[] => [100, 200, 300].map((atMs, index) => ({ kind: 'freeze', atMs, forMs: forMs[index]! }));
  const liar = node({ speed: 5_000, faults: [{ kind: 'lie', fromStep: 0, probability: 1 }, ...standing(20, 30, 40)] });
  const run = withNodes([LOCAL, liar, node({ faults: standing(60, 60, 60) })], { backup: true });
  const identity = (source: number): string | undefined => run.run.members.byNumber.get(source)?.identity;
  const incidents = run.records.flatMap((record) => (record.event === 'incident' ? [record] : []));
  expect(incidents[0]?.claims.map(({ source }) => identity(source)).sort()).toEqual(['node 1', 'node 2']);
  expect(run.records.flatMap((record) => (record.event === 'expel' ? identity(record.source) : []))).toEqual(['node 1']);
});

test('a coordinator that stood still for three silences loses no node', () => {
  const run = withNodes([LOCAL, node(), node({ speed: 5_000 })], { freezes: [{ atMs: 100, forMs: 1_500 }] });
  expectSameBytes(run);
  expect(departures(run)).toEqual([]);
});

describe('a node that joins', () => {
  const others = [LOCAL, node(), node({ speed: 10_000 })];
  const joining = (speed: number, backup: boolean): Simulation => withNodes([...others, node({ speed, joinsAtMs: 150 })], { backup });

  /** Virtual time of each step. */
  const durations = ({ appliedAtMs }: Simulation): number[] => appliedAtMs.slice(1).map((atMs, index) => atMs - appliedAtMs[index]!);

  test('delays no step, however slow it turns out to be, where there is backup', () => {
    const alone = Math.max(...durations(withNodes(others, { backup: true })).slice(5));
    // One example a second: its first leaf of 16 would take 16 s. The slowest of the others computes a leaf again in 1.6 ms.
    expect(Math.max(...durations(joining(1, true)).slice(5))).toBeLessThan(alone + 4);
  });

  test('gets one leaf in its first four steps, and its part when it is known', () => {
    const { records, run } = joining(40_000, false);
    const number = [...run.members.byNumber.values()].find(({ identity }) => identity === 'node 3')!.number;
    const leaves = new Map<number, number>();
    for (const record of records) if (record.event === 'assign' && record.source === number) leaves.set(record.step, (leaves.get(record.step) ?? 0) + 2 ** record.level);
    const [first, second, third, fourth, ...later] = leaves.values();
    expect([first, second, third, fourth]).toEqual([1, 1, 1, 1]);
    expect(Math.min(...later)).toBeGreaterThan(3);
  });
});

test('unequal machines finish together: a step takes hardly longer than all speeds added up', () => {
  const run = withNodes([LOCAL, node({ speed: 40_000 }), node({ speed: 60_000, latencyMs: 0 })], { examples: 2_048 });
  const steady = run.appliedAtMs.slice(-20);
  const step = (steady.at(-1)! - steady[0]!) / 19;
  // 2,048 examples at 120,000 a second are 17.1 ms; a leaf of the slowest is 0.8 ms, the latency there and back 2 ms, frames aside.
  expect(step).toBeGreaterThan(17);
  expect(step).toBeLessThan(17.1 + 0.8 + 2);
});

test('with a quorum nothing is handed out before enough nodes are there, nor while there are too few', () => {
  const run = withNodes([LOCAL, node(), node({ joinsAtMs: 300, faults: [{ kind: 'crash', atMs: 500, backAtMs: 800, noticed: true }] })], { quorum: 2 });
  expectSameBytes(run);
  const assigned = run.records.flatMap((record) => (record.event === 'assign' ? record.atMs : []));
  expect(assigned.filter((atMs) => atMs < 320 || (atMs > 501 && atMs < 820))).toEqual([]);
  expect(assigned.filter((atMs) => atMs < 501).length).toBeGreaterThan(10);
});

describe('stale', () => {
  const stale = fc.integer({ min: 1, max: 4 });

  test('no applied share is older than the bound, whatever happens, and every leaf counts once', () => {
    let tooOld = 0;
    let oldest = 0;
    fc.assert(fc.property(cluster, stale, (options, staleness) => {
      const run = simulate({ ...options, nodes: [LOCAL, ...options.nodes], mode: { kind: 'stale', staleness }, limitMs: 120_000 });
      const replayed = replay(run.records);
      expect(run.finished).toBe(true);
      expect(replayed.problems).toEqual([]);
      expect(replayed.oldest).toBeLessThanOrEqual(staleness);
      expect(replayed.updates).toHaveLength(options.steps);
      tooOld += run.records.filter((record) => record.event === 'share' && record.reason === 'tooOld').length;
      oldest = Math.max(oldest, replayed.oldest);
    }), runs(150));
    // The nodes do compute from parameters that are too old, and old ones are applied.
    expect(tooOld).toBeGreaterThan(0); // 6 to 800 were seen
    expect(oldest).toBeGreaterThan(1);
  });

  test('steps overlap: a link of 20 ms one way costs less than in sync', () => {
    const nodes = [LOCAL, node({ latencyMs: 20, speed: 100_000 })];
    const last = (mode: NonNullable<SimulationOptions['mode']>): number => withNodes(nodes, { mode, examples: 2_048 }).appliedAtMs.at(-1)!;
    expect(last({ kind: 'stale', staleness: 2 })).toBeLessThan(0.8 * last({ kind: 'sync' }));
  });
});

test('async: every share is an update, and every leaf of every step counts once, whatever happens', () => {
  fc.assert(fc.property(cluster, (options) => {
    const run = simulate({ ...options, nodes: [LOCAL, ...options.nodes], mode: { kind: 'async' }, limitMs: 120_000 });
    expect(run.finished).toBe(true);
    expect(replay(run.records).problems).toEqual([]);
    expect(count(run, 'close')).toBe(options.steps);
    expect(run.run.version).toBe(count(run, 'update'));
  }), runs(150));
});

test.each([
  { backup: false, steps: 10 },
  { backup: true, steps: 3 },
])('a thousand nodes make $steps steps of two thousand leaves, backup: $backup', ({ backup, steps }) => {
  const nodes = Array.from({ length: 1_000 }, (_, i) => node({ speed: 10_000 + 37 * i, latencyMs: 1 + (i % 7) }));
  const options = { seed: 1, steps, backup, examples: 32_000, shardExamples: 16 };
  // 2 to 7 s of computing; what grows with the square of both would not come back before the test's time is over.
  expectSameBytes(simulate({ ...options, nodes }), options);
});
