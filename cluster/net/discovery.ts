// Coordinators on the LAN, by mDNS. A record says where one listens, and never a key: who wants to join needs the link all the same.
import { createSocket, type Socket } from 'node:dgram';
import { isIP } from 'node:net';
import { Bonjour, type Service } from 'bonjour-service';
import { formatJoinLink, parseJoinLink, type JoinLink } from '../protocol/keys.js';
import { PROTOCOL_VERSION } from '../protocol/messages.js';
import type { ServeAddress } from './address.js';
import type { Clock } from './clock.js';
import { isAnyAddress } from './links.js';

const SERVICE_TYPE = 'tensorflock';
const MDNS_PORT = 5_353;
const MAX_FOUND = 64;
const MAX_NAME_CHARACTERS = 63;

/** Everything that is told to the network. */
export interface Announcement {
  /** For people; it has to be another one for every run. */
  readonly name: string;
  /** As bound: where that is one address, no other is told. */
  readonly address: ServeAddress;
  readonly scheme: 'http' | 'https';
  /** What a link pins; who announces another one proves no key under it. */
  readonly certificateSha256?: string | undefined;
  /** Nobody needs a key. */
  readonly insecure?: boolean;
}

export interface Found {
  readonly name: string;
  /** Links without keys, one for each address; the one that answered comes first. */
  readonly links: readonly string[];
  readonly insecure: boolean;
}

/** Announces until the function it returns is called, which takes it back. Rejects where mDNS cannot be used. */
export async function announce({ name, address, scheme, certificateSha256, insecure = false }: Announcement): Promise<() => Promise<void>> {
  const [bonjour, socket] = await openBonjour();
  const { host, port } = address;
  const { hash } = new URL(formatJoinLink({ scheme, host, port, certificateSha256, insecure }));
  const txt = { v: String(PROTOCOL_VERSION), scheme, ...(hash !== '' && { fragment: hash.slice(1) }), ...(isIP(host) !== 0 && !isAnyAddress(host) && { address: host }) };
  bonjour.publish({ name: name.slice(0, MAX_NAME_CHARACTERS), type: SERVICE_TYPE, port, txt, probe: false, disableIPv6: isIP(host) === 4 });
  return async () => {
    await new Promise<void>((resolve) => { bonjour.unpublishAll(() => { resolve(); }); });
    await closeBonjour(bonjour, socket);
  };
}

/** Coordinators that answer within the time, of this version of the protocol. Rejects where mDNS cannot be used. */
export async function browse(waitMs: number, clock: Clock): Promise<Found[]> {
  const [bonjour, socket] = await openBonjour();
  const browser = bonjour.find({ type: SERVICE_TYPE });
  await new Promise<void>((resolve) => { clock.after(waitMs, resolve); });
  const found = browser.services.slice(0, MAX_FOUND).flatMap(foundOf);
  browser.stop();
  await closeBonjour(bonjour, socket);
  return found;
}

/** What strangers say is taken for a name, addresses and a port, or not at all. */
export function foundOf({ name, port, addresses = [], referer, txt }: Pick<Service, 'name' | 'port' | 'addresses' | 'referer' | 'txt'>): Found[] {
  const { v, scheme, fragment = '', address } = (txt ?? {}) as Readonly<Record<string, unknown>>;
  if (v !== String(PROTOCOL_VERSION) || (scheme !== 'http' && scheme !== 'https') || !(port > 0)) return [];
  const told = typeof address === 'string' ? [address] : addresses;
  const hosts = told.filter((one) => isIP(one) !== 0 && !/^fe[89ab]/i.test(one)).sort((a, b) => Number(b === referer?.address) - Number(a === referer?.address));
  const links = hosts.flatMap((host) => linkOf(`${formatJoinLink({ scheme, host, port })}#${String(fragment)}`));
  const [first] = links;
  if (first === undefined) return [];
  return [{ name: name.slice(0, MAX_NAME_CHARACTERS).replace(/[^\x20-\x7e]/g, '?'), links: links.map(formatJoinLink), insecure: first.insecure === true }];
}

/** A link that is one, and has no key: one that strangers tell is theirs. */
function linkOf(text: string): JoinLink[] {
  try {
    const link = parseJoinLink(text);
    return link.key === undefined ? [link] : [];
  } catch {
    return [];
  }
}

/** With a socket of our own, because nobody else listens for its errors. */
async function openBonjour(): Promise<[Bonjour, Socket]> {
  const socket = createSocket({ type: 'udp4', reuseAddr: true });
  const withSocket = { socket, bind: false } as object;
  const bonjour = new Bonjour(withSocket, () => {});
  await new Promise<void>((resolve, reject) => {
    socket.once('error', reject);
    socket.bind(MDNS_PORT, () => {
      socket.off('error', reject);
      resolve();
    });
  });
  return [bonjour, socket];
}

async function closeBonjour(bonjour: Bonjour, socket: Socket): Promise<void> {
  const closed = new Promise<void>((resolve) => { socket.once('close', resolve); });
  bonjour.destroy();
  await closed;
}
