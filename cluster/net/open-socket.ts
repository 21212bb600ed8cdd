// From a link to a socket: TCP, and under TLS a certificate that is the one of the link.
import { connect as connectTcp, isIP, type Socket } from 'node:net';
import { connect as connectTls, type TLSSocket } from 'node:tls';
import { clusterError, type ClusterError } from '../protocol/errors.js';
import type { JoinLink } from '../protocol/keys.js';
import { formatAddress } from './address.js';
import type { Clock } from './clock.js';
import { nodeHasher } from './hasher.js';

export interface OpenSocket {
  readonly socket: Socket;
  /** 64 hex digits; empty without TLS. */
  readonly certificateSha256: string;
}

/**
 * @param signal ends the opening, and the socket where it comes later, until `keep` is called
 * @throws ERR_UNREACHABLE, ERR_CERTIFICATE
 */
export async function openSocket(link: JoinLink, timeoutMs: number, clock: Clock, signal?: AbortSignal): Promise<OpenSocket & { readonly keep: () => void }> {
  const socket = link.scheme === 'https' ? openTls(link) : connectTcp({ host: link.host, port: link.port });
  const abort = (): void => { socket.destroy(new Error('called off')); };
  const keep = (): void => { signal?.removeEventListener('abort', abort); };
  signal?.addEventListener('abort', abort);
  socket.once('close', keep);
  try {
    await connected(socket, link.scheme === 'https' ? 'secureConnect' : 'connect', timeoutMs, clock);
    return { socket, certificateSha256: link.scheme === 'https' ? seenCertificate(socket as TLSSocket, link) : '', keep };
  } catch (error) {
    socket.destroy();
    throw errorOfDialling(error as NodeJS.ErrnoException, link);
  }
}

/** A pinned certificate needs nobody to vouch for it, nor to name the host; another one does. */
function openTls({ host, port, certificateSha256 }: JoinLink): TLSSocket {
  return connectTls({ host, port, servername: isIP(host) ? '' : host, rejectUnauthorized: certificateSha256 === undefined, minVersion: 'TLSv1.3', ALPNProtocols: ['http/1.1'] });
}

async function connected(socket: Socket, event: string, timeoutMs: number, clock: Clock): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    const cancel = clock.after(timeoutMs, () => { reject(Object.assign(new Error('late'), { code: 'ETIMEDOUT' })); });
    socket.once(event, () => { cancel(); resolve(); });
    // Stays: a socket that breaks between here and its WebSocket is noticed by its end.
    socket.on('error', (error) => { cancel(); reject(error); });
  });
}

function seenCertificate(socket: TLSSocket, link: JoinLink): string {
  const found = nodeHasher.sha256(socket.getPeerX509Certificate()!.raw);
  const { certificateSha256: expected = found } = link;
  if (found !== expected) throw clusterError('ERR_CERTIFICATE', { address: formatAddress(link), found, expected });
  return found;
}

/** By Node's codes and OpenSSL's. */
const PROBLEMS: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'no program listens there',
  ECONNRESET: 'it ends the connection; a coordinator with TLS has a link that begins with https',
  EHOSTUNREACH: 'there is no way to this address',
  ENETUNREACH: 'there is no way to this address',
  ENOTFOUND: 'no address is known for this name',
  EAI_AGAIN: 'no address is known for this name',
  ETIMEDOUT: 'no answer came in time',
  ERR_SSL_WRONG_VERSION_NUMBER: 'it speaks no TLS; a coordinator without TLS has a link that begins with http',
  ERR_SSL_PACKET_LENGTH_TOO_LONG: 'it speaks no TLS; a coordinator without TLS has a link that begins with http',
};

const NOT_VOUCHED_FOR = /^(CERT_|ERR_TLS_CERT|SELF_SIGNED|DEPTH_ZERO|UNABLE_TO_)/;

/** The error of the table for what a socket says. */
export function errorOfDialling(error: NodeJS.ErrnoException, link: JoinLink): ClusterError {
  if ('closeCode' in error) return error as unknown as ClusterError;
  const address = formatAddress(link);
  const code = error.code ?? '';
  if (NOT_VOUCHED_FOR.test(code)) return clusterError('ERR_CERTIFICATE', { address, found: `none that counts (${code})`, expected: 'none' }, { cause: error });
  return clusterError('ERR_UNREACHABLE', { address, problem: PROBLEMS[code] ?? (error.message || code) }, { cause: error });
}
