// Strangers at the door: sockets and WebSockets that know nothing of the protocol, or too much.
import { connect, type Socket } from 'node:net';
import { WebSocket, type ClientOptions } from 'ws';
import { FromCoordinator } from '../../cluster/net/inbox.js';
import { answerChallenge, drawNonce } from '../../cluster/protocol/handshake.js';
import { drawIdentitySecret, identityOf, type Identity } from '../../cluster/protocol/identity.js';
import type { ChallengeMessage, HelloMessage, NodeMessage } from '../../cluster/protocol/messages.js';
import { encodeMessage } from '../../cluster/protocol/wire.js';

export interface Knocked {
  /** Bytes of all messages that came. */
  readonly receivedBytes: number;
  /** Close code and reason, or the http status. */
  readonly closed: string;
}

/** Opens a WebSocket, sends these, and waits until the other side ends it. */
export async function knock(url: string, options: ClientOptions, ...messages: (Uint8Array | string)[]): Promise<Knocked> {
  const ws = new WebSocket(url, { perMessageDeflate: false, ...options });
  let receivedBytes = 0;
  ws.on('message', (data: Buffer) => { receivedBytes += data.byteLength; });
  ws.on('error', () => {});
  ws.on('open', () => { for (const message of messages) ws.send(message, () => {}); });
  return new Promise((resolve) => {
    ws.on('unexpected-response', (_, response) => {
      response.destroy();
      resolve({ receivedBytes, closed: `http ${response.statusCode} ${String(response.headers['tensorflock-error'] ?? '')}`.trim() });
    });
    ws.on('close', (code, reason) => { resolve({ receivedBytes, closed: `${code} ${reason.toString()}`.trim() }); });
  });
}

/** Writes text to a fresh socket and gives back everything that comes until it ends. */
export async function speak(port: number, text: string): Promise<string> {
  const socket = connect({ host: '127.0.0.1', port });
  socket.write(text);
  return untilEnd(socket);
}

export async function untilEnd(socket: Socket): Promise<string> {
  let received = '';
  socket.on('data', (chunk: Buffer) => { received += chunk.toString('latin1'); });
  socket.on('error', () => {});
  await new Promise((resolve) => { socket.on('close', resolve); });
  return received;
}

/** A node that goes through the handshake by hand. */
export class HandNode {
  readonly closed: Promise<string>;
  receivedBytes = 0;
  readonly #ws: WebSocket;
  readonly #frames: Uint8Array[] = [];
  #arrived = (): void => {};

  constructor(url: string, readonly identity: Identity = identityOf(drawIdentitySecret()), options: ClientOptions = {}) {
    this.#ws = new WebSocket(url, { perMessageDeflate: false, rejectUnauthorized: false, ...options });
    this.#ws.on('message', (data: Buffer) => {
      this.receivedBytes += data.byteLength;
      this.#frames.push(data);
      this.#arrived();
    });
    this.#ws.on('error', () => {});
    this.closed = new Promise((resolve) => { this.#ws.on('close', (code, reason) => { resolve(`${code} ${reason.toString()}`); }); });
  }

  async open(): Promise<void> {
    if (this.#ws.readyState === WebSocket.CONNECTING) await new Promise((resolve) => { this.#ws.once('open', resolve); });
  }

  send(message: NodeMessage): void {
    this.sendBytes(Buffer.concat(encodeMessage(message)));
  }

  sendBytes(bytes: Uint8Array): void {
    this.#ws.send(bytes);
  }

  /** Resolves when it is answered. */
  async ping(): Promise<void> {
    this.#ws.ping();
    await new Promise((resolve) => { this.#ws.once('pong', resolve); });
  }

  async frame(): Promise<Uint8Array> {
    if (this.#frames.length === 0) await new Promise<void>((resolve) => { this.#arrived = resolve; });
    return this.#frames.shift()!;
  }

  async challenged(changes: Partial<HelloMessage> = {}): Promise<{ hello: HelloMessage; challenge: ChallengeMessage }> {
    await this.open();
    const hello: HelloMessage = { type: 'hello', protocolVersion: 1, role: 'node', identity: this.identity.publicKey, nonce: drawNonce(), softwareVersion: '0.1.0', ...changes };
    this.send(hello);
    return { hello, challenge: new FromCoordinator('node').read(await this.frame()) as ChallengeMessage };
  }

  /** The proof of one who has this key. */
  proofOf(key: Uint8Array, hello: HelloMessage, challenge: ChallengeMessage, binding = ''): NodeMessage {
    return answerChallenge(challenge, hello, this.identity, { key, binding, address: '' });
  }

  end(): void {
    this.#ws.terminate();
  }
}
