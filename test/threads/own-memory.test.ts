// A page that may not share memory computes in a memory of one thread: another kind of memory, and the same bits.
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { probeSubject } from '../../cluster/coordinator/served-run.js';
import { NodeComputing, type NodeTools } from '../../cluster/node/computing.js';
import { codecsOf } from '../../src/codecs/choice.js';
import type { CodecName } from '../../src/codecs/codec.js';
import { optimizers } from '../../src/index.js';
import { compileKernels, setEngineFlags, type Arithmetic } from '../../src/kernels/load.js';
import { probeHash } from '../../src/train/probe.js';
import { InlinePool } from '../../workers/inline-pool.js';
import { classification, mlp, numbers } from './models.js';
import { withTrainer } from './trainers.js';

setEngineFlags();

/** With a turn of the event loop before each command, as in a page. */
const pool = (): InlinePool => new InlinePool(() => new Promise(setImmediate));

function tools(arithmetic: Arithmetic): { readonly shared: NodeTools; readonly own: NodeTools } {
  const module = new WebAssembly.Module(readFileSync(new URL(`../../src/kernels/${arithmetic}-unshared.wasm`, import.meta.url)));
  return { shared: { pool: pool(), module: compileKernels(arithmetic), tile: 0 }, own: { pool: pool(), module, tile: 0, isShared: false } };
}

test.each<Arithmetic>(['fma', 'portable'])('a probe in %s finds the same hash', async (arithmetic) => {
  const { shared, own } = tools(arithmetic);
  const { x, y } = classification(64, 13, 5);
  await withTrainer(mlp({ dropout: 0.3 }), { shardSize: 8 }, async (trainer) => {
    const examples = await trainer.examples(x, y);
    const subject = await trainer.withSession({ train: { examples, batchSize: 32 } }, ({ session }) => Promise.resolve(probeSubject(session.train!, trainer.parts.plans.layout.totalFloats)));
    expect(await probeHash(subject, 3, own)).toBe(await probeHash(subject, 3, shared));
  });
});

test.each<[CodecName, 'sync' | 'local']>([['float32', 'sync'], ['topk', 'sync'], ['int8', 'local']])('with %s in mode %s a node sends the same bytes', async (codec, kind) => {
  const { shared, own } = tools('portable');
  const { x, y } = classification(96, 13, 5);
  const mode = kind === 'local' ? { kind, period: 2 } : { kind };
  await withTrainer(mlp({ dropout: 0.3, regularizer: true }), { shardSize: 8, optimizer: optimizers.adam({ learningRate: 0.001 }) }, async (trainer) => {
    const examples = await trainer.examples(x, y);
    const { plans, optimizer } = trainer.parts;
    const results = await trainer.withSession({ train: { examples, batchSize: 48 } }, ({ session }) => {
      const { plan } = session.train!;
      const task = {
        plan, parameterFloats: plans.layout.totalFloats, data: { way: 'columns' as const, inputs: examples.inputs, targets: examples.targets }, exampleCount: 96, batchRows: 48, shardSize: 8,
        seed: 1, shuffle: true, mode, codecs: codecsOf(codec), ...(kind === 'local' && { own: { optimizer, penalties: session.penalties?.plan } }),
      };
      return Promise.all([shared, own].map((each) => sentBy(new NodeComputing(task, each), plan.sumsOffset, kind)));
    });
    expect(results[1]).toEqual(results[0]);
  });
});

/** What a node would send of a step, or of own steps, with parameters of its own place. */
async function sentBy(computing: NodeComputing, floats: number, kind: 'sync' | 'local'): Promise<unknown[]> {
  const { room, program } = computing.parts;
  computing.begin('a run');
  new Float32Array(room.memory.buffer, program.areas[0]!.parameters, floats).set(numbers(floats, 5).map((value) => value / 8));
  const sent: unknown[] = [];
  const encode = (address: number): number[] => [...computing.outgoing.encode(address, { firstValue: 0, valueCount: floats }, computing.residual?.address)];
  if (kind === 'local') {
    const { address, sums } = await computing.makeSteps({ epoch: 0, firstStep: 0, epochStep: 0, stepCount: 2 });
    sent.push([...sums], encode(address));
  } else {
    for await (const { share, floats: there } of computing.compute({ epoch: 0, step: 1, version: 0, subtrees: [{ level: 1, index: 0 }, { level: 1, index: 1 }] })) {
      if (there === floats) sent.push([...share.sums], encode(share.address));
    }
  }
  await computing.close();
  return sent;
}
