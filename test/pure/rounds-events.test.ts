import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { formatRecord, parseRecords, type EventRecord } from '../../cluster/rounds/events.js';
import { replay } from '../../cluster/rounds/replay.js';
import { runs } from './properties.js';
import { simulate } from './rounds-simulator.js';

const node = (latencyMs: number) => ({ kind: 'node', speed: 20_000, latencyMs } as const);
const logOf = (mode: 'sync' | 'stale' | 'async'): readonly EventRecord[] =>
  simulate({ seed: 3, steps: 6, examples: 128, shardExamples: 16, nodes: [node(1), node(2), node(5)], mode: mode === 'stale' ? { kind: 'stale', staleness: 2 } : { kind: mode } }).records;

const SYNC = logOf('sync');
const STALE = logOf('stale');
const ASYNC = logOf('async');

describe('the log of an honest run', () => {
  test.each([['sync', SYNC], ['stale', STALE], ['async', ASYNC]])('has no problem in %s, and tells who gave which leaves', (_, records) => {
    const { updates, problems } = replay(records);
    expect(problems).toEqual([]);
    const leaves = updates.flatMap(({ step, shares }) => shares.flatMap(({ level, index }) => Array.from({ length: 2 ** level }, (_unused, i) => step * 8 + index * 2 ** level + i)));
    expect([...leaves].sort((a, b) => a - b)).toEqual(Array.from({ length: 48 }, (_unused, leaf) => leaf));
  });

  test('is written and read a line a record', () => {
    const text = SYNC.map(formatRecord).join('');
    expect(text.split('\n')).toHaveLength(SYNC.length + 1);
    expect(parseRecords(text, 'log')).toEqual(SYNC);
  });

  test('may break off anywhere: what is whole is read, and is no problem', () => {
    const text = SYNC.map(formatRecord).join('');
    fc.assert(fc.property(fc.nat({ max: text.length }), (length) => {
      const records = parseRecords(text.slice(0, length), 'log');
      expect(records).toEqual(SYNC.slice(0, records.length));
      expect(replay(records).problems).toEqual([]);
    }), runs(100));
  });
});

test.each([
  ['no JSON', 'hello\n'], ['no object', '3\n'], ['no event', '{}\n'], ['an unknown event', '{"event":"party","atMs":1}\n'],
  ['a field too many', '{"event":"close","atMs":1,"step":2,"more":1}\n'], ['a negative step', '{"event":"close","atMs":1,"step":-2}\n'],
])('a log with %s in its third line is refused with its number', (_, line) => {
  const text = `${SYNC.slice(0, 2).map(formatRecord).join('')}${line}${formatRecord(SYNC[2]!)}`;
  expect(() => parseRecords(text, 'events.jsonl')).toThrow(expect.objectContaining({ code: 'ERR_EVENT_LOG', message: expect.stringContaining('events.jsonl: line 3 ') as string }) as Error);
});

describe('a log that was not honest', () => {
  type Update = Extract<EventRecord, { event: 'update' }>;
  type Change = (records: EventRecord[]) => EventRecord[];

  /** Changes the third update. */
  const inUpdate = (change: (update: Update) => Update | Update[]): Change => (records) => {
    const third = records.filter(({ event }) => event === 'update')[2];
    return records.flatMap((record) => (record === third ? change(record as Update) : record));
  };
  const inFirstShare = (change: Partial<Update['shares'][number]>): Change => inUpdate((update) => ({ ...update, shares: [{ ...update.shares[0]!, ...change }, ...update.shares.slice(1)] }));
  const without = (isIt: (record: EventRecord) => boolean): Change => (records) => records.filter((record) => !isIt(record));

  test.each<readonly [string, readonly EventRecord[], Change, RegExp]>([
    ['a leaf is missing', SYNC, inUpdate((update) => ({ ...update, shares: update.shares.slice(1) })), /closed with shards that nobody gave/],
    ['a leaf is counted twice', SYNC, inUpdate((update) => ({ ...update, shares: [...update.shares, update.shares[0]!] })), /covered already/],
    ['a leaf does not exist', SYNC, inFirstShare({ level: 0, index: 99 }), /do not exist/],
    ['an update is missing', SYNC, inUpdate(() => []), /was made at version 2/],
    ['an update is made twice', SYNC, inUpdate((update) => [update, update]), /was made at version 3/],
    ['an update is of another step', SYNC, inUpdate((update) => ({ ...update, step: 5 })), /step 5, which was not open/],
    ['a share is of another source', SYNC, inFirstShare({ source: 7 }), /of source 7, which was never assigned/],
    ['assignments are missing', SYNC, without(({ event }) => event === 'assign'), /was never assigned/],
    ['shares are missing', SYNC, without(({ event }) => event === 'share'), /did not arrive so/],
    ['shares were refused', SYNC, (records) => records.map((record) => (record.event === 'share' ? { ...record, verdict: 'refused' } : record)), /did not arrive so/],
    ['a share is of older parameters than it was', SYNC, inFirstShare({ version: 1 }), /did not arrive so/],
    ['a share is too old in sync', SYNC, inFirstShare({ version: 1 }), /from version 1, older than 0 versions/],
    ['a share is too old in stale', STALE, (records) => records.map((record) => (record.event === 'start' ? { ...record, staleness: 0 } : record)), /older than 0 versions/],
    ['a share is of later parameters', SYNC, inFirstShare({ version: 5 }), /from version 5, which did not exist yet/],
    ['a step is begun twice', SYNC, (records) => records.flatMap((record) => (record.event === 'round' && record.step === 2 ? [record, record] : record)), /step 2 was begun out of turn/],
    ['a step is left out', SYNC, without((record) => record.event === 'round' && record.step === 2), /step 3 was begun out of turn/],
    ['a share of async is missing', ASYNC, inUpdate(() => []), /closed with shards that nobody gave/],
    ['a generation comes again', SYNC, (records) => [...records, records[0]!], /generation 1 began after generation 1/],
    ['a checkpoint is from the future', SYNC, (records) => [...records, { ...(records[0] as Extract<EventRecord, { event: 'start' }>), generation: 2, version: 9 }], /version 9, which did not exist yet/],
  ])('because %s', (_, records, change, problem) => {
    expect(replay(change([...records])).problems).toContainEqual(expect.stringMatching(problem));
  });

  test('in local: steps dealt twice, a part that was never dealt, a part that counts twice', () => {
    const start: EventRecord = { event: 'start', atMs: 0, generation: 1, version: 0, nextStep: 0, mode: 'local', staleness: 0 };
    const deal = (firstStep: number): EventRecord => ({ event: 'deal', atMs: 0, version: 0, parts: [{ source: 0, firstStep, steps: 4 }] });
    const period = (...sources: number[]): EventRecord => ({ event: 'period', atMs: 1, version: 0, sources });
    expect(replay([start, deal(0), period(0)]).problems).toEqual([]);
    expect(replay([start, deal(0), deal(0), period(0)]).problems).toEqual([]);
    expect(replay([start, deal(4)]).problems).toEqual(['step 4 was dealt where 0 was next']);
    expect(replay([start, deal(0), period(1)]).problems).toEqual(['the update of version 0 has parts that were not dealt, or twice']);
    expect(replay([start, deal(0), period(0, 0)]).problems).toEqual(['the update of version 0 has parts that were not dealt, or twice']);
  });

  test('in local: a start from a checkpoint goes on after its periods, and those behind it are made again', () => {
    const start = (generation: number, step: number): EventRecord => ({ event: 'start', atMs: 0, unixMs: generation, generation, version: step, nextStep: step, mode: 'local', staleness: 0 });
    const period = (step: number, ...sources: number[]): EventRecord[] => [
      { event: 'deal', atMs: 0, version: step, parts: sources.map((source, index) => ({ source, firstStep: step + index * 4, steps: 4 })) }, { event: 'period', atMs: 1, version: step, sources },
    ];
    const log = [start(1, 0), ...period(0, 0, 1), ...period(8, 0), ...period(12, 0), start(2, 12), ...period(12, 2), ...period(16, 2)];
    expect(replay(log)).toMatchObject({ problems: [], periods: [{ version: 0, sources: [0, 1] }, { version: 8, sources: [0] }, { version: 12, sources: [2] }, { version: 16, sources: [2] }] });
  });
});

describe('stretches that the local pool made alone', () => {
  const start = (generation: number, version: number): EventRecord => ({ event: 'start', atMs: 0, unixMs: 1, generation, version, nextStep: version, mode: 'sync', staleness: 0 });
  const alone = (version: number, steps: number): EventRecord => ({ event: 'alone', atMs: 0, firstStep: version, version, steps });

  test('are updates too, and the part that was redone is left out', () => {
    const { alone: stretches, problems } = replay([start(1, 0), alone(0, 10), alone(10, 5), start(2, 8), alone(8, 4)]);
    expect(problems).toEqual([]);
    expect(stretches).toEqual([{ generation: 1, firstStep: 0, version: 0, steps: 8 }, { generation: 2, firstStep: 8, version: 8, steps: 4 }]);
  });

  test('follow each other', () => {
    expect(replay([start(1, 0), alone(1, 3)]).problems).toEqual(['the local pool went on alone from version 1 at version 0', 'the local pool went on alone with step 1 out of turn']);
    expect(replay([start(1, 0), { event: 'round', atMs: 0, step: 0, version: 0, oldestVersion: 0, examples: 8, leaves: 1 }, alone(0, 1)]).problems).toHaveLength(1);
  });

  test('where events are missing, nothing is said until the next start', () => {
    const { problems, alone: stretches } = replay([start(1, 0), alone(0, 2), { event: 'gap', atMs: 1, records: 7 }, alone(40, 2), start(2, 41), alone(41, 1)]);
    expect(problems).toEqual(['7 events are missing after version 2; nothing can be said about what follows, up to the next start']);
    expect(stretches.map(({ version }) => version)).toEqual([0, 41]);
  });
});

test('updates that were redone are left out, those before the checkpoint are kept', () => {
  const liar = { kind: 'node', speed: 50_000, latencyMs: 1, faults: [{ kind: 'lie', fromStep: 10, probability: 1 }] } as const;
  const { records } = simulate({ seed: 1, steps: 60, examples: 250, shardExamples: 16, nodes: [{ kind: 'local', speed: 20_000, latencyMs: 0 }, liar, node(1)], auditProbability: 0.3 });
  const { updates } = replay(records);
  expect(records.filter(({ event }) => event === 'update').length).toBeGreaterThan(60);
  expect(updates.map(({ version }) => version)).toEqual(Array.from({ length: 60 }, (_, version) => version));
  expect(new Set(updates.map(({ generation }) => generation))).toEqual(new Set([1, 2]));
  // Nothing of the liar's after it began to lie is left.
  expect(updates.filter(({ step, shares }) => step >= 10 && shares.some(({ source }) => source === 1))).toEqual([]);
});
