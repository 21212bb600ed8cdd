import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { defaultShardSize, idleNote } from '../../src/train/options.js';
import { BLOCK_FLOATS, segmentOf } from '../../workers/updating.js';
import { seed } from './arena.js';

describe('the default shard size', () => {
  // batch / 8, rounded up to a multiple of 8, between 8 and 32
  test.each([[1, 8], [32, 8], [64, 8], [65, 16], [128, 16], [129, 24], [192, 24], [200, 32], [256, 32], [60_000, 32]])('of a batch of %i is %i', (batch, shard) => {
    expect(defaultShardSize(batch)).toBe(shard);
  });

  test('feeds four workers with the default batch of tfjs, and eight with 256', () => {
    expect(idleNote(4, 32, defaultShardSize(32))).toBeUndefined();
    expect(idleNote(8, 256, defaultShardSize(256))).toBeUndefined();
    expect(idleNote(5, 32, defaultShardSize(32))).toBe('1 of 5 workers idle: a batch of 32 has 4 shards of 8; use a larger batch or fewer workers');
  });
});

test('the segments of the workers follow each other, hold every parameter once and end at borders of blocks', () => {
  fc.assert(fc.property(fc.nat(300_000), fc.integer({ min: 1, max: 64 }), (floats, workers) => {
    let end = 0;
    for (let worker = 0; worker < workers; worker++) {
      const segment = segmentOf(floats, worker, workers);
      expect(segment.start).toBe(end);
      expect(segment.end).toBeGreaterThanOrEqual(segment.start);
      expect(segment.end % BLOCK_FLOATS === 0 || segment.end === floats).toBe(true);
      end = segment.end;
    }
    expect(end).toBe(floats);
  }), { seed, numRuns: 500 });
});

test('segments are as even as whole blocks allow', () => {
  // 10 blocks and a rest are 11, for four workers 2, 3, 3 and 3.
  const sizes = [0, 1, 2, 3].map((worker) => segmentOf(10 * BLOCK_FLOATS + 16, worker, 4)).map(({ start, end }) => Math.ceil((end - start) / BLOCK_FLOATS));
  expect(sizes).toEqual([2, 3, 3, 3]);
});
