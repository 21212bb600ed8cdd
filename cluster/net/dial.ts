// A node's edge: from a join link to a connection that has been welcomed.
import type { Socket } from 'node:net';
import { WebSocket } from 'ws';
import { CLUSTER_ERROR_CODES, CLUSTER_ERRORS, ClusterError, clusterError } from '../protocol/errors.js';
import type { Identity } from '../protocol/identity.js';
import { formatJoinLink, NO_KEY, type JoinLink } from '../protocol/keys.js';
import { limitsOfCoordinator, MAX_PLAN_BYTES, maxFrameBytes } from '../protocol/limits.js';
import type { ChallengeMessage, Role, WelcomeMessage } from '../protocol/messages.js';
import { formatAddress } from './address.js';
import { systemClock, type Clock } from './clock.js';
import { Connection, type ToCoordinator } from './connection.js';
import type { Ending } from './ending.js';
import { greetCoordinator } from './greet.js';
import { FromCoordinator } from './inbox.js';
import { errorOfDialling, openSocket } from './open-socket.js';
import { ERROR_HEADER } from './requests.js';
import { FrameStream, STREAM_LIMITS, type StreamLimits } from './stream.js';

export interface DialLimits extends Omit<StreamLimits, 'maxPayloadBytes'> {
  /** Until the coordinator has proved the key; and of silence until it has sent the whole welcome. */
  readonly handshakeTimeoutMs: number;
  /** Time in which a coordinator that does not read what waits for it is given up. */
  readonly stallMs: number;
}

export interface DialOptions {
  readonly role: Role;
  readonly identity: Identity;
  /** At most 32 characters. */
  readonly softwareVersion: string;
  /** Somebody typed it: then a key in the link counts for nothing, and the coordinator proves none. */
  readonly insecure?: boolean;
  readonly limits?: Partial<DialLimits>;
  readonly clock?: Clock;
  /** Ends the dialling; once there is a welcome it counts no more. */
  readonly signal?: AbortSignal;
}

export interface Dialled {
  readonly connection: ToCoordinator;
  readonly welcome: WelcomeMessage;
  /** 32 hex digits: the run that was joined. */
  readonly runId: string;
}

/**
 * A node waits so many deadlines for a word of the coordinator, which gives it up after one: a coordinator that stood still has all its
 * nodes when it goes on. One that was killed is known at once, since its system says so.
 */
const DEADLINES = 4;

/** The longest of a coordinator's messages is the welcome. */
const MAX_PAYLOAD_BYTES = maxFrameBytes(limitsOfCoordinator(MAX_PLAN_BYTES));
const MAX_FRAGMENTS = 1_024;

/**
 * Opens a connection, proves the key on both sides and waits for the welcome. Heartbeats begin with it; further messages are read when
 * `serve` is called.
 * @throws ERR_UNREACHABLE, ERR_CERTIFICATE, ERR_COORDINATOR_UNPROVED, ERR_HANDSHAKE_TIMEOUT, ERR_KEY without a key, or what the coordinator ended the connection for
 */
export async function dial(link: JoinLink, options: DialOptions): Promise<Dialled> {
  const key = keyOf(link, options);
  const clock = options.clock ?? systemClock;
  const limits = { ...STREAM_LIMITS, handshakeTimeoutMs: 10_000, stallMs: 30_000, maxPayloadBytes: MAX_PAYLOAD_BYTES, ...options.limits };
  const { socket, certificateSha256, keep } = await openSocket(link, limits.handshakeTimeoutMs, clock, options.signal);
  const stream = await openStream(link, socket, limits, clock);
  const inbox = new FromCoordinator(options.role);
  const cancel = clock.after(limits.handshakeTimeoutMs, () => { stream.fail(late(link, limits)); });
  try {
    const { role, identity, softwareVersion } = options;
    const challenge = await greetCoordinator(stream, inbox, { role, identity, softwareVersion, key, certificateSha256 });
    cancel();
    if (challenge === undefined) throw errorOfEnding(await stream.ended, link);
    const dialled = await welcomed(new Connection(stream, inbox, clock), stream, link, limits, challenge, clock);
    keep();
    return dialled;
  } catch (error) {
    cancel();
    if (error instanceof ClusterError) stream.fail(error);
    else stream.end();
    await stream.ended;
    throw options.insecure === true ? ofInsecure(error, link) : error;
  }
}

/** Who has no key to compare is told another thing. */
function ofInsecure(error: unknown, link: JoinLink): unknown {
  if (!(error instanceof ClusterError && error.code === 'ERR_COORDINATOR_UNPROVED')) return error;
  return new ClusterError(error.code, `The coordinator at ${formatAddress(link)} asks for a key; leave --insecure out and give the whole link that it printed.`);
}

function keyOf({ key }: JoinLink, { insecure = false }: DialOptions): Uint8Array {
  if (insecure) return NO_KEY;
  if (key === undefined || key.byteLength === 0) throw clusterError('ERR_KEY', { source: 'the link', problem: 'is missing' });
  return key;
}

function late(link: JoinLink, { handshakeTimeoutMs: timeoutMs }: DialLimits): ClusterError {
  return clusterError('ERR_HANDSHAKE_TIMEOUT', { address: formatAddress(link), timeoutMs });
}

async function openStream(link: JoinLink, socket: Socket, limits: DialLimits & StreamLimits, clock: Clock): Promise<FrameStream> {
  const ws = new WebSocket(formatJoinLink({ scheme: link.scheme, host: link.host, port: link.port }), {
    createConnection: () => socket, perMessageDeflate: false, autoPong: false, maxPayload: limits.maxPayloadBytes, maxFragments: MAX_FRAGMENTS,
    // A mask keeps what a web page chose from looking like http to a proxy; a node's bytes are not a page's. With 0 they are
    // neither copied nor changed on the way.
    generateMask: (mask) => { mask.fill(0); },
  });
  try {
    return await new Promise<FrameStream>((resolve, reject) => {
      const cancel = clock.after(limits.handshakeTimeoutMs, () => { reject(late(link, limits)); });
      ws.once('open', () => {
        cancel();
        resolve(new FrameStream(ws, socket, formatAddress(link), limits, clock)); // now, since bytes may have come with the answer
      });
      ws.on('error', (error) => { cancel(); reject(errorOfDialling(error, link)); });
      ws.once('unexpected-response', (_, response) => { cancel(); reject(errorOfResponse(response.statusCode, response.headers[ERROR_HEADER], link)); });
    });
  } catch (error) {
    socket.destroy();
    throw error;
  }
}

function errorOfResponse(status: number | undefined, header: string | string[] | undefined, link: JoinLink): ClusterError {
  const code = CLUSTER_ERROR_CODES.find((candidate) => candidate === header);
  if (code !== undefined) return new ClusterError(code, `The coordinator at ${formatAddress(link)} refuses the connection: ${CLUSTER_ERRORS[code].meaning}`);
  return clusterError('ERR_UNREACHABLE', { address: formatAddress(link), problem: `what answers is no coordinator (http status ${status})` });
}

async function welcomed(connection: ToCoordinator, stream: FrameStream, link: JoinLink, limits: DialLimits, { runId }: ChallengeMessage, clock: Clock): Promise<Dialled> {
  connection.allow(MAX_PLAN_BYTES);
  const stopWatch = watchSilence(stream, limits.handshakeTimeoutMs, clock, () => { stream.fail(late(link, limits)); });
  const message = await connection.receive();
  stopWatch();
  if (message?.type === 'error') throw new ClusterError(message.code, message.sentence);
  if (message?.type !== 'welcome') throw errorOfEnding(await connection.ended, link);
  connection.beat({ heartbeatMs: message.heartbeatMs, deadlineMs: DEADLINES * message.deadlineMs, stallMs: limits.stallMs });
  return { connection, welcome: message, runId };
}

/** A plan may be long and a network slow, so what counts is that bytes come. */
function watchSilence(stream: FrameStream, timeoutMs: number, clock: Clock, silent: () => void): () => void {
  const [begunMs, seenMs] = [clock.nowMs(), stream.readMs];
  let cancel = (): void => {};
  const watch = (since: number, read: number): void => {
    cancel = clock.after(since + timeoutMs - clock.nowMs(), () => {
      clock.afterReading(() => {
        if (stream.readMs > read) watch(stream.readMs, stream.readMs);
        else silent();
      });
    });
  };
  watch(begunMs, seenMs);
  return () => { cancel(); };
}

/** What a connection that ended before its welcome ended for. */
function errorOfEnding(ending: Ending, link: JoinLink): Error {
  if (ending.how === 'failed') return ending.error;
  return clusterError('ERR_UNREACHABLE', { address: formatAddress(link), problem: 'it ended the connection before the welcome' });
}
