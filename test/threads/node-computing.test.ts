import { expect, test } from 'vitest';
import { coordinatorShareSlots } from '../../cluster/coordinator/leaf-groups.js';
import { NodeComputing, type SharePart } from '../../cluster/node/computing.js';
import { codecsOf } from '../../src/codecs/choice.js';
import { distribute } from '../../src/index.js';
import { viewControl, type FoldProgress } from '../../src/train/control.js';
import type { Session, WorkerPool } from '../../src/train/session.js';
import { classification, mlp } from './models.js';

/** Workers that are moved by hand. */
class HandPool implements WorkerPool {
  readonly workers = 2;
  progress!: FoldProgress;
  finish: () => void = () => undefined;

  open({ memory, control }: Session): ReturnType<WorkerPool['open']> {
    this.progress = viewControl(memory, control).progress;
    return { run: () => new Promise((resolve) => { this.finish = () => { resolve(undefined); }; }), end: async () => undefined };
  }

  async close(): Promise<void> { /* there is no thread */ }
}

test('a node hands shares on as they are summed: by the slowest worker, and whole before the next one begins', async () => {
  const trainer = await distribute(mlp({ features: 20 }), { workers: 1, kernels: 'portable', shardSize: 8 });
  const pool = new HandPool();
  try {
    const { plans, module, tile } = trainer.parts;
    const { x, y } = classification(64, 20, 5);
    const examples = await trainer.examples(x, y);
    await trainer.withSession({ train: { examples, batchSize: 64, shareSlots: coordinatorShareSlots({ kind: 'sync' }, 8) } }, async ({ session }) => {
      const { plan } = session.train!;
      const computing = new NodeComputing({
        plan, parameterFloats: plans.layout.totalFloats, data: { way: 'columns', inputs: examples.inputs, targets: examples.targets },
        exampleCount: 64, batchRows: 64, shardSize: 8, seed: 1, shuffle: true, mode: { kind: 'sync' }, codecs: codecsOf(),
      }, { pool, module, tile });
      const parts = computing.compute({ epoch: 0, step: 0, version: 0, subtrees: [{ level: 1, index: 0 }, { level: 1, index: 1 }] });
      const next = async (): Promise<unknown> => {
        const { value } = await parts.next() as IteratorYieldResult<SharePart>;
        return [value.share.subtree.index, value.floats, value.computeMs];
      };
      const first = next();
      const { progress } = pool;
      progress.begin(0);
      progress.reach(0, 48);
      progress.reach(1, 32);
      expect(await first).toEqual([0, 32, 0]);
      progress.spentMs[0] = 7;
      progress.reach(0);
      progress.reach(1);
      // The second share has not begun: the time until then is not the first one's.
      expect(await next()).toEqual([0, plan.sumsOffset, 7]);
      const second = next();
      progress.spentMs[1] = 9;
      pool.finish();
      expect(await second).toEqual([1, plan.sumsOffset, 9]);
      expect((await parts.next()).done).toBe(true);
    });
  } finally {
    await trainer.close();
  }
});
