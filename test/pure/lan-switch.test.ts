import { describe, expect, test } from 'vitest';
import { LanSwitch, readdress, type Behaviour } from '../../scripts/lan/switch.js';
import { describeLink, GIGABIT, shaperFor, WIFI } from '../../scripts/lan/profile.js';

const PLAIN: Behaviour = { rateMbps: 8, delayMs: 0, jitterMs: 0, lossPercent: 0 };
const never = (): number => 0.999;
const [ONE, TWO, THREE, ALL] = [[2, 0, 0, 0, 0, 1], [2, 0, 0, 0, 0, 2], [2, 0, 0, 0, 0, 3], [255, 255, 255, 255, 255, 255]] as const;

/** A frame of so many bytes within a packet of machine `machine`. */
function packet(machine: number, from: readonly number[], to: readonly number[], byteLength = 1_000): Uint8Array {
  const bytes = new Uint8Array(8 + byteLength);
  bytes.set([8, 0, 0, 0, 0, 0, machine, 0, ...to, ...from]);
  return bytes;
}

describe('a switch', () => {
  test('hands a packet to all others until it has heard from the one that it is for', () => {
    const lan = new LanSwitch([1, 2, 3], PLAIN, never);
    expect(lan.route(packet(1, ONE, TWO), 0).map(({ machine }) => machine)).toEqual([2, 3]);
    expect(lan.route(packet(2, TWO, ONE), 0).map(({ machine }) => machine)).toEqual([1]);
    expect(lan.route(packet(1, ONE, TWO), 0).map(({ machine }) => machine)).toEqual([2]);
    expect(lan.route(packet(3, THREE, ALL), 0).map(({ machine }) => machine)).toEqual([1, 2]);
  });

  test('has a rate for each machine and a delay for every packet', () => {
    const lan = new LanSwitch([1, 2], { ...PLAIN, delayMs: 5 }, never);
    // 1,000 bytes at 8 Mbit/s are 1 ms.
    const times = [0, 0, 10].map((nowMs) => lan.route(packet(1, ONE, TWO), nowMs)[0]!.atMs);
    expect(times).toEqual([6, 7, 16]);
    expect(lan.route(packet(2, TWO, ONE), 0)[0]!.atMs).toBe(6);
  });

  test('drops what would wait for longer than 200 ms', () => {
    const lan = new LanSwitch([1, 2], PLAIN, never);
    const arrived = Array.from({ length: 300 }, () => lan.route(packet(1, ONE, TWO), 0)).filter((deliveries) => deliveries.length > 0);
    expect(arrived).toHaveLength(201);
  });

  test('keeps the order of a link whose delay varies', () => {
    const draws = [0.5, 0.999, 0.5, 0]; // no loss, latest; no loss, earliest
    const lan = new LanSwitch([1, 2], { ...PLAIN, delayMs: 5, jitterMs: 2 }, () => draws.shift()!);
    const [first, second] = [lan.route(packet(1, ONE, TWO), 0)[0]!.atMs, lan.route(packet(1, ONE, TWO), 0)[0]!.atMs];
    expect(first).toBeCloseTo(8, 1);
    expect(second).toBe(first);
  });

  test('loses so many of a hundred', () => {
    const draws = Array.from({ length: 100 }, (_, index) => index / 100);
    const lan = new LanSwitch([1, 2], { ...PLAIN, rateMbps: 1e6, lossPercent: 3 }, () => draws.shift()!);
    // A packet that is not lost draws its jitter too.
    const routed: number[] = [];
    while (draws.length > 1) routed.push(lan.route(packet(1, ONE, TWO), 0).length);
    expect(routed.filter((count) => count === 0)).toHaveLength(3);
  });

  test('takes nothing from a machine that is cut off, hands nothing to it, and all again once it is healed', () => {
    const lan = new LanSwitch([1, 2, 3], PLAIN, never);
    lan.cut(2, true);
    expect(lan.route(packet(2, TWO, ALL), 0)).toEqual([]);
    expect(lan.route(packet(1, ONE, TWO), 0)).toEqual([]);
    expect(lan.route(packet(1, ONE, ALL), 0).map(({ machine }) => machine)).toEqual([3]);
    lan.cut(2, false);
    expect(lan.route(packet(1, ONE, TWO), 0).map(({ machine }) => machine)).toEqual([2]);
  });

  test('drops what is no frame, and what is of no machine', () => {
    const lan = new LanSwitch([1, 2], PLAIN, never);
    expect(lan.route(packet(9, ONE, TWO), 0)).toEqual([]);
    expect(lan.route(packet(1, ONE, TWO).subarray(0, 21), 0)).toEqual([]);
  });
});

// RFC 1071's sum of a UDP datagram "hi!" from 10.0.0.1:1 to 10.0.0.2:2, by hand: 0a00 + 0001 + 0a00 + 0002 + 0011 + 000b (pseudo-header)
// + 0001 + 0002 + 000b (head) + 6869 + 2100 = 9d96, whose complement is 6269.
test('a packet for a machine has its number and a checksum', () => {
  const bytes = Buffer.from(packet(1, ONE, TWO, 14 + 20 + 11)); // as sockets give it
  bytes.set([8, 0, 0x45, 0, 0, 31, 0, 0, 0, 0, 64, 17, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2, 0, 1, 0, 2, 0, 11, 0xab, 0xcd, 0x68, 0x69, 0x21], 20);
  const readdressed = readdress(bytes, 2);
  expect(readdressed[6]).toBe(2);
  expect([...readdressed.subarray(48, 50)]).toEqual([0x62, 0x69]);
  expect([...bytes.subarray(48, 50)]).toEqual([0xab, 0xcd]);
});

test('the kernel shapes what it can, and what is left out is said', () => {
  expect([shaperFor(GIGABIT, true), shaperFor(WIFI, true)]).toEqual(['netem', 'netem']);
  expect([shaperFor(GIGABIT, false), shaperFor(WIFI, false)]).toEqual(['tbf', 'process']);
  expect(describeLink(GIGABIT, 'tbf')).toBe('1000 Mbit/s by tbf; the 0.2 ms of delay are left out, because this kernel has no netem');
  expect(describeLink(WIFI, 'netem')).toBe('100 Mbit/s, 5 ± 2 ms each way and 1 % of loss by netem');
});
