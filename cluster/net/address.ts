import { isIPv4 } from 'node:net';
import { clusterError } from '../protocol/errors.js';

export const LOOPBACK = '127.0.0.1';

export interface ServeAddress {
  /** A name or address, IPv6 without brackets. */
  readonly host: string;
  /** 0 takes a free one. */
  readonly port: number;
}

/**
 * `[host:]port` of `--serve`: `8080`, `:8080`, `0.0.0.0:8080`, `[::]:8080`; without a host loopback.
 * @throws ERR_LISTEN
 */
export function parseServeAddress(text: string): ServeAddress {
  const match = /^(?:(?:\[([\da-f:.]+)\]|([\w.-]*)):)?(\d{1,5})$/i.exec(text.trim());
  const port = Number(match?.[3]);
  if (!match || port > 65_535) throw clusterError('ERR_LISTEN', { address: text, problem: 'it is not of the form [host:]port' });
  return { host: match[1] ?? (match[2] || LOOPBACK), port };
}

/** Whether only programs of this machine reach it. */
export function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || (isIPv4(host) && host.startsWith('127.'));
}

/** `host:port` as a link and a sentence have it. */
export function formatAddress({ host, port }: ServeAddress): string {
  return `${host.includes(':') ? `[${host}]` : host}:${port}`;
}
