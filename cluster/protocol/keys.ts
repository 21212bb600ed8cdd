// Keys of a run and the links that carry them. No sentence here repeats a key, or a part of a link that might hold one.
import { bytesToHex, hexToBytes, randomBytes } from '@noble/hashes/utils.js';
import { clusterError } from './errors.js';
import type { Role } from './messages.js';

export const KEY_BYTES = 16;
/** More would only make the link longer. */
const MAX_KEY_BYTES = 64;
const FINGERPRINT_BYTES = 32;
const MAX_PORT = 65_535;
const INSECURE = 'insecure';

/** Stands for the key where somebody typed `--insecure`; no text gives it. */
export const NO_KEY: Uint8Array = new Uint8Array(0);

export type KeyName = 'join' | 'operator';

/** Which of the run's keys a role proves. */
export function keyNameOf(role: Role): KeyName {
  return role === 'operator' ? 'operator' : 'join';
}

export function drawKey(): Uint8Array {
  return randomBytes(KEY_BYTES);
}

/** Unpadded base64url. */
export function formatKey(key: Uint8Array): string {
  return toBase64url(key);
}

/**
 * @param source where the text comes from, for the sentence: `--key-file`, `TENSORFLOCK_KEY`, `the link`
 * @throws ERR_KEY for fewer than 128 bits, or a text that is no unpadded base64url
 */
export function parseKey(text: string, source: string): Uint8Array {
  const written = text.trim();
  if (written === '') throw clusterError('ERR_KEY', { source, problem: 'is empty' });
  const key = fromBase64url(written);
  if (key === undefined) throw clusterError('ERR_KEY', { source, problem: 'is no unpadded base64url' });
  if (key.byteLength < KEY_BYTES) throw clusterError('ERR_KEY', { source, problem: `has ${8 * key.byteLength} bits and needs 128` });
  if (key.byteLength > MAX_KEY_BYTES) throw clusterError('ERR_KEY', { source, problem: `has ${8 * key.byteLength} bits, more than ${8 * MAX_KEY_BYTES}` });
  return key;
}

/** Where a key may be given, in the order in which it is looked for. */
export interface KeySources {
  /** Of the link. */
  readonly link?: Uint8Array | undefined;
  /** `joinKey` of the library. */
  readonly option?: string | undefined;
  /** The text of the file of `--key-file`. */
  readonly keyFile?: string | undefined;
  /** `TENSORFLOCK_KEY`; empty counts as not set. */
  readonly environment?: string | undefined;
}

/** @throws ERR_KEY for a key that is found and cannot be one */
export function findKey({ link, option, keyFile, environment }: KeySources): Uint8Array | undefined {
  if (link !== undefined) return link;
  if (option !== undefined) return parseKey(option, 'joinKey');
  if (keyFile !== undefined) return parseKey(keyFile, '--key-file');
  return environment === undefined || environment === '' ? undefined : parseKey(environment, 'TENSORFLOCK_KEY');
}

export interface JoinLink {
  readonly scheme: 'http' | 'https';
  /** A name, an IPv4 address, or an IPv6 address without its brackets. */
  readonly host: string;
  readonly port: number;
  /** Absent where it is given in another way. */
  readonly key?: Uint8Array | undefined;
  /** SHA-256 of the certificate (DER), 64 hex digits; with https alone. */
  readonly certificateSha256?: string | undefined;
  /** Of a run that asks nobody for a key: a node goes there only where somebody typed that too. */
  readonly insecure?: boolean | undefined;
}

/** `http://host:port/#k=…`, with https and a pinned certificate `&fp=…` after it; without keys `#insecure`. The fragment is in no request. */
export function formatJoinLink({ scheme, host, port, key, certificateSha256, insecure = false }: JoinLink): string {
  const fields = [
    ...(insecure ? [INSECURE] : []),
    ...(key === undefined || key.byteLength === 0 ? [] : [`k=${toBase64url(key)}`]),
    ...(certificateSha256 === undefined ? [] : [`fp=${toBase64url(hexToBytes(certificateSha256))}`]),
  ];
  return `${scheme}://${host.includes(':') ? `[${host}]` : host}:${port}/${fields.length === 0 ? '' : `#${fields.join('&')}`}`;
}

/** @throws ERR_JOIN_LINK, or ERR_KEY for its key */
export function parseJoinLink(text: string): JoinLink {
  const { scheme, authority, rest } = splitScheme(text.trim());
  const { host, port } = parseAuthority(authority);
  const fields = parseFragment(rest);
  const fingerprint = fields.get('fp');
  if (fingerprint !== undefined && scheme === 'http') throw broken('names a certificate and is not https');
  const key = fields.get('k');
  const insecure = fields.has(INSECURE);
  if (insecure && key !== undefined) throw broken('has a key and is insecure');
  return {
    scheme, host, port,
    ...(insecure && { insecure }),
    ...(key !== undefined && { key: parseKey(key, 'the link') }),
    ...(fingerprint !== undefined && { certificateSha256: parseFingerprint(fingerprint) }),
  };
}

function splitScheme(text: string): { scheme: 'http' | 'https'; authority: string; rest: string } {
  const match = /^(\w[\w+.-]*):\/\/([^/?#]*)(.*)$/s.exec(text);
  if (!match) throw broken('has no http:// or https:// before its host');
  const [, scheme, authority = '', rest = ''] = match;
  if (scheme !== 'http' && scheme !== 'https') throw broken('begins with another scheme than http or https');
  return { scheme, authority, rest };
}

function parseAuthority(authority: string): { host: string; port: number } {
  if (authority.includes('@')) throw broken('has a user before its host');
  const match = /^(?:\[([^\]]*)\]|([^:[\]]*))(?::([^:]*))?$/.exec(authority);
  if (!match) throw broken('has a host that is neither a name nor an address (an IPv6 address stands in brackets)');
  const [, ipv6, name, port] = match;
  if (port === undefined || port === '') throw broken('has no port');
  if (!/^[1-9]\d{0,4}$/.test(port) || Number(port) > MAX_PORT) throw broken('has a port that is no number from 1 to 65535');
  return { host: ipv6 === undefined ? checkName(name ?? '') : checkIpv6(ipv6), port: Number(port) };
}

/** One host has one spelling afterwards, so that a header `Host` can be compared with it. */
function checkName(name: string): string {
  if (name === '') throw broken('has no host');
  const host = hostOf(name);
  if (!/^[\w.-]+$/.test(name) || host === undefined) throw broken('has a host that is neither a name nor an address');
  return host;
}

function checkIpv6(address: string): string {
  if (address.includes('%')) throw broken('has an IPv6 address with a zone, which belongs to one machine alone');
  const host = /^[\d:a-f.]+$/i.test(address) ? hostOf(`[${address}]`) : undefined;
  if (host === undefined) throw broken('has brackets around what is no IPv6 address');
  return host.slice(1, -1);
}

function hostOf(written: string): string | undefined {
  return URL.canParse(`http://${written}:1/`) ? new URL(`http://${written}:1/`).hostname : undefined;
}

function parseFragment(rest: string): Map<string, string> {
  const match = /^\/?(\?[^#]*)?(?:#(.*))?$/s.exec(rest);
  if (!match) throw broken('has a path; nothing but / stands between port and #');
  const [, query, fragment = ''] = match;
  if (query !== undefined) throw broken('has a query, which servers log; its key belongs behind #');
  const fields = fragment === '' ? [] : fragment.split('&').map((field) => /^(?:(k|fp)=(.*)|(insecure))$/s.exec(field));
  if (fields.some((field) => field === null)) throw broken('has something else than k=… and fp=… behind #');
  const values = new Map(fields.map((field) => [field![1] ?? field![3]!, field![2] ?? '']));
  if (values.size < fields.length) throw broken('names the same thing twice behind #');
  return values;
}

function parseFingerprint(text: string): string {
  const bytes = fromBase64url(text);
  if (bytes?.byteLength !== FINGERPRINT_BYTES) throw broken('has a fingerprint that is no SHA-256 in unpadded base64url');
  return bytesToHex(bytes);
}

function broken(problem: string): Error {
  return clusterError('ERR_JOIN_LINK', { problem });
}

function toBase64url(bytes: Uint8Array): string {
  return btoa(String.fromCharCode(...bytes)).replaceAll('+', '-').replaceAll('/', '_').replace(/=+$/, '');
}

/** The bytes, or undefined for another text than `toBase64url` writes. */
function fromBase64url(text: string): Uint8Array | undefined {
  if (!/^[\w-]+$/.test(text) || text.length % 4 === 1) return undefined;
  const bytes = Uint8Array.from(atob(text.replaceAll('-', '+').replaceAll('_', '/')), (character) => character.charCodeAt(0));
  return toBase64url(bytes) === text ? bytes : undefined;
}
