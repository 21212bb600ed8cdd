import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { Outbox, type OutboxLimits, type Wire } from '../../cluster/net/outbox.js';
import { Patience } from '../../cluster/net/patience.js';
import { TokenBucket } from '../../cluster/net/rate.js';
import { outboxFor } from '../../cluster/net/stream.js';
import { panelsOf } from '../../cluster/panels.js';
import { encodeMessage } from '../../cluster/protocol/wire.js';
import { FLOAT32 } from '../../src/codecs/codec.js';

interface Written {
  readonly piece: Uint8Array;
  readonly isLast: boolean;
  readonly taken: () => void;
}

/** A socket that takes a piece when it is told to. */
class HandWire implements Wire {
  readonly written: Written[] = [];
  readonly #open: Written[] = [];

  write(piece: Uint8Array, isLast: boolean, taken: () => void): void {
    this.written.push({ piece, isLast, taken });
    this.#open.push(this.written.at(-1)!);
  }

  together(run: () => void): void {
    run();
  }

  take(): boolean {
    const next = this.#open.shift();
    next?.taken();
    return next !== undefined;
  }

  get held(): number {
    return this.#open.reduce((sum, { piece }) => sum + piece.byteLength, 0);
  }
}

const LIMITS: OutboxLimits = { maxInFlightBytes: 20_000, maxWaitingBytes: 50_000, pieceBytes: 8_000 };

function outbox(limits: Partial<OutboxLimits> = {}): { box: Outbox; wire: HandWire } {
  const wire = new HandWire();
  return { wire, box: new Outbox(wire, { ...LIMITS, ...limits }, () => {}) };
}

describe('an outbox', () => {
  test('hands over no more than the cap and a piece, and the parts as they lie in memory', () => {
    const { box, wire } = outbox();
    const tensor = new Uint8Array(100_000);
    void box.send([new Uint8Array(16), tensor]);
    // 16, then pieces of 8,000 until 20,000 are reached: 16 + 3 * 8,000.
    expect(wire.written.map(({ piece }) => piece.byteLength)).toEqual([16, 8_000, 8_000, 8_000]);
    expect(box.bufferedBytes).toBe(100_016);
    expect(box.isFull).toBe(true);
    expect(wire.written[1]!.piece.buffer).toBe(tensor.buffer);
    while (wire.take());
    expect(wire.written.filter(({ isLast }) => isLast)).toHaveLength(1);
    expect(wire.written.at(-1)).toMatchObject({ isLast: true });
    expect(box.bufferedBytes).toBe(0);
  });

  test('settles a message when its last piece is taken, and not sooner', async () => {
    const { box, wire } = outbox();
    const settled: string[] = [];
    void box.send([new Uint8Array(10_000)]).then(() => settled.push('first'));
    void box.send([new Uint8Array(10)]).then(() => settled.push('second'));
    wire.take();
    await Promise.resolve();
    expect(settled).toEqual([]);
    wire.take();
    await Promise.resolve();
    expect(settled).toEqual(['first']);
    wire.take();
    await Promise.resolve();
    expect(settled).toEqual(['first', 'second']);
  });

  test('joins short parts, for one system call', () => {
    const { box, wire } = outbox();
    void box.send([Uint8Array.of(1, 2), Uint8Array.of(3)]);
    expect(wire.written.map(({ piece }) => [...piece])).toEqual([[1, 2, 3]]);
  });

  test('settles everything as not taken when the socket is gone', async () => {
    const { box, wire } = outbox();
    const sent = [box.send([new Uint8Array(30_000)]), box.send([new Uint8Array(10)])];
    box.stop();
    const handed = wire.written.length;
    while (wire.take());
    expect(wire.written).toHaveLength(handed);
    box.end();
    expect(await Promise.all(sent)).toEqual([false, false]);
    expect(await box.send([new Uint8Array(1)])).toBe(false);
    expect(box.bufferedBytes).toBe(0);
  });

  test('says when a further message would be too much to wait, and never of the first', () => {
    const { box } = outbox();
    expect(box.wouldOverflow(1_000_000)).toBe(false);
    void box.send([new Uint8Array(60_000)]);
    // 24,000 are handed over, 36,000 wait: 14,000 more make 50,000.
    expect([box.wouldOverflow(14_000), box.wouldOverflow(14_001)]).toEqual([false, true]);
  });

  test('of a run has room for one version of its parameters in panels, whatever stands in their heads, and not for two', () => {
    const [floats, bytes] = [40_000_001, new Uint8Array(524_288)];
    const most = Number.MAX_SAFE_INTEGER;
    const panels = panelsOf(FLOAT32, floats).map(({ firstValue, valueCount }) => encodeMessage({
      type: 'parameters', generation: most, version: most, kind: 'update', codec: 'bfloat16', scalars: new Float32Array(8).fill(NaN), firstValue, valueCount, sha256: 'f'.repeat(64), bytes: bytes.subarray(0, valueCount * 4),
    }));
    const { box } = outbox(outboxFor(floats * 4));
    for (const version of [1, 2]) {
      const overflows = panels.findIndex((parts) => {
        if (box.wouldOverflow(parts.reduce((sum, part) => sum + part.byteLength, 0))) return true;
        void box.send(parts);
        return false;
      });
      // 160,000,004 bytes; beside them 67,108,864 may wait, and 1,048,576 are handed over.
      if (version === 1) expect(overflows).toBe(-1);
      else expect(overflows).toBeGreaterThan(0);
    }
  });

  test('of a run that nobody knows yet has room for as many parameters as an arena', () => {
    expect(outboxFor().maxWaitingBytes).toBeGreaterThan(2 ** 32);
  });

  test('sends whatever comes in its order, complete, and within its cap', () => {
    const sizes = fc.array(fc.integer({ min: 1, max: 60_000 }), { maxLength: 20 });
    fc.assert(
      fc.property(sizes, fc.array(fc.nat(3)), (lengths, takes) => {
        const { box, wire } = outbox();
        const all: number[] = [];
        for (const [index, length] of lengths.entries()) {
          void box.send([new Uint8Array(4).fill(index), new Uint8Array(length).fill(index)]);
          all.push(4 + length);
          for (let take = 0; take < (takes[index] ?? 0); take++) wire.take();
          expect(wire.held).toBeLessThan(LIMITS.maxInFlightBytes + LIMITS.pieceBytes);
        }
        while (wire.take());
        const messages: Uint8Array[][] = [[]];
        for (const { piece, isLast } of wire.written) {
          messages.at(-1)!.push(piece);
          if (isLast) messages.push([]);
        }
        const sent = messages.slice(0, -1).map((pieces) => Buffer.concat(pieces));
        expect(sent.map((bytes) => bytes.byteLength)).toEqual(all);
        expect(sent.every((bytes, index) => bytes.every((byte) => byte === index))).toBe(true);
      }),
      { seed: 1, numRuns: 100 },
    );
  });
});

describe('patience', () => {
  test('is over when the limit has passed since something came', () => {
    const patience = new Patience(5_000, 1_000, 0);
    for (let now = 1_000; now <= 6_000; now += 1_000) patience.tick(now);
    expect([patience.isOverdue(5_000), patience.isOverdue(5_001)]).toEqual([false, true]);
    patience.renew(4_000);
    expect([patience.isOverdue(9_000), patience.isOverdue(9_001)]).toEqual([false, true]);
  });

  test('does not count the time by which a tick is late', () => {
    const patience = new Patience(5_000, 1_000, 0);
    patience.tick(1_000);
    // The next was due at 2,000: 15,000 were lost, and 2,000 were waited.
    patience.tick(17_000);
    expect(patience.waitedMs(17_000)).toBe(2_000);
    expect([patience.isOverdue(20_000), patience.isOverdue(20_001)]).toEqual([false, true]);
  });

  test('is not shortened by what came long ago', () => {
    const patience = new Patience(5_000, 1_000, 0);
    patience.tick(17_000);
    patience.renew(500);
    expect(patience.waitedMs(17_000)).toBe(1_000);
  });
});

describe('a token bucket', () => {
  test('lets a burst through, and then as many as come back', () => {
    const bucket = new TokenBucket({ perSecond: 10, burst: 3 }, 0);
    expect([0, 0, 0, 0].map((now) => bucket.take(now))).toEqual([true, true, true, false]);
    // A token comes back every 100 ms.
    expect([99, 100, 150, 200].map((now) => bucket.take(now))).toEqual([false, true, false, true]);
  });

  test('saves no more than the burst', () => {
    const bucket = new TokenBucket({ perSecond: 10, burst: 3 }, 0);
    expect([1e6, 1e6, 1e6, 1e6].map((now) => bucket.take(now))).toEqual([true, true, true, false]);
  });
});
