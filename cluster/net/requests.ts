// Who may ask what over http, before a WebSocket or a page: decided from the request alone.
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import { isIP } from 'node:net';
import { clusterError, type ClusterError } from '../protocol/errors.js';
import type { Answer } from './answer.js';
import { pageAt } from './page.js';

/** What a listener goes by. */
export interface OwnNames {
  readonly scheme: 'http' | 'https';
  /** Of `--host`, besides every address and `localhost`. */
  readonly names: readonly string[];
}

/** Names the error of a refused upgrade, for a node's sentence. */
export const ERROR_HEADER = 'tensorflock-error';

const STATUS_TEXT: Readonly<Record<number, string>> = {
  200: 'OK', 400: 'Bad Request', 403: 'Forbidden', 404: 'Not Found', 405: 'Method Not Allowed', 421: 'Misdirected Request', 503: 'Service Unavailable',
};

const STRICT_HEADERS: Readonly<Record<string, string>> = {
  'Cache-Control': 'no-store',
  Connection: 'close',
  'Content-Security-Policy': "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
  'Content-Type': 'text/plain; charset=utf-8',
  'Cross-Origin-Resource-Policy': 'same-origin',
  'Referrer-Policy': 'no-referrer',
  'X-Content-Type-Options': 'nosniff',
  'X-Frame-Options': 'DENY',
};

type Request = Pick<IncomingMessage, 'method' | 'url' | 'rawHeaders'>;

/** A refusal, or undefined for a request of a host and origin that are ours. */
export function refusalOf({ rawHeaders }: Request, address: string, own: OwnNames): Answer | undefined {
  const [hosts, origins] = [valuesOf(rawHeaders, 'host'), valuesOf(rawHeaders, 'origin')];
  if (hosts.length !== 1 || origins.length > 1) return { status: 400, text: 'One Host, and at most one Origin.\n' };
  const [host, origin] = [hosts[0]!, origins[0]];
  if (!isOwnHost(host, own.names)) return refusal(421, clusterError('ERR_HOST', { address, host }));
  if (origin !== undefined && origin.toLowerCase() !== `${own.scheme}://${host.toLowerCase()}`) return refusal(403, clusterError('ERR_ORIGIN', { address, origin }));
  return undefined;
}

/** What a plain request is answered with, its host and origin being ours. */
export function answerOf({ method, url, rawHeaders }: Request, { scheme }: OwnNames): Answer {
  if (method !== 'GET') return { status: 405, text: 'GET alone.\n' };
  const secure = scheme === 'https' || isOfThisMachine(valuesOf(rawHeaders, 'host')[0]!);
  return pageAt(url ?? '', secure) ?? { status: 404, text: 'Nothing is here.\n' };
}

/** Why a WebSocket is not opened at this place; keys have no business in a URL, so there is only `/`. */
export function upgradeRefusalOf({ method, url }: Request): Answer | undefined {
  return method === 'GET' && url === '/' ? undefined : { status: 404, text: 'WebSockets are opened at / alone.\n' };
}

export function refusal(status: number, error: ClusterError): Answer {
  return { status, text: `${error.code}\n`, error };
}

export function write(response: ServerResponse, answer: Answer): void {
  response.writeHead(answer.status, headersOf(answer));
  response.end(answer.body ?? answer.text);
}

/** For an upgrade, which has no response object. */
export function writeRaw(socket: Duplex, answer: Answer): void {
  const lines = Object.entries(headersOf(answer)).map(([name, value]) => `${name}: ${value}\r\n`);
  socket.end(`HTTP/1.1 ${answer.status} ${STATUS_TEXT[answer.status] ?? ''}\r\n${lines.join('')}\r\n${answer.text}`, () => { socket.destroy(); });
}

function headersOf({ status, text, body, error, headers }: Answer): Record<string, string> {
  return {
    ...STRICT_HEADERS,
    'Content-Length': String(body?.byteLength ?? Buffer.byteLength(text)),
    ...(status === 405 && { Allow: 'GET' }),
    ...(error && { [ERROR_HEADER]: error.code }),
    ...headers,
  };
}

/** Every value of a header, in their order. */
export function valuesOf(rawHeaders: readonly string[], name: string): string[] {
  return rawHeaders.filter((_, index) => index % 2 === 1 && rawHeaders[index - 1]!.toLowerCase() === name);
}

/** Browsers trust what they get from here without TLS too. */
function isOfThisMachine(host: string): boolean {
  return /^(?:localhost|127\.[\d.]+|\[::1\])(?::\d+)?$/i.test(host);
}

/** An address, which no name server of a stranger can point elsewhere, or a name that is known to be ours. */
function isOwnHost(header: string, names: readonly string[]): boolean {
  const match = /^(?:\[([\da-f:.]+)\]|([\w.-]+))(?::\d{1,5})?$/i.exec(header);
  if (!match) return false;
  const [, ipv6, name = ''] = match;
  if (ipv6 !== undefined) return isIP(ipv6) === 6;
  return isIP(name) === 4 || ['localhost', ...names].some((own) => own.toLowerCase() === name.toLowerCase());
}
