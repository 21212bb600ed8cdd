import { describe, expect, test } from 'vitest';
import type { EventRecord } from '../../cluster/rounds/events.js';
import { replay } from '../../cluster/rounds/replay.js';
import { optimizers } from '../../src/index.js';
import { trainTogether, type ClusterWish, type Outcome } from './in-process.js';
import { mlp, numbers } from './models.js';

// Every mode with a coordinator and nodes in one process. What they come to depends on who was when where, so that bounds are compared.

const EXAMPLES = 1_200;
const FEATURES = 60; // enough work that a node gets some of every step
const CLASSES = 3;

/** A class by the first two of many features: learnt within some epochs, so that a mode that does not converge shows. */
function examples(): Pick<ClusterWish, 'x' | 'y'> {
  const values = numbers(EXAMPLES * FEATURES, 3);
  const labels = Float32Array.from({ length: EXAMPLES }, (_, row) => Number(values[row * FEATURES]! > 0) + Number(values[row * FEATURES + 1]! > 0));
  return { x: { values, shape: [EXAMPLES, FEATURES] }, y: { values: labels, shape: [EXAMPLES] } };
}

/** Points of accuracy that a mode may stay behind `sync` on the same data. */
const DISTANCE = 0.03;

const WISH: ClusterWish = {
  ...examples(),
  model: () => mlp({ features: FEATURES, units: 150, classes: CLASSES, dropout: 0.1 }),
  optimizer: optimizers.adam({ learningRate: 0.006 }),
  batchSize: 96, shardSize: 8, epochs: 20, workers: 1, usesLocal: true, nodes: [{ workers: 1 }],
};

const together = (more: Partial<ClusterWish>): Promise<Outcome> => trainTogether({ ...WISH, ...more });

const reference = together({ nodes: [] });

describe.each<[string, Partial<ClusterWish>]>([
  ['stale', { mode: 'stale', staleness: 2 }],
  ['local', { mode: 'local', period: 4 }],
  // A share counts less the older it is, and shares as small as these are on their way while five others are applied.
  ['async', { mode: 'async', epochs: 60 }],
])('mode %s', (name, mode) => {
  test.each<[string, Partial<ClusterWish>]>([
    ['alone', { nodes: [] }],
    ['with one node', {}],
    ['with two nodes, of a coordinator that computes nothing', { usesLocal: false, nodes: [{ workers: 1 }, { workers: 1 }] }],
    ['with a node that leaves and one that freezes', { nodes: [{ workers: 1, leavesAfter: 3 }, { workers: 1, freezesAfter: 4 }] }],
    ['with one node, in bytes and a scale for each block', { codec: 'int8' }],
  ])('%s: comes close to sync, and its log tells no fault', async (_who, more) => {
    const records: EventRecord[] = [];
    const { accuracy } = await together({ ...mode, ...more, record: (record) => { records.push(record); } });
    expect(accuracy).toBeGreaterThan((await reference).accuracy - DISTANCE);
    const { problems, updates, oldest } = replay(records);
    expect(problems).toEqual([]);
    // Where steps overlap, some share is from before the update that it is in; in `stale` none is older than the bound.
    if (name === 'stale') expect(oldest).toBeLessThanOrEqual(2);
    if (name !== 'local' && more.usesLocal === false) expect(oldest).toBeGreaterThan(0);
    if (name !== 'local' && more.usesLocal === false) expect(updates.length).toBeGreaterThan(0);
  });
});
