import { describe, expect, test } from 'vitest';
import { NodeComputing } from '../../cluster/node/computing.js';
import { NodeSession } from '../../cluster/node/node-session.js';
import type { NodeChannel } from '../../cluster/coordinator/channel.js';
import { coordinatorShareSlots } from '../../cluster/coordinator/leaf-groups.js';
import { Register } from '../../cluster/coordinator/register.js';
import { RowSource } from '../../cluster/coordinator/row-source.js';
import { RoundsRunner } from '../../cluster/coordinator/rounds-runner.js';
import { manifestOf } from '../../cluster/data/manifest.js';
import { nodeHasher } from '../../cluster/net/hasher.js';
import type { CoordinatorMessage, NodeMessage } from '../../cluster/protocol/messages.js';
import { formatRecord, parseRecords, type EventRecord } from '../../cluster/rounds/events.js';
import { replay } from '../../cluster/rounds/replay.js';
import { codecsOf } from '../../src/codecs/choice.js';
import { instantiateKernels } from '../../src/kernels/load.js';
import { distribute } from '../../src/index.js';
import { FitLoop, type FitListener } from '../../src/train/fit.js';
import type { Trainer } from '../../src/train/trainer.js';
import { COMMAND, FIELD } from '../../src/train/control.js';
import { LocalPool } from '../../workers/pool.js';
import { classification, mlp } from './models.js';

// A coordinator and nodes in one process, without sockets: messages are handed over as they are.

const EXAMPLES = 403;
const BATCH = 96;
const SHARD = 8;
const EPOCHS = 20;
const FEATURES = 200; // enough work that a node gets some of every step
const { x, y } = classification(EXAMPLES, FEATURES, 5);

interface NodePlan {
  readonly workers: number;
  /** Version of the parameters from which on it is there. */
  readonly joinsAt: number;
  /** It keeps no columns: rows come with the assignments. */
  readonly data?: 'rows';
  /** It answers so many assignments and is gone. */
  readonly leavesAfter?: number;
  /** From so many assignments on it is silent, though its connection stands. */
  readonly freezesAfter?: number;
}

/** Trains with nodes that come and go; returns the hash of weights and state, how many shares came and nodes left or froze, and the event log. */
async function train(plans: readonly NodePlan[], { workers = 1, usesLocal = true } = {}): Promise<{ hash: string; shares: number; mishaps: number; records: readonly EventRecord[] }> {
  const trainer = await distribute(mlp({ features: FEATURES, units: 300, dropout: 0.3, regularizer: true }), { workers, engineFlags: true, seed: 7, shardSize: SHARD });
  let shares = 0;
  const mishaps = new Set<number>();
  const records: EventRecord[] = [];
  const pools: LocalPool[] = [];
  const sessions: NodeSession[] = [];
  const computings: NodeComputing[] = [];
  try {
    const { state, model, module, tile, plans: modelPlans } = trainer.parts;
    const examples = await trainer.examples(x, y);
    await state.readModel(model);
    await trainer.withSession({ train: { examples, batchSize: BATCH, shareSlots: coordinatorShareSlots({ kind: 'sync' }) } }, async ({ runner, control, session }) => {
      const rounds = new RoundsRunner(runner, {
        session, kernels: instantiateKernels(module, session.memory), parameters: state.parameters, parameterFloats: modelPlans.layout.totalFloats,
        usesLocal, heartbeatMs: 100, silenceMs: 500, rules: { mode: { kind: 'sync' }, quorum: usesLocal ? 0 : 1, backup: false, auditProbability: 0, checkShares: false },
        register: new Register(), draw: () => 1, notice: () => undefined,
        codecs: codecsOf(), allocate: (name, byteLength) => state.arena.slot(name, byteLength), now: () => performance.now(),
        observers: [{ record: (record) => { records.push(record); } }],
      });
      const manifest = [...manifestOf(examples.inputs, 'input', 'train'), ...manifestOf(examples.targets, 'target', 'train')];
      const columns = [...examples.inputs, ...examples.targets].map(({ values }, index) => ({ column: manifest[index]!, bytes: new Uint8Array(values.buffer, values.byteOffset, values.byteLength) }));
      const enter = async (plan: NodePlan, connection: number): Promise<void> => {
        const pool = new LocalPool(plan.workers);
        pools.push(pool);
        let answered = 0;
        let member = -1;
        const isFrozen = (): boolean => answered >= (plan.freezesAfter ?? Infinity);
        const send = async (message: NodeMessage): Promise<void> => {
          if (message.type !== 'share') return;
          if (isFrozen()) {
            mishaps.add(connection);
            return;
          }
          // Over a wire it is a copy.
          const copy = { ...message, bytes: message.bytes.slice() };
          await new Promise((resolve) => { setImmediate(resolve); });
          shares++;
          rounds.nodes.receive(member, connection, copy);
        };
        const computing = new NodeComputing({
          plan: session.train!.plan, parameterFloats: modelPlans.layout.totalFloats,
          data: plan.data === 'rows' ? { way: 'rows', columns: columns.map(({ column }) => column) } : { way: 'columns', inputs: examples.inputs, targets: examples.targets },
          exampleCount: EXAMPLES, batchRows: BATCH, shardSize: SHARD, seed: 7, shuffle: true, mode: { kind: 'sync' }, codecs: codecsOf(),
        }, { pool, module, tile });
        computings.push(computing);
        const node = new NodeSession(computing, send, (error) => { throw error; });
        sessions.push(node);
        const gone = (): void => { rounds.nodes.gone(member, connection, 'closed'); };
        // One after the other, as a connection hands them over.
        let reading = Promise.resolve();
        const read = async (message: CoordinatorMessage): Promise<void> => {
          if (message.type === 'parameters') await node.parameters(message);
          if (message.type === 'rows') await node.rows(message);
          if (message.type !== 'assign') return;
          if (answered >= (plan.leavesAfter ?? Infinity)) {
            mishaps.add(connection);
            gone();
          } else node.assign(message);
          answered++;
        };
        member = rounds.nodes.admit({
          connection, identity: `node ${String(connection)}`, role: 'node', bufferedBytes: 0, close: gone, rows: plan.data === 'rows' ? new RowSource(session.train!, session.memory, columns, nodeHasher) : undefined,
          get heardMs() {
            return isFrozen() ? 0 : performance.now();
          },
          send: async (message) => { reading = reading.then(() => read(message)); },
        })!;
        await computing.warmUp();
        rounds.nodes.receive(member, connection, { type: 'ready', generation: 1, workers: plan.workers, nodes: 1, data: plan.data ?? 'columns' });
      };
      const enterAt = async (steps: number): Promise<void> => {
        for (const [index, plan] of plans.entries()) if (plan.joinsAt === steps) await enter(plan, index);
      };
      await enterAt(0);
      const listener = new Listener(enterAt);
      const settings = {
        epochs: EPOCHS, batchSize: BATCH, examples: EXAMPLES, shuffle: true, seed: 7, mode: 'sync' as const, checkpointEverySteps: undefined,
        sumNames: modelPlans.sumNames, layerNames: [], signal: undefined,
      };
      await new FitLoop(settings, rounds, control, state.arena.words(session.train!.indices, EXAMPLES), undefined, listener).run({ epoch: 0, epochStep: 0, sums: [] });
      await rounds.end();
    });
    return { hash: hashOf(trainer), shares, mishaps: mishaps.size, records };
  } finally {
    await Promise.all(sessions.map((session) => session.close()));
    await Promise.all(computings.map((computing) => computing.close()));
    await Promise.all(pools.map((pool) => pool.close()));
    await trainer.close();
  }
}

const hashOf = (trainer: Trainer): string => trainer.hashes().stateSha256;

/** Tells of every epoch's end, in steps. */
class Listener implements FitListener {
  readonly wantsBatches = false;
  #steps = 0;

  constructor(private readonly afterSteps: (steps: number) => Promise<void>) {}

  async epochBegin(): Promise<void> {}
  async batchBegin(): Promise<void> {}
  async batchEnd(): Promise<void> {}
  epochTrained(): void {}
  async epochEnd(): Promise<void> {
    this.#steps += Math.ceil(EXAMPLES / BATCH);
    await this.afterSteps(this.#steps);
  }
  async checkpoint(): Promise<void> {}
  shouldStop(): boolean {
    return false;
  }
}

describe('nodes change no bit', () => {
  const alone = train([]);

  test.each<[string, NodePlan[], { workers?: number; usesLocal?: boolean }?]>([
    ['one of one worker', [{ workers: 1, joinsAt: 0 }]],
    ['two of two workers', [{ workers: 2, joinsAt: 0 }, { workers: 2, joinsAt: 0 }], { workers: 2 }],
    ['one that keeps no data', [{ workers: 2, joinsAt: 0, data: 'rows' }]],
    ['one that keeps no data, and another that leaves, of a coordinator that computes nothing', [{ workers: 1, joinsAt: 5, data: 'rows' }, { workers: 1, joinsAt: 0, leavesAfter: 7 }], { usesLocal: false }],
    ['one that joins late', [{ workers: 1, joinsAt: 10 }]],
    ['one that leaves in the middle of a step', [{ workers: 1, joinsAt: 0, leavesAfter: 1 }]],
    ['one that joins late and another that leaves', [{ workers: 1, joinsAt: 5, leavesAfter: 0 }, { workers: 1, joinsAt: 10 }]],
    ['one that freezes', [{ workers: 1, joinsAt: 0, freezesAfter: 1 }]],
    ['a coordinator that computes nothing itself', [{ workers: 1, joinsAt: 0 }, { workers: 1, joinsAt: 0 }], { usesLocal: false }],
    ['one of two that freezes, of a coordinator that computes nothing', [{ workers: 1, joinsAt: 0 }, { workers: 1, joinsAt: 0, freezesAfter: 1 }], { usesLocal: false }],
    ['one of two that leaves, of a coordinator that computes nothing', [{ workers: 1, joinsAt: 0 }, { workers: 1, joinsAt: 0, leavesAfter: 0 }], { usesLocal: false }],
  ])('%s', async (_name, plans, options) => {
    const { hash, shares, mishaps, records } = await train(plans, options);
    if (plans.some(({ freezesAfter }) => freezesAfter !== 1)) expect(shares).toBeGreaterThan(0);
    expect(mishaps).toBe(plans.filter(({ leavesAfter, freezesAfter }) => leavesAfter !== undefined || freezesAfter !== undefined).length);
    expect(hash).toBe((await alone).hash);
    expectWholeLog(records, plans.length);
  });
});

/** Every step is in the log, by whom it was made, and every promise about it was kept. */
function expectWholeLog(records: readonly EventRecord[], nodes: number): void {
  const { updates, alone, problems } = replay(parseRecords(records.map(formatRecord).join(''), 'the log'));
  expect(problems).toEqual([]);
  const steps = [...updates.map(({ step }) => step), ...alone.flatMap(({ firstStep, steps: count }) => Array.from({ length: count }, (_, index) => firstStep + index))];
  expect(steps.sort((a, b) => a - b)).toEqual(Array.from({ length: EPOCHS * Math.ceil(EXAMPLES / BATCH) }, (_, step) => step));
  const ready = new Set(records.flatMap((record) => (record.event === 'member' && record.kind === 'node' && record.state === 'ready' ? [record.identity] : [])));
  expect(ready.size).toBe(nodes);
  expect(records.at(-1)).toMatchObject({ event: 'end', outcome: 'finished', version: steps.length });
}
test('a node that is heard is not given up, though it has nothing to say for long', async () => {
  const trainer = await distribute(mlp(), { workers: 1, kernels: 'portable' });
  try {
    const { state, model, module, plans } = trainer.parts;
    const small = classification(64, 13, 5);
    const examples = await trainer.examples(small.x, small.y);
    await state.readModel(model);
    await trainer.withSession({ train: { examples, batchSize: 32, shareSlots: coordinatorShareSlots({ kind: 'sync' }) } }, async ({ runner, control, session }) => {
      const rounds = new RoundsRunner(runner, {
        session, kernels: instantiateKernels(module, session.memory), parameters: state.parameters, parameterFloats: plans.layout.totalFloats,
        usesLocal: true, heartbeatMs: 100, silenceMs: 500, rules: { mode: { kind: 'sync' }, quorum: 1, backup: false, auditProbability: 0, checkShares: false },
        codecs: codecsOf(), allocate: (name, byteLength) => state.arena.slot(name, byteLength), now: () => performance.now(),
        draw: () => 1, notice: () => undefined, register: new Register(),
      });
      const closed: string[] = [];
      let given = (): void => {};
      const givenUp = new Promise<void>((resolve) => { given = resolve; });
      const channel = (connection: number, heard: () => number): NodeChannel => ({
        connection, identity: `node ${String(connection)}`, role: 'node', bufferedBytes: 0, send: () => Promise.resolve(),
        close: (code) => {
          closed.push(`${String(connection)} ${code}`);
          given();
        },
        get heardMs() {
          return heard();
        },
      });
      rounds.nodes.admit(channel(0, () => performance.now())); // its heartbeats
      rounds.nodes.admit(channel(1, () => 0));
      control.fields[FIELD.stepLimit] = 2;
      const training = rounds.run(COMMAND.train);
      await givenUp;
      rounds.steering.abandon();
      await expect(training).rejects.toMatchObject({ code: 'ERR_CLOSED' });
      expect(closed).toEqual(['1 ERR_NODE_TIMEOUT']);
      await rounds.end();
    });
  } finally {
    await trainer.close();
  }
});
