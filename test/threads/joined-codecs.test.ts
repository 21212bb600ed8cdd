import { expect, test } from 'vitest';
import { SentParameters, type ParametersVersion } from '../../cluster/coordinator/sent-parameters.js';
import { NodeComputing } from '../../cluster/node/computing.js';
import { NodeSession } from '../../cluster/node/node-session.js';
import type { MessageOf } from '../../cluster/protocol/messages.js';
import { codecsOf, type Codecs } from '../../src/codecs/choice.js';
import type { CodecName } from '../../src/codecs/codec.js';
import { instantiateKernels } from '../../src/kernels/load.js';
import { optimizers } from '../../src/index.js';
import { trainTogether, type ClusterWish } from './in-process.js';
import { InlinePool } from '../../workers/inline-pool.js';
import { mlp, numbers } from './models.js';
import { withTrainer } from './trainers.js';

const [EXAMPLES, FEATURES, BATCH, SHARD] = [384, 200, 96, 8];
const values = numbers(EXAMPLES * FEATURES, 3);
const x = { values, shape: [EXAMPLES, FEATURES] };
const y = { values: Float32Array.from({ length: EXAMPLES }, (_, row) => Math.floor((values[row * FEATURES]! + 1) * 2.4999)), shape: [EXAMPLES] };
const model = (): ReturnType<typeof mlp> => mlp({ features: FEATURES, units: 300 });
const CODECS: [string, Codecs][] = (['float32', 'bfloat16', 'int8', 'topk'] as const).map((name) => [name, codecsOf(name)]);

/** A node that is told parameters and asked what it computes with them. */
class Follower {
  #known: ParametersVersion | undefined;
  #hash = '';
  readonly #session: NodeSession;
  #sent: () => void = () => undefined;

  constructor(...[task, tools]: ConstructorParameters<typeof NodeComputing>) {
    const computing = new NodeComputing(task, tools);
    computing.begin('the run');
    this.#session = new NodeSession(computing, async (message) => {
      this.#hash = (message as MessageOf<'share'>).sha256;
      this.#sent();
    }, (error) => { throw error; });
  }

  async follow(sent: SentParameters, now: ParametersVersion): Promise<void> {
    for (const part of sent.partsSince(this.#known, now)) await this.#session.parameters({ type: 'parameters', generation: 1, scalars: new Float32Array(0), ...part });
    this.#known = now;
  }

  /** Of the gradients of a shard. */
  async hashOfShare(): Promise<string> {
    const { version } = this.#known!;
    const sent = new Promise<void>((resolve) => { this.#sent = resolve; });
    this.#session.assign({ type: 'assign', generation: 1, assignment: version, task: 'train', epoch: 0, step: 0, stepCount: 1, version, subtrees: [{ level: 0, index: 0 }] });
    await sent;
    return this.#hash;
  }
}

test.each(CODECS.filter(([name]) => name !== 'topk'))('parameters as for %s: nodes compute the same bits, whenever they came and whatever they missed', async (name, { toNode }) => {
  await withTrainer(model(), { workers: 1, shardSize: SHARD }, async (trainer) => {
    const { state, module, tile, plans } = trainer.parts;
    const examples = await trainer.examples(x, y);
    await state.readModel(trainer.parts.model);
    await trainer.withSession({ train: { examples, batchSize: BATCH } }, async ({ session }) => {
      const { plan } = session.train!;
      const kernels = instantiateKernels(module, session.memory);
      const sent = new SentParameters({
        memory: session.memory, kernels, allocate: (slot, byteLength) => state.arena.slot(slot, byteLength),
        address: state.parameters, floats: plans.layout.totalFloats, updatedFloats: plan.sumsOffset,
      }, toNode);
      const task = {
        plan, parameterFloats: plans.layout.totalFloats, data: { way: 'columns' as const, inputs: examples.inputs, targets: examples.targets }, codecs: { toNode, toCoordinator: { name: 'float32' } as const },
        exampleCount: EXAMPLES, batchRows: BATCH, shardSize: SHARD, seed: 7, shuffle: true, mode: { kind: 'sync' } as const,
      };
      const nodes = Array.from({ length: 3 }, () => new Follower(task, { pool: new InlinePool(), module, tile }));
      // The second comes later; the third misses one version, and then many.
      const present = [[0, 2], [0, 2], [0, 1], [0, 1, 2], [0, 1], [0, 1], [0, 1], [0, 1], [0, 1], [0, 1, 2], [0, 1, 2]];
      const seen = new Set<string>();
      for (const [version, indices] of present.entries()) {
        const now = { generation: 1, version };
        for (const index of indices) await nodes[index]!.follow(sent, now);
        const hashes = await Promise.all(indices.map((index) => nodes[index]!.hashOfShare()));
        expect(new Set(hashes).size).toBe(1);
        seen.add(hashes[0]!);
        for (const [i, value] of numbers(plan.sumsOffset, version).entries()) state.parameterFloats()[i]! += 1e-3 * value;
      }
      expect([name, seen.size]).toEqual([name, present.length]);
    });
  });
});

test.each(CODECS)('%s: a run whose nodes lose connections, and shares with them, and come back', async (name, codecs) => {
  const settled: MessageOf<'settled'>['shares'][number][] = [];
  const { accuracy, mishaps } = await trainTogether({
    model, optimizer: optimizers.adam({ learningRate: 0.001 }), x, y, batchSize: BATCH, epochs: 15, workers: 1, usesLocal: false, shardSize: SHARD,
    codec: { toNode: codecs.toNode.name as 'int8', toCoordinator: codecs.toCoordinator.name },
    // Early: a node that is slow for a moment is given little later.
    nodes: [{ workers: 1, breaksAt: 1 }, { workers: 1, breaksAt: 2 }],
    told: (_, message) => { if (message.type === 'settled') settled.push(...message.shares); },
  });
  expect(mishaps).toBe(2);
  expect(accuracy).toBeGreaterThan(0.7); // of five classes
  // Each lost share is said to be lost to the node that is back, and all others to count.
  if (name === 'int8' || name === 'topk') {
    expect(settled.filter(({ counts }) => !counts).length).toBeGreaterThanOrEqual(2);
    expect(settled.filter(({ counts }) => counts).length).toBeGreaterThan(20);
  } else expect(settled).toEqual([]);
});

test.each<[NonNullable<ClusterWish['mode']>, CodecName]>([['stale', 'topk'], ['async', 'int8'], ['local', 'bfloat16'], ['local', 'int8']])('mode %s, %s: shares, or states, and parameters of every version', async (mode, codec) => {
  const settled: MessageOf<'settled'>['shares'][number][] = [];
  const heard = new Set<string>();
  const { accuracy } = await trainTogether({
    model, optimizer: optimizers.adam({ learningRate: 0.001 }), x, y, batchSize: BATCH, epochs: 20, workers: 1, usesLocal: false, shardSize: SHARD, mode, codec, nodes: [{ workers: 1 }, { workers: 1 }],
    told: (_, message) => { if (message.type === 'settled') settled.push(...message.shares); },
    heard: (_, message) => { if ('codec' in message) heard.add(`${message.type} ${message.codec}`); },
  });
  expect(accuracy).toBeGreaterThan(0.7);
  expect([...heard]).toEqual([`${mode === 'local' ? 'state' : 'share'} ${codec}`]);
  expect(settled.some(({ counts }) => counts)).toBe(codec !== 'bfloat16');
});
