// A LAN in a box: every machine a network namespace, between them a switch with the rate, delay and loss of a real one.
import { execFileSync, spawn, type ChildProcess, type ChildProcessByStdio } from 'node:child_process';
import { once } from 'node:events';
import type { Socket } from 'node:net';
import type { Readable, Writable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { Cores } from './cores.js';
import { describeLink, shaperFor, type LinkProfile, type Shaper } from './profile.js';

/** A machine of the box. */
export interface Machine {
  /** From 1 on. */
  readonly number: number;
  readonly address: string;
  readonly namespace: string;
}

/** A box, or the sentence why there can be none here. */
export type Opened = { readonly lan: Lan; readonly missing?: undefined } | { readonly lan?: undefined; readonly missing: string };

const SWITCH = fileURLToPath(new URL('./switch-process.js', import.meta.url));
/** Between the kernel, which packs the machines' packets up, and the process that hands them on. */
const [KERNEL_ADDRESS, SWITCH_ADDRESS] = ['10.98.0.1', '10.98.0.2'];
/** Room for VXLAN around the machines' 1500 bytes. */
const OUTER_MTU = 1_600;
/** What a link that was idle lets through at once: 0.13 ms of a gigabit a second. */
const BURST_BYTES = 16_384;
const BUNDLE_BYTES = 15_000;
/**
 * Ends what still runs in the namespaces and removes them, and the folder of their cores, when its input ends: with `close`, and with this
 * process, whatever ended it.
 */
const JANITOR =
  'cat >/dev/null; cores=$1; shift; ' +
  'for n in "$@"; do ip netns pids "$n" 2>/dev/null | xargs -r kill -9 2>/dev/null; ip netns del "$n" 2>/dev/null; done; ' +
  '[ -z "$cores" ] || for try in 1 2 3 4 5; do rmdir "$cores"/*/ "$cores" 2>/dev/null; [ ! -d "$cores" ] || sleep 0.2; done';

let boxes = 0;

/**
 * Makes machines 10.99.0.1, 10.99.0.2 … that see each other over links of a profile, and nothing else. They are gone with `close` or
 * with this process, and so are all processes within.
 * @param slowness above 1, each process has two cores to itself, about so many times as slow as this machine's; the profile is to be as slow
 */
export async function openLan(profile: LinkProfile, machines = 2, slowness = 1): Promise<Opened> {
  let lan: Lan | undefined;
  try {
    lan = new Lan(profile, machines, slowness);
    await lan.open();
    return { lan };
  } catch (error) {
    await lan?.close();
    return { missing: `network namespaces with shaped links cannot be made here (${error instanceof Error ? error.message : String(error)})` };
  }
}

export class Lan {
  readonly machines: readonly Machine[];
  readonly #box = `tfl-${process.pid}-${++boxes}`;
  readonly #hub = `${this.#box}-hub`;
  readonly #switchPlace = `${this.#box}-switch`;
  readonly #janitor: ChildProcess;
  readonly #cores: Cores | undefined;
  #shaper: Shaper = 'netem';
  #switch: ChildProcessByStdio<Writable, Readable, null> | undefined;

  constructor(readonly profile: LinkProfile, count: number, private readonly slowness: number) {
    if (slowness > 1) this.#cores = new Cores(slowness);
    this.machines = Array.from({ length: count }, (_, index) => ({ number: index + 1, address: `10.99.0.${index + 1}`, namespace: `${this.#box}-${index + 1}` }));
    this.#janitor = startJanitor(this.#cores?.folder ?? '', [...this.machines.map(({ namespace }) => namespace), this.#hub, this.#switchPlace]);
  }

  /** What the links do, for people. */
  get description(): string {
    const link = describeLink(this.profile, this.#shaper);
    return this.#cores === undefined ? link : `${link}; each process has two cores to itself, for one part in ${this.slowness} of the time`;
  }

  /** One way, as it is: tbf adds none. */
  get delayMs(): number {
    return this.#shaper === 'tbf' ? 0 : this.profile.delayMs;
  }

  async open(): Promise<void> {
    for (const namespace of [...this.machines.map((machine) => machine.namespace), this.#hub]) addNamespace(namespace);
    this.#shaper = shaperFor(this.profile, this.#hasNetem());
    if (this.#shaper === 'process') await this.#wireProcess();
    else this.#wireBridge();
  }

  /** The program and arguments that run a command on a machine; the process is the command's own. */
  on({ namespace }: Machine, command: string, args: readonly string[]): { readonly command: string; readonly args: string[] } {
    const within = ['netns', 'exec', namespace, command, ...args];
    return this.#cores?.on('ip', within) ?? { command: 'ip', args: within };
  }

  /** From now on every packet from and to a machine vanishes. */
  cut(machine: Machine): void {
    this.#setCut(machine, true);
  }

  heal(machine: Machine): void {
    this.#setCut(machine, false);
  }

  async close(): Promise<void> {
    this.#cores?.close();
    this.#janitor.ref();
    this.#janitor.stdin!.end();
    if (this.#janitor.exitCode === null && this.#janitor.pid !== undefined) await once(this.#janitor, 'close');
  }

  #hasNetem(): boolean {
    try {
      run('tc', '-n', this.#hub, 'qdisc', 'add', 'dev', 'lo', 'root', 'netem', 'delay', '1ms');
    } catch (error) {
      if (error instanceof Error && 'status' in error) return false;
      throw error;
    }
    run('tc', '-n', this.#hub, 'qdisc', 'del', 'dev', 'lo', 'root');
    return true;
  }

  #wireBridge(): void {
    run('ip', '-n', this.#hub, 'link', 'add', 'bridge', 'type', 'bridge', 'mcast_snooping', '0');
    run('ip', '-n', this.#hub, 'link', 'set', 'bridge', 'up');
    for (const machine of this.machines) {
      const port = portOf(machine);
      run('ip', '-n', this.#hub, 'link', 'add', port, 'type', 'veth', 'peer', 'name', 'eth0', 'netns', machine.namespace);
      run('ip', '-n', this.#hub, 'link', 'set', port, 'master', 'bridge', 'up');
      bundle(this.#hub, port, this.profile.lossPercent);
      plugIn(machine, this.profile);
      run('tc', '-n', machine.namespace, 'qdisc', 'add', 'dev', 'eth0', 'root', ...(this.#shaper === 'netem' ? netemOf(this.profile) : tbfOf(this.profile)));
      run('tc', '-n', this.#hub, 'qdisc', 'add', 'dev', port, 'root', ...tbfOf(this.profile));
    }
  }

  /** A machine's card is a VXLAN whose far end is that process; the kernel's end stays in the hub when the card is moved. */
  async #wireProcess(): Promise<void> {
    addNamespace(this.#switchPlace);
    run('ip', '-n', this.#hub, 'link', 'add', 'wire', 'type', 'veth', 'peer', 'name', 'wire', 'netns', this.#switchPlace);
    for (const [namespace, address] of [[this.#hub, KERNEL_ADDRESS], [this.#switchPlace, SWITCH_ADDRESS]] as const) {
      run('ip', '-n', namespace, 'addr', 'add', `${address}/30`, 'dev', 'wire');
      run('ip', '-n', namespace, 'link', 'set', 'wire', 'mtu', String(OUTER_MTU), 'up');
    }
    for (const machine of this.machines) {
      const [port, network] = [portOf(machine), String(machine.number)];
      run('ip', '-n', this.#hub, 'link', 'add', port, 'type', 'vxlan', 'id', network, 'local', KERNEL_ADDRESS, 'remote', SWITCH_ADDRESS, 'dstport', '4789', 'nolearning');
      run('ip', '-n', this.#hub, 'link', 'set', port, 'netns', machine.namespace, 'name', 'eth0', 'mtu', '1500');
      plugIn(machine, this.profile);
    }
    const numbers = JSON.stringify(this.machines.map(({ number }) => number));
    const handingOn = spawn('ip', ['netns', 'exec', this.#switchPlace, process.execPath, SWITCH, SWITCH_ADDRESS, JSON.stringify(this.profile), numbers], { stdio: ['pipe', 'pipe', 'inherit'] });
    this.#switch = handingOn;
    const failed = once(handingOn, 'close').then(() => { throw new Error('the process that hands packets on ended'); });
    await Promise.race([once(handingOn.stdout, 'data'), failed]);
    failed.catch(() => undefined);
    unref(handingOn);
  }

  #setCut(machine: Machine, isCut: boolean): void {
    if (this.#switch !== undefined) this.#switch.stdin.write(`${isCut ? 'cut' : 'heal'} ${machine.number}\n`);
    // A port that does not forward: the machine's card stays up, as with a switch that fails.
    else run('bridge', '-n', this.#hub, 'link', 'set', 'dev', portOf(machine), 'state', isCut ? '0' : '3');
  }
}

/** A group of its own, so that whatever is sent to this process's group does not meet it. */
function startJanitor(cores: string, namespaces: readonly string[]): ChildProcess {
  const janitor = spawn('sh', ['-c', JANITOR, 'sh', cores, ...namespaces], { detached: true, stdio: ['pipe', 'ignore', 'ignore'] });
  unref(janitor);
  return janitor;
}

/** It keeps nobody waiting for its end. */
function unref(child: ChildProcess): void {
  child.unref();
  for (const pipe of [child.stdin, child.stdout]) (pipe as Socket | null)?.unref();
}

function addNamespace(namespace: string): void {
  run('ip', 'netns', 'add', namespace);
  run('ip', '-n', namespace, 'link', 'set', 'lo', 'up');
}

function plugIn({ namespace, address }: Machine, { lossPercent }: LinkProfile): void {
  bundle(namespace, 'eth0', lossPercent);
  run('ip', '-n', namespace, 'addr', 'add', `${address}/24`, 'dev', 'eth0');
  run('ip', '-n', namespace, 'link', 'set', 'eth0', 'up');
  run('ip', '-n', namespace, 'route', 'add', '224.0.0.0/4', 'dev', 'eth0');
}

/**
 * Packets travel in bundles that a network card would cut up, which costs a tenth of the work; not longer than what a rate lets through
 * at once. One that is lost is to be of 1500 bytes.
 */
function bundle(namespace: string, device: string, lossPercent: number): void {
  const size = lossPercent > 0 ? ['gso_max_segs', '1'] : ['gso_max_size', String(BUNDLE_BYTES)];
  run('ip', '-n', namespace, 'link', 'set', device, ...size);
}

function portOf({ number }: Machine): string {
  return `port${number}`;
}

function tbfOf({ rateMbps }: LinkProfile): string[] {
  return ['tbf', 'rate', `${rateMbps}mbit`, 'burst', String(BURST_BYTES), 'latency', '200ms'];
}

function netemOf({ rateMbps, delayMs, jitterMs, lossPercent }: LinkProfile): string[] {
  const delay = ['delay', `${delayMs}ms`, ...(jitterMs === 0 ? [] : [`${jitterMs}ms`])];
  return ['netem', ...delay, ...(lossPercent === 0 ? [] : ['loss', `${lossPercent}%`]), 'rate', `${rateMbps}mbit`, 'limit', '10000'];
}

/** @throws with what the program has to say, or that there is none */
function run(command: string, ...args: string[]): void {
  try {
    execFileSync(command, args, { stdio: ['ignore', 'ignore', 'pipe'] });
  } catch (error) {
    const { stderr, code } = error as { readonly stderr?: Buffer; readonly code?: string };
    if (code === 'ENOENT') throw new Error(`there is no program "${command}"; install iproute2`);
    const sentence = (stderr?.toString() ?? '').trim().split('\n').at(-1);
    throw Object.assign(new Error(`${command} ${args.join(' ')}: ${sentence === '' ? String(error) : sentence}`), { status: 1 });
  }
}
