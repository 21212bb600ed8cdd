// A switch between machines whose packets come in VXLAN (RFC 7348), the network's number being the machine's: it says where a packet
// goes and when. A process with a socket carries that out (switch-process.ts).
import type { LinkProfile } from './profile.js';

/** What a machine gets, and when. */
export interface Delivery {
  readonly machine: number;
  readonly atMs: number;
}

export type Behaviour = Omit<LinkProfile, 'name'>;

const [NETWORK_NUMBER, FRAME] = [6, 8];
const [FRAME_HEAD, IPV4, TCP, UDP] = [14, 0x0800, 6, 17];
/** A packet that would wait longer in a port finds its queue full. */
const MOST_QUEUED_MS = 200;

interface Port {
  /** When the last packet has left, and when the last one arrives: a link keeps their order. */
  freeAtMs: number;
  arrivedAtMs: number;
  isCut: boolean;
}

export class LanSwitch {
  readonly #ports = new Map<number, Port>();
  readonly #machines = new Map<string, number>();

  /**
   * @param machines their numbers, 1 to 255
   * @param random from 0 to below 1
   */
  constructor(machines: readonly number[], private readonly behaviour: Behaviour, private readonly random: () => number) {
    for (const machine of machines) this.#ports.set(machine, { freeAtMs: 0, arrivedAtMs: 0, isCut: false });
  }

  /** From now on nothing comes from or to a machine, or everything again. */
  cut(machine: number, isCut: boolean): void {
    const port = this.#ports.get(machine);
    if (port !== undefined) port.isCut = isCut;
  }

  /** Where a packet goes; nowhere where it is lost. */
  route(packet: Uint8Array, nowMs: number): readonly Delivery[] {
    const from = packet[NETWORK_NUMBER]!;
    const port = this.#ports.get(from);
    if (port === undefined || packet.byteLength < FRAME + FRAME_HEAD) return [];
    this.#machines.set(macAt(packet, FRAME + 6), from);
    if (port.isCut || this.random() * 100 < this.behaviour.lossPercent) return [];
    const atMs = this.#arrival(port, packet.byteLength - FRAME, nowMs);
    if (atMs === undefined) return [];
    return this.#receivers(packet, from).filter((machine) => !this.#ports.get(machine)!.isCut).map((machine) => ({ machine, atMs }));
  }

  #arrival(port: Port, byteLength: number, nowMs: number): number | undefined {
    const { rateMbps, delayMs, jitterMs } = this.behaviour;
    const startMs = Math.max(nowMs, port.freeAtMs);
    if (startMs - nowMs > MOST_QUEUED_MS) return undefined;
    port.freeAtMs = startMs + (byteLength * 8) / (rateMbps * 1000);
    const jitter = (this.random() * 2 - 1) * jitterMs;
    port.arrivedAtMs = Math.max(port.arrivedAtMs, port.freeAtMs + delayMs + jitter);
    return port.arrivedAtMs;
  }

  /** One machine where it is known, else, and for what is for several, all others. */
  #receivers(packet: Uint8Array, from: number): number[] {
    const known = this.#machines.get(macAt(packet, FRAME));
    if (known !== undefined) return known === from ? [] : [known];
    return [...this.#ports.keys()].filter((machine) => machine !== from);
  }
}

function macAt(packet: Uint8Array, offset: number): string {
  return packet.subarray(offset, offset + 6).join(':');
}

/** The packet for one machine: its network's number, and a checksum, which a kernel leaves to network cards that there are none of here. */
export function readdress(packet: Uint8Array, machine: number): Uint8Array {
  const copy = new Uint8Array(packet); // slice() of a Buffer is no copy
  copy[NETWORK_NUMBER] = machine;
  writeChecksum(copy);
  return copy;
}

/** RFC 1071 over the pseudo-header and what follows it, of TCP and UDP in IPv4. */
function writeChecksum(packet: Uint8Array): void {
  const view = new DataView(packet.buffer, packet.byteOffset, packet.byteLength);
  const ip = FRAME + FRAME_HEAD;
  if (packet.byteLength < ip + 20 || view.getUint16(FRAME + 12) !== IPV4) return;
  const protocol = packet[ip + 9]!;
  const start = ip + (packet[ip]! & 15) * 4;
  const end = ip + view.getUint16(ip + 2);
  const field = start + (protocol === TCP ? 16 : 6);
  if ((protocol !== TCP && protocol !== UDP) || end > packet.byteLength || field + 2 > end) return;
  view.setUint16(field, 0);
  const sum = sumWords(packet, start, end, sumWords(packet, ip + 12, ip + 20, protocol + end - start));
  view.setUint16(field, ~sum & 0xffff);
}

function sumWords(bytes: Uint8Array, start: number, end: number, before: number): number {
  let sum = before;
  for (let at = start; at + 1 < end; at += 2) sum += (bytes[at]! << 8) | bytes[at + 1]!;
  if ((end - start) % 2 === 1) sum += bytes[end - 1]! << 8;
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  return sum;
}
