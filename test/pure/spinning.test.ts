import { expect, test } from 'vitest';
import { Spinning } from '../../workers/spinning.js';

const [LONG_MS, SHORT_MS] = [4, 0.2];
const MANY_LOADS = 1_000_000;

/** How many waits do not spin from now on, each over at once; at most 100,000 are made. */
function restOf(spinning: Spinning): number {
  let rest = 0;
  for (; spinning.loads < MANY_LOADS && rest < 100_000; rest++) spinning.waited(0);
  return rest;
}

function wait(spinning: Spinning, times: number, waitedMs: number): void {
  for (let time = 0; time < times; time++) spinning.waited(waitedMs);
}

test('a waiter spins as long as waits are short', () => {
  const spinning = new Spinning(false);
  wait(spinning, 1_000, SHORT_MS);
  expect(spinning.loads).toBe(MANY_LOADS);
});

test('after eight long ones of 64 it does not for 1,024 waits, then for twice as many each time that this was too early, 65,536 at most', () => {
  const spinning = new Spinning(false);
  const rests = Array.from({ length: 8 }, () => {
    wait(spinning, 56, 0);
    wait(spinning, 7, LONG_MS);
    expect(spinning.loads).toBe(MANY_LOADS);
    wait(spinning, 1, LONG_MS);
    return restOf(spinning);
  });
  expect(rests).toEqual([1_024, 2_048, 4_096, 8_192, 16_384, 32_768, 65_536, 65_536]);
});

test('seven of every 64 are borne', () => {
  const spinning = new Spinning(false);
  for (let window = 0; window < 100; window++) {
    wait(spinning, 57, 0);
    wait(spinning, 7, LONG_MS);
  }
  expect(spinning.loads).toBe(MANY_LOADS);
});

test('a window without so many makes the next rest the first one again', () => {
  const spinning = new Spinning(false);
  wait(spinning, 8, LONG_MS);
  expect(restOf(spinning)).toBe(1_024);
  wait(spinning, 64, 0);
  wait(spinning, 8, LONG_MS);
  expect(restOf(spinning)).toBe(1_024);
});

test('with fewer cores than workers it never spins', () => {
  expect(restOf(new Spinning(true))).toBe(100_000);
});
