import { beforeAll, describe, expect, test } from 'vitest';
import type { CoordinatorMessage } from '../../cluster/protocol/messages.js';
import type { EventRecord } from '../../cluster/rounds/events.js';
import { optimizers, type Optimizer } from '../../src/index.js';
import { trainTogether, type ClusterWish, type NodeWish, type Outcome } from './in-process.js';
import { classification, mlp } from './models.js';

// A step is updated while its last shares arrive: 144,000 parameters are five panels.

/** 5 steps an epoch, the last one shorter. */
const EXAMPLES = 403;
const FEATURES = 200;
const { x, y } = classification(EXAMPLES, FEATURES, 5);
const PANELS = 5;

const WISH: ClusterWish = {
  model: () => mlp({ features: FEATURES, units: 700, dropout: 0.3, regularizer: true }),
  optimizer: optimizers.adam(), x, y, batchSize: 96, shardSize: 8, epochs: 6, workers: 1, usesLocal: true, nodes: [],
};
const NODE: NodeWish = { workers: 1 };
/** Its second share waits with its last panel until the update has begun, and part of it has left. */
const SLOW: NodeWish = { ...NODE, holdsShare: 1 };

interface Followed extends Outcome {
  /** Panels of a version that nodes were told before it was made. */
  readonly ahead: number;
}

async function train(nodes: readonly NodeWish[], more: Partial<ClusterWish> = {}): Promise<Followed> {
  let [version, ahead] = [0, 0];
  const record = (event: EventRecord): void => {
    if (event.event === 'update') version = event.version + 1; // it names the version that it was applied to
    if (event.event === 'alone') version = event.version + event.steps;
  };
  const told = (_node: number, message: CoordinatorMessage): void => { if (message.type === 'parameters' && message.version > version) ahead++; };
  return { ...(await trainTogether({ ...WISH, nodes, ...more, record, told })), get ahead() { return ahead; } };
}

let alone: Followed;
beforeAll(async () => { alone = await train([]); });

describe('while its shares arrive, a step is updated to the same bits', () => {
  test.each<[string, NodeWish[], Partial<ClusterWish>]>([
    ['a node', [SLOW], {}],
    ['two nodes, workers that share the chunks', [{ ...SLOW, workers: 2 }, NODE], { workers: 2 }],
    ['a node, of a coordinator that computes nothing', [SLOW], { usesLocal: false }],
  ])('%s', async (_name, nodes, more) => {
    const { stateSha256, ahead } = await train(nodes, more);
    expect(stateSha256).toBe(alone.stateSha256);
    expect(ahead).toBeGreaterThan(0);
  });

  test.each<[string, Optimizer]>([
    ['a norm is of all of a gradient, so nothing leaves before', optimizers.adam({ clipNorm: 0.1 })],
    ['momentum', optimizers.momentum({ learningRate: 0.01 })],
  ])('%s', async (_name, optimizer) => {
    const waits = optimizer.clip.length > 0;
    const [own, { stateSha256, ahead }] = [await train([], { optimizer }), await train([waits ? NODE : SLOW], { optimizer })];
    expect(stateSha256).toBe(own.stateSha256);
    expect(ahead > 0).toBe(!waits);
  });
});

describe('an update that is called off changed nothing', () => {
  const HELD: NodeWish = { ...SLOW, breaksAt: 2 * PANELS };

  test.each<[string, NodeWish[], Partial<ClusterWish>]>([
    ['a node is lost', [HELD], {}],
    ['a node is lost, of workers that share the chunks', [HELD], { workers: 2 }],
    ['a node is lost and another computes its share, of a coordinator that computes nothing', [HELD, NODE], { usesLocal: false }],
  ])('%s', async (_name, nodes, more) => {
    const { stateSha256, mishaps } = await train(nodes, more);
    expect(mishaps).toBe(1);
    expect(stateSha256).toBe(alone.stateSha256);
  });

  test.each<[string, NodeWish[], boolean]>([
    ['the local pool', [], true],
    ['another node', [NODE], false],
  ])('the end of a share is not finite: %s computes it again', async (_name, others, usesLocal) => {
    const lying: NodeWish = { ...SLOW, tampers: ({ bytes, firstValue }, count) => { if (count === 1 && firstValue > 0) bytes.fill(0xff); } };
    const { stateSha256, closed } = await train([lying, ...others], { usesLocal });
    expect(closed).toEqual(['ERR_EXPELLED']);
    expect(stateSha256).toBe(alone.stateSha256);
  });
});

test('a worker of the coordinator dies in an update that has begun', async () => {
  const { stateSha256 } = await train([SLOW], { faults: [{ worker: 0, version: 1, phase: 'update', kind: 'exit' }] });
  expect(stateSha256).toBe(alone.stateSha256);
});

test.each([7, 8, 9, 10])('a worker of the coordinator dies in the update of version %i', async (version) => {
  const { stateSha256 } = await train([NODE], { faults: [{ worker: 0, version, phase: 'update', kind: 'exit' }] });
  expect(stateSha256).toBe(alone.stateSha256);
});
