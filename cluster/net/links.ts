// The links that a coordinator prints: one for every address by which another machine can reach it.
import type { NetworkInterfaceInfo } from 'node:os';
import { renderUnicodeCompact } from 'uqr';
import { formatJoinLink } from '../protocol/keys.js';
import { formatAddress, isLoopback, type ServeAddress } from './address.js';

/** As `os.networkInterfaces` gives them. */
export type Interfaces = Readonly<Record<string, readonly NetworkInterfaceInfo[] | undefined>>;

export interface LinkSource {
  /** As bound. */
  readonly address: ServeAddress;
  readonly scheme: 'http' | 'https';
  readonly certificateSha256?: string | undefined;
  /** Of `--host`; their links come first. */
  readonly names?: readonly string[];
  readonly interfaces: Interfaces;
}

const ANY_IPV4 = '0.0.0.0';
const ANY_ADDRESS = '::';

/** Whether every address of the machine is listened on. */
export function isAnyAddress(host: string): boolean {
  return host === ANY_IPV4 || host === ANY_ADDRESS;
}

/** Names and addresses by which the bound address is reached, the farthest-reaching first; loopback stands last. */
export function reachableHosts({ address, names = [], interfaces }: Pick<LinkSource, 'address' | 'names' | 'interfaces'>): string[] {
  const { host } = address;
  if (!isAnyAddress(host)) return [...names, host];
  const found = Object.values(interfaces).flatMap((one) => one ?? []).filter((one) => isReachable(one, host));
  const ofFamily = (family: string, internal: boolean): string[] => found.filter((one) => one.family === family && one.internal === internal).map((one) => one.address);
  return [...names, ...ofFamily('IPv4', false), ...ofFamily('IPv6', false), ...ofFamily('IPv4', true), ...ofFamily('IPv6', true)];
}

/** A link-local address needs a zone, which is another on every machine. */
function isReachable({ family, address }: NetworkInterfaceInfo, bound: string): boolean {
  return family === 'IPv4' || (bound === ANY_ADDRESS && !/^fe[89ab]/i.test(address));
}

/** @param key of the role that the links are for; empty with `--insecure`, which the links then say */
export function linksWith(key: Uint8Array, source: LinkSource): string[] {
  const { scheme, certificateSha256, address: { port } } = source;
  return reachableHosts(source).map((host) => formatJoinLink({ scheme, host, port, key, certificateSha256, insecure: key.byteLength === 0 }));
}

/** A QR code of half blocks for a dark terminal. */
export function qrCode(link: string): string {
  return renderUnicodeCompact(link, { border: 2 });
}

export interface ServedKeys {
  readonly join: Uint8Array;
  /** Where the run can be steered; not at a relay. */
  readonly operator?: Uint8Array;
}

/**
 * What a coordinator prints on standard error: every link that joins, one QR code where another machine could use it, and the operator's
 * link apart.
 */
export function describeLinks(keys: ServedKeys, source: LinkSource): string {
  const joinLinks = linksWith(keys.join, source);
  const [first] = joinLinks;
  const isFar = reachableHosts(source).some((host) => !isLoopback(host));
  const lines = [
    `Listening on ${formatAddress(source.address)}. To help this run, or to watch it in a browser:`,
    '',
    ...joinLinks.map((link) => `  tensorflock join '${link}'${keys.join.byteLength === 0 ? ' --insecure' : ''}`),
    ...(isFar && first !== undefined ? ['', qrCode(first)] : []),
    '',
    ...steeringLines(keys, source),
  ];
  return lines.join('\n');
}

function steeringLines({ join, operator }: ServedKeys, source: LinkSource): string[] {
  if (join.byteLength === 0) return [withoutKeys(source, operator === undefined ? 'join this run and see its data' : 'join this run, see its data, steer it and stop it'), ''];
  return operator === undefined ? [] : [...operatorLines(operator, source), ''];
}

function operatorLines(operator: Uint8Array, source: LinkSource): string[] {
  return ['Who has this other link steers the run (pause, resume, checkpoint, stop); keep it to yourself:', '', ...linksWith(operator, source).slice(0, 1).map((link) => `  tensorflock operate '${link}' pause`)];
}

function withoutKeys({ scheme }: LinkSource, whatStrangersCan: string): string {
  const plain = scheme === 'http' ? ', and whoever is on the way can read and change what is sent' : '';
  return `--insecure: no key is asked for. Whoever reaches this address can ${whatStrangersCan}${plain}.`;
}
