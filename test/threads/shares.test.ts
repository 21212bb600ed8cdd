import { describe, expect, test } from 'vitest';
import { distribute, optimizers, type DistributeOptions } from '../../src/index.js';
import { rootAdditions } from '../../src/plan/joins.js';
import { subtreesOf, type TreeNode } from '../../src/plan/tree.js';
import { shuffledIndices } from '../../src/random/shuffle.js';
import { COMMAND, FIELD } from '../../src/train/control.js';
import type { Trainer } from '../../src/train/trainer.js';
import { classification, mlp, numbers } from './models.js';

// A step whose shares are computed subtree by subtree, in any order and in several commands, is the step of fit, byte for byte.

const EXAMPLES = 203;
const BATCH = 60;
const SHARD = 4;
const { x, y } = classification(EXAMPLES, 13, 5);

/** Cuts the leaves at some places that depend on the step: aligned subtrees of several sizes. */
function tiling(leafCount: number, step: number): TreeNode[] {
  const draws = numbers(3, step + 1).map((value) => Math.floor(((value + 1) / 2) * leafCount));
  const borders = [0, ...[...draws].sort((a, b) => a - b), leafCount];
  return borders.slice(1).flatMap((end, at) => subtreesOf({ start: borders[at]!, end }, leafCount, 6));
}

/** One epoch, step by step over shares in slots. */
async function trainByShares(trainer: Trainer): Promise<void> {
  const { state, model } = trainer.parts;
  const examples = await trainer.examples(x, y);
  await state.readModel(model);
  await trainer.withSession({ train: { examples, batchSize: BATCH, shareSlots: 20 } }, async ({ runner, control, session }) => {
    shuffledIndices(EXAMPLES, trainer.facts.seed, 0, state.arena.words(session.train!.indices, EXAMPLES));
    for (let step = 0; step * BATCH < EXAMPLES; step++) {
      const rows = Math.min(BATCH, EXAMPLES - step * BATCH);
      const leafCount = Math.ceil(rows / SHARD);
      const subtrees = tiling(leafCount, step);
      const orders = subtrees.map((subtree, at) => ({ ...subtree, slot: (at * 7 + step) % 20 })); // 7 and 20 have no common factor
      const half = Math.ceil(orders.length / 2);
      for (const part of [orders.slice(half), orders.slice(0, half)]) {
        control.orders.writeShares({ step, draw: step, shares: part });
        await runner.run(COMMAND.shares);
      }
      const additions = rootAdditions(subtrees, leafCount).map(({ into, from }) => ({ into: orders[into]!.slot, from: orders[from]!.slot }));
      control.orders.writeUpdate({ rows, result: orders[0]!.slot, additions });
      await runner.run(COMMAND.apply);
      expect(control.fields[FIELD.version]).toBe(step + 1);
    }
    state.version = control.fields[FIELD.version]!;
  });
}

async function hashOf(workers: number, options: DistributeOptions, train: (trainer: Trainer) => Promise<unknown>): Promise<string> {
  const trainer = await distribute(mlp({ dropout: 0.3, regularizer: true }), { workers, shardSize: SHARD, engineFlags: true, seed: 7, ...options });
  try {
    await train(trainer);
    return trainer.hashes().stateSha256;
  } finally {
    await trainer.close();
  }
}

describe.each([1, 3])('%i workers', (workers) => {
  test.each([['adam', {}], ['adam, clipped by global norm', { optimizer: optimizers.adam({ clipNorm: 0.05 }) }]])('make the step of fit of shares: %s', async (_name, options) => {
    const whole = await hashOf(workers, options, (trainer) => trainer.fit(x, y, { batchSize: BATCH, epochs: 1 }));
    expect(await hashOf(workers, options, trainByShares)).toBe(whole);
  });
});
