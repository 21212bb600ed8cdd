// The switch of a LAN in a box as a process of its own, where the kernel cannot delay packets: `switch-process.js ADDRESS BEHAVIOUR MACHINES`, the
// last two as JSON. It says "ready", reads "cut N" and "heal N", and ends with its input.
import { createSocket } from 'node:dgram';
import { createInterface } from 'node:readline';
import { performance } from 'node:perf_hooks';
import { randomInt } from 'node:crypto';
import { LanSwitch, readdress, type Behaviour } from './switch.js';

const VXLAN_PORT = 4_789;
const SOCKET_BYTES = 4_194_304;
const RANDOM_STEPS = 2 ** 32;

interface Waiting {
  readonly packet: Uint8Array;
  readonly atMs: number;
}

/** Packets for one machine, in the order of their arrival. */
class Queue {
  readonly #waiting: Waiting[] = [];

  constructor(private readonly send: (packet: Uint8Array) => void) {}

  add(packet: Uint8Array, atMs: number): void {
    this.#waiting.push({ packet, atMs });
    if (this.#waiting.length === 1) this.#await(atMs);
  }

  #await(atMs: number): void {
    setTimeout(() => { this.#flush(); }, Math.max(0, atMs - performance.now()));
  }

  #flush(): void {
    const nowMs = performance.now();
    const due = this.#waiting.findIndex(({ atMs }) => atMs > nowMs);
    for (const { packet } of this.#waiting.splice(0, due === -1 ? this.#waiting.length : due)) this.send(packet);
    if (this.#waiting.length > 0) this.#await(this.#waiting[0]!.atMs);
  }
}

const [address = '', behaviour = '', numbers = ''] = process.argv.slice(2);
const machines = JSON.parse(numbers) as number[];
const lan = new LanSwitch(machines, JSON.parse(behaviour) as Behaviour, () => randomInt(RANDOM_STEPS) / RANDOM_STEPS);
const socket = createSocket({ type: 'udp4', recvBufferSize: SOCKET_BYTES, sendBufferSize: SOCKET_BYTES });
let kernel = '';
const queues = new Map(machines.map((machine) => [machine, new Queue((packet) => { socket.send(packet, VXLAN_PORT, kernel); })]));

socket.on('message', (packet, { address: from }) => {
  kernel = from;
  for (const { machine, atMs } of lan.route(packet, performance.now())) queues.get(machine)!.add(readdress(packet, machine), atMs);
});
createInterface({ input: process.stdin }).on('line', (line) => {
  const [word, machine] = line.split(' ');
  lan.cut(Number(machine), word === 'cut');
}).on('close', () => { process.exit(); });
socket.bind(VXLAN_PORT, address, () => { process.stdout.write('ready\n'); });
