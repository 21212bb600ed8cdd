import { execFileSync } from 'node:child_process';
import type { Lan, Machine } from '../lan/lan.js';
import type { Answer } from './harness.js';

/** Bytes on the wire to and from a machine. */
export interface Traffic {
  readonly received: number;
  readonly sent: number;
}

/** Sums what a machine's card carried during each contestant's runs: one runs at a time. */
export class LinkCounter {
  readonly #of = new Map<string, { received: number; sent: number; examples: number }>();
  #before: Traffic;

  constructor(private readonly lan: Lan, private readonly machine: Machine) {
    this.#before = this.#read();
  }

  /** A run is about to begin. */
  begin(): void {
    this.#before = this.#read();
  }

  /** A run of that contestant has ended. */
  end(name: string, { examples }: Answer): void {
    const now = this.#read();
    const sum = this.#of.get(name) ?? { received: 0, sent: 0, examples: 0 };
    sum.received += now.received - this.#before.received;
    sum.sent += now.sent - this.#before.sent;
    sum.examples += examples;
    this.#of.set(name, sum);
  }

  /** Mean over the steps of a contestant. */
  perStep(name: string, batchSize: number): Traffic | undefined {
    const sum = this.#of.get(name);
    if (sum === undefined) return undefined;
    const steps = sum.examples / batchSize;
    return { received: sum.received / steps, sent: sum.sent / steps };
  }

  #read(): Traffic {
    const folder = '/sys/class/net/eth0/statistics';
    const { command, args } = this.lan.on(this.machine, 'cat', [`${folder}/rx_bytes`, `${folder}/tx_bytes`]);
    const [received = 0, sent = 0] = execFileSync(command, args, { encoding: 'utf8' }).trim().split('\n').map(Number);
    return { received, sent };
  }
}
