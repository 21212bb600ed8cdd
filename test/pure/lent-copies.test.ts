import { expect, test } from 'vitest';
import { LentCopies } from '../../cluster/coordinator/lent-copies.js';

const MOST_FREE_BYTES = 8;

function copies(): LentCopies {
  return new LentCopies(MOST_FREE_BYTES);
}

const four = (value: number): Uint8Array => Uint8Array.of(value, value, value, value);

test('a copy that nobody reads any more is written again', () => {
  const lent = copies();
  const first = lent.of(four(1));
  expect(first).toEqual(four(1));
  lent.release(first);
  const second = lent.of(four(2));
  expect(second).toBe(first);
  expect(second).toEqual(four(2));
});

test('one that is still read stays as it is, though its maker has released it', async () => {
  const lent = copies();
  const first = lent.of(four(1));
  const ends: (() => void)[] = [];
  for (let reader = 0; reader < 2; reader++) lent.lend(first, new Promise<void>((resolve) => { ends.push(resolve); }));
  lent.release(first);
  for (const end of ends) {
    expect(lent.of(four(2))).not.toBe(first);
    expect(first).toEqual(four(1));
    end();
    await new Promise((turn) => { setImmediate(turn); });
  }
  expect(lent.of(four(3))).toBe(first);
});

test('one that was read to its end stays as it is until its maker releases it', async () => {
  const lent = copies();
  const first = lent.of(four(1));
  lent.lend(first, Promise.resolve());
  await new Promise((turn) => { setImmediate(turn); });
  expect(lent.of(four(2))).not.toBe(first);
});

test('other lengths get memory of their own, and what would be too much to keep is left to the collector', () => {
  const lent = copies();
  const made = [lent.of(four(1)), lent.of(four(2)), lent.of(four(3))];
  for (const copy of made) lent.release(copy);
  expect(lent.of(new Uint8Array(3)).byteLength).toBe(3);
  const again = [lent.of(four(4)), lent.of(four(5)), lent.of(four(6))];
  expect(again.map((copy) => made.includes(copy))).toEqual([true, true, false]);
});

test('bytes that are no copy may be lent, which changes nothing', async () => {
  const lent = copies();
  lent.lend(four(1), Promise.resolve());
  await new Promise((turn) => { setImmediate(turn); });
  expect(lent.of(four(2))).toEqual(four(2));
});
