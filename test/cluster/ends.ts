// Both ends of connections on loopback, and what they were told.
import { createHash } from 'node:crypto';
import { afterEach } from 'vitest';
import { listen, type Listener, type ListenLimits, type ListenOptions, type Reception } from '../../cluster/net/listen.js';
import type { FromNodeMessage, ToNode } from '../../cluster/net/connection.js';
import { dial, type DialLimits, type DialOptions } from '../../cluster/net/dial.js';
import type { Ending } from '../../cluster/net/ending.js';
import type { Peer } from '../../cluster/net/greet.js';
import type { Dialled } from '../../cluster/net/introduce.js';
import type { ClusterError } from '../../cluster/protocol/errors.js';
import { drawIdentitySecret, identityOf } from '../../cluster/protocol/identity.js';
import type { JoinLink } from '../../cluster/protocol/keys.js';
import type { ParametersMessage, WelcomeMessage } from '../../cluster/protocol/messages.js';

export const JOIN_KEY = new Uint8Array(16).fill(1);
export const OPERATOR_KEY = new Uint8Array(16).fill(2);
export const RUN_ID = 'ab'.repeat(16);
export const MAX_TENSOR_BYTES = 1_048_576;

const NO_BYTES = new Uint8Array(0);

export const WELCOME: WelcomeMessage = {
  type: 'welcome', generation: 1, node: 0, step: 0, arithmetic: 'portable', mode: { kind: 'sync' }, codecs: { toNode: { name: 'float32' }, toCoordinator: { name: 'float32' } },
  batchRows: 32, shardSize: 8, seed: 1, shuffle: true, exampleCount: 32, workersHint: 0, heartbeatMs: 60_000, deadlineMs: 600_000, columns: [],
  sha256: sha256(NO_BYTES), bytes: NO_BYTES,
};

export function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}

export function parametersOf(version: number, bytes: Uint8Array): ParametersMessage {
  return {
    type: 'parameters', generation: 1, version, kind: 'whole', scalars: new Float32Array(0), codec: 'float32',
    firstValue: 0, valueCount: bytes.byteLength / 4, sha256: sha256(bytes), bytes,
  };
}

/** Values that arrive one after the other, and can be waited for. */
export class Arrivals<Value> {
  readonly all: Value[] = [];
  #waiting: { readonly count: number; readonly resolve: () => void }[] = [];

  add(value: Value): void {
    this.all.push(value);
    this.#waiting = this.#waiting.filter(({ count, resolve }) => {
      if (this.all.length >= count) resolve();
      return this.all.length < count;
    });
  }

  /** The value with that number, counted from 0, when it has come. */
  async at(index: number): Promise<Value> {
    if (this.all.length <= index) await new Promise<void>((resolve) => { this.#waiting.push({ count: index + 1, resolve }); });
    return this.all[index]!;
  }
}

/** A coordinator that welcomes everybody. */
export class Coordinator {
  readonly peers = new Arrivals<Peer>();
  readonly connections = new Arrivals<ToNode>();
  readonly messages = new Arrivals<FromNodeMessage>();
  readonly endings = new Arrivals<Ending>();
  readonly refused = new Arrivals<ClusterError>();
  /** What is made of a node, beside noting it. */
  handle: (message: FromNodeMessage) => void | Promise<void> = () => {};
  welcome = WELCOME;
  listener!: Listener;

  readonly receive = (peer: Peer, connection: ToNode): Reception => {
    this.peers.add(peer);
    this.connections.add(connection);
    return {
      welcome: this.welcome,
      message: (message) => {
        this.messages.add(message);
        return this.handle(message);
      },
      ended: (ending) => { this.endings.add(ending); },
    };
  };

  get link(): JoinLink {
    const { address: { host, port }, scheme, certificateSha256 } = this.listener;
    return { scheme, host, port, key: JOIN_KEY, certificateSha256 };
  }

  get port(): number {
    return this.listener.address.port;
  }
}

const open: Listener[] = [];
const dialled: Dialled[] = [];

afterEach(async () => {
  for (const { connection } of dialled.splice(0)) connection.fail(new Error('the test is over'));
  await Promise.all(open.splice(0).map((listener) => listener.close()));
});

export async function coordinator(options: Partial<Omit<ListenOptions, 'limits'>> & { readonly limits?: Partial<ListenLimits> } = {}): Promise<Coordinator> {
  const it = new Coordinator();
  it.listener = await listen({
    address: { host: '127.0.0.1', port: 0 }, runId: RUN_ID, keys: { join: JOIN_KEY, operator: OPERATOR_KEY },
    receive: it.receive, refused: (error) => { it.refused.add(error); }, ...options,
    limits: { maxTensorBytes: MAX_TENSOR_BYTES, closeTimeoutMs: 500, ...options.limits },
  });
  open.push(it.listener);
  return it;
}

export async function node(link: JoinLink, options: Partial<DialOptions> & { readonly limits?: Partial<DialLimits> } = {}): Promise<Dialled> {
  const one = await dial(link, { role: 'node', identity: identityOf(drawIdentitySecret()), softwareVersion: '0.1.0', ...options, limits: { closeTimeoutMs: 500, ...options.limits } });
  dialled.push(one);
  return one;
}
