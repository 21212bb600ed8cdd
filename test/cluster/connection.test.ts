import { setImmediate as turn } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { systemClock, type Clock } from '../../cluster/net/clock.js';
import type { Ending } from '../../cluster/net/ending.js';
import type { FromCoordinatorMessage } from '../../cluster/net/connection.js';
import { clusterError } from '../../cluster/protocol/errors.js';
import { drawIdentitySecret, identityOf } from '../../cluster/protocol/identity.js';
import type { DataRequestMessage, ParametersMessage } from '../../cluster/protocol/messages.js';
import { Arrivals, coordinator, MAX_TENSOR_BYTES, node, parametersOf, RUN_ID, sha256, WELCOME } from './ends.js';
import { HandClock } from './hand-clock.js';

const request = (offset: number): DataRequestMessage => ({ type: 'dataRequest', column: 'c'.repeat(64), offset, byteLength: 1 });
const failure = (by: 'us' | 'them', code: string): Ending => ({ how: 'failed', by, error: expect.objectContaining({ code }) as Error });

/** Waits until so many turns of the event loop have changed nothing. */
async function stillness(value: () => number): Promise<void> {
  for (let [last, same] = [value(), 0]; same < 200; same = value() === last ? same + 1 : 0) {
    last = value();
    await turn();
  }
}

test('a node that proves the key is welcomed, and the coordinator knows who it is', async () => {
  const host = await coordinator();
  const identity = identityOf(drawIdentitySecret());
  const { welcome, runId } = await node(host.link, { identity, softwareVersion: '1.2.3' });
  expect(welcome).toEqual({ ...WELCOME, bytes: expect.any(Uint8Array) as Uint8Array });
  expect(runId).toBe(RUN_ID);
  expect(await host.peers.at(0)).toEqual({ role: 'node', identity: identity.publicKey, softwareVersion: '1.2.3', address: '127.0.0.1' });
});

test('a plan of some megabytes comes with the welcome, under TLS too', async () => {
  const bytes = Uint8Array.from({ length: 3_000_000 }, (_, index) => index);
  for (const address of [{ host: '127.0.0.1', port: 0 }, { host: '0.0.0.0', port: 0 }]) {
    const host = await coordinator({ address });
    host.welcome = { ...WELCOME, bytes, sha256: sha256(bytes) };
    const { welcome } = await node({ ...host.link, host: '127.0.0.1' });
    expect(Buffer.from(welcome.bytes).equals(bytes)).toBe(true);
  }
});

test('messages come in their order, each when the handler is done with the one before', async () => {
  const host = await coordinator();
  let [running, atOnce] = [0, 0];
  host.handle = async () => {
    atOnce = Math.max(atOnce, ++running);
    await turn();
    running -= 1;
  };
  const { connection } = await node(host.link);
  for (let offset = 0; offset < 100; offset++) void connection.send(request(offset));
  await host.messages.at(99);
  expect(host.messages.all).toEqual(Array.from({ length: 100 }, (_, offset) => request(offset)));
  expect(atOnce).toBe(1);
});

test('while the handler is behind nothing more is read, and what was sent comes afterwards', async () => {
  const host = await coordinator();
  let release = (): void => {};
  host.handle = () => new Promise((resolve) => { release = resolve; });
  const { connection } = await node(host.link);
  void connection.send({ type: 'ready', generation: 1, workers: 1, nodes: 1, data: 'columns' });
  const bytes = new Uint8Array(MAX_TENSOR_BYTES);
  const span = { codec: 'float32', firstValue: 0, valueCount: bytes.byteLength / 4, sha256: sha256(bytes), bytes } as const;
  for (let assignment = 0; assignment < 32; assignment++) {
    void connection.send({ type: 'share', generation: 1, assignment, step: 0, version: 0, subtree: { level: 0, index: 0 }, exampleCount: 1, sums: new Float32Array(1), computeMs: 0, encodeMs: 0, ...span });
  }
  await host.messages.at(0);
  await stillness(() => connection.bufferedBytes);
  expect(host.messages.all).toHaveLength(1);
  expect(connection.bufferedBytes).toBeGreaterThan(0);
  host.handle = () => {};
  release();
  await host.messages.at(32);
  expect(host.messages.all.slice(1).map((message) => 'assignment' in message && message.assignment)).toEqual(Array.from({ length: 32 }, (_, index) => index));
});

test('one that is frozen is not read, and counts as silent although it speaks, until it is healed', async () => {
  const clock = new HandClock();
  const host = await coordinator({ clock });
  const { connection: speaker } = await node(host.link);
  const connection = await host.connections.at(0);
  const { heardMs } = connection;
  connection.impede('freeze');
  clock.advance(100);
  void speaker.send({ type: 'ready', generation: 1, workers: 1, nodes: 1, data: 'columns' });
  await stillness(() => host.messages.all.length); // it has come
  clock.advance(1_000);
  await stillness(() => host.messages.all.length);
  expect([host.messages.all, connection.heardMs, connection.impediment]).toEqual([[], heardMs, 'freeze']);
  connection.impede(undefined);
  expect(await host.messages.at(0)).toMatchObject({ type: 'ready' });
  expect(connection.heardMs).toBeGreaterThan(heardMs);
});

test('of one that is slowed a message is read after a while', async () => {
  const clock = new HandClock();
  const host = await coordinator({ clock });
  const { connection: speaker } = await node(host.link);
  const connection = await host.connections.at(0);
  connection.impede('slow');
  const { timers } = clock;
  void speaker.send({ type: 'ready', generation: 1, workers: 1, nodes: 1, data: 'columns' });
  while (clock.timers === timers) await turn(); // it has come, and waits
  expect(host.messages.all).toEqual([]);
  clock.advance(150);
  expect(await host.messages.at(0)).toMatchObject({ type: 'ready' });
});

test('what waits for a slow reader lies in the slot alone', async () => {
  const host = await coordinator();
  await node(host.link);
  const connection = await host.connections.at(0);
  const slot = new Uint8Array(new SharedArrayBuffer(16_777_216));
  const message = parametersOf(1, slot);
  const usedBytes = (): number => process.memoryUsage().external;
  const before = usedBytes();
  for (let copy = 0; copy < 4; copy++) void connection.send(message);
  await stillness(() => connection.bufferedBytes);
  // One message is with the reader, which reads one ahead, and a part of the next in the system's socket buffers.
  expect(connection.bufferedBytes).toBeGreaterThan(2 * slot.byteLength);
  expect(usedBytes() - before).toBeLessThan(1.5 * slot.byteLength);
});

test('a lent slot that is overwritten once it is taken never makes a mixture of two versions', async () => {
  const host = await coordinator();
  const { connection: reader } = await node(host.link);
  const connection = await host.connections.at(0);
  // One piece, so that it is with the socket as a whole; 80 of them are more than the system's socket buffers take.
  const slot = new Uint8Array(new SharedArrayBuffer(262_144));
  const versions = Array.from({ length: 80 }, (_, version) => version);
  const received = new Arrivals<ParametersMessage>();
  const taken: boolean[] = [];
  const sending = (async () => {
    for (const version of versions) {
      slot.fill(version + 1);
      taken.push(await connection.send(parametersOf(version, slot)));
      slot.fill(255); // lent no longer
    }
  })();
  await stillness(() => taken.length);
  expect(taken.length).toBeLessThan(versions.length);
  void reader.serve((message) => { if (message.type === 'parameters') received.add(message); });
  await sending;
  await received.at(versions.length - 1);
  expect(taken).toEqual(versions.map(() => true));
  expect(received.all.map(({ version, bytes }) => [version, Buffer.alloc(slot.byteLength, version + 1).equals(bytes)])).toEqual(versions.map((version) => [version, true]));
});

test('what would have to wait can be left unsent', async () => {
  const host = await coordinator();
  await node(host.link);
  const connection = await host.connections.at(0);
  const message = parametersOf(1, new Uint8Array(16_777_216));
  void connection.send(message);
  const waiting = connection.bufferedBytes;
  expect(connection.trySend(message)).toBeUndefined();
  expect(connection.bufferedBytes).toBe(waiting);
});

test('what waits for a slow reader has a limit, and beyond it the connection ends', async () => {
  const host = await coordinator({ limits: { outbox: { maxInFlightBytes: 65_536, maxWaitingBytes: 20_000_000, pieceBytes: 65_536 } } });
  await node(host.link);
  const connection = await host.connections.at(0);
  const sent = [1, 2, 3].map((version) => connection.send(parametersOf(version, new Uint8Array(16_777_216))));
  expect(await Promise.all(sent)).toEqual([false, false, false]);
  expect(await host.endings.at(0)).toEqual(failure('us', 'ERR_SLOW_READER'));
});

test('a node that leaves is known to have left, and why', async () => {
  const host = await coordinator();
  const { connection } = await node(host.link);
  const served = connection.serve(() => {});
  await connection.leave('finished');
  expect(await host.endings.at(0)).toEqual({ how: 'left', reason: 'finished' });
  expect(await host.messages.at(0)).toEqual({ type: 'leave', reason: 'finished' });
  expect(await served).toEqual({ how: 'closed', by: 'us' });
});

test('a node is told that the run is done, and the connection ends', async () => {
  const host = await coordinator();
  const { connection } = await node(host.link);
  const heard = new Arrivals<FromCoordinatorMessage>();
  const served = connection.serve((message) => { heard.add(message); });
  void (await host.connections.at(0)).send({ type: 'done', outcome: 'finished', step: 1, weightsSha256: 'e'.repeat(64) });
  expect(await served).toEqual({ how: 'done', outcome: 'finished' });
  expect(heard.all.map(({ type }) => type)).toEqual(['done']);
  expect(await host.endings.at(0)).toEqual({ how: 'closed', by: 'them' });
});

test('who is refused later learns the code and the sentence', async () => {
  const host = await coordinator();
  const error = clusterError('ERR_OTHER_ARITHMETIC', { theirs: 'fma', ours: 'portable' });
  host.handle = () => { throw error; };
  const { connection } = await node(host.link);
  const served = connection.serve(() => {});
  void connection.send(request(0));
  expect(await host.endings.at(0)).toEqual({ how: 'failed', by: 'us', error });
  expect(await served).toMatchObject({ how: 'failed', by: 'them', error: { code: 'ERR_OTHER_ARITHMETIC', message: error.message } });
});

test('a fault of a handler ends that connection and no other', async () => {
  const host = await coordinator();
  host.handle = (message) => { if (message.type === 'dataRequest' && message.offset === 666) throw new TypeError('a fault of ours'); };
  const [one, other] = [await node(host.link), await node(host.link)];
  void one.connection.send(request(666));
  expect(await host.endings.at(0)).toEqual({ how: 'failed', by: 'us', error: new TypeError('a fault of ours') });
  void other.connection.send(request(1));
  expect(await host.messages.at(1)).toEqual(request(1));
});

test('a message that its sender may not send ends the connection', async () => {
  const host = await coordinator();
  const { connection } = await node(host.link);
  const served = connection.serve(() => {});
  void connection.send({ type: 'command', id: 1, command: 'stop' });
  expect(await host.endings.at(0)).toEqual(failure('us', 'ERR_UNEXPECTED_MESSAGE'));
  expect(await served).toEqual(failure('them', 'ERR_UNEXPECTED_MESSAGE'));
  expect(host.messages.all).toEqual([]);
});

test('a tensor beyond what the run needs is refused, and a viewer has none at all', async () => {
  const host = await coordinator();
  const bytes = new Uint8Array(MAX_TENSOR_BYTES + 4);
  const span = { codec: 'float32', firstValue: 0, valueCount: bytes.byteLength / 4, sha256: sha256(bytes), bytes } as const;
  const share = { type: 'share', generation: 1, assignment: 0, step: 0, version: 0, subtree: { level: 0, index: 0 }, exampleCount: 1, sums: new Float32Array(1), computeMs: 0, encodeMs: 0, ...span } as const;
  const { connection } = await node(host.link);
  void connection.send({ type: 'ready', generation: 1, workers: 1, nodes: 1, data: 'columns' });
  void connection.send(share);
  expect(await host.endings.at(0)).toEqual(failure('us', 'ERR_TOO_LARGE'));
  const viewer = await node(host.link, { role: 'viewer' });
  void viewer.connection.send({ ...share, valueCount: 1, bytes: bytes.subarray(0, 4), sha256: sha256(bytes.subarray(0, 4)) });
  expect(await host.endings.at(1)).toEqual(failure('us', 'ERR_TOO_LARGE'));
});

test('more messages than the burst, faster than they may come, end the connection', async () => {
  const host = await coordinator({ limits: { messages: { perSecond: 1, burst: 20 } } });
  const { connection } = await node(host.link);
  const served = connection.serve(() => {});
  // Two of the twenty were of the handshake.
  for (let offset = 0; offset < 19; offset++) void connection.send(request(offset));
  expect(await served).toEqual(failure('them', 'ERR_TOO_FAST'));
  expect(await host.endings.at(0)).toEqual(failure('us', 'ERR_TOO_FAST'));
  expect(host.messages.all.length).toBeLessThanOrEqual(18);
});

test('closing sends what waits first, and tells everybody why', async () => {
  const host = await coordinator();
  const { connection } = await node(host.link);
  const heard = new Arrivals<FromCoordinatorMessage>();
  const served = connection.serve((message) => { heard.add(message); });
  void (await host.connections.at(0)).send(parametersOf(7, new Uint8Array(16_777_216)));
  await host.listener.close();
  expect(await served).toEqual(failure('them', 'ERR_SHUTTING_DOWN'));
  expect(heard.all.map(({ type }) => type)).toEqual(['parameters', 'error']);
  await expect(node(host.link)).rejects.toMatchObject({ code: 'ERR_UNREACHABLE' });
});

test('fifty nodes at once miss no heartbeat', async () => {
  const ticks = new Arrivals<number>();
  // Of the coordinator's timers those of 50 ms are its heartbeats.
  const after: Clock['after'] = (delayMs, callback) => systemClock.after(delayMs, () => {
    if (delayMs === 50) ticks.add(delayMs);
    callback();
  });
  const host = await coordinator({ clock: { ...systemClock, after } });
  host.welcome = { ...WELCOME, heartbeatMs: 50, deadlineMs: 1_000 };
  const ended: Ending[] = [];
  await Promise.all(Array.from({ length: 50 }, async () => {
    const { connection } = await node(host.link);
    void connection.serve(() => {}).then((ending) => { ended.push(ending); });
  }));
  // 60 heartbeats of 50 ms each are three deadlines.
  await ticks.at(ticks.all.length + 50 * 60);
  expect([...ended, ...host.endings.all]).toEqual([]);
  expect(host.connections.all).toHaveLength(50);
});
