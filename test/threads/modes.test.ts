import { describe, expect, test } from 'vitest';
import { optimizers } from '../../src/index.js';
import { trainTogether, type ClusterWish, type Outcome } from './in-process.js';
import { classification, mlp } from './models.js';

// Every mode with a coordinator and nodes in one process. What they come to depends on who was when where, so that bounds are compared.

const EXAMPLES = 1_200;
const FEATURES = 60; // enough work that a node gets some of every step
const { x, y } = classification(EXAMPLES, FEATURES, 5);

/** Points of accuracy that a mode may stay behind `sync` on the same data, after as many examples. */
const DISTANCE = 0.05;

const WISH: ClusterWish = {
  model: () => mlp({ features: FEATURES, units: 150, dropout: 0.1, regularizer: true }),
  optimizer: optimizers.adam({ learningRate: 0.002 }),
  x, y, batchSize: 96, shardSize: 8, epochs: 15, workers: 1, usesLocal: true, nodes: [{ workers: 1 }],
};

const together = (more: Partial<ClusterWish>): Promise<Outcome> => trainTogether({ ...WISH, ...more });

const reference = together({ nodes: [] });

describe.each<[string, Partial<ClusterWish>]>([
  ['stale', { mode: 'stale', staleness: 2 }],
  ['local', { mode: 'local', period: 4 }],
  ['async', { mode: 'async' }],
])('mode %s', (_name, mode) => {
  test.each<[string, Partial<ClusterWish>]>([
    ['alone', { nodes: [] }],
    ['with one node', {}],
    ['with two nodes, of a coordinator that computes nothing', { usesLocal: false, nodes: [{ workers: 1 }, { workers: 1 }] }],
    ['with a node that leaves and one that freezes', { nodes: [{ workers: 1, leavesAfter: 3 }, { workers: 1, freezesAfter: 4 }] }],
  ])('%s: comes close to sync', async (_who, more) => {
    const { accuracy, logs, mishaps } = await together({ ...mode, ...more });
    console.log(_name, _who, accuracy, (await reference).accuracy, logs.at(-1), mishaps);
    expect(accuracy).toBeGreaterThan((await reference).accuracy - DISTANCE);
  });
});
