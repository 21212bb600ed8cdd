import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { networkOf, TRY_LIMITS, TryLimiter } from '../../cluster/protocol/try-limiter.js';
import { runs } from './properties.js';

const limits = { burst: 3, forgetMs: 1_000, maxNetworks: 4 };

/** Takes a try at each time and says which were allowed. */
function taken(limiter: TryLimiter, address: string, timesMs: readonly number[]): boolean[] {
  return timesMs.map((nowMs) => limiter.take(address, nowMs) === 0);
}

test('a network has a burst of tries, then one whenever one is forgotten', () => {
  const limiter = new TryLimiter(limits);
  expect(taken(limiter, '10.0.0.1', [0, 0, 0, 0, 999, 1_000, 1_001, 2_000])).toEqual([true, true, true, false, false, true, false, true]);
});

test('a long silence saves no tries up', () => {
  const limiter = new TryLimiter(limits);
  expect(taken(limiter, '10.0.0.1', [0, 9_000, 9_000, 9_000, 9_000])).toEqual([true, true, true, true, false]);
});

test('a refusal says how long to wait, and is itself no try', () => {
  const limiter = new TryLimiter(limits);
  taken(limiter, '10.0.0.1', [0, 0, 0]);
  expect(limiter.take('10.0.0.1', 0)).toBe(1_000);
  expect(limiter.take('10.0.0.1', 400)).toBe(600);
  expect(limiter.take('10.0.0.1', 1_000)).toBe(0);
});

test('many at once gain nothing: a try is taken before its proof is known', () => {
  const limiter = new TryLimiter(limits);
  expect(taken(limiter, '10.0.0.1', [0, 0, 0, 0, 0]).filter(Boolean)).toHaveLength(3);
});

test('a good proof gives its try back', () => {
  const limiter = new TryLimiter(limits);
  for (let node = 0; node < 100; node++) {
    expect(limiter.take('10.0.0.1', 0)).toBe(0);
    limiter.giveBack('10.0.0.1', 0);
  }
  expect(limiter.size).toBe(0);
});

test('networks do not count for each other', () => {
  const limiter = new TryLimiter(limits);
  taken(limiter, '10.0.0.1', [0, 0, 0, 0]);
  expect(limiter.take('10.0.0.2', 0)).toBe(0);
});

test('beyond the networks that it remembers, all others share one count, until one is forgotten', () => {
  const limiter = new TryLimiter(limits);
  for (const host of [1, 2, 3]) taken(limiter, `10.0.0.${host}`, [0, 0, 0]);
  expect(['10.0.1.1', '10.0.1.2', '10.0.1.3', '10.0.1.4'].map((address) => limiter.take(address, 0) === 0)).toEqual([true, true, true, false]);
  expect(limiter.take('10.0.1.5', 3_000)).toBe(0); // all of the first three are forgotten after 3 * 1,000 ms
  expect(limiter.size).toBe(1); // the shared count is forgotten too
});

test('memory stays bounded, and nobody gets more than a burst and what was forgotten, alone and among the others', () => {
  const tries = fc.array(fc.record({ host: fc.nat({ max: 40 }), waitMs: fc.nat({ max: 300 }), proved: fc.boolean() }), { maxLength: 200 });
  fc.assert(
    fc.property(tries, (steps) => {
      const limiter = new TryLimiter(limits);
      const failures = new Map<number, number>();
      let nowMs = 0;
      for (const { host, waitMs, proved } of steps) {
        nowMs += waitMs;
        if (limiter.take(`10.0.0.${host}`, nowMs) !== 0) continue;
        if (proved) limiter.giveBack(`10.0.0.${host}`, nowMs);
        else failures.set(host, (failures.get(host) ?? 0) + 1);
        expect(limiter.size).toBeLessThanOrEqual(limits.maxNetworks);
      }
      for (const count of failures.values()) expect(count).toBeLessThanOrEqual(2 * (limits.burst + nowMs / limits.forgetMs));
    }),
    runs(200),
  );
});

test('fifty nodes of one machine may shake hands at once', () => {
  const limiter = new TryLimiter();
  expect(taken(limiter, '127.0.0.1', Array.from({ length: 50 }, () => 0))).not.toContain(false);
  expect(TRY_LIMITS.maxNetworks).toBeLessThanOrEqual(4_096);
});

describe('a network', () => {
  test.each([
    ['192.168.1.7', '192.168.1.7'],
    ['::ffff:192.168.1.7', '192.168.1.7'],
    ['::1', '0:0:0:0::/64'],
    ['fe80::1%eth0', 'fe80:0:0:0::/64'],
    ['2001:db8:0:1:2:3:4:5', '2001:db8:0:1::/64'],
    ['2001:0DB8:0000:0001::9', '2001:db8:0:1::/64'],
    ['2001:db8::1:2:3:4:5', '2001:db8:0:1::/64'],
    ['::', '0:0:0:0::/64'],
  ])('of %s is %s', (address, network) => {
    expect(networkOf(address)).toBe(network);
  });
});
