import { describe, expect, test } from 'vitest';
import { Worth } from '../../cluster/rounds/worth.js';

/** Rounds of 100 examples, each so many ms long; gives what the last one found. */
function rounds(worth: Worth, count: number, eachMs: number, from = 0, localSpeed?: number): ReturnType<Worth['round']> {
  let found: ReturnType<Worth['round']>;
  worth.goOn(from);
  for (let round = 1; round <= count; round++) found = worth.round(100, from + round * eachMs, localSpeed);
  return found;
}

describe('rounds are compared with the local pool alone', () => {
  test('after 64 of them and two seconds: 100 examples in 40 ms are 2.5 a ms', () => {
    const worth = new Worth();
    worth.alone(3_000, 1_000); // 3 a ms
    expect(rounds(worth, 63, 40)).toBeUndefined();
    expect(worth.round(100, 64 * 40, undefined)).toEqual({ together: 2.5, alone: 3, restMs: 10_000 });
  });

  test('not before two seconds, however many there are', () => {
    const worth = new Worth();
    worth.alone(6_000, 1_000); // 6 a ms, and the rounds 5
    expect(rounds(worth, 99, 20)).toBeUndefined();
    expect(worth.round(100, 2_000, undefined)?.together).toBe(5);
  });

  test('they are worth it where they are as fast', () => {
    const worth = new Worth();
    worth.alone(2_500, 1_000);
    expect(rounds(worth, 64, 40)).toBeUndefined();
  });

  test('with what the local pool computed in them, as long as it was never alone', () => {
    expect(rounds(new Worth(), 64, 40, 0, 2_600)).toEqual({ together: 2.5, alone: 2.6, restMs: 10_000 });
    expect(rounds(new Worth(), 64, 40, 0, 2_400)).toBeUndefined();
    expect(rounds(new Worth(), 64, 40)).toBeUndefined();
  });

  test('a short stretch alone says nothing', () => {
    const worth = new Worth();
    worth.alone(99_000, 99);
    expect(rounds(worth, 64, 40)).toBeUndefined();
  });

  test('what is between them does not count: each epoch goes on anew', () => {
    const worth = new Worth();
    worth.alone(2_500, 1_000);
    expect(rounds(worth, 32, 40)).toBeUndefined();
    expect(rounds(worth, 32, 40, 60_000)).toBeUndefined();
  });
});

test('a rest is twice as long each time that they lose again, at most 320 s, and the first one again when somebody comes or they win', () => {
  const worth = new Worth();
  worth.alone(3_000, 1_000);
  const rests = Array.from({ length: 7 }, (_, index) => rounds(worth, 64, 40, index * 1e6)?.restMs);
  expect(rests).toEqual([10_000, 20_000, 40_000, 80_000, 160_000, 320_000, 320_000]);
  expect(rounds(worth, 64, 32, 7e6)).toBeUndefined(); // 6,400 examples in 2,048 ms are 3.125 a ms
  expect(rounds(worth, 64, 40, 8e6)?.restMs).toBe(10_000);
  worth.forget();
  expect(rounds(worth, 64, 40, 9e6)?.restMs).toBe(10_000);
});
