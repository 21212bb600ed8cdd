import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { DataQueue, ServedColumns, SERVE_LIMITS, type ServeStep } from '../../cluster/data/serve-columns.js';
import { MAX_DATA_REQUESTS } from '../../cluster/protocol/limits.js';
import type { DataRequestMessage } from '../../cluster/protocol/messages.js';
import { bytesColumn, CHUNK, chunkOf, sha256 } from './cluster-data.js';
import { runs } from './properties.js';
import { hasher } from './protocol-samples.js';

const { column, bytes } = bytesColumn(2 * CHUNK + 5);
const served = new ServedColumns([{ column, bytes }], hasher);
const request = (offset: number, byteLength: number): DataRequestMessage => ({ type: 'dataRequest', column: column.sha256, offset, byteLength });

test('a chunk has the bytes that were asked for, and their hash', () => {
  for (const one of [request(0, CHUNK), request(CHUNK, CHUNK), request(2 * CHUNK, 5), request(7, 1), request(0, CHUNK)]) {
    const [{ bytes: found, ...fields }, { bytes: expected, ...rest }] = [served.chunk(one), chunkOf(bytes, one)];
    expect(fields).toEqual(rest);
    expect(Buffer.compare(found, expected)).toBe(0); // `toEqual` takes seconds for 1 MiB
  }
});

test('a chunk is a copy in memory that is not shared, as a socket keeps it', () => {
  const shared = new Uint8Array(new SharedArrayBuffer(9));
  const chunk = new ServedColumns([{ column, bytes: shared }], hasher).chunk(request(0, 9));
  shared.fill(1);
  expect(chunk.bytes.buffer).toBeInstanceOf(ArrayBuffer);
  expect(chunk.bytes).toEqual(new Uint8Array(9));
});

test('whole chunks are hashed once, however many nodes ask; no node decides how many hashes are kept', () => {
  let hashed = 0;
  const counting = new ServedColumns([{ column, bytes }], { sha256: (part) => { hashed++; return sha256(part); } });
  for (let node = 0; node < 5; node++) counting.chunk(request(CHUNK, CHUNK));
  expect(hashed).toBe(1);
  for (let node = 0; node < 5; node++) counting.chunk(request(CHUNK + 1, 5));
  expect(hashed).toBe(6);
});

describe('a request is refused', () => {
  test.each<[string, DataRequestMessage, RegExp]>([
    ['for a column of another run', { ...request(0, 1), column: 'f'.repeat(64) }, /no column of this run has the SHA-256 f{64}/],
    ['for bytes behind the end', request(2 * CHUNK, 6), /asks for bytes up to 2097158 of a column of 2097157/],
    ['for bytes far behind the end', request(Number.MAX_SAFE_INTEGER, CHUNK), /of a column of 2097157/],
  ])('%s, when it comes', (_, one, problem) => {
    const queue = new DataQueue(served);
    expect(() => { queue.ask(one); }).toThrow(problem);
    expect(queue.next(0)).toEqual({ kind: 'idle' });
  });

  test('when as many wait as may, and the same again is no other', () => {
    const queue = new DataQueue(served);
    for (let offset = 0; offset < MAX_DATA_REQUESTS; offset++) queue.ask(request(offset, 1));
    queue.ask(request(3, 1));
    expect(() => { queue.ask(request(99, 1)); }).toThrow(`${MAX_DATA_REQUESTS} of them wait already, as many as may`);
  });
});

test('requests are answered in their order, one at a time', () => {
  const queue = new DataQueue(served);
  [request(5, 2), request(0, 3)].forEach((one) => { queue.ask(one); });
  expect([queue.next(0), queue.next(0), queue.next(0)]).toEqual([
    { kind: 'send', chunk: chunkOf(bytes, request(5, 2)) },
    { kind: 'send', chunk: chunkOf(bytes, request(0, 3)) },
    { kind: 'idle' },
  ]);
});

test('a node has a burst at once, then waits for what its rate allows', () => {
  // 1,000 bytes/s are 1 byte/ms: of four requests of 10 bytes, a burst of 25 lets two go, the third when 5 ms have made room.
  const queue = new DataQueue(served, { bytesPerSecond: 1_000, burstBytes: 25 });
  [0, 10, 20, 30].forEach((offset) => { queue.ask(request(offset, 10)); });
  const kinds = (nowMs: number): string => { const step = queue.next(nowMs); return step.kind === 'wait' ? `until ${step.untilMs}` : step.kind; };
  expect([kinds(0), kinds(0), kinds(0), kinds(4), kinds(5), kinds(5), kinds(15)]).toEqual(['send', 'send', 'until 5', 'until 5', 'send', 'until 15', 'send']);
});

test('never do more bytes leave within a time than burst and rate allow, and the queue is never stuck', () => {
  const limits = { bytesPerSecond: 50_000, burstBytes: 200 };
  fc.assert(
    fc.property(fc.array(fc.record({ byteLength: fc.integer({ min: 1, max: 200 }), waitMs: fc.nat({ max: 10 }) }), { maxLength: 60 }), (asks) => {
      const queue = new DataQueue(served, limits);
      const sent: { readonly atMs: number; readonly bytes: number }[] = [];
      let nowMs = 0;
      const drain = (until: (step: ServeStep) => boolean): void => {
        for (let step = queue.next(nowMs); !until(step); step = queue.next(nowMs)) {
          if (step.kind === 'send') sent.push({ atMs: nowMs, bytes: step.chunk.bytes.byteLength });
          if (step.kind === 'wait') nowMs = step.untilMs;
        }
      };
      for (const { byteLength, waitMs } of asks) {
        nowMs += waitMs;
        queue.ask(request(sent.length, byteLength));
        drain((step) => step.kind === 'idle');
      }
      expect(sent).toHaveLength(asks.length);
      for (let from = 0; from < sent.length; from++) {
        let total = 0;
        for (let to = from; to < sent.length; to++) {
          total += sent[to]!.bytes;
          expect(total).toBeLessThanOrEqual(limits.burstBytes + ((sent[to]!.atMs - sent[from]!.atMs) * limits.bytesPerSecond) / 1_000 + 1e-6);
        }
      }
    }),
    runs(200),
  );
});

test('the burst takes a whole chunk, without which nothing would ever go', () => {
  expect(SERVE_LIMITS.burstBytes).toBeGreaterThanOrEqual(CHUNK);
});
