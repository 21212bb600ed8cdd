import { createHmac, randomBytes } from 'node:crypto';
import { connect, createServer, type AddressInfo } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { describe, expect, onTestFinished, test } from 'vitest';
import { bindingOfPage, transcript } from '../../cluster/protocol/handshake.js';
import { listen } from '../../cluster/net/listen.js';
import { createTlsIdentity } from '../../cluster/net/certificate.js';
import { coordinator, JOIN_KEY, MAX_TENSOR_BYTES, node, OPERATOR_KEY, RUN_ID, type Coordinator } from './ends.js';
import { HandClock } from './hand-clock.js';
import { HandNode, knock, speak, untilEnd } from './knock.js';

const WRONG_KEY = new Uint8Array(16).fill(9);
const url = (host: Coordinator): string => `ws://127.0.0.1:${host.port}/`;
const lines = (...rows: string[]): string => `${rows.join('\r\n')}\r\n\r\n`;
const UPGRADE = ['Connection: Upgrade', 'Upgrade: websocket', 'Sec-WebSocket-Version: 13', `Sec-WebSocket-Key: ${randomBytes(16).toString('base64')}`];

describe('a stranger without a key', () => {
  test.each<[string, (Uint8Array | string)[], RegExp]>([
    ['who sends garbage', [randomBytes(100)], /^400[012] ERR_/],
    ['who sends a header of 4 GB', [Uint8Array.of(255, 255, 255, 255, 0)], /^4002 ERR_TOO_LARGE$/],
    ['who sends a frame of 64 MB', [new Uint8Array(67_108_864)], /^(4002 ERR_TOO_LARGE|1009|1006)$/],
    ['who sends many small frames', Array.from({ length: 100 }, () => new Uint8Array(100)), /^4001 ERR_MESSAGE$|^4000 ERR_FRAME$|^4002/],
    ['who sends text', ['{"type":"hello"}'], /^4000 ERR_FRAME$/],
    ['who sends nothing that is a message', [new Uint8Array(0)], /^4000 ERR_FRAME$/],
  ])('%s is closed and learns nothing', async (_, messages, closed) => {
    const host = await coordinator();
    const knocked = await knock(url(host), {}, ...messages);
    expect(knocked.closed).toMatch(closed);
    expect(knocked.receivedBytes).toBe(0);
    expect((await host.refused.at(0)).code).toMatch(/^ERR_(FRAME|MESSAGE|TOO_LARGE)$/);
    expect(host.peers.all).toEqual([]);
  });

  test('who sends a long frame that the run would allow is closed before it is whole', async () => {
    const host = await coordinator();
    const knocked = await knock(url(host), {}, new Uint8Array(500_000));
    expect(knocked.closed).toMatch(/^(4002 ERR_TOO_LARGE|1006)$/);
    expect((await host.refused.at(0)).message).toMatch(/^What came from 127\.0\.0\.1 before a proof has \d+ bytes; at most 4096 are allowed here\.$/);
  });

  test.each<[string, string, object, string]>([
    ['of another Host', '/', { headers: { Host: 'evil.example' } }, 'http 421 ERR_HOST'],
    ['of a Host that only looks like an address', '/', { headers: { Host: '127.0.0.1.evil.example' } }, 'http 421 ERR_HOST'],
    ['of another Origin', '/', { origin: 'http://evil.example' }, 'http 403 ERR_ORIGIN'],
    ['of no Origin at all', '/', { origin: 'null' }, 'http 403 ERR_ORIGIN'],
    ['at another place', '/join', {}, 'http 404'],
    ['with a key in the query', '/?k=AQEBAQEBAQEBAQEBAQEBAQ', {}, 'http 404'],
  ])('a WebSocket %s is not opened', async (_, place, options, closed) => {
    const host = await coordinator();
    expect((await knock(`ws://127.0.0.1:${host.port}${place}`, options)).closed).toBe(closed);
  });

  test('a page of our own opens one, under every name that is ours', async () => {
    const clock = new HandClock();
    const host = await coordinator({ names: ['trainer.lan'], clock });
    for (const name of ['127.0.0.1', 'localhost', 'Trainer.LAN', '[::1]', '10.0.0.7']) {
      const authority = `${name}:${host.port}`;
      const opened = await new Promise((resolve) => {
        const socket = connect({ host: '127.0.0.1', port: host.port });
        socket.write(lines('GET / HTTP/1.1', `Host: ${authority}`, `Origin: http://${authority}`, ...UPGRADE));
        socket.once('data', (chunk: Buffer) => {
          resolve(chunk.toString('latin1').split('\r\n')[0]);
          socket.destroy();
        });
      });
      expect(opened, name).toBe('HTTP/1.1 101 Switching Protocols');
    }
  });
});

describe('a wrong key', () => {
  test('learns the run and a proof, and nothing else', async () => {
    const host = await coordinator();
    const stranger = new HandNode(url(host));
    const { hello, challenge } = await stranger.challenged();
    const facts = { hello, challenge, binding: '' };
    const proof = createHmac('sha256', WRONG_KEY).update(transcript('node key', facts)).digest('hex');
    stranger.send({ type: 'proof', proof, signature: stranger.identity.sign(transcript('node identity', facts)) });
    expect(await stranger.closed).toBe('4011 ERR_WRONG_KEY');
    expect(stranger.receivedBytes).toBeLessThan(1_024);
    expect((await host.refused.at(0)).message).toBe('The node at 127.0.0.1 did not prove the join key of this run; give it the link that the coordinator printed.');
    expect(host.peers.all).toEqual([]);
  });

  test('of a link is found out by the node, which then shows nothing', async () => {
    const host = await coordinator();
    await expect(node({ ...host.link, key: WRONG_KEY })).rejects.toMatchObject({ code: 'ERR_COORDINATOR_UNPROVED', retry: false });
  });

  test('the join key does not make an operator, and the operator key does', async () => {
    const host = await coordinator();
    await expect(node(host.link, { role: 'operator' })).rejects.toMatchObject({ code: 'ERR_COORDINATOR_UNPROVED' });
    await node({ ...host.link, key: OPERATOR_KEY }, { role: 'operator' });
    expect(await host.peers.at(0)).toMatchObject({ role: 'operator' });
  });

  test('a proof that was heard before is of no use', async () => {
    const host = await coordinator();
    const honest = new HandNode(url(host));
    const first = await honest.challenged();
    const proof = honest.proofOf(JOIN_KEY, first.hello, first.challenge);
    honest.send(proof);
    await host.peers.at(0);
    const thief = new HandNode(url(host), honest.identity);
    await thief.challenged(first.hello);
    thief.send(proof);
    expect(await thief.closed).toBe('4011 ERR_WRONG_KEY');
    honest.end();
  });

  test('an identity of somebody else is not proved by the key', async () => {
    const host = await coordinator();
    const thief = new HandNode(url(host));
    const { hello, challenge } = await thief.challenged({ identity: '5'.repeat(64) });
    thief.send(thief.proofOf(JOIN_KEY, hello, challenge));
    expect(await thief.closed).toBe('4013 ERR_IDENTITY');
  });

  test('another version of the protocol is told so', async () => {
    const host = await coordinator();
    const other = new HandNode(url(host));
    void other.challenged({ protocolVersion: 2 });
    expect(await other.closed).toBe('4010 ERR_PROTOCOL_VERSION');
  });
});

test('tries that failed are counted, and good ones are not', async () => {
  const clock = new HandClock();
  const host = await coordinator({ clock });
  for (let count = 0; count < 70; count++) (await node(host.link)).connection.fail(new Error('enough'));
  for (let count = 0; count < 64; count++) {
    const stranger = new HandNode(url(host));
    await stranger.challenged();
    stranger.end();
  }
  await expect(node(host.link)).rejects.toMatchObject({ code: 'ERR_TOO_MANY_TRIES', retry: true });
  expect((await host.refused.at(0)).message).toBe('Too many handshakes from 127.0.0.1 have failed; it may try again in 2 s.');
  clock.advance(2_000);
  await node(host.link);
});

test('pings count as messages, and are answered', async () => {
  const host = await coordinator({ limits: { messages: { perSecond: 1, burst: 5 } } });
  const stranger = new HandNode(url(host));
  await stranger.open();
  await stranger.ping();
  for (let count = 0; count < 5; count++) void stranger.ping();
  expect(await stranger.closed).toBe('4043 ERR_TOO_FAST');
});

test('so do messages, of those too who have proved the key', async () => {
  const host = await coordinator({ limits: { messages: { perSecond: 1, burst: 5 } } });
  const { connection } = await node(host.link);
  for (let count = 0; count < 8; count++) void connection.send({ type: 'dataRequest', column: 'c'.repeat(64), offset: 0, byteLength: 1 });
  expect(await host.endings.at(0)).toMatchObject({ how: 'failed', by: 'us', error: { code: 'ERR_TOO_FAST' } });
});

test('a message beyond what the run needs ends even a node that has proved the key', async () => {
  const host = await coordinator();
  const honest = new HandNode(url(host));
  const { hello, challenge } = await honest.challenged();
  honest.send(honest.proofOf(JOIN_KEY, hello, challenge));
  await host.peers.at(0);
  honest.sendBytes(new Uint8Array(MAX_TENSOR_BYTES + 65_536));
  expect(await host.endings.at(0)).toMatchObject({ how: 'failed', by: 'us', error: { code: 'ERR_TOO_LARGE' } });
  honest.end();
});

test('no byte that a node sends, and no sentence of a coordinator, has the key in it', async () => {
  const host = await coordinator();
  const heard: Buffer[] = [];
  // What passes between them, as somebody on the way sees it.
  const relay = createServer((near) => {
    const far = connect({ host: '127.0.0.1', port: host.port });
    near.on('data', (chunk: Buffer) => { heard.push(chunk); }).on('error', () => {});
    far.on('data', (chunk: Buffer) => { heard.push(chunk); }).on('error', () => {});
    near.pipe(far).pipe(near);
  });
  await new Promise<void>((resolve) => { relay.listen(0, '127.0.0.1', resolve); });
  onTestFinished(() => { relay.close(); });
  await node({ ...host.link, port: (relay.address() as AddressInfo).port });
  const passed = Buffer.concat(heard);
  expect(passed.toString('latin1')).toMatch(/^GET \/ HTTP\/1\.1\r\n/);
  expect(passed.toString('latin1')).not.toMatch(/referer|origin/i);
  const key = Buffer.from(JOIN_KEY);
  for (const written of [key, Buffer.from(key.toString('base64url')), Buffer.from(key.toString('hex'))]) expect(passed.includes(written)).toBe(false);
  await knock(`ws://127.0.0.1:${host.port}/?k=${key.toString('base64url')}`, {});
  expect(host.refused.all.filter(({ message }) => message.includes(key.toString('base64url')))).toEqual([]);
});

test('without keys both sides have to be told so', async () => {
  const keys = { join: new Uint8Array(0), operator: new Uint8Array(0) };
  await expect(coordinator({ keys })).rejects.toMatchObject({ code: 'ERR_KEY' });
  const host = await coordinator({ insecure: true });
  await expect(node(host.link)).rejects.toMatchObject({ code: 'ERR_COORDINATOR_UNPROVED' });
  await expect(node({ ...host.link, key: undefined })).rejects.toMatchObject({ code: 'ERR_KEY' });
  await node({ ...host.link, key: undefined }, { insecure: true });
  const keyed = await coordinator();
  await expect(node(keyed.link, { insecure: true })).rejects.toMatchObject({
    code: 'ERR_COORDINATOR_UNPROVED', message: `The coordinator at 127.0.0.1:${keyed.port} asks for a key; leave --insecure out and give the whole link that it printed.`,
  });
});

test('without keys there is no TLS off loopback, but with a given certificate', async () => {
  const anywhere = { address: { host: '0.0.0.0', port: 0 }, insecure: true };
  const [plain, given] = [await coordinator(anywhere), await coordinator({ ...anywhere, tls: await createTlsIdentity() })];
  expect([plain, given].map(({ listener }) => listener.scheme)).toEqual(['http', 'https']);
  await node({ ...given.link, host: '127.0.0.1', key: undefined }, { insecure: true });
});

describe('plain requests', () => {
  test('a page says what this is, under strict headers, and the connection ends', async () => {
    const host = await coordinator();
    const answer = await speak(host.port, lines('GET / HTTP/1.1', 'Host: localhost'));
    const [head = '', body] = answer.split('\r\n\r\n');
    expect(body).toContain('tensorflock join');
    for (const header of ['HTTP/1.1 200 OK', "Content-Security-Policy: default-src 'none'", 'X-Content-Type-Options: nosniff', 'Referrer-Policy: no-referrer', 'Cache-Control: no-store', 'Connection: close']) expect(head).toContain(header);
  });

  test.each([['localhost', true], ['127.0.0.1:80', true], ['[::1]:80', true], ['trainer.lan', false], ['10.0.0.7', false], ['127.trainer.lan', false]])('a page at http://%s may share memory: %s', async (name, may) => {
    const host = await coordinator({ names: ['trainer.lan', '127.trainer.lan'] });
    const answer = await speak(host.port, lines('GET / HTTP/1.1', `Host: ${name}`));
    expect(answer).toMatch(/^HTTP\/1\.1 200 /);
    for (const header of ['Cross-Origin-Embedder-Policy: require-corp', 'Cross-Origin-Opener-Policy: same-origin']) expect(answer.includes(header), header).toBe(may);
  });

  test.each<[string, string[], number]>([
    ['/metrics without its key', ['GET /metrics HTTP/1.1', 'Host: localhost'], 404],
    ['another place', ['GET /api/state HTTP/1.1', 'Host: localhost'], 404],
    ['another method', ['DELETE / HTTP/1.1', 'Host: localhost'], 405],
    ['a body', ['POST / HTTP/1.1', 'Host: localhost', 'Content-Length: 1000000000'], 405],
    ['another host', ['GET / HTTP/1.1', 'Host: evil.example'], 421],
    ['another host on our port', ['GET / HTTP/1.1', 'Host: evil.example:80'], 421],
    ['a page of another origin', ['GET / HTTP/1.1', 'Host: localhost', 'Origin: http://evil.example'], 403],
    ['a page of another scheme', ['GET / HTTP/1.1', 'Host: localhost', 'Origin: https://localhost'], 403],
    ['two hosts', ['GET / HTTP/1.1', 'Host: localhost', 'Host: evil.example'], 400],
    ['no host', ['GET / HTTP/1.1'], 400],
    ['long headers', ['GET / HTTP/1.1', 'Host: localhost', `X: ${'x'.repeat(10_000)}`], 431],
    ['no http', ['\u0016\u0003\u0001'], 400],
  ])('%s', async (_, request, status) => {
    const host = await coordinator();
    expect(await speak(host.port, lines(...request))).toMatch(new RegExp(`^HTTP/1\\.1 ${status} `));
  });
});

describe('a slow client is closed when its time is over', () => {
  const TIMEOUT = { handshakeTimeoutMs: 3_000 };

  /** Waits until the coordinator has seen the socket, which a timer of its says. */
  async function seen(clock: HandClock, timers: number): Promise<void> {
    while (clock.timers < timers) await new Promise(setImmediate);
  }

  test.each<[string, string]>([
    ['that says nothing', ''],
    ['that sends its headers slowly', 'GET / HTTP/1.1\r\nHost: localhost\r\nX-A: '],
  ])('one %s', async (_, text) => {
    const clock = new HandClock();
    const host = await coordinator({ clock, limits: TIMEOUT });
    const socket = connect({ host: '127.0.0.1', port: host.port });
    const end = untilEnd(socket);
    socket.write(text);
    await seen(clock, 1);
    clock.advance(3_000);
    expect(await end).toBe('');
    expect(await host.refused.at(0)).toMatchObject({ code: 'ERR_HANDSHAKE_TIMEOUT' });
  });

  test('one that opens a WebSocket and is silent', async () => {
    const clock = new HandClock();
    const host = await coordinator({ clock, limits: TIMEOUT });
    const silent = new HandNode(url(host));
    await silent.open();
    await seen(clock, 1);
    clock.advance(2_999);
    expect(host.refused.all).toEqual([]);
    clock.advance(1);
    expect(await silent.closed).toBe('4040 ERR_HANDSHAKE_TIMEOUT');
    expect(await host.refused.at(0)).toMatchObject({ code: 'ERR_HANDSHAKE_TIMEOUT' });
  });

  test('one that does not finish its TLS', async () => {
    const clock = new HandClock();
    const host = await coordinator({ clock, limits: TIMEOUT, tls: await createTlsIdentity() });
    const socket = connect({ host: '127.0.0.1', port: host.port });
    await seen(clock, 1);
    clock.advance(3_000);
    await untilEnd(socket);
    expect(await host.refused.at(0)).toMatchObject({ code: 'ERR_HANDSHAKE_TIMEOUT' });
  });

  test('and one that has proved itself is not', async () => {
    const clock = new HandClock();
    const host = await coordinator({ clock, limits: TIMEOUT });
    const { connection } = await node(host.link);
    clock.advance(10_000);
    void connection.send({ type: 'dataRequest', column: 'c'.repeat(64), offset: 0, byteLength: 1 });
    expect(await host.messages.at(0)).toMatchObject({ type: 'dataRequest' });
    expect([...host.refused.all, ...host.endings.all]).toEqual([]);
  });
});

test('connections are limited in all and for each address, and those beyond are told', async () => {
  const few = await coordinator({ limits: { maxConnectionsPerNetwork: 2 } });
  const [first] = [await node(few.link), await node(few.link)];
  await expect(node(few.link)).rejects.toMatchObject({ code: 'ERR_TOO_MANY_CONNECTIONS', retry: true });
  await first.connection.close();
  await few.endings.at(0);
  await node(few.link);
  const full = await coordinator({ limits: { maxConnections: 1 } });
  await node(full.link);
  await expect(node(full.link)).rejects.toMatchObject({ code: 'ERR_SERVER_FULL', retry: true });
});

test('sockets far beyond the limit are dropped without a word', async () => {
  const host = await coordinator({ clock: new HandClock(), limits: { maxConnections: 1 } });
  const sockets = Array.from({ length: 40 }, () => connect({ host: '127.0.0.1', port: host.port }));
  let closed = 0;
  await new Promise<void>((resolve) => {
    for (const socket of sockets) socket.on('error', () => {}).on('close', () => { if (++closed === 23) resolve(); }).resume();
  });
  // 1 within the limit, 16 that are told.
  for (const socket of sockets) socket.destroy();
});

describe('TLS', () => {
  test('a plain client gets no answer from a coordinator with TLS, and a client with TLS none from one without', async () => {
    const secure = await coordinator({ tls: await createTlsIdentity() });
    expect(await speak(secure.port, lines('GET / HTTP/1.1', 'Host: localhost'))).not.toContain('200');
    const plain = await coordinator();
    const socket = connectTls({ host: '127.0.0.1', port: plain.port, rejectUnauthorized: false });
    const secured: unknown[] = [];
    socket.on('secureConnect', () => { secured.push(1); });
    await untilEnd(socket);
    expect(secured).toEqual([]);
  });

  test('off loopback it is the default, and on loopback it is not', async () => {
    const [near, far, open] = [await coordinator(), await coordinator({ address: { host: '0.0.0.0', port: 0 } }), await coordinator({ address: { host: '0.0.0.0', port: 0 }, tls: 'none' })];
    expect([near, far, open].map(({ listener }) => [listener.scheme, listener.certificateSha256?.length])).toEqual([['http', undefined], ['https', 64], ['http', undefined]]);
    await node({ ...far.link, host: '127.0.0.1' });
  });

  test.each<[string, (host: Coordinator) => string, string | undefined]>([
    ['the certificate is the one that it saw', (host) => host.listener.certificateSha256!, undefined],
    ['somebody with another certificate stands between', () => 'c'.repeat(64), '4011 ERR_WRONG_KEY'],
    ['somebody takes the TLS away', () => '', '4011 ERR_WRONG_KEY'],
  ])('a node whose coordinator answers its hello proves the key where %s', async (_, seen, closed) => {
    const host = await coordinator({ tls: await createTlsIdentity() });
    const hand = new HandNode(`wss://127.0.0.1:${host.port}/`);
    const { hello, challenge } = await hand.challenged();
    // What the coordinator proved is of its own certificate, so the proof is made here from what this end saw.
    const facts = { hello, challenge, binding: seen(host) };
    const proof = createHmac('sha256', JOIN_KEY).update(transcript('node key', facts)).digest('hex');
    hand.send({ type: 'proof', proof, signature: hand.identity.sign(transcript('node identity', facts)) });
    if (closed === undefined) await host.peers.at(0);
    else expect(await hand.closed).toBe(closed);
    hand.end();
  });

  /** A browser names the page's origin, and a program need not tell the truth. */
  test.each<[string, (own: string) => { origin?: string; proves: string }, string | undefined]>([
    ['a page proves its origin', (own) => ({ origin: own, proves: bindingOfPage(own) }), undefined],
    ['a page of another origin does not', (own) => ({ origin: own, proves: bindingOfPage('https://elsewhere:1') }), '4011 ERR_WRONG_KEY'],
    ['a page without TLS does not', (own) => ({ origin: own, proves: bindingOfPage(own.replace('https', 'http')) }), '4011 ERR_WRONG_KEY'],
    ['a page proves no certificate', (own) => ({ origin: own, proves: '' }), '4011 ERR_WRONG_KEY'],
    ['a program does not come through as a page', (own) => ({ proves: bindingOfPage(own) }), '4011 ERR_WRONG_KEY'],
  ])('a certificate is nothing that a page sees: %s', async (_, made, closed) => {
    const host = await coordinator({ tls: await createTlsIdentity() });
    const { origin, proves } = made(`https://127.0.0.1:${host.port}`);
    const hand = new HandNode(`wss://127.0.0.1:${host.port}/`, undefined, origin === undefined ? {} : { origin });
    const { hello, challenge } = await hand.challenged();
    const facts = { hello, challenge, binding: proves };
    const proof = createHmac('sha256', JOIN_KEY).update(transcript('node key', facts)).digest('hex');
    hand.send({ type: 'proof', proof, signature: hand.identity.sign(transcript('node identity', facts)) });
    if (closed === undefined) await host.peers.at(0);
    else expect(await hand.closed).toBe(closed);
    hand.end();
  });

  test('a key of another certificate is refused before the door opens', async () => {
    const [one, other] = [await createTlsIdentity(), await createTlsIdentity()];
    await expect(coordinator({ tls: { ...one, privateKeyPem: other.privateKeyPem } })).rejects.toMatchObject({ code: 'ERR_OPTION', kind: 'input' });
  });
});

test('a busy port is one sentence, and the caller\'s to change', async () => {
  const host = await coordinator();
  const again = listen({ address: host.listener.address, runId: RUN_ID, keys: { join: JOIN_KEY, operator: OPERATOR_KEY }, limits: { maxTensorBytes: MAX_TENSOR_BYTES }, receive: host.receive });
  await expect(again).rejects.toMatchObject({ code: 'ERR_PORT_BUSY', kind: 'input', closeCode: 4104, message: `Another program listens on 127.0.0.1:${host.port}; choose another port with --serve, or 0 for a free one.` });
});
