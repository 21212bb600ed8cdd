import { setImmediate as turn } from 'node:timers/promises';
import { expect, test } from 'vitest';
import type { Ending } from '../../cluster/net/ending.js';
import { Arrivals, Coordinator, coordinator, node, parametersOf, WELCOME } from './ends.js';
import { HandClock } from './hand-clock.js';

const PACE = { heartbeatMs: 1_000, deadlineMs: 5_000 };

interface Pair {
  readonly host: Coordinator;
  readonly ours: HandClock;
  readonly theirs: HandClock;
  readonly nodeEnded: Arrivals<Ending>;
  readonly connection: Awaited<ReturnType<typeof node>>['connection'];
}

/** Two ends, each with a clock of its own. */
async function pair(options: Parameters<typeof coordinator>[0] = {}): Promise<Pair> {
  const [ours, theirs] = [new HandClock(), new HandClock()];
  const host = await coordinator({ clock: ours, ...options });
  host.welcome = { ...WELCOME, ...PACE };
  const { connection } = await node(host.link, { clock: theirs });
  const nodeEnded = new Arrivals<Ending>();
  void connection.serve(() => {}).then((ending) => { nodeEnded.add(ending); });
  await host.connections.at(0);
  return { host, ours, theirs, nodeEnded, connection };
}

/** A few turns, in which whatever was sent on loopback arrives. */
async function arrive(): Promise<void> {
  for (let count = 0; count < 50; count++) await turn();
}

test('a node that says nothing for longer than the deadline is lost, and not sooner', async () => {
  const { host, ours, nodeEnded } = await pair();
  ours.advance(PACE.deadlineMs);
  await arrive();
  expect(host.endings.all).toEqual([]);
  ours.advance(PACE.heartbeatMs);
  expect(await host.endings.at(0)).toMatchObject({ how: 'failed', by: 'us', error: { code: 'ERR_NODE_TIMEOUT', message: 'Nothing was heard from 127.0.0.1 for 6000 ms; the deadline is 5000 ms.' } });
  expect(await nodeEnded.at(0)).toMatchObject({ how: 'failed', by: 'them', error: { code: 'ERR_NODE_TIMEOUT' } });
});

test('a coordinator that says nothing is lost after four deadlines', async () => {
  const { theirs, nodeEnded } = await pair();
  theirs.advance(4 * PACE.deadlineMs);
  await arrive();
  expect(nodeEnded.all).toEqual([]);
  theirs.advance(PACE.heartbeatMs);
  expect(await nodeEnded.at(0)).toMatchObject({ how: 'failed', by: 'us', error: { code: 'ERR_NODE_TIMEOUT' } });
});

test('heartbeats keep both for ever', async () => {
  const { host, ours, theirs, nodeEnded } = await pair();
  for (let beat = 0; beat < 20; beat++) {
    theirs.advance(PACE.heartbeatMs);
    ours.advance(PACE.heartbeatMs);
    await arrive();
  }
  expect([...host.endings.all, ...nodeEnded.all]).toEqual([]);
});

test('an overdue deadline is judged after what had come by then is read', async () => {
  const { host, ours, theirs, nodeEnded } = await pair();
  // The heartbeats are in the socket, and unread, when the deadline has passed.
  theirs.advance(PACE.heartbeatMs);
  ours.advance(PACE.deadlineMs + PACE.heartbeatMs);
  await arrive();
  expect([...host.endings.all, ...nodeEnded.all]).toEqual([]);
});

test('a coordinator that stood still for three deadlines loses no node', async () => {
  const { host, ours, nodeEnded } = await pair();
  ours.stall(3 * PACE.deadlineMs);
  await arrive();
  ours.advance(PACE.deadlineMs - PACE.heartbeatMs);
  await arrive();
  expect([...host.endings.all, ...nodeEnded.all]).toEqual([]);
  ours.advance(3 * PACE.heartbeatMs);
  expect(await host.endings.at(0)).toMatchObject({ how: 'failed' });
});

test('a node that is not listened to is not taken for silent', async () => {
  const { host, ours, connection } = await pair();
  let release = (): void => {};
  host.handle = () => new Promise((resolve) => { release = resolve; });
  for (const offset of [0, 1]) void connection.send({ type: 'dataRequest', column: 'c'.repeat(64), offset, byteLength: 1 });
  await host.messages.at(0);
  await arrive();
  ours.advance(10 * PACE.deadlineMs);
  await arrive();
  expect(host.endings.all).toEqual([]);
  expect((await host.connections.at(0)).heardMs).toBe(ours.nowMs());
  release();
  await host.messages.at(1);
});

test('who takes nothing of what waits for it is a slow reader, although it says that it lives', async () => {
  const ours = new HandClock();
  const host = await coordinator({ clock: ours, limits: { stallMs: 20_000 } });
  host.welcome = { ...WELCOME, heartbeatMs: 1_000, deadlineMs: 100_000 };
  await node(host.link); // serves nothing, so it reads nothing
  const connection = await host.connections.at(0);
  const sent = [0, 1].map((version) => connection.send(parametersOf(version, new Uint8Array(33_554_432))));
  await arrive();
  for (let buffered = -1; buffered !== connection.bufferedBytes;) {
    buffered = connection.bufferedBytes;
    await arrive();
  }
  ours.advance(20_000);
  await arrive();
  expect(host.endings.all).toEqual([]);
  ours.advance(1_000);
  await arrive();
  ours.advance(500); // for the answer to the close frame, which does not come
  expect(await host.endings.at(0)).toMatchObject({ how: 'failed', by: 'us', error: { code: 'ERR_SLOW_READER' } });
  expect(await Promise.all(sent)).toEqual([expect.any(Boolean), false]);
});

test('no timer is left when a connection has ended', async () => {
  const { host, ours, theirs, connection } = await pair();
  await connection.leave('stopped');
  await host.endings.at(0);
  expect([ours.timers, theirs.timers]).toEqual([0, 0]);
});

/** A node that has proved the key before a run is there. */
async function waiting(): Promise<{ readonly ours: HandClock; readonly theirs: HandClock; readonly begin: () => void; readonly there: Coordinator; readonly dialling: ReturnType<typeof node> }> {
  const [ours, theirs, there] = [new HandClock(), new HandClock(), new Coordinator()];
  let begin = (): void => {};
  const begun = new Promise<void>((resolve) => { begin = resolve; });
  const waits = new Arrivals<void>();
  const host = await coordinator({
    clock: ours,
    receive: async (peer, connection) => {
      waits.add();
      await Promise.race([begun, connection.ended]);
      return there.receive(peer, connection);
    },
  });
  const dialling = node(host.link, { clock: theirs });
  void dialling.catch(() => {});
  await waits.at(0);
  return { ours, theirs, begin, there, dialling };
}

test('a node that waits for a run and falls silent is lost, as one whose connection is half open, and no timer is left', async () => {
  const { ours, there, dialling } = await waiting();
  ours.advance(10_000);
  await arrive();
  ours.advance(2_000);
  await expect(dialling).rejects.toMatchObject({ code: 'ERR_NODE_TIMEOUT' });
  expect(await there.endings.at(0)).toMatchObject({ how: 'failed', by: 'us', error: { code: 'ERR_NODE_TIMEOUT' } });
  expect(ours.timers).toBe(0); // although the run took it in when it was gone
});

test('a node that waits for a run and says that it lives waits for ever, and then takes part', async () => {
  const { ours, theirs, begin, there, dialling } = await waiting();
  for (let beat = 0; beat < 20; beat++) {
    theirs.advance(2_000);
    ours.advance(2_000);
    await arrive();
  }
  begin();
  const { connection, welcome } = await dialling;
  expect(welcome).toMatchObject({ type: 'welcome' });
  void connection.send({ type: 'dataRequest', column: 'c'.repeat(64), offset: 0, byteLength: 1 });
  expect(await there.messages.at(0)).toMatchObject({ type: 'dataRequest' });
});
