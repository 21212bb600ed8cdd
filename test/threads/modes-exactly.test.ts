import { describe, expect, test } from 'vitest';
import { coordinatorShareSlots } from '../../cluster/coordinator/leaf-groups.js';
import { PeriodsRunner } from '../../cluster/coordinator/periods-runner.js';
import { Register } from '../../cluster/coordinator/register.js';
import { RoundsRunner } from '../../cluster/coordinator/rounds-runner.js';
import { NodeComputing } from '../../cluster/node/computing.js';
import { NodeSession } from '../../cluster/node/node-session.js';
import type { AssignMessage, CoordinatorMessage, MessageOf } from '../../cluster/protocol/messages.js';
import { codecsOf } from '../../src/codecs/choice.js';
import { optimizers } from '../../src/index.js';
import { instantiateKernels } from '../../src/kernels/load.js';
import { readSlot } from '../../src/plan/parameters.js';
import { COMMAND, FIELD } from '../../src/train/control.js';
import { capacityFor } from '../../src/train/programs.js';
import { Trainer } from '../../src/train/trainer.js';
import { InlinePool } from '../../workers/inline-pool.js';
import { trainTogether, type ClusterWish } from './in-process.js';
import { classification, mlp, numbers } from './models.js';
import { withTrainer } from './trainers.js';

const RATE = 0.5;
const BATCH = 32;
const SHARD = 8;

/** What a node was asked for, and has not given. */
interface Owed {
  readonly node: number;
  readonly assign: AssignMessage;
  readonly subtree: AssignMessage['subtrees'][number];
}

test('async: shares in a scripted order are applied at rate * (examples / batch) / (1 + age), as in float64', async () => {
  const steps = 6;
  const { x, y } = classification(steps * BATCH, 4, 2);
  await withTrainer(mlp({ features: 4, units: 3, classes: 2 }), { mode: 'async', optimizer: optimizers.sgd({ learningRate: RATE }), shardSize: SHARD }, async (trainer) => {
    const { state, module, plans, model } = trainer.parts;
    const examples = await trainer.examples(x, y);
    await state.readModel(model);
    await trainer.withSession({ train: { examples, batchSize: BATCH, shareSlots: coordinatorShareSlots({ kind: 'async' }) } }, async ({ runner, control, session }) => {
      const rounds = new RoundsRunner(runner, {
        session, kernels: instantiateKernels(module, session.memory), parameters: state.parameters, parameterFloats: plans.layout.totalFloats,
        usesLocal: false, heartbeatMs: 1_000, silenceMs: 60_000, rules: { mode: { kind: 'async' }, quorum: 2, backup: false, auditProbability: 0, checkShares: false },
        register: new Register(), draw: () => 1, notice: () => undefined,
        codecs: codecsOf(undefined), allocate: (name, byteLength) => state.arena.slot(name, byteLength), now: () => performance.now(),
      });
      const owed: Owed[] = [];
      for (const node of [0, 1]) {
        const send = async (message: CoordinatorMessage): Promise<void> => {
          if (message.type === 'assign') owed.push(...message.subtrees.map((subtree) => ({ node, assign: message, subtree })));
        };
        const member = rounds.nodes.admit({ connection: node, identity: `node ${String(node)}`, role: 'node', bufferedBytes: 0, heardMs: 0, close: () => undefined, send })!;
        rounds.nodes.receive(member, node, { type: 'ready', generation: 1, workers: 1, nodes: 1, data: 'columns' });
      }
      const expected = Float64Array.from(state.parameterFloats());
      control.fields[FIELD.stepLimit] = steps;
      let isDone = false;
      const training = rounds.run(COMMAND.train).then(() => { isDone = true; });
      const ages: number[] = [];
      for (let version = 0; ; version++) {
        // Everybody waits for shares, or for the end.
        while (!isDone && (owed.length === 0 || control.fields[FIELD.version] !== version)) await new Promise((resolve) => { setImmediate(resolve); });
        if (isDone) break;
        const { node, assign, subtree } = owed.splice((version * 5) % owed.length, 1)[0]!;
        const exampleCount = SHARD * 2 ** subtree.level;
        const gradients = numbers(plans.layout.updatedFloats, version + 1);
        const age = version - assign.version;
        ages.push(age);
        gradients.forEach((gradient, at) => { expected[at] = expected[at]! - (RATE * (exampleCount / BATCH)) / (1 + age) * (gradient / exampleCount); });
        rounds.nodes.receive(node, node, {
          type: 'share', generation: 1, assignment: assign.assignment, step: assign.step, version: assign.version, subtree, exampleCount, sums: Float32Array.of(1, 1), computeMs: 1, encodeMs: 0,
          codec: 'float32', firstValue: 0, valueCount: gradients.length, sha256: '', bytes: new Uint8Array(gradients.buffer),
        });
      }
      await training;
      expect(control.fields[FIELD.epochStep]).toBe(steps);
      expect(control.sums[0]).toBe(steps * BATCH);
      expect(new Set(ages).size).toBeGreaterThan(2);
      for (const slot of plans.layout.slots) {
        const wanted = readSlot(slot, Float32Array.from(expected));
        readSlot(slot, state.parameterFloats()).forEach((value, at) => { expect(value).toBeCloseTo(wanted[at]!, 5); });
      }
      await rounds.end();
    });
  });
}, 30_000);

test('local with period 1, no momentum, sgd and equal parts is the average of a batch twice as large', async () => {
  const { x, y } = classification(8 * BATCH, 20, 3);
  const wish: ClusterWish = {
    model: () => mlp({ features: 20, units: 30, classes: 3, regularizer: true }), optimizer: optimizers.sgd({ learningRate: 0.1 }),
    x, y, batchSize: BATCH, shardSize: SHARD, epochs: 3, workers: 1, usesLocal: false, nodes: [{ workers: 1 }, { workers: 1 }], mode: 'local', period: 1,
  };
  const [together, large] = [await trainTogether(wish), await trainTogether({ ...wish, mode: 'sync', period: undefined, batchSize: 2 * BATCH, usesLocal: true, nodes: [] })];
  together.parameters.forEach((value, at) => { expect(value).toBeCloseTo(large.parameters[at]!, 5); });
  together.logs.forEach(({ loss }, epoch) => { expect(loss).toBeCloseTo(large.logs[epoch]!['loss']!, 1); });
});

test('local with an outer optimizer goes the outer rate of the way', async () => {
  const { x, y } = classification(2 * BATCH, 20, 3);
  const wish: ClusterWish = {
    model: () => mlp({ features: 20, units: 30, classes: 3 }), optimizer: optimizers.sgd({ learningRate: 0.1 }),
    x, y, batchSize: BATCH, shardSize: SHARD, epochs: 2, workers: 1, usesLocal: true, nodes: [], mode: 'local', period: 2,
  };
  const ends: Float32Array[] = [];
  const note = (parameters: Float32Array): void => { ends.push(Float32Array.from(parameters)); };
  // One period an epoch: m = rate * d, with the d of plain averaging.
  await trainTogether({ ...wish, epochs: 1, epochEnd: note });
  await trainTogether({ ...wish, epochs: 1, outerLearningRate: 0.7, outerMomentum: 0.9, epochEnd: note });
  const start = (await trainTogether({ ...wish, epochs: 1, optimizer: optimizers.sgd({ learningRate: 0 }), epochEnd: () => undefined })).parameters;
  const [plain, outer] = ends as [Float32Array, Float32Array];
  outer.forEach((value, at) => { expect(value - start[at]!).toBeCloseTo(0.7 * (plain[at]! - start[at]!), 6); });
});

test('a node computes the next assignment while a share is on its way, and no share is written over before it has left', async () => {
  const { x, y } = classification(4 * BATCH, 20, 3);
  await withTrainer(mlp({ features: 20, units: 30, classes: 3 }), { shardSize: SHARD }, async (trainer) => {
    const { state, module, plans, tile, model } = trainer.parts;
    const { inputs, targets, count } = await trainer.examples(x, y);
    await state.readModel(model);
    const plan = plans.training(capacityFor(BATCH, SHARD));
    const computing = new NodeComputing({
      plan, parameterFloats: plans.layout.totalFloats, data: { way: 'columns', inputs, targets }, exampleCount: count, batchRows: BATCH, shardSize: SHARD, seed: 7, shuffle: false,
      mode: { kind: 'stale', staleness: 2 }, codecs: codecsOf(undefined),
    }, { pool: new InlinePool(), module, tile });
    computing.begin('the run');
    const sent: { readonly message: MessageOf<'share'>; readonly copy: string; readonly leave: () => void }[] = [];
    const session = new NodeSession(computing, (message) => new Promise((resolve) => {
      if (message.type === 'share') sent.push({ message, copy: Buffer.from(message.bytes).toString('hex'), leave: resolve });
    }), (error) => { throw error; });
    const bytes = new Uint8Array(Float32Array.from(state.parameterFloats()).buffer);
    await session.parameters({ type: 'parameters', generation: 1, version: 5, kind: 'whole', codec: 'float32', scalars: new Float32Array(0), firstValue: 0, valueCount: bytes.byteLength / 4, sha256: '', bytes });
    const assign = (step: number): void => { session.assign({ type: 'assign', generation: 1, assignment: step, task: 'train', epoch: 0, step, stepCount: 1, version: 5, subtrees: [{ level: 2, index: 0 }] }); };
    const turns = async (): Promise<void> => { for (let turn = 0; turn < 50; turn++) await new Promise((resolve) => { setImmediate(resolve); }); };
    [0, 1, 2].forEach(assign);
    await turns();
    expect(sent.map(({ message }) => message.step)).toEqual([0, 1]);
    expect(Buffer.from(sent[0]!.message.bytes).toString('hex')).toBe(sent[0]!.copy);
    expect(sent[1]!.copy).not.toBe(sent[0]!.copy);
    sent[0]!.leave();
    await turns();
    expect(sent.map(({ message }) => message.step)).toEqual([0, 1, 2]);
    expect(Buffer.from(sent[1]!.message.bytes).toString('hex')).toBe(sent[1]!.copy);
    for (const { leave } of sent) leave();
    await session.close();
    await computing.close();
  });
});

describe('own steps of a node', () => {
  /** Trains one period of two sources, this machine and a node that answers with `answer`. */
  async function period(answer: (state: MessageOf<'state'>) => MessageOf<'state'>): Promise<{ before: Float32Array; after: Float32Array; examples: number; refusal: unknown }> {
    const { x, y } = classification(2 * BATCH, 20, 3);
    return withTrainer(mlp({ features: 20, units: 30, classes: 3 }), { mode: 'local', period: 1, shardSize: SHARD, optimizer: optimizers.sgd({ learningRate: 0 }) }, async (made) => {
      const trainer = new Trainer({ ...made.parts, pool: new InlinePool() });
      const { state, module, plans, model } = trainer.parts;
      const examples = await trainer.examples(x, y);
      await state.readModel(model);
      return trainer.withSession({ train: { examples, batchSize: BATCH } }, async ({ runner, control, session }) => {
        const rounds = new PeriodsRunner(runner, {
          session, kernels: instantiateKernels(module, session.memory), parameters: state.parameters, parameterFloats: plans.layout.totalFloats,
          usesLocal: true, heartbeatMs: 1_000, silenceMs: 60_000, rules: { mode: { kind: 'local', period: 1 }, quorum: 0, backup: false, auditProbability: 0, checkShares: false },
          register: new Register(), draw: () => 1, notice: () => undefined,
          codecs: codecsOf(undefined), allocate: (name, byteLength) => state.arena.slot(name, byteLength), now: () => performance.now(),
          period: 1, outer: { optimizer: { rate: 1, momentum: 0 }, momentum: state.outerMomentum! },
        });
        let refusal: unknown;
        const send = async (message: CoordinatorMessage): Promise<void> => {
          if (message.type !== 'assign') return;
          const bytes = new Uint8Array(new Float32Array(plans.layout.updatedFloats).fill(2).buffer);
          const { generation, assignment, version, stepCount } = message;
          const honest: MessageOf<'state'> = {
            type: 'state', generation, assignment, version, stepCount, exampleCount: stepCount * BATCH, sums: Float32Array.of(1, 1), computeMs: 1,
            codec: 'float32', firstValue: 0, valueCount: bytes.byteLength / 4, sha256: '', bytes,
          };
          await new Promise((resolve) => { setImmediate(resolve); });
          try {
            rounds.nodes.receive(member, 0, answer(honest));
          } catch (error) {
            refusal = error;
            rounds.nodes.gone(member, 0, 'closed'); // as its connection does
          }
        };
        const member = rounds.nodes.admit({ connection: 0, identity: 'node', role: 'node', bufferedBytes: 0, heardMs: 0, close: () => undefined, send })!;
        rounds.nodes.receive(member, 0, { type: 'ready', generation: 1, workers: 1, nodes: 1, data: 'columns' });
        const before = Float32Array.from(state.parameterFloats());
        control.fields[FIELD.stepLimit] = 2;
        await rounds.run(COMMAND.train);
        expect(control.fields[FIELD.epochStep]).toBe(2);
        const after = Float32Array.from(state.parameterFloats());
        await rounds.end();
        return { before, after, examples: control.sums[0]!, refusal };
      });
    });
  }

  test('weigh by their examples', async () => {
    const { before, after, examples, refusal } = await period((state) => state);
    expect(refusal).toBeUndefined();
    expect(examples).toBe(2 * BATCH);
    // This machine stood still, and the node went 2.
    before.forEach((value, at) => { if (value !== 0) expect(after[at]).toBeCloseTo(value + 1, 5); });
  });

  test.each<[string, (state: MessageOf<'state'>) => MessageOf<'state'>]>([
    ['more examples than it was given', (state) => ({ ...state, exampleCount: 1_000_000 })],
    ['more steps', (state) => ({ ...state, stepCount: 2 })],
    ['fewer parameters', (state) => ({ ...state, valueCount: 4, bytes: state.bytes.subarray(0, 12) })],
    ['another codec', (state) => ({ ...state, codec: 'bfloat16' })],
    ['fewer sums', (state) => ({ ...state, sums: new Float32Array(1) })],
  ])('that claim %s are refused, and nothing of them counts', async (_what, lie) => {
    const { before, after, examples, refusal } = await period(lie);
    expect(refusal).toMatchObject({ code: 'ERR_SHARE' });
    expect(examples).toBe(BATCH);
    expect([...after]).toEqual([...before]);
  });

  test('that are not finite are left out', async () => {
    const { before, after, examples } = await period((state) => ({ ...state, sums: Float32Array.of(NaN, 1) }));
    expect(examples).toBe(BATCH);
    expect([...after]).toEqual([...before]);
  });
});
