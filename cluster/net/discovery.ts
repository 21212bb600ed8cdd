// Coordinators on the LAN, by mDNS. A record says where one listens, and never a key: who wants to join needs the link all the same.
import { createSocket, type Socket } from 'node:dgram';
import { isIP } from 'node:net';
import { Bonjour, type Service } from 'bonjour-service';
import { formatJoinLink } from '../protocol/keys.js';
import { PROTOCOL_VERSION } from '../protocol/messages.js';
import type { Clock } from './clock.js';

const SERVICE_TYPE = 'tensorflock';
const MDNS_PORT = 5_353;
const MAX_FOUND = 64;
const MAX_NAME_CHARACTERS = 63;

/** Everything that is told to the network. */
export interface Announcement {
  /** For people; it has to be another one for every run. */
  readonly name: string;
  readonly port: number;
  readonly scheme: 'http' | 'https';
}

export interface Found {
  readonly name: string;
  /** Links without keys, one for each address. */
  readonly links: readonly string[];
}

/** Announces until the function it returns is called, which takes it back. Rejects where mDNS cannot be used. */
export async function announce({ name, port, scheme }: Announcement): Promise<() => Promise<void>> {
  const [bonjour, socket] = await openBonjour();
  bonjour.publish({ name: name.slice(0, MAX_NAME_CHARACTERS), type: SERVICE_TYPE, port, txt: { v: String(PROTOCOL_VERSION), scheme }, probe: false });
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
export function foundOf({ name, port, addresses = [], txt }: Pick<Service, 'name' | 'port' | 'addresses' | 'txt'>): Found[] {
  const { v, scheme } = (txt ?? {}) as { readonly v?: unknown; readonly scheme?: unknown };
  if (v !== String(PROTOCOL_VERSION) || (scheme !== 'http' && scheme !== 'https') || !(port > 0)) return [];
  const hosts = addresses.filter((address) => isIP(address) !== 0 && !/^fe[89ab]/i.test(address));
  if (hosts.length === 0) return [];
  return [{ name: name.slice(0, MAX_NAME_CHARACTERS).replace(/[^\x20-\x7e]/g, '?'), links: hosts.map((host) => formatJoinLink({ scheme, host, port })) }];
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
