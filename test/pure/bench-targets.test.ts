import { describe, expect, test } from 'vitest';
import { compare, formatComparison } from '../../scripts/bench/compare.js';
import { formatMachine, loadWarning, type MachineFacts } from '../../scripts/bench/machine.js';
import { judgeMemory, judgeStart } from '../../scripts/bench/process-probes.js';
import { formatVerdicts, judgeAtMost, judgeSpeeds, rivalAmong, type PeerSpeed, type Speeds } from '../../scripts/bench/targets.js';

const PEERS: readonly PeerSpeed[] = [
  { id: 'torch-1', name: 'torch, 1 thread', median: 100 },
  { id: 'torch-2', name: 'torch, 2 threads', median: 160 },
  { id: 'torch-hogwild', name: 'torch Hogwild', median: 180 },
  { id: 'jax-js', name: 'jax-js', median: 32 },
];
const NODE_20 = { nodeMajor: 20, engineFlags: true } as const;

/** Speeds of ours with one and two workers beside the peers above. */
function speeds(one: number, two: number, node: { nodeMajor: number; engineFlags: boolean } = NODE_20): Speeds {
  return { own: [{ workers: 1, median: one, ...node }, { workers: 2, median: two, ...node }], peers: PEERS };
}

describe('rivals', () => {
  test.each([
    ['fastest peer', 180],
    ['fastest synchronous peer', 160], // Hogwild's 180 does not count
    ['torch-1', 100],
    ['tfjs-cpu', undefined],
  ] as const)('%s has %s examples a second', (rival, median) => {
    expect(rivalAmong(PEERS, rival)?.median).toBe(median);
  });

  test('nobody is the fastest of nobody', () => {
    expect(rivalAmong([], 'fastest peer')).toBeUndefined();
  });
});

describe('speeds', () => {
  test('the figures of the mlp on Node 20 are ratios of medians', () => {
    const verdicts = judgeSpeeds('mlp', speeds(94, 160)).filter(({ what }) => what.startsWith('mlp, Node 20'));
    expect(verdicts.map(({ state, wanted, measured }) => [state, wanted, measured])).toEqual([
      ['missed', 0.95, 0.94], // 94 / 100
      ['reached', 1.6, 1.6], // 160 / 100: a limit that is met counts
      ['reached', 1, 1], // 160 / 160
      ['not measured', 20, null], // no tfjs-wasm
      ['reached', 5, 5], // 160 / 32
    ]);
  });

  test('on Node 24 the wider figures go with engine flags, those of Node 20 without', () => {
    const figures = (engineFlags: boolean): number[] =>
      judgeSpeeds('mlp', speeds(150, 243, { nodeMajor: 24, engineFlags })).flatMap(({ state, wanted }) => (state === 'not measured' ? [] : [wanted]));
    expect(figures(true)).toEqual([1.5, 2.5, 1.35]);
    expect(figures(false)).toEqual([0.95, 1.6, 1, 5]);
  });

  test('the fastest peer of mlp-wide may be Hogwild, and is named', () => {
    const [, toFastest] = judgeSpeeds('mlp-wide', speeds(1, 126));
    expect(toFastest).toMatchObject({ state: 'missed', wanted: 0.75, measured: 0.7, numbers: '126 / 180 (torch Hogwild)' });
  });

  test('a verdict without our row says whose it lacks', () => {
    const [first] = judgeSpeeds('mlp', { own: [], peers: PEERS });
    expect(first).toMatchObject({ state: 'not measured', numbers: 'without our row of Node 20' });
  });
});

test('a limit is reached when it is met and missed above it', () => {
  expect([1.5, 1.6, undefined].map((measured) => judgeAtMost('s', 1.5, measured, '').state)).toEqual(['reached', 'missed', 'not measured']);
});

test('memory: what the arena holds beside the data, and how much the process grew', () => {
  const mebibyte = 2 ** 20;
  const facts = { warmUpEpochs: 10, steps: 10_000, workers: 2, dataByteLength: 50 * mebibyte, arenaByteLength: 67 * mebibyte, residentAtStart: 0, residentBefore: 200 * mebibyte, residentAfter: 203 * mebibyte };
  expect(judgeMemory(facts).map(({ state, measured }) => [state, measured])).toEqual([['missed', 17], ['reached', 3]]);
});

test('start-up is the median of its runs', () => {
  expect(judgeStart({ seconds: [9, 1, 1.25] })).toMatchObject({ state: 'reached', measured: 1.25 });
  expect(judgeStart({ seconds: [1, 2] })).toMatchObject({ state: 'missed', measured: 2 }); // the slower of the middle two
  expect(judgeStart({ failure: 'no data.' })).toMatchObject({ state: 'not measured', numbers: 'no data.' });
});

test('verdicts are lines with the numbers in columns', () => {
  const verdicts = [judgeAtMost('s of this', 1.5, 1.25, 'a'), judgeAtMost('MiB of that', 16, undefined, 'without b')];
  expect(formatVerdicts(verdicts).split('\n')).toEqual([
    'reached        1.25 of  1.50  s of this: a',
    'not measured      – of 16.00  MiB of that: without b',
  ]);
});

test('nobody measured still gives a table of sentences', async () => {
  const absent = [{ name: 'torch, 1 thread', reason: 'it is not here.' }];
  const comparison = await compare({ model: 'mlp', batchSize: 128 }, [], { contestants: [], absent }, { rounds: 1, seconds: 1 });
  expect(formatComparison(comparison).split('\n')).toEqual([
    'mlp, batch 128, examples a second',
    'name  version  threads  examples/s  min – max  loss  BLAS  flags',
    'torch, 1 thread: it is not here.',
  ]);
});

test('a busy machine is warned of', () => {
  const facts: MachineFacts = { cpu: 'C', cores: 2, memoryGiB: 8, platform: 'linux x64', node: '20.1.0', v8: '11', loadAverage: 0.5 };
  expect(formatMachine(facts)).toBe('C, 2 cores, 8 GiB, linux x64, Node 20.1.0, V8 11, load average 0.50');
  expect(loadWarning(facts)).toBeUndefined();
  expect(loadWarning({ ...facts, loadAverage: 0.51 })).toContain('the load average is 0.51 before the start');
});
