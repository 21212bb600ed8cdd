import { describe, expect, test } from 'vitest';
import { Worth } from '../../cluster/rounds/worth.js';

/** Rounds of 100 examples, each so many ms long; gives what the last one found. */
function rounds(worth: Worth, count: number, eachMs: number, from = 0, localSpeed?: number): ReturnType<Worth['round']> {
  let found: ReturnType<Worth['round']>;
  worth.goOn(from);
  for (let round = 1; round <= count; round++) found = worth.round(100, from + round * eachMs, localSpeed);
  return found;
}

const TRIAL = { kind: 'trial', restMs: 1_000 };

describe('rounds are compared with the local pool alone', () => {
  test('after 64 of them and two seconds', () => {
    const worth = new Worth();
    worth.alone(3_000, 1_000); // 3 a ms, and the rounds 2.5
    expect(rounds(worth, 63, 40)).toBeUndefined();
    expect(worth.round(100, 64 * 40, undefined)).toEqual(TRIAL);
  });

  test('not before two seconds, however many there are', () => {
    const worth = new Worth();
    worth.alone(6_000, 1_000); // 6 a ms, and the rounds 5
    expect(rounds(worth, 99, 20)).toBeUndefined();
    expect(worth.round(100, 2_000, undefined)).toEqual(TRIAL);
  });

  test('they are worth it where they are as fast', () => {
    const worth = new Worth();
    worth.alone(2_500, 1_000);
    expect(rounds(worth, 64, 40)).toBeUndefined();
  });

  test('with what the local pool computed in them, as long as it was never alone', () => {
    expect(rounds(new Worth(), 64, 40, 0, 2_600)).toEqual(TRIAL);
    expect(rounds(new Worth(), 64, 40, 0, 2_400)).toBeUndefined();
    expect(rounds(new Worth(), 64, 40)).toBeUndefined();
  });

  test('a short stretch alone says nothing', () => {
    const worth = new Worth();
    worth.alone(99_000, 99);
    expect(rounds(worth, 64, 40)).toBeUndefined();
  });

  describe('whose speed is measured again before anybody is left alone for long', () => {
    /** Rounds that lose to what was measured before others that did not. */
    function onTrial(): Worth {
      const worth = new Worth();
      worth.alone(3_000, 1_000);
      expect(rounds(worth, 64, 32)).toBeUndefined(); // 6,400 examples in 2,048 ms are 3.125 a ms
      expect(rounds(worth, 64, 40, 1e6)).toEqual(TRIAL);
      return worth;
    }

    test('they lose where it is still faster', () => {
      expect(onTrial().alone(2_600, 1_000)).toEqual({ kind: 'loss', together: 2.5, alone: 2.6, restMs: 10_000 });
    });

    test('they go on where it has become slow itself', () => {
      const worth = onTrial();
      expect(worth.alone(2_500, 1_000)).toBeUndefined();
      expect(rounds(worth, 64, 40, 2e6)).toBeUndefined();
    });

    test('a stretch that is too short leaves it open', () => {
      const worth = onTrial();
      expect(worth.alone(9_900, 99)).toBeUndefined();
      expect(worth.alone(2_600, 1_000)).toMatchObject({ kind: 'loss' });
    });

    test('and nothing is found of rounds before somebody came, or of others since', () => {
      const [one, other] = [onTrial(), onTrial()];
      one.forget();
      expect(one.alone(9_000, 1_000)).toBeUndefined();
      expect(rounds(other, 64, 32, 2e6)).toBeUndefined();
      expect(other.alone(9_000, 1_000)).toBeUndefined();
    });

    test('what was measured until somebody came is no rest', () => {
      const worth = onTrial();
      worth.forget();
      worth.alone(3_000, 1_000);
      expect(rounds(worth, 64, 40, 2e6)).toEqual(TRIAL);
    });

    test('and after a rest it is known', () => {
      const worth = onTrial();
      expect(worth.alone(2_600, 1_000)).toMatchObject({ restMs: 10_000 });
      worth.alone(27_000, 10_000);
      expect(rounds(worth, 64, 40, 2e6)).toEqual({ kind: 'loss', together: 2.5, alone: 2.7, restMs: 20_000 });
    });
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
  let startMs = 0;
  const roundsAfterRest = (eachMs: number): number | undefined => {
    worth.alone(3_000, 1_000);
    return rounds(worth, 64, eachMs, (startMs += 1e6))?.restMs;
  };
  const found = (): number | undefined => (rounds(worth, 64, 40, (startMs += 1e6))?.restMs === 1_000 ? worth.alone(3_000, 1_000)?.restMs : undefined);
  expect([found(), ...[40, 40, 40, 40, 40, 40].map(roundsAfterRest)]).toEqual([10_000, 20_000, 40_000, 80_000, 160_000, 320_000, 320_000]);
  expect([roundsAfterRest(32), found()]).toEqual([undefined, 10_000]); // 6,400 examples in 2,048 ms are 3.125 a ms
  worth.forget();
  expect(found()).toBe(10_000);
});
