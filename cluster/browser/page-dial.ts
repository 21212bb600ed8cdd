// A page's edge: a connection to the coordinator that served it.
import type { Clock } from '../net/clock.js';
import { INTRODUCTION_LIMITS, introduce, lateHandshake, type Dialled } from '../net/introduce.js';
import { clusterError } from '../protocol/errors.js';
import { bindingOfPage } from '../protocol/handshake.js';
import type { Identity } from '../protocol/identity.js';
import type { Role } from '../protocol/messages.js';
import { pageClock } from './page-clock.js';
import { PageStream } from './page-stream.js';

export interface PageDialOptions {
  /** Of the page, `location.origin`. */
  readonly origin: string;
  /** Empty where the run asks for none. */
  readonly key: Uint8Array;
  readonly role: Role;
  readonly identity: Identity;
  /** At most 32 characters. */
  readonly softwareVersion: string;
  readonly clock?: Clock;
  /** Ends the dialling; once there is a welcome it counts no more. */
  readonly signal?: AbortSignal;
}

/**
 * Opens a connection, proves the key on both sides and waits for the welcome.
 * @throws ERR_UNREACHABLE, ERR_COORDINATOR_UNPROVED, ERR_HANDSHAKE_TIMEOUT, or what the coordinator ended the connection for
 */
export async function dialFromPage({ origin, key, role, identity, softwareVersion, clock = pageClock, signal }: PageDialOptions): Promise<Dialled> {
  const address = new URL(origin).host;
  const socket = new WebSocket(`${origin.replace(/^http/, 'ws')}/`);
  socket.binaryType = 'arraybuffer';
  const abort = (): void => { socket.close(); };
  signal?.addEventListener('abort', abort);
  try {
    await opened(socket, address, clock);
    const stream = new PageStream(socket, address, clock);
    return await introduce(stream, { role, identity, softwareVersion, key, binding: bindingOfPage(origin), limits: INTRODUCTION_LIMITS, clock });
  } finally {
    signal?.removeEventListener('abort', abort);
  }
}

/** A page is not told why a connection failed. */
async function opened(socket: WebSocket, address: string, clock: Clock): Promise<void> {
  const { handshakeTimeoutMs } = INTRODUCTION_LIMITS;
  await new Promise<void>((resolve, reject) => {
    const cancel = clock.after(handshakeTimeoutMs, () => {
      reject(lateHandshake(address, handshakeTimeoutMs));
      socket.close();
    });
    socket.addEventListener('open', () => { cancel(); resolve(); });
    socket.addEventListener('close', () => { cancel(); reject(clusterError('ERR_UNREACHABLE', { address, problem: 'the coordinator is away, or takes no more connections' })); });
  });
}
