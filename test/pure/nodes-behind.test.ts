import { createHash } from 'node:crypto';
import { expect, test } from 'vitest';
import { Attendance } from '../../cluster/coordinator/attendance.js';
import { SentParameters } from '../../cluster/coordinator/sent-parameters.js';
import type { NodeChannel } from '../../cluster/coordinator/channel.js';
import { Register } from '../../cluster/coordinator/register.js';
import type { CoordinatorMessage, MessageOf } from '../../cluster/protocol/messages.js';
import { eligible } from '../../cluster/rounds/membership.js';

const FLOATS = 1_024;
const SUBTREES = [{ level: 0, index: 0 }];

/** A node whose socket takes nothing until it is told to. */
class SlowReader {
  readonly sent: CoordinatorMessage[] = [];
  #taken: (() => void)[] = [];

  channel(connection: number): NodeChannel {
    return {
      connection, identity: 'a slow reader', role: 'node', bufferedBytes: 0, heardMs: 0, close: () => undefined,
      send: (message) => new Promise((resolve) => {
        this.sent.push(message);
        this.#taken.push(resolve);
      }),
    };
  }

  async drain(): Promise<void> {
    for (const taken of this.#taken.splice(0)) taken();
    await new Promise((resolve) => { setImmediate(resolve); });
  }

  get parameters(): MessageOf<'parameters'>[] {
    return this.sent.flatMap((message) => (message.type === 'parameters' ? [message] : []));
  }

  get versions(): number[] {
    return this.parameters.map(({ version }) => version);
  }
}

function attendance(): { readonly it: Attendance; readonly update: (version: number) => void } {
  const memory = new WebAssembly.Memory({ initial: 1, maximum: 1, shared: true });
  const noRoom = (name: string): number => { throw new Error(`float32 needs no ${name}`); };
  const parameters = new SentParameters({ memory, kernels: {}, allocate: noRoom, address: 0, floats: FLOATS, updatedFloats: FLOATS }, { name: 'float32' });
  const it = new Attendance({ sent: { parameters, fates: undefined }, usesLocal: false, heartbeatMs: 1_000, silenceMs: 5_000, register: new Register(), now: () => 0 });
  return { it, update: (version) => { new Float32Array(memory.buffer, 0, FLOATS).fill(version); } };
}

function enter(it: Attendance, channel: NodeChannel): number {
  const member = it.admit(channel)!;
  it.ready(it.members.byNumber.get(member)!, 0, { workers: 1, nodes: 1 });
  return member;
}

const workOf = (version: number): Parameters<Attendance['nodes']['assign']>[1] => ({ generation: 1, version, epoch: 0, step: version, subtrees: SUBTREES });

test('a reader that is paused over five updates has one whole version before it, and then gets the newest', async () => {
  const { it, update } = attendance();
  const reader = new SlowReader();
  const member = enter(it, reader.channel(0));
  for (let version = 1; version <= 6; version++) {
    update(version);
    for (const { number } of eligible(it.members, version)) it.nodes.assign(number, workOf(version));
  }
  expect(reader.sent.map(({ type }) => type)).toEqual(['parameters', 'assign']);
  const [first] = reader.sent;
  if (first?.type !== 'parameters') throw new Error('no parameters were sent');
  expect(new Float32Array(first.bytes.buffer).every((value) => value === 1)).toBe(true);
  expect(createHash('sha256').update(first.bytes).digest('hex')).toBe(first.sha256);

  await reader.drain();
  expect(eligible(it.members, 6).map(({ number }) => number)).toEqual([member]);
  it.nodes.assign(member, workOf(6));
  expect(reader.versions).toEqual([1, 6]);
});

test('what a paused reader was sent stays as it is while another gets newer versions, whose memory is used again', async () => {
  const { it, update } = attendance();
  const [slow, quick] = [new SlowReader(), new SlowReader()];
  for (const [connection, reader] of [slow, quick].entries()) enter(it, { ...reader.channel(connection), identity: `reader ${connection}` });
  for (let version = 1; version <= 6; version++) {
    update(version);
    for (const { number } of eligible(it.members, version)) it.nodes.assign(number, workOf(version));
    await quick.drain();
  }
  expect([slow.versions, quick.versions]).toEqual([[1], [1, 2, 3, 4, 5, 6]]);
  const [paused] = slow.parameters;
  expect(new Float32Array(paused!.bytes.buffer).every((value) => value === 1)).toBe(true);
  expect(createHash('sha256').update(paused!.bytes).digest('hex')).toBe(paused!.sha256);
  // That of version 1, which is still read, and that of the newest, which the ones before had.
  expect(new Set(quick.parameters.map(({ bytes }) => bytes)).size).toBe(2);
});

test('whoever comes back over another connection does not answer for the old one', async () => {
  const { it, update } = attendance();
  const [old, fresh] = [new SlowReader(), new SlowReader()];
  update(1);
  it.nodes.assign(enter(it, old.channel(0)), workOf(1));
  const member = enter(it, fresh.channel(1));
  it.nodes.assign(member, workOf(1));
  await old.drain();
  expect(eligible(it.members, 2)).toEqual([]);
  await fresh.drain();
  expect(eligible(it.members, 2).map(({ number }) => number)).toEqual([member]);
});
