import { afterEach, expect, test } from 'vitest';
import { ParametersInbox } from '../../cluster/node/parameters-inbox.js';
import { Register } from '../../cluster/coordinator/register.js';
import type { NodeComputing } from '../../cluster/node/computing.js';
import type { ShareHead } from '../../cluster/node/share-sender.js';
import type { CoordinatorMessage, MessageOf } from '../../cluster/protocol/messages.js';
import { RelayRounds } from '../../cluster/relay/relay-rounds.js';
import { TensorCoding } from '../../cluster/tensor-coding.js';
import { FLOAT32 } from '../../src/codecs/codec.js';
import { leavesOf, type TreeNode } from '../../src/plan/tree.js';
import { CONTROL_BYTES, viewControl } from '../../src/train/control.js';
import { Arrivals } from '../cluster/ends.js';
import { Room } from '../pure/tensor-room.js';

// A relay without workers, and nodes that answer when the test says so. Leaf n adds 2^n to every gradient, so that a sum shows its leaves.

const FLOATS = 4;
const SLOTS = 8;
const LEAVES = 8;
const SHARD = 8;
const STEPS = 2;

const ends: (() => Promise<void>)[] = [];
afterEach(async () => { for (const end of ends.splice(0)) await end(); });

interface Passed extends Pick<ShareHead, 'generation' | 'assignment' | 'subtree' | 'exampleCount'> {
  /** When it was passed. */
  readonly gradients: readonly number[];
  readonly address: number;
  readonly sent: () => void;
}

class Node {
  readonly told = new Arrivals<CoordinatorMessage>();
  readonly #member: number;

  constructor(private readonly rounds: RelayRounds, private readonly connection: number) {
    this.#member = rounds.nodes.admit({
      connection, identity: `node ${String(connection)}`, role: 'node', bufferedBytes: 0, close: () => undefined,
      send: async (message) => { this.told.add(message); },
      get heardMs() {
        return performance.now();
      },
    })!;
    rounds.nodes.receive(this.#member, connection, { type: 'ready', generation: 1, workers: 1, nodes: 1, data: 'columns' });
  }

  /** Its assignment with that number, from 0. */
  async assigned(index: number): Promise<MessageOf<'assign'>> {
    for (let at = 0, seen = -1; ; at++) {
      const message = await this.told.at(at);
      if (message.type === 'assign' && ++seen === index) return message;
    }
  }

  kinds(): string[] {
    return this.told.all.map(({ type }) => type);
  }

  answer({ generation, assignment, step, version, subtrees }: MessageOf<'assign'>): void {
    for (const subtree of subtrees) {
      const value = sumOfLeaves(subtree);
      this.rounds.nodes.receive(this.#member, this.connection, {
        type: 'share', generation, assignment, step, version, subtree, exampleCount: 1, sums: Float32Array.of(value), computeMs: 1, encodeMs: 0, codec: 'float32',
        firstValue: 0, valueCount: FLOATS, sha256: '', bytes: new Uint8Array(new Float32Array(FLOATS).fill(value).buffer),
      });
    }
  }
}

function sumOfLeaves(subtree: TreeNode): number {
  const { start, end } = leavesOf(subtree, LEAVES);
  return 2 ** end - 2 ** start;
}

function relay(): { rounds: RelayRounds; passed: Arrivals<Passed>; node: () => Node; parameters: (version: number, generation?: number) => Promise<void>; assign: (assignment: number, step: number, ...subtrees: TreeNode[]) => Promise<void>; room: Room } {
  const room = new Room();
  const parameters = { address: room.allocate('parameters', FLOATS * 4), floats: FLOATS, updatedFloats: FLOATS };
  const shareBytes = 64;
  const task = { mode: { kind: 'sync' }, exampleCount: STEPS * LEAVES * SHARD, batchRows: LEAVES * SHARD, shardSize: SHARD };
  const inbox = new ParametersInbox(room, parameters, FLOAT32);
  const computing = {
    task, inbox, outgoing: new TensorCoding(room, FLOAT32, FLOATS),
    parts: { room, control: viewControl(room.memory, room.allocate('control', CONTROL_BYTES)), runner: {}, program: { plan: { sumsOffset: FLOATS, sumCount: 1 }, shares: room.allocate('shares', SLOTS * shareBytes), shareBytes, shareSlots: SLOTS, batchRows: task.batchRows, examples: task.exampleCount, shardRows: SHARD } },
    useParameters: () => { inbox.apply(); }, rowsFor: () => undefined, beginStep: ({ step }: { readonly step: number }) => step % STEPS,
  };
  const passed = new Arrivals<Passed>();
  const rounds = new RelayRounds({
    computing: computing as unknown as NodeComputing, usesLocal: false, heartbeatMs: 1_000, silenceMs: 5_000, register: new Register(), sizeChanged: () => undefined, notice: () => undefined, now: () => performance.now(),
    passUp: ({ generation, assignment, subtree, exampleCount }, address) => new Promise((sent) => {
      passed.add({ generation, assignment, subtree, exampleCount, gradients: [...room.at(address, FLOATS)], address, sent });
    }),
  });
  const running = rounds.run();
  ends.push(async () => {
    await rounds.end();
    await running;
  });
  let connections = 0;
  return {
    rounds, passed, room, node: () => new Node(rounds, connections++),
    parameters: (version, generation = 5) => rounds.parameters({
      type: 'parameters', generation, version, kind: 'whole', codec: 'float32', scalars: new Float32Array(0), firstValue: 0, valueCount: FLOATS, sha256: '', bytes: new Uint8Array(FLOATS * 4),
    }),
    assign: (assignment, step, ...subtrees) => rounds.assign({ type: 'assign', generation: 5, assignment, task: 'train', epoch: Math.floor(step / STEPS), step, stepCount: 1, version: step, subtrees }),
  };
}

const WHOLE: TreeNode = { level: 3, index: 0 };
const LEFT: TreeNode = { level: 2, index: 0 };

test('a subtree is cut for two nodes, and its sum goes up as one share of the assignment', async () => {
  const { passed, node, parameters, assign } = relay();
  const [one, other] = [node(), node()];
  await parameters(0);
  await assign(7, 0, WHOLE);
  one.answer(await one.assigned(0));
  other.answer(await other.assigned(0));
  expect(one.kinds()).toEqual(['parameters', 'assign']);
  // 2^0 + ... + 2^7
  expect(await passed.at(0)).toMatchObject({ generation: 5, assignment: 7, subtree: WHOLE, exampleCount: LEAVES * SHARD, gradients: [255, 255, 255, 255] });
});

test('one that is asked for again is not begun again, and answers the newer assignment', async () => {
  const { passed, node, parameters, assign } = relay();
  const only = node();
  await parameters(0);
  await assign(7, 0, WHOLE);
  const assigned = await only.assigned(0);
  await assign(8, 0, WHOLE);
  only.answer(assigned);
  expect(await passed.at(0)).toMatchObject({ assignment: 8, gradients: [255, 255, 255, 255] });
  expect(only.kinds()).toEqual(['parameters', 'assign']);
});

test('one that overlaps another takes its place', async () => {
  const { passed, node, parameters, assign } = relay();
  const only = node();
  await parameters(0);
  await assign(7, 0, WHOLE);
  const whole = await only.assigned(0);
  await assign(8, 0, LEFT);
  const left = await only.assigned(1);
  only.answer(whole);
  only.answer(left);
  // 2^0 + ... + 2^3
  expect(await passed.at(0)).toMatchObject({ assignment: 8, subtree: LEFT, gradients: [15, 15, 15, 15] });
  expect(passed.all).toHaveLength(1);
});

test('what newer parameters have come after, and what is cancelled, is not passed up', async () => {
  const { rounds, passed, node, parameters, assign } = relay();
  const only = node();
  await parameters(0);
  await assign(7, 0, WHOLE);
  const first = await only.assigned(0);
  await parameters(1);
  only.answer(first);
  await assign(8, 1, WHOLE);
  const second = await only.assigned(1);
  rounds.cancel({ type: 'cancel', generation: 5, assignments: [8] });
  only.answer(second);
  await assign(9, 1, LEFT);
  only.answer(await only.assigned(2));
  expect(await passed.at(0)).toMatchObject({ assignment: 9 });
  expect(passed.all).toHaveLength(1);
  expect(only.told.all.filter(({ type }) => type === 'cancel')).toMatchObject([first, second].map(({ assignment }) => ({ assignments: [assignment] })));
});

test('a share that is on its way stays as it is until the socket has taken it', async () => {
  const { passed, node, parameters, assign, room } = relay();
  const only = node();
  await parameters(0);
  await assign(7, 0, WHOLE);
  only.answer(await only.assigned(0));
  const first = await passed.at(0);
  await parameters(1);
  for (let index = 0; index < LEAVES; index++) await assign(8 + index, 1, { level: 0, index });
  for (let index = 0; index < LEAVES; index++) only.answer(await only.assigned(1 + index));
  await passed.at(LEAVES - 1); // of its eight slots seven are left
  expect([...room.at(first.address, FLOATS)]).toEqual([255, 255, 255, 255]);
  expect(passed.all.map(({ address }) => address).filter((address) => address === first.address)).toHaveLength(1);
});

test('after another connection above nodes get the parameters again, and what they were asked for before does not count', async () => {
  const { rounds, passed, node, parameters, assign } = relay();
  const only = node();
  await parameters(0);
  await assign(7, 0, WHOLE);
  const before = await only.assigned(0);
  await rounds.giveUp();
  await parameters(0);
  await assign(1, 0, WHOLE);
  const now = await only.assigned(1);
  expect(now.generation).toBe(before.generation + 1);
  only.answer(before);
  only.answer(now);
  expect(await passed.at(0)).toMatchObject({ generation: 5, assignment: 1 });
  expect(only.kinds()).toEqual(['parameters', 'assign', 'cancel', 'parameters', 'assign']);
  expect(passed.all).toHaveLength(1);
});

test('told to end, it takes no assignment and waits for what is in work', async () => {
  const { rounds, passed, node, parameters, assign } = relay();
  const only = node();
  await parameters(0);
  await assign(7, 0, LEFT);
  const assigned = await only.assigned(0);
  let drained = false;
  const draining = rounds.drain().then(() => { drained = true; });
  await assign(8, 0, { level: 2, index: 1 });
  expect(drained).toBe(false);
  only.answer(assigned);
  await draining;
  expect(passed.all.map(({ assignment }) => assignment)).toEqual([7]);
  expect(only.kinds()).toEqual(['parameters', 'assign']);
});

test('nodes are told that the run rests, also those that come meanwhile, and that it goes on', async () => {
  const { rounds, node, parameters, assign } = relay();
  const early = node();
  rounds.pause('operator');
  const late = node();
  rounds.resume();
  expect([early, late].map((each) => each.kinds())).toEqual([['pause', 'resume'], ['pause', 'resume']]);
  rounds.pause('quorum');
  await rounds.giveUp(); // over the next connection nobody has said that it rests
  await parameters(0);
  await assign(7, 0, WHOLE);
  await early.assigned(0);
  expect(early.kinds()).toEqual(['pause', 'resume', 'pause', 'resume', 'parameters', 'assign']);
});
