import { describe, expect, test } from 'vitest';
import { Budget } from '../../cluster/feed/budget.js';
import { nameOfClass, shownNames } from '../../cluster/feed/class-names.js';
import { Feed, type ViewerConnection } from '../../cluster/feed/feed.js';
import { FeedHistory } from '../../cluster/feed/history.js';
import { NodeBook } from '../../cluster/feed/node-book.js';
import type { FeedRecord, MomentRecord, RunRecord } from '../../cluster/feed/records.js';
import { sentenceOf } from '../../cluster/feed/sentences.js';
import { outcomeOf } from '../../cluster/feed/validation-outcome.js';
import type { FeedMessage } from '../../cluster/protocol/messages.js';
import { layersHealth } from '../../src/report/network-health.js';
import type { EventRecord } from '../../cluster/rounds/events.js';

const RUN: RunRecord = {
  kind: 'run', training: 1, unixMs: 0, epochs: 9, stepsPerEpoch: 10, batchSize: 64, examples: 640, validationExamples: 0, mode: 'sync', arithmetic: 'portable', optimizer: 'adam',
  parameterCount: 3, metrics: ['loss'], classNames: [], mayChaos: false,
};
const moment = (step: number): MomentRecord => ({ kind: 'moment', atMs: step * 10, epoch: 1, step, logs: { loss: step }, examplesPerSecond: 2 * step, learningRate: 0.1 });
const event = (step: number): FeedRecord => ({ kind: 'event', atMs: step, step, tone: 'good', sentence: `event ${step}` });

describe('the history', () => {
  test('has everything of a short run, the run first, and the last of what replaces itself', () => {
    const history = new FeedHistory();
    const [first, second] = [{ kind: 'state', atMs: 0, state: 'running' }, { kind: 'state', atMs: 9, state: 'paused' }] as const;
    for (const record of [RUN, moment(1), first, moment(2), second, event(2)]) history.add(record);
    expect(history.records()).toEqual([RUN, moment(1), moment(2), event(2), second]);
    const next = { ...RUN, training: 2 };
    history.add(next);
    expect(history.records()).toEqual([next]);
  });

  test('of a long run joins moments by two: all of the time, in order, and no more than fit', () => {
    const history = new FeedHistory();
    history.add(RUN);
    for (let step = 1; step <= 1_201; step++) history.add(moment(step));
    for (let step = 1; step <= 301; step++) history.add(event(step));
    const records = history.records();
    const moments = records.filter((record): record is MomentRecord => record.kind === 'moment');
    expect(moments).toHaveLength(601);
    expect(moments[0]).toMatchObject({ step: 2, logs: { loss: 1.5 }, examplesPerSecond: 3 }); // of 1 and 2
    expect(moments.at(-1)).toEqual(moment(1_201));
    expect(records.filter(({ kind }) => kind === 'event')[0]).toEqual(event(2));
  });
});

/** A viewer's connection that takes messages as long as it reads. */
class Reader implements ViewerConnection {
  readonly got: FeedRecord[] = [];
  bufferedBytes = 0;

  send(message: { readonly type: string }): Promise<boolean> {
    const { bytes } = message as FeedMessage;
    this.got.push(...(JSON.parse(new TextDecoder().decode(bytes)) as FeedRecord[]));
    return Promise.resolve(true);
  }

  trySend(message: { readonly type: string }): Promise<boolean> | undefined {
    return this.bufferedBytes > 0 ? undefined : this.send(message);
  }
}

test('who does not read is left out, and told everything again when it reads', () => {
  const [feed, reader] = [new Feed(), new Reader()];
  feed.publish(RUN);
  const unwatch = feed.watch(reader);
  feed.publish(moment(1));
  reader.bufferedBytes = 100;
  feed.publish(moment(2));
  feed.publish(moment(3));
  expect(reader.got).toEqual([RUN, moment(1)]);
  reader.bufferedBytes = 0;
  feed.publish(moment(4));
  expect(reader.got.slice(2)).toEqual([RUN, moment(1), moment(2), moment(3), moment(4)]);
  unwatch();
  feed.publish(moment(5));
  expect(reader.got).toHaveLength(7);
  expect(feed.isWatched).toBe(false);
});

test('a budget lets its part of the time be used', () => {
  const budget = new Budget(0.01);
  expect(budget.isDue(0)).toBe(true);
  budget.spent(1_000, 1_020); // 20 ms are 1 % of 2,000
  expect([budget.isDue(3_019), budget.isDue(3_020)]).toEqual([false, true]);
});

describe('the cards', () => {
  const start: EventRecord = { event: 'start', atMs: 0, unixMs: 1, generation: 1, version: 0, nextStep: 0, mode: 'sync', staleness: 0 };
  const member = (number: number, kind: 'local' | 'node', state: string, atMs = 0): EventRecord => ({ event: 'member', atMs, member: number, kind, identity: 'x', state, connection: number, ...(kind === 'node' && { workers: 3 }) });
  const assign = (source: number, step: number, index: number, atMs: number): EventRecord => ({ event: 'assign', atMs, step, purpose: 'share', source, level: 1, index });
  const share = (source: number, step: number, index: number, atMs: number, more: Partial<Extract<EventRecord, { event: 'share' }>> = {}): EventRecord =>
    ({ event: 'share', atMs, step, generation: 1, source, level: 1, index, version: 0, verdict: 'accepted', computeMs: 300, encodeMs: 100, ...more });
  const round = (step: number, atMs: number): EventRecord => ({ event: 'round', atMs, step, version: 0, oldestVersion: 0, examples: 60, leaves: 4 });
  const bookOf = (...records: EventRecord[]): NodeBook => {
    const book = new NodeBook(60, 2);
    for (const record of records) book.record(record);
    return book;
  };

  test('say where the time went: from an assignment to its share, what was computed and encoded, the rest on the wire', () => {
    const book = bookOf(start, member(0, 'local', 'ready'), member(1, 'node', 'ready'), round(0, 0), assign(1, 0, 0, 0), assign(0, 0, 1, 0), share(0, 0, 1, 400, { encodeMs: 0 }), share(1, 0, 0, 500));
    const [local, node] = book.cards(1_000, 60);
    // Busy for 500 of 1,000 ms, of which 300 computing and 100 encoding; half of 60 examples in a second.
    expect(node).toEqual({ member: 1, kind: 'node', state: 'ready', workers: 3, examplesPerSecond: 30, shares: 1, time: { compute: 0.3, encode: 0.1, wire: expect.closeTo(0.1, 9) as number, wait: 0.5 } });
    expect(local).toMatchObject({ workers: 2, examplesPerSecond: 30, time: { compute: 0.3, encode: 0, wait: 0.6 } });
  });

  test('count work that goes on, and what of it is in the next window', () => {
    const book = bookOf(start, member(1, 'node', 'ready'), round(0, 0), assign(1, 0, 0, 600));
    expect(book.cards(1_000, 0)[0]!.time.wait).toBeCloseTo(0.6, 9);
    book.record(share(1, 0, 0, 1_500));
    expect(book.cards(2_000, 30)[0]!.time).toEqual({ compute: 0.3, encode: 0.1, wire: expect.closeTo(0.1, 9) as number, wait: 0.5 });
  });

  test('let nobody wait for what is not wanted any more: of a step that is over, of one who is gone, of a start anew', () => {
    const over = bookOf(start, member(1, 'node', 'ready'), round(0, 0), assign(1, 0, 0, 0), { event: 'update', atMs: 250, step: 0, version: 0, shares: [] });
    expect(over.cards(1_000, 0)[0]!.time.wait).toBeCloseTo(0.75, 9);
    const gone = bookOf(start, member(1, 'node', 'ready'), round(0, 0), assign(1, 0, 0, 0), member(1, 'node', 'left', 100));
    gone.record(member(1, 'node', 'ready', 200)); // and back, with nothing to do
    expect(gone.cards(1_000, 0)[0]!.time.wait).toBeCloseTo(0.9, 9);
    gone.record(member(1, 'node', 'left', 1_500));
    expect(gone.cards(2_000, 0)).toEqual([]);
    const anew = bookOf(start, member(1, 'node', 'ready'), round(0, 0), assign(1, 0, 0, 0), { ...start, unixMs: undefined, atMs: 500 });
    expect(anew.cards(1_000, 0)[0]!.time.wait).toBeCloseTo(0.5, 9);
  });

  test('are of the time since the run began', () => {
    const book = bookOf({ ...start, atMs: 9_000 }, member(1, 'node', 'ready', 9_000), round(0, 9_000), assign(1, 0, 0, 9_000), share(1, 0, 0, 9_500));
    expect(book.cards(10_000, 30)[0]).toMatchObject({ examplesPerSecond: 30, time: { wait: 0.5 } });
  });

  test('give this machine what it made alone', () => {
    const book = bookOf(start, member(0, 'local', 'ready'), member(1, 'node', 'ready'));
    expect(book.cards(2_000, 500)).toMatchObject([{ examplesPerSecond: 250, time: { compute: 1, wait: 0 } }, { examplesPerSecond: 0, time: { wait: 1 } }]);
  });

  test('of mode local count own steps', () => {
    const book = bookOf({ ...start, mode: 'local' }, member(1, 'node', 'ready'), { event: 'deal', atMs: 0, version: 0, parts: [{ source: 1, firstStep: 0, steps: 5 }] }, { event: 'period', atMs: 800, version: 0, sources: [1], computeMs: [600] });
    expect(book.cards(1_000, 300)).toMatchObject([{ shares: 1, examplesPerSecond: 300, time: { compute: 0.6, wait: expect.closeTo(0.2, 9) as number } }]);
  });
});

test('names of classes are few, short and plain, whatever they were', () => {
  expect(shownNames(['T-shirt/top', 7, ' two\nlines\u202e ', '<b>'])).toEqual(['T-shirt/top', '', 'two lines', '<b>']);
  expect(shownNames(['x'.repeat(41), '😀'.repeat(40)])).toEqual([`${'x'.repeat(39)}…`, '😀'.repeat(40)]);
  expect(shownNames(Array.from({ length: 41 }, String))).toHaveLength(40);
  expect([undefined, 'abc', { length: 1 }].map(shownNames)).toEqual([[], [], []]);
  expect([0, 1, 2].map((label) => nameOfClass(['no', ''], label))).toEqual(['no', '1', '2']);
});

test('members that come and go are said, and what every step has is not', () => {
  const member = (state: string, departure?: string): EventRecord => ({ event: 'member', atMs: 0, member: 2, kind: 'node', identity: 'x', state, connection: 1, ...(departure !== undefined && { departure }) });
  expect([member('joined'), member('ready'), member('left', 'silent')].map((record) => sentenceOf(record)?.sentence)).toEqual([undefined, 'node 2 takes part', 'node 2 is gone: it was silent for too long']);
  expect(sentenceOf({ event: 'pause', atMs: 0, reason: 'quorum' })).toEqual({ tone: 'neutral', sentence: 'waiting for nodes' });
  expect(sentenceOf({ event: 'close', atMs: 0, step: 1 })).toBeUndefined();
});

test('a layer\'s health is of its weights together, and of its outputs', () => {
  const weight = (values: number[], gradient: number[], update: number[]) => ({ layer: 'dense', values: Float32Array.from(values), gradient: Float32Array.from(gradient), update: Float32Array.from(update) });
  const [layer] = layersHealth([weight([3, 0], [0, 6], [0.3, 0]), weight([4], [8], [0.4])], [{ layer: 'dense', activation: 'relu', values: Float32Array.of(0, 1, 0, 2), units: 2 }]);
  // Lengths: weights (3, 0, 4) 5, gradients (0, 6, 8) 10, updates (0.3, 0, 0.4) 0.5; the first of two units is 0 for both examples.
  expect(layer).toMatchObject({ layer: 'dense', gradientNorm: 10, deadUnits: 0.5 });
  expect(layer!.updateRatio).toBeCloseTo(0.1, 6);
  // Of 0, 1, 0 and 2 half is exactly 0: a number, not a bar that flattens the rest.
  expect(layer).toMatchObject({ zeroActivations: 0.5, activations: { from: 1, to: 2 } });
  expect(layer!.activations!.counts.reduce((sum, count) => sum + count, 0)).toBe(2);
});

test('predictions are compared with their classes, and pictures go with them', () => {
  const inputs = [{ values: Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8), shape: [2, 2, 2] }];
  const outcome = outcomeOf(Float32Array.of(0.25, 0.75, 0.875, 0.125), [1, 1], inputs);
  expect(outcome).toEqual({
    examples: 2, confusion: [[0, 0], [1, 1]], width: 2, height: 2,
    pictures: [{ pixels: 'AQIDBA==', actual: 1, predicted: 1, probability: 0.75 }, { pixels: 'BQYHCA==', actual: 1, predicted: 0, probability: 0.875 }],
  });
});
