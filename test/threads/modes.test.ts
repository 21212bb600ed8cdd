import { describe, expect, test } from 'vitest';
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

/** Points of accuracy that a mode may stay behind `sync` on the same data, after as many examples. */
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
  ['async', { mode: 'async' }],
])('mode %s', (_name, mode) => {
  test.each<[string, Partial<ClusterWish>]>([
    ['alone', { nodes: [] }],
    ['with one node', {}],
    ['with two nodes, of a coordinator that computes nothing', { usesLocal: false, nodes: [{ workers: 1 }, { workers: 1 }] }],
    ['with a node that leaves and one that freezes', { nodes: [{ workers: 1, leavesAfter: 3 }, { workers: 1, freezesAfter: 4 }] }],
  ])('%s: comes close to sync', async (_who, more) => {
    const { accuracy } = await together({ ...mode, ...more });
    expect(accuracy).toBeGreaterThan((await reference).accuracy - DISTANCE);
  });
});
