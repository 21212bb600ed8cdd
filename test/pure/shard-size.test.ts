import { describe, expect, test } from 'vitest';
import { defaultShardSize, idleNote } from '../../src/train/options.js';

describe('the default shard size', () => {
  // batch / 8, rounded up to a multiple of 8, between 8 and 32
  test.each([[1, 8], [32, 8], [64, 8], [65, 16], [128, 16], [129, 24], [192, 24], [200, 32], [256, 32], [60_000, 32]])('of a batch of %i is %i', (batch, shard) => {
    expect(defaultShardSize(batch)).toBe(shard);
  });
});

test('who idles is said with the numbers', () => {
  // 32 examples are 8 groups of 4, or 4 shards of 8
  expect(idleNote(8, 32, 4)).toBeUndefined();
  expect(idleNote(9, 32, 4)).toBe('1 of 9 workers idle for most of a step: a batch of 32 is divided in 8 groups of 4 examples; use a larger batch or fewer workers');
  expect(idleNote(4, 32, 8)).toBeUndefined();
});
