// A node's edge: from a join link to a connection that has been welcomed.
import type { Socket } from 'node:net';
import { WebSocket } from 'ws';
import { CLUSTER_ERROR_CODES, CLUSTER_ERRORS, ClusterError, clusterError } from '../protocol/errors.js';
import { formatJoinLink, NO_KEY, type JoinLink } from '../protocol/keys.js';
import { limitsOfCoordinator, MAX_PLAN_BYTES, maxFrameBytes } from '../protocol/limits.js';
import { formatAddress } from './address.js';
import { systemClock, type Clock } from './clock.js';
import { INTRODUCTION_LIMITS, introduce, lateHandshake, type Dialled, type Introduction, type IntroductionLimits } from './introduce.js';
import { errorOfDialling, openSocket } from './open-socket.js';
import { ERROR_HEADER } from './requests.js';
import { FrameStream, STREAM_LIMITS, type StreamLimits } from './stream.js';

export interface DialLimits extends IntroductionLimits, Omit<StreamLimits, 'maxPayloadBytes'> {}

export interface DialOptions extends Pick<Introduction, 'role' | 'identity' | 'softwareVersion'> {
  /** Somebody typed it: then a key in the link counts for nothing, and the coordinator proves none. */
  readonly insecure?: boolean;
  readonly limits?: Partial<DialLimits>;
  readonly clock?: Clock;
  /** Ends the dialling; once there is a welcome it counts no more. */
  readonly signal?: AbortSignal;
}

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
  const limits = { ...STREAM_LIMITS, ...INTRODUCTION_LIMITS, maxPayloadBytes: MAX_PAYLOAD_BYTES, ...options.limits };
  const { socket, certificateSha256, keep } = await openSocket(link, limits.handshakeTimeoutMs, clock, options.signal);
  const stream = await openStream(link, socket, limits, clock);
  try {
    const { role, identity, softwareVersion } = options;
    const dialled = await introduce(stream, { role, identity, softwareVersion, key, binding: certificateSha256, limits, clock });
    keep();
    return dialled;
  } catch (error) {
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

async function openStream(link: JoinLink, socket: Socket, limits: DialLimits & StreamLimits, clock: Clock): Promise<FrameStream> {
  const ws = new WebSocket(formatJoinLink({ scheme: link.scheme, host: link.host, port: link.port }), {
    createConnection: () => socket, perMessageDeflate: false, autoPong: false, maxPayload: limits.maxPayloadBytes, maxFragments: MAX_FRAGMENTS,
    // A mask keeps what a web page chose from looking like http to a proxy; a node's bytes are not a page's. With 0 they are
    // neither copied nor changed on the way.
    generateMask: (mask) => { mask.fill(0); },
  });
  try {
    return await new Promise<FrameStream>((resolve, reject) => {
      const cancel = clock.after(limits.handshakeTimeoutMs, () => { reject(lateHandshake(formatAddress(link), limits.handshakeTimeoutMs)); });
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
