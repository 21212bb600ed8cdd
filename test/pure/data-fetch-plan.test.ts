import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { FETCH_LIMITS, FetchPlan, type FetchLimits } from '../../cluster/data/fetch-plan.js';
import { MAX_DATA_REQUESTS } from '../../cluster/protocol/limits.js';
import type { DataChunkMessage, DataRequestMessage } from '../../cluster/protocol/messages.js';
import { bytesColumn, CHUNK, chunkOf } from './cluster-data.js';
import { runs } from './properties.js';
import { hasher } from './protocol-samples.js';

const { column, bytes } = bytesColumn(3 * CHUNK + 5);
const limits: FetchLimits = { inFlight: 2, timeoutMs: 100, maxFaults: 3 };
const plan = (): FetchPlan => new FetchPlan([column], hasher, limits);
const answer = (request: DataRequestMessage): DataChunkMessage => chunkOf(bytes, request);

/** The requests of the next step, by the number of their chunk. */
function asked(fetching: FetchPlan, nowMs: number): DataRequestMessage[] {
  const step = fetching.next(nowMs);
  if (step.kind !== 'ask') throw new Error(step.kind);
  return [...step.requests];
}

const chunks = (requests: readonly DataRequestMessage[]): number[] => requests.map(({ offset }) => offset / CHUNK);

test('chunks of 1 MiB are asked for in order, so many at once, and the last is what is left', () => {
  const fetching = plan();
  expect(fetching.next(0)).toEqual({
    kind: 'ask',
    requests: [0, CHUNK].map((offset) => ({ type: 'dataRequest', column: column.sha256, offset, byteLength: CHUNK })),
    untilMs: 100,
  });
  expect(asked(fetching, 0)).toEqual([]);
  const [second] = [{ type: 'dataRequest', column: column.sha256, offset: CHUNK, byteLength: CHUNK }] as const;
  expect(fetching.receive(answer(second), 1)).toBe('new');
  expect(chunks(asked(fetching, 1))).toEqual([2]);
  expect(fetching.receive(answer({ ...second, offset: 0 }), 2)).toBe('new');
  expect(asked(fetching, 2)).toEqual([{ type: 'dataRequest', column: column.sha256, offset: 3 * CHUNK, byteLength: 5 }]);
  expect(fetching.progress).toEqual({ receivedBytes: 2 * CHUNK, totalBytes: 3 * CHUNK + 5 });
});

test('a column that is whole is hashed before the plan is done, and no other is', () => {
  const fetching = new FetchPlan([bytesColumn(2, 1).column, bytesColumn(2, 2).column], hasher, limits);
  const [first, second] = asked(fetching, 0);
  fetching.receive(chunkOf(bytesColumn(2, 2).bytes, second!), 0);
  expect(fetching.next(0)).toEqual({ kind: 'hash', column: bytesColumn(2, 2).column });
  expect(fetching.judge(bytesColumn(2, 2).column, second!.column)).toBe('right');
  expect(fetching.next(0)).toMatchObject({ kind: 'ask', requests: [] });
  fetching.receive(chunkOf(bytesColumn(2, 1).bytes, first!), 0);
  fetching.judge(bytesColumn(2, 1).column, first!.column);
  expect(fetching.next(0)).toEqual({ kind: 'done' });
});

test('nothing missing is done at once', () => {
  expect(new FetchPlan([], hasher).next(0)).toEqual({ kind: 'done' });
});

describe('an answer', () => {
  test('that is damaged is asked for again, after the others, and so often', () => {
    const fetching = plan();
    const [first] = asked(fetching, 0);
    const damaged = { ...answer(first!), bytes: answer(first!).bytes.with(9, 255) };
    expect(fetching.receive(damaged, 0)).toBe('damaged');
    expect(chunks(asked(fetching, 0))).toEqual([2]);
    expect(fetching.receive(damaged, 0)).toBe('damaged');
    expect(() => fetching.receive(damaged, 0)).toThrow(expect.objectContaining({ code: 'ERR_TENSOR_HASH' }));
  });

  test('that comes a second time changes nothing', () => {
    const fetching = plan();
    const [first] = asked(fetching, 0);
    expect([fetching.receive(answer(first!), 0), fetching.receive(answer(first!), 0)]).toEqual(['new', 'known']);
    expect(fetching.progress.receivedBytes).toBe(CHUNK);
  });

  test('that comes after its request was given up is taken, and not asked for again', () => {
    const fetching = plan();
    const [first] = asked(fetching, 0);
    fetching.release();
    expect(fetching.receive(answer(first!), 0)).toBe('new');
    expect(chunks(asked(fetching, 0))).toEqual([1, 2]);
  });

  test.each<[string, (request: DataRequestMessage) => DataChunkMessage, RegExp]>([
    ['of another column', (request) => ({ ...answer(request), column: 'f'.repeat(64) }), /nobody asked for bytes from 0 on of the column f{64}/],
    ['from between two chunks', (request) => chunkOf(bytes, { ...request, offset: 1 }), /nobody asked for bytes from 1 on/],
    ['from behind the end', (request) => chunkOf(bytes, { ...request, offset: 4 * CHUNK }), /nobody asked for bytes from 4194304 on/],
    ['that nobody has asked for yet', (request) => chunkOf(bytes, { ...request, offset: 3 * CHUNK, byteLength: 5 }), /nobody asked for bytes from 3145728 on/],
    ['that is too short', (request) => chunkOf(bytes, { ...request, byteLength: 7 }), /it has 7 bytes where 1048576 were asked for/],
    ['that is too long', (request) => chunkOf(bytes, { ...request, byteLength: CHUNK + 1 }), /it has 1048577 bytes where 1048576 were asked for/],
    ['without bytes', (request) => chunkOf(bytes, { ...request, byteLength: 0 }), /it has 0 bytes where 1048576 were asked for/],
  ])('%s is refused', (_, wrong, problem) => {
    const fetching = plan();
    const [first] = asked(fetching, 0);
    expect(() => fetching.receive(wrong(first!), 0)).toThrow(problem);
    expect(fetching.progress.receivedBytes).toBe(0);
    expect(fetching.receive(answer(first!), 0)).toBe('new');
  });
});

describe('silence', () => {
  test('has everything in flight asked for again, in its order', () => {
    const fetching = plan();
    asked(fetching, 0);
    expect(asked(fetching, 99)).toEqual([]);
    expect(chunks(asked(fetching, 100))).toEqual([0, 1]);
    expect(fetching.next(150)).toMatchObject({ untilMs: 200 });
  });

  test('is counted from the last answer: a slow line is not silent', () => {
    const fetching = plan();
    const [first] = asked(fetching, 0);
    fetching.receive(answer(first!), 90);
    expect(chunks(asked(fetching, 189))).toEqual([2]);
    expect(chunks(asked(fetching, 190))).toEqual([1, 2]);
  });

  test('again and again ends the fetching, with the column and the time', () => {
    const fetching = plan();
    [0, 100, 200].forEach((nowMs) => { asked(fetching, nowMs); });
    expect(() => fetching.next(300)).toThrow('Nothing was heard from the coordinator about the column "train input 0" for 300 ms; the deadline is 100 ms.');
  });

  test('that is broken is forgiven', () => {
    const fetching = plan();
    const [first] = asked(fetching, 0);
    asked(fetching, 100);
    asked(fetching, 200);
    fetching.receive(answer(first!), 250);
    expect(chunks(asked(fetching, 350))).toEqual([1, 2]);
  });
});

test('a new connection goes on with what is missing, at every boundary', () => {
  for (let received = 0; received <= 4; received++) {
    const fetching = plan();
    for (let index = 0; index < received; index++) {
      fetching.next(0);
      fetching.receive(answer(request(index)), 0);
    }
    fetching.next(0);
    fetching.release();
    const missing = [0, 1, 2, 3].slice(received);
    if (missing.length > 0) expect(chunks(asked(fetching, 0))).toEqual(missing.slice(0, 2));
    else expect(fetching.next(0).kind).toBe('hash');
  }
});

function request(index: number): DataRequestMessage {
  return { type: 'dataRequest', column: column.sha256, offset: index * CHUNK, byteLength: Math.min(CHUNK, bytes.byteLength - index * CHUNK) };
}

describe('a column with another hash than the manifest says', () => {
  test('is started anew where some of it was left by an earlier start, once', () => {
    const fetching = plan();
    fetching.resume(column, [0, CHUNK, 2 * CHUNK]);
    expect(fetching.progress.receivedBytes).toBe(3 * CHUNK);
    const [last] = asked(fetching, 0);
    fetching.receive(answer(last!), 0);
    expect(fetching.judge(column, 'e'.repeat(64))).toBe('again');
    expect(fetching.progress.receivedBytes).toBe(0);
    for (let left = 4; left > 0; ) for (const one of asked(fetching, 0)) left -= fetching.receive(answer(one), 0) === 'new' ? 1 : 0;
    expect(() => fetching.judge(column, 'e'.repeat(64))).toThrow(expect.objectContaining({ code: 'ERR_OTHER_DATA' }));
  });

  test('is refused, with both hashes, where all of it came from this coordinator', () => {
    expect(() => plan().judge(column, 'e'.repeat(64))).toThrow(`The column "train input 0" has the SHA-256 ${'e'.repeat(64)} and the run needs ${column.sha256}`);
  });
});

test('offsets that are no chunks of the column are not taken up', () => {
  const fetching = plan();
  fetching.resume(column, [1, 4 * CHUNK, CHUNK, CHUNK]);
  fetching.resume(bytesColumn(9).column, [0]);
  expect(fetching.progress.receivedBytes).toBe(CHUNK);
});

test('the limits of both sides fit each other', () => {
  expect(FETCH_LIMITS.inFlight).toBeLessThanOrEqual(MAX_DATA_REQUESTS);
});

/** What a line and a coordinator may do with a request. */
const fates = fc.constantFrom('answer', 'answer', 'answer', 'lose', 'damage', 'twice', 'late', 'break');

test('over a line that loses, damages, doubles, delays and breaks, every byte arrives once, and never more is in flight than may be', () => {
  const columns = [bytesColumn(CHUNK + 5), ...[40, 41, 42, 43, 44].map((byteLength) => bytesColumn(byteLength))];
  const totalBytes = CHUNK + 5 + 40 + 41 + 42 + 43 + 44;
  const of = new Map(columns.map((one) => [one.column.sha256, one.bytes]));
  fc.assert(
    fc.property(fc.array(fates, { minLength: 40, maxLength: 40 }), fc.integer({ min: 1, max: 4 }), (fate, inFlight) => {
      const fetching = new FetchPlan(columns.map((one) => one.column), hasher, { inFlight, timeoutMs: 100, maxFaults: 1_000 });
      const arrived = { bytes: 0 };
      const take = (chunk: DataChunkMessage): void => { if (fetching.receive(chunk, nowMs) === 'new') arrived.bytes += chunk.bytes.byteLength; };
      const flying = new Set<DataRequestMessage>();
      const late: DataChunkMessage[] = [];
      let nowMs = 0;
      for (let step = fetching.next(nowMs); step.kind !== 'done'; step = fetching.next(nowMs)) {
        if (step.kind === 'hash') {
          fetching.judge(step.column, step.column.sha256);
          continue;
        }
        for (const one of step.requests) flying.add(one);
        expect(flying.size).toBeLessThanOrEqual(inFlight);
        const [one] = flying;
        const how = fate.pop() ?? 'answer';
        if (one === undefined || how === 'lose') {
          nowMs += 100;
          flying.clear();
          continue;
        }
        flying.delete(one);
        const chunk = chunkOf(of.get(one.column)!, one);
        if (how === 'damage') take({ ...chunk, bytes: chunk.bytes.with(0, chunk.bytes[0]! ^ 1) });
        else if (how === 'late') late.push(chunk);
        else take(chunk);
        if (how === 'twice') take(chunk);
        if (how === 'answer') late.splice(0).forEach(take);
        if (how === 'break' || how === 'late') {
          fetching.release();
          flying.clear();
        }
      }
      expect(arrived.bytes).toBe(totalBytes);
      expect(fetching.progress).toEqual({ receivedBytes: totalBytes, totalBytes });
    }),
    runs(30),
  );
});
