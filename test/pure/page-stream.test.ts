import { describe, expect, test } from 'vitest';
import { PageStream, SOCKET_OPEN, type PageSocket } from '../../cluster/browser/page-stream.js';
import { HandClock } from '../cluster/hand-clock.js';

/** The WebSocket of a page, moved by hand. */
class HandSocket extends EventTarget implements PageSocket {
  readyState: number = SOCKET_OPEN;
  bufferedAmount = 0;
  readonly sent: Uint8Array[] = [];
  readonly closes: unknown[] = [];

  send(bytes: Uint8Array): void {
    this.sent.push(bytes);
    this.bufferedAmount += bytes.byteLength;
  }

  close(...asked: unknown[]): void {
    this.closes.push(asked);
  }

  comes(data: unknown): void {
    this.dispatchEvent(Object.assign(new Event('message'), { data }));
  }

  closed(code: number, reason = ''): void {
    this.dispatchEvent(Object.assign(new Event('close'), { code, reason }));
  }
}

function opened(): { readonly socket: HandSocket; readonly stream: PageStream; readonly clock: HandClock } {
  const [socket, clock] = [new HandSocket(), new HandClock()];
  return { socket, clock, stream: new PageStream(socket, 'trainer.lan:8080', clock) };
}

const bytes = (length: number): ArrayBuffer => new ArrayBuffer(length);

/** What a promise has come to by now. */
async function stateOf(promise: Promise<unknown>): Promise<unknown> {
  return Promise.race([promise, new Promise((resolve) => { setImmediate(() => { resolve('waiting'); }); })]);
}

describe('what comes', () => {
  test('is given one by one, as it is asked for', async () => {
    const { socket, stream } = opened();
    const first = stream.receive();
    for (const length of [1, 2, 3]) socket.comes(bytes(length));
    expect(stream.isReading).toBe(false);
    expect([(await first)!.byteLength, (await stream.receive())!.byteLength, (await stream.receive())!.byteLength]).toEqual([1, 2, 3]);
    expect(stream.isReading).toBe(true);
  });

  test('before the end is still given after it', async () => {
    const { socket, stream } = opened();
    socket.comes(bytes(1));
    socket.closed(1006);
    expect((await stream.receive())!.byteLength).toBe(1);
    expect(await stream.receive()).toBeUndefined();
    expect(await stream.ended).toEqual({ how: 'lost' });
  });

  test.each<[string, (socket: HandSocket, stream: PageStream) => void, string]>([
    ['is text', (socket) => { socket.comes('text'); }, 'ERR_FRAME'],
    ['is much before a proof', (socket) => { socket.comes(bytes(4_000)); socket.comes(bytes(97)); }, 'ERR_TOO_LARGE'],
    ['is longer than any message', (socket, stream) => { stream.trust(); socket.comes(bytes(67_174_421)); }, 'ERR_TOO_LARGE'],
  ])('and %s ends it', async (_, act, code) => {
    const { socket, stream } = opened();
    act(socket, stream);
    socket.closed(4000);
    expect(await stream.ended).toMatchObject({ how: 'failed', by: 'us', error: { code } });
    expect(socket.closes).toEqual([[expect.any(Number), code]]);
  });

  test('is enough before a proof where the handshake fits', async () => {
    const { socket, stream } = opened();
    socket.comes(bytes(4_096));
    stream.trust();
    socket.comes(bytes(1_000_000));
    expect((await stream.receive())!.byteLength).toBe(4_096);
    expect((await stream.receive())!.byteLength).toBe(1_000_000);
  });
});

describe('what is sent', () => {
  test('is one message, a copy of shared memory', async () => {
    const { socket, stream } = opened();
    const shared = new Uint8Array(new SharedArrayBuffer(3)).fill(7);
    expect(await stream.send([Uint8Array.of(1, 2), shared])).toBe(true);
    shared.fill(0);
    expect(socket.sent).toEqual([Uint8Array.of(1, 2, 7, 7, 7)]);
    expect(socket.sent[0]!.buffer).toBeInstanceOf(ArrayBuffer);
  });

  test('lets the next wait until the socket has room', async () => {
    const { socket, stream, clock } = opened();
    const sending = stream.send([new Uint8Array(1_048_577)]);
    expect([stream.isFull, await stateOf(sending)]).toEqual([true, 'waiting']);
    clock.advance(100);
    expect(await stateOf(sending)).toBe('waiting');
    const takenMs = stream.takenMs;
    socket.bufferedAmount = 1;
    clock.advance(10);
    expect(await sending).toBe(true);
    expect(stream.takenMs).toBeGreaterThan(takenMs);
  });

  test('is settled when all of it has left, or the socket is gone', async () => {
    const { socket, stream, clock } = opened();
    void stream.send([new Uint8Array(10)]);
    const settled = stream.settled().then(() => 'settled');
    clock.advance(50);
    expect(await stateOf(settled)).toBe('waiting');
    socket.bufferedAmount = 0;
    clock.advance(10);
    expect(await stateOf(settled)).toBe('settled');
    void stream.send([new Uint8Array(10)]);
    const lost = stream.settled().then(() => 'settled');
    socket.closed(1006);
    expect(await stateOf(lost)).toBe('settled');
    expect(await stream.send([new Uint8Array(1)])).toBe(false);
  });

  test.each([2, 3])('is nothing where the socket is closing (ready state %i), before the stream hears of its end', async (readyState) => {
    const { socket, stream } = opened();
    socket.readyState = readyState; // a tab that wakes has missed the end of its connection
    expect(await stream.send([new Uint8Array(1)])).toBe(false);
    expect(socket.sent).toEqual([]);
    socket.closed(1006);
    expect(await stream.ended).toEqual({ how: 'lost' });
  });
});

test('a close code that pages may not give becomes a normal end', () => {
  const { socket, stream } = opened();
  stream.end(1011, 'ERR_FAULT');
  stream.end(4000);
  expect(socket.closes).toEqual([[1000, 'ERR_FAULT']]);
});

test('an end that nobody answers is one all the same', async () => {
  const { stream, clock } = opened();
  stream.end();
  clock.advance(2_000);
  expect(await stream.ended).toEqual({ how: 'closed', by: 'us' });
});
