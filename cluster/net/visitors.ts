// Every open socket of a listener, from its first packet on: how many there are, from where, and until when each has to have proved
// the key.
import type { Socket } from 'node:net';
import { clusterError, type ClusterError } from '../protocol/errors.js';
import { networkOf } from '../protocol/try-limiter.js';
import type { Clock } from './clock.js';

export interface VisitorLimits {
  readonly maxConnections: number;
  /** From one address; of IPv6 from one /64. */
  readonly maxConnectionsPerNetwork: number;
  /** From the first packet to the proof, TLS and headers included. */
  readonly handshakeTimeoutMs: number;
}

export const VISITOR_LIMITS: VisitorLimits = { maxConnections: 1_024, maxConnectionsPerNetwork: 256, handshakeTimeoutMs: 10_000 };

/** Sockets beyond a limit that are still told so; those beyond these are dropped. */
const TOLD = 16;

interface Visitor {
  readonly network: string;
  readonly socket: Socket;
  /** Ends the visit, and tells the other side why where it can be told. */
  end: (error: ClusterError) => void;
  stopClock: () => void;
}

/** Which visitor a socket is of: under TLS there are two sockets, with the same ends. */
type Ends = Pick<Socket, 'remoteAddress' | 'remotePort' | 'localAddress' | 'localPort'>;

export class Visitors {
  readonly #visitors = new Map<string, Visitor>();
  readonly #byNetwork = new Map<string, number>();
  /** Of visitors that have left. */
  readonly #past = { receivedBytes: 0, sentBytes: 0 };

  constructor(private readonly limits: VisitorLimits, private readonly clock: Clock, private readonly refused: (error: ClusterError) => void) {}

  /** A socket was opened. */
  enter(socket: Socket): void {
    const [name, network] = [nameOf(socket), networkOf(addressOf(socket))];
    const visitor: Visitor = { network, socket, end: (error) => { this.#drop(socket, error); }, stopClock: () => {} };
    socket.on('error', () => {}); // it closes too, and that is all there is to it
    this.#visitors.set(name, visitor);
    this.#byNetwork.set(network, this.#from(network) + 1);
    socket.once('close', () => { this.#left(name, visitor); });
    if (this.#isBeyond(network, TOLD)) return void socket.destroy();
    visitor.stopClock = this.clock.after(this.limits.handshakeTimeoutMs, () => { visitor.end(this.#late(addressOf(socket))); });
  }

  /** Why this socket may go no further, if so. */
  verdict(socket: Socket): ClusterError | undefined {
    const address = addressOf(socket);
    if (this.#visitors.size > this.limits.maxConnections) return clusterError('ERR_SERVER_FULL', { connections: this.limits.maxConnections });
    if (!this.#isBeyond(networkOf(address), 0)) return undefined;
    return clusterError('ERR_TOO_MANY_CONNECTIONS', { connections: this.limits.maxConnectionsPerNetwork, address });
  }

  /** From now on a visit ends like this. */
  endWith(socket: Ends, end: (error: ClusterError) => void): void {
    const visitor = this.#visitors.get(nameOf(socket));
    if (visitor) visitor.end = end;
  }

  /** The visitor has proved the key and may stay. */
  proved(socket: Ends): void {
    this.#visitors.get(nameOf(socket))?.stopClock();
  }

  endAll(error: ClusterError): void {
    for (const visitor of [...this.#visitors.values()]) visitor.end(error);
  }

  /** Bytes of all visitors since the door was opened, TLS and framing included. */
  get bytes(): { readonly receivedBytes: number; readonly sentBytes: number } {
    let { receivedBytes, sentBytes } = this.#past;
    for (const { socket } of this.#visitors.values()) {
      receivedBytes += socket.bytesRead;
      sentBytes += socket.bytesWritten;
    }
    return { receivedBytes, sentBytes };
  }

  #drop(socket: Socket, error: ClusterError): void {
    this.refused(error);
    socket.destroy();
  }

  #late(address: string): ClusterError {
    return clusterError('ERR_HANDSHAKE_TIMEOUT', { address, timeoutMs: this.limits.handshakeTimeoutMs });
  }

  #isBeyond(network: string, told: number): boolean {
    const { maxConnections, maxConnectionsPerNetwork } = this.limits;
    return this.#visitors.size > maxConnections + told || this.#from(network) > maxConnectionsPerNetwork + told;
  }

  #left(name: string, visitor: Visitor): void {
    visitor.stopClock();
    this.#past.receivedBytes += visitor.socket.bytesRead;
    this.#past.sentBytes += visitor.socket.bytesWritten;
    if (this.#visitors.get(name) === visitor) this.#visitors.delete(name);
    const others = this.#from(visitor.network) - 1;
    if (others > 0) this.#byNetwork.set(visitor.network, others);
    else this.#byNetwork.delete(visitor.network);
  }

  #from(network: string): number {
    return this.#byNetwork.get(network) ?? 0;
  }
}

export function addressOf(socket: Pick<Socket, 'remoteAddress'>): string {
  return socket.remoteAddress ?? 'an address that is gone';
}

function nameOf({ remoteAddress, remotePort, localAddress, localPort }: Ends): string {
  return `${remoteAddress} ${remotePort} ${localAddress} ${localPort}`;
}
