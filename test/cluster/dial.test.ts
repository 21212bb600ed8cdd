import { createServer as createHttpServer } from 'node:http';
import { createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { afterEach, describe, expect, test } from 'vitest';
import { WebSocket, WebSocketServer } from 'ws';
import { createTlsIdentity } from '../../cluster/net/certificate.js';
import { systemClock } from '../../cluster/net/clock.js';
import type { Ending } from '../../cluster/net/ending.js';
import { keepDialling } from '../../cluster/net/redial.js';
import { FromNode } from '../../cluster/net/inbox.js';
import { answerHello, drawNonce } from '../../cluster/protocol/handshake.js';
import { drawIdentitySecret, identityOf } from '../../cluster/protocol/identity.js';
import type { JoinLink } from '../../cluster/protocol/keys.js';
import type { HelloMessage } from '../../cluster/protocol/messages.js';
import { encodeMessage } from '../../cluster/protocol/wire.js';
import { Coordinator, coordinator, JOIN_KEY, node, RUN_ID } from './ends.js';
import { HandClock } from './hand-clock.js';

const servers: Server[] = [];
const sockets = new Set<Socket>();

afterEach(async () => {
  for (const socket of sockets) socket.destroy();
  await Promise.all(servers.splice(0).map((server) => new Promise((resolve) => { server.close(resolve); })));
});

/** Something else than a coordinator, on a free port of loopback. */
async function other(server: Server): Promise<JoinLink> {
  servers.push(server);
  server.on('connection', (socket) => { sockets.add(socket.on('error', () => {})); });
  await new Promise<void>((resolve) => { server.listen(0, '127.0.0.1', resolve); });
  return { scheme: 'http', host: '127.0.0.1', port: (server.address() as AddressInfo).port, key: JOIN_KEY };
}

/** A coordinator whose WebSocket does what a test wants. */
async function hostile(speaks: (ws: WebSocket) => void): Promise<JoinLink> {
  const http = createHttpServer();
  const wss = new WebSocketServer({ server: http, perMessageDeflate: false });
  wss.on('connection', (ws) => { speaks(ws.on('error', () => {})); });
  return other(http);
}

describe('an address where no coordinator is', () => {
  test('and nothing else either', async () => {
    const host = await coordinator();
    const { link } = host;
    await host.listener.close();
    await expect(node(link)).rejects.toMatchObject({ code: 'ERR_UNREACHABLE', retry: true, message: `Nothing answers at 127.0.0.1:${link.port}: no program listens there.` });
  });

  test('but a web server', async () => {
    const link = await other(createHttpServer((_, response) => { response.end('hello'); }));
    await expect(node(link)).rejects.toMatchObject({ code: 'ERR_UNREACHABLE' });
  });

  test('but a program that says nothing', async () => {
    const clock = new HandClock();
    const link = await other(createServer());
    const dialling = node(link, { clock, limits: { handshakeTimeoutMs: 5_000 } });
    void dialling.catch(() => {});
    while (sockets.size === 0 || clock.timers === 0) await new Promise(setImmediate);
    for (let turn = 0; turn < 50; turn++) await new Promise(setImmediate);
    clock.advance(5_000);
    await expect(dialling).rejects.toMatchObject({ code: 'ERR_HANDSHAKE_TIMEOUT', retry: true });
  });

  test('but a host name that does not exist', async () => {
    await expect(node({ scheme: 'http', host: 'nowhere.invalid', port: 80, key: JOIN_KEY })).rejects.toMatchObject({ code: 'ERR_UNREACHABLE' });
  });
});

describe('a certificate', () => {
  test('that is not the one of the link is one sentence, and dialling again does not help', async () => {
    const host = await coordinator({ tls: await createTlsIdentity() });
    const expected = 'c'.repeat(64);
    await expect(node({ ...host.link, certificateSha256: expected })).rejects.toMatchObject({
      code: 'ERR_CERTIFICATE', retry: false, kind: 'input',
      message: `The certificate of 127.0.0.1:${host.port} has the fingerprint ${host.listener.certificateSha256} and the link names ${expected}; copy the link again, and if that does not help somebody stands between.`,
    });
    expect(host.peers.all).toEqual([]);
  });

  test('without a fingerprint in the link needs somebody to vouch for it', async () => {
    const host = await coordinator({ tls: await createTlsIdentity() });
    await expect(node({ ...host.link, certificateSha256: undefined })).rejects.toMatchObject({ code: 'ERR_CERTIFICATE' });
  });

  test('is looked for in vain where there is no TLS, and the other way round', async () => {
    const [plain, secure] = [await coordinator(), await coordinator({ tls: await createTlsIdentity() })];
    await expect(node({ ...plain.link, scheme: 'https', certificateSha256: 'c'.repeat(64) })).rejects.toMatchObject({ code: 'ERR_UNREACHABLE', message: expect.stringContaining('it speaks no TLS') as string });
    await expect(node({ ...secure.link, scheme: 'http', certificateSha256: undefined })).rejects.toMatchObject({ code: 'ERR_UNREACHABLE', message: expect.stringContaining('a coordinator with TLS has a link that begins with https') as string });
  });

  test('keeps its fingerprint when it is kept', async () => {
    const tls = await createTlsIdentity();
    const [one, again] = [await coordinator({ tls }), await coordinator({ tls })];
    expect(one.listener.certificateSha256).toBe(again.listener.certificateSha256);
    await node({ ...again.link, certificateSha256: one.listener.certificateSha256! });
  });
});

describe('a hostile coordinator', () => {
  test('that comes to the coordinator as its page, and hands on what it hears, is not believed', async () => {
    const host = await coordinator();
    const link = await hostile((ws) => {
      const beyond = new WebSocket(`ws://127.0.0.1:${host.port}/`, { perMessageDeflate: false, origin: `http://127.0.0.1:${host.port}` });
      beyond.on('error', () => {}).on('open', () => {
        ws.on('message', (data: Buffer) => { beyond.send(data); });
        ws.resume();
      });
      ws.pause();
      beyond.on('message', (data: Buffer) => { ws.send(data); });
      ws.on('close', () => { beyond.terminate(); });
    });
    await expect(node(link)).rejects.toMatchObject({ code: 'ERR_COORDINATOR_UNPROVED' });
    expect(host.peers.all).toEqual([]);
  });

  test('that sends much before its proof is left', async () => {
    const link = await hostile((ws) => { ws.send(new Uint8Array(500_000)); });
    await expect(node(link)).rejects.toMatchObject({ code: 'ERR_TOO_LARGE', message: expect.stringMatching(/^What came from 127\.0\.0\.1:\d+ before a proof has /) as string });
  });

  test('that does not know the key is shown nothing', async () => {
    const heard: string[] = [];
    const link = await hostile((ws) => {
      const inbox = new FromNode();
      ws.on('message', (data: Buffer) => {
        const message = inbox.read(data);
        heard.push(message.type);
        const challenge = answerHello(message as HelloMessage, { role: 'coordinator', runId: RUN_ID, nonce: drawNonce() }, { key: new Uint8Array(16), binding: '', address: '' });
        ws.send(Buffer.concat(encodeMessage(challenge)));
      });
    });
    await expect(node(link)).rejects.toMatchObject({ code: 'ERR_COORDINATOR_UNPROVED' });
    expect(heard).toEqual(['hello']);
  });

  test('that proves the key and then never sends the welcome is given up after a silence', async () => {
    const clock = new HandClock();
    let proved = (): void => {};
    const given = new Promise<void>((resolve) => { proved = resolve; });
    const link = await hostile((ws) => {
      const inbox = new FromNode();
      ws.on('message', (data: Buffer) => {
        const message = inbox.read(data);
        if (message.type !== 'hello') return proved(); // proof, and heartbeats
        const challenge = answerHello(message, { role: 'coordinator', runId: RUN_ID, nonce: drawNonce() }, { key: JOIN_KEY, binding: '', address: '' });
        ws.send(Buffer.concat(encodeMessage(challenge)));
      });
    });
    const dialling = node(link, { clock, limits: { handshakeTimeoutMs: 5_000 } });
    void dialling.catch(() => {});
    await given;
    clock.advance(5_000);
    await expect(dialling).rejects.toMatchObject({ code: 'ERR_HANDSHAKE_TIMEOUT' });
  });

  test('whose frame is no WebSocket frame is left with a sentence', async () => {
    const http = createHttpServer();
    const wss = new WebSocketServer({ noServer: true });
    http.on('upgrade', (request, socket, head) => {
      wss.handleUpgrade(request, socket, head, () => { socket.write(Buffer.from([0xff, 0xff, 0xff])); });
    });
    await expect(node(await other(http))).rejects.toMatchObject({ code: 'ERR_FRAME' });
  });
});

test('a node waits for its welcome as long as the coordinator says that it lives, and says so itself to one that waits', async () => {
  const [ours, theirs] = [new HandClock(), new HandClock()];
  let [welcomes, waits] = [(): void => {}, (): void => {}];
  const [beginning, waiting] = [new Promise<void>((resolve) => { welcomes = resolve; }), new Promise<void>((resolve) => { waits = resolve; })];
  const there = new Coordinator();
  const host = await coordinator({
    clock: ours,
    receive: async (peer, connection) => {
      waits();
      await beginning;
      return there.receive(peer, connection);
    },
  });
  const dialling = node(host.link, { clock: theirs, limits: { handshakeTimeoutMs: 5_000 } });
  await waiting;
  for (let beat = 0; beat < 10; beat++) {
    const before = theirs.reads;
    ours.advance(2_000);
    while (theirs.reads === before) await new Promise(setImmediate); // it has come
    theirs.advance(4_000);
    await new Promise<void>((resolve) => { theirs.afterReading(resolve); }); // a silence is judged
  }
  welcomes();
  expect((await dialling).welcome).toMatchObject({ type: 'welcome' });
});

test('a node that waits for its welcome stops waiting when it is told to', async () => {
  const link = await hostile(() => {});
  const controller = new AbortController();
  const staying = keepDialling(() => node(link, { clock: new HandClock(), signal: controller.signal }).then(() => ({ how: 'done', outcome: 'finished' })), { clock: systemClock, random: () => 0, signal: controller.signal });
  while (sockets.size === 0) await new Promise(setImmediate);
  controller.abort(new Error('enough'));
  await expect(staying).rejects.toThrow('enough');
});

test('a node that lost its coordinator dials until it is there again, and comes as the same', async () => {
  const identity = identityOf(drawIdentitySecret());
  const first = await coordinator();
  const { link } = first;
  const waits: number[] = [];
  const controller = new AbortController();
  let coordinators = [first];
  const clock = { ...systemClock, after: (delayMs: number, callback: () => void) => systemClock.after(Math.min(delayMs, 5), callback) };
  const staying = keepDialling(async (welcomed) => {
    const { connection } = await node(link, { identity });
    welcomed();
    return connection.serve(() => {});
  }, { clock, random: () => 0, signal: controller.signal, waits: (_, delayMs) => { waits.push(delayMs); } });
  await first.connections.at(0);
  await first.listener.close();
  while (waits.length < 3) await new Promise(setImmediate);
  const second = await coordinator({ address: { host: '127.0.0.1', port: link.port } });
  coordinators = [first, second];
  await second.connections.at(0);
  expect(coordinators.map((one) => one.peers.all[0]!.identity)).toEqual([identity.publicKey, identity.publicKey]);
  // Half of 500 ms and its doubles: the jitter is drawn as 0.
  expect(waits.slice(0, 3)).toEqual([250, 500, 1_000]);
  const done: Ending = { how: 'done', outcome: 'finished' };
  void (await second.connections.at(0)).send({ type: 'done', outcome: 'finished', step: 1, weightsSha256: 'e'.repeat(64) });
  expect(await staying).toEqual(done);
});
