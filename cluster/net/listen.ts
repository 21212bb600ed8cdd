// The coordinator's edge: a door that answers http, lets WebSockets in, and hands on those who have proved the key.
import { createServer as createHttpServer, type IncomingMessage, type Server } from 'node:http';
import { createServer as createHttpsServer } from 'node:https';
import type { AddressInfo, Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { WebSocketServer, type WebSocket } from 'ws';
import { ClusterError, clusterError } from '../protocol/errors.js';
import { NO_KEY, type KeyName } from '../protocol/keys.js';
import { limitsOfNode, maxFrameBytes } from '../protocol/limits.js';
import type { ServingRole, WelcomeMessage } from '../protocol/messages.js';
import { TryLimiter } from '../protocol/try-limiter.js';
import { formatAddress, isLoopback, type ServeAddress } from './address.js';
import type { Answer } from './answer.js';
import { checkTlsIdentity, createTlsIdentity, fingerprintOf, type TlsIdentity } from './certificate.js';
import { systemClock, type Clock } from './clock.js';
import { Connection, WAITING_PACE, type FromNodeMessage, type ToNode } from './connection.js';
import type { Ending } from './ending.js';
import { greetNode, type Host, type Peer } from './greet.js';
import { FromNode } from './inbox.js';
import { METRICS_PATH, MetricsDoor, type MetricsSource } from './metrics-door.js';
import { answerOf, refusal, refusalOf, upgradeRefusalOf, valuesOf, write, writeRaw, type OwnNames } from './requests.js';
import { FrameStream, outboxFor, STREAM_LIMITS, type StreamLimits } from './stream.js';
import { addressOf, VISITOR_LIMITS, Visitors, type VisitorLimits } from './visitors.js';

/** What is made of a node that has proved itself. */
export interface Reception {
  readonly welcome: WelcomeMessage;
  /** Gets its messages one after the other, the next when the promise has settled; an error ends the connection. */
  readonly message: (message: FromNodeMessage) => void | Promise<void>;
  /** After the last message. */
  readonly ended: (ending: Ending) => void;
}

export interface ListenLimits extends VisitorLimits, Omit<StreamLimits, 'maxPayloadBytes'> {
  /** The longest tensor that the run needs from a node, in bytes. */
  readonly maxTensorBytes: number;
  /** Time in which a node that does not read what waits for it is given up. */
  readonly stallMs: number;
}

export interface ListenOptions {
  readonly address: ServeAddress;
  readonly role?: ServingRole;
  /** 32 hex digits. */
  readonly runId: string;
  readonly keys: Readonly<Record<KeyName, Uint8Array>>;
  /** Somebody typed it: then the keys count for nothing, and nobody needs one. */
  readonly insecure?: boolean;
  /** Host names of `--host`. */
  readonly names?: readonly string[];
  /** Given, or none although the address is not loopback; otherwise off loopback a certificate is made, but for `insecure`. */
  readonly tls?: TlsIdentity | 'none';
  /** What /metrics answers, if anything. */
  readonly metrics?: MetricsSource;
  readonly limits: Partial<ListenLimits> & Pick<ListenLimits, 'maxTensorBytes'>;
  readonly clock?: Clock;
  /**
   * A node has proved key and identity. What it gives back is served from then on; until then nothing is to be sent, because the
   * welcome comes first.
   * @throws ClusterError to refuse it
   */
  readonly receive: (peer: Peer, connection: ToNode) => Reception | Promise<Reception>;
  /** Somebody was refused before: for the log. */
  readonly refused?: (error: ClusterError) => void;
}

/** What goes over the network, at one moment. */
export interface Traffic {
  /** Bytes since the door was opened, of refused ones too. */
  readonly receivedBytes: number;
  readonly sentBytes: number;
  /** Those that have proved the key, and what waits for them. */
  readonly connections: number;
  readonly bufferedBytes: number;
  /** Time since the one that was silent longest was heard; 0 without any. */
  readonly longestSilenceMs: number;
}

export interface Listener {
  /** As bound: the port is the one that was taken. */
  readonly address: ServeAddress;
  readonly scheme: 'http' | 'https';
  /** 64 hex digits; with https alone. */
  readonly certificateSha256: string | undefined;
  /** With https alone: what the certificate is, given or made. */
  readonly tls: TlsIdentity | undefined;
  readonly traffic: () => Traffic;
  /** Stops listening, sends what waits, and ends every connection for this error; ERR_SHUTTING_DOWN if none is given. */
  close(error?: ClusterError): Promise<void>;
}

const MAX_HTTP_HEADER_BYTES = 8_192;
const MAX_FRAGMENTS = 1_024;

/** @throws ERR_PORT_BUSY, ERR_LISTEN for an address that is not this machine's, ERR_KEY for a missing key, ERR_OPTION for a certificate and key that do not go together */
export async function listen(options: ListenOptions): Promise<Listener> {
  const tls = await tlsOf(options);
  const door = new Door(options, tls);
  await bind(door.server, options.address);
  const { address: host, port } = door.server.address() as AddressInfo;
  const certificateSha256 = tls && fingerprintOf(tls.certificatePem);
  return { address: { host, port }, scheme: tls ? 'https' : 'http', certificateSha256, tls, traffic: () => door.traffic, close: (error) => door.close(error) };
}

async function tlsOf({ address, tls, names, insecure = false }: ListenOptions): Promise<TlsIdentity | undefined> {
  if (tls === 'none' || (tls === undefined && (insecure || isLoopback(address.host)))) return undefined;
  if (tls !== undefined) checkTlsIdentity(tls);
  return tls ?? createTlsIdentity(names);
}

async function bind(server: Server, address: ServeAddress): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => { reject(errorOfListening(error, formatAddress(address))); });
    server.listen({ host: address.host, port: address.port }, resolve);
  });
}

function errorOfListening(error: NodeJS.ErrnoException, address: string): ClusterError {
  if (error.code === 'EADDRINUSE') return clusterError('ERR_PORT_BUSY', { address }, { cause: error });
  return clusterError('ERR_LISTEN', { address, problem: problemOf(error) }, { cause: error });
}

function problemOf(error: NodeJS.ErrnoException): string {
  if (error.code === 'EACCES') return 'this port needs more rights';
  if (error.code === 'EADDRNOTAVAIL' || error.code === 'ENOTFOUND') return 'this machine has no such address';
  return error.message;
}

class Door {
  readonly server: Server;
  readonly #sockets: WebSocketServer;
  readonly #visitors: Visitors;
  readonly #connections = new Set<ToNode>();
  readonly #clock: Clock;
  readonly #host: Host;
  readonly #metrics: MetricsDoor | undefined;
  readonly #limits: ListenLimits & StreamLimits;

  constructor(private readonly options: ListenOptions, tls: TlsIdentity | undefined) {
    const { limits, role = 'coordinator', runId, clock = systemClock } = options;
    this.#limits = { ...VISITOR_LIMITS, ...STREAM_LIMITS, outbox: outboxFor(), stallMs: 30_000, maxPayloadBytes: maxFrameBytes(limitsOfNode(limits.maxTensorBytes)), ...limits };
    this.#clock = clock;
    this.#visitors = new Visitors(this.#limits, clock, this.#refused);
    this.#host = { role, runId, keys: keysOf(options), certificateSha256: tls ? fingerprintOf(tls.certificatePem) : '', tries: new TryLimiter(), clock };
    this.#metrics = options.metrics && new MetricsDoor(options.insecure === true ? { ...options.metrics, key: NO_KEY } : options.metrics, clock);
    this.#sockets = new WebSocketServer({
      noServer: true, clientTracking: false, perMessageDeflate: false, autoPong: false,
      maxPayload: this.#limits.maxPayloadBytes, maxFragments: MAX_FRAGMENTS,
    });
    this.server = serverOf(tls);
    this.server.on('connection', (socket) => { this.#visitors.enter(socket); });
    this.server.on('request', (request, response) => { void this.#answer(request).then((answer) => { write(response, answer); }); });
    this.server.on('upgrade', this.#upgrade);
  }

  async close(error = clusterError('ERR_SHUTTING_DOWN', {})): Promise<void> {
    const closed = new Promise((resolve) => { this.server.close(resolve); });
    await Promise.all([...this.#connections].map((connection) => connection.close(error)));
    this.#visitors.endAll(error);
    await closed;
  }

  readonly #refused = (error: ClusterError): void => {
    if (error.code !== 'ERR_SHUTTING_DOWN') this.options.refused?.(error);
  };

  get #ownNames(): OwnNames {
    return { scheme: this.#host.certificateSha256 === '' ? 'http' : 'https', names: this.options.names ?? [] };
  }

  get traffic(): Traffic {
    const connections = [...this.#connections];
    const nowMs = this.#clock.nowMs();
    return {
      ...this.#visitors.bytes,
      connections: connections.length,
      bufferedBytes: connections.reduce((sum, { bufferedBytes }) => sum + bufferedBytes, 0),
      longestSilenceMs: Math.max(0, ...connections.map(({ heardMs }) => nowMs - heardMs)),
    };
  }

  async #answer(request: IncomingMessage): Promise<Answer> {
    const refused = this.#refusalOf(request);
    if (refused !== undefined || this.#metrics === undefined || request.method !== 'GET' || request.url !== METRICS_PATH) return refused ?? answerOf(request, this.#ownNames);
    const answer = await this.#metrics.answer(request, addressOf(request.socket));
    if (answer.error) this.#refused(answer.error);
    return answer;
  }

  #refusalOf(request: IncomingMessage): Answer | undefined {
    const full = this.#visitors.verdict(request.socket);
    const answer = full ? refusal(503, full) : refusalOf(request, addressOf(request.socket), this.#ownNames);
    if (answer?.error) this.#refused(answer.error);
    return answer;
  }

  readonly #upgrade = (request: IncomingMessage, socket: Duplex, head: Buffer): void => {
    socket.on('error', () => {}); // under TLS it is another than the one that came in
    const answer = this.#refusalOf(request) ?? upgradeRefusalOf(request);
    if (answer) writeRaw(socket, answer);
    else this.#sockets.handleUpgrade(request, socket, head, (ws) => { void this.#greet(ws, request.socket, valuesOf(request.rawHeaders, 'origin')[0]); });
  };

  /** @param pageOrigin ours; programs name none */
  async #greet(ws: WebSocket, socket: Socket, pageOrigin?: string): Promise<void> {
    const stream = new FrameStream(ws, socket, addressOf(socket), this.#limits, this.#clock);
    const inbox = new FromNode();
    this.#visitors.endWith(socket, (error) => { stream.fail(error); });
    try {
      const peer = await greetNode(stream, inbox, this.#host, pageOrigin);
      if (peer === undefined) return this.#broken(await stream.ended);
      this.#visitors.proved(socket);
      stream.trust();
      await this.#serve(peer, stream, inbox);
    } catch (error) {
      if (!(error instanceof ClusterError)) throw error;
      this.#refused(error);
      stream.fail(error);
    }
  }

  /** A handshake that the stream ended, for its own limits among other things. */
  #broken(ending: Ending): void {
    if (ending.how === 'failed' && ending.by === 'us' && ending.error instanceof ClusterError) this.#refused(ending.error);
  }

  async #serve(peer: Peer, stream: FrameStream, inbox: FromNode): Promise<void> {
    const connection: ToNode = new Connection(stream, inbox, this.#clock);
    this.#connections.add(connection);
    try {
      const reception = this.#receive(peer, connection);
      // From the first: one who waits says that it lives, and what it says beside that waits too.
      const ending = await connection.serve(async (message) => { await (await reception)?.message(message); });
      (await reception)?.ended(ending);
    } finally {
      this.#connections.delete(connection);
    }
  }

  async #receive(peer: Peer, connection: ToNode): Promise<Reception | undefined> {
    const { stallMs, maxTensorBytes } = this.#limits;
    try {
      connection.beat({ ...WAITING_PACE, stallMs });
      const reception = await this.options.receive(peer, connection);
      const { heartbeatMs, deadlineMs } = reception.welcome;
      void connection.send(reception.welcome);
      connection.allow(maxTensorBytes);
      connection.beat({ heartbeatMs, deadlineMs, stallMs });
      return reception;
    } catch (error) {
      if (error instanceof ClusterError) this.#refused(error);
      connection.fail(error);
      await connection.ended;
      return undefined;
    }
  }
}

function keysOf({ keys, insecure = false }: ListenOptions): Host['keys'] {
  if (insecure) return { join: NO_KEY, operator: NO_KEY };
  for (const [name, key] of Object.entries(keys)) {
    if (key.byteLength === 0) throw clusterError('ERR_KEY', { source: `role ${name}`, problem: 'is missing' });
  }
  return keys;
}

function serverOf(tls: TlsIdentity | undefined): Server {
  const http = { maxHeaderSize: MAX_HTTP_HEADER_BYTES, keepAlive: false };
  return tls ? createHttpsServer({ ...http, key: tls.privateKeyPem, cert: tls.certificatePem, minVersion: 'TLSv1.3' }) : createHttpServer(http);
}
