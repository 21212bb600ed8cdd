import type { BoundColumn } from '../../src/plan/bind.js';
import type { NodeSize } from '../coordinator/attendance.js';
import { NodeEntrance, type Offer } from '../coordinator/node-entrance.js';
import type { Register } from '../coordinator/register.js';
import { RowSource } from '../coordinator/row-source.js';
import { BYTES_PER_VALUE, type ColumnBytes } from '../data/columns.js';
import { trainedColumns } from '../data/kept-columns.js';
import { ServedColumns } from '../data/serve-columns.js';
import type { ToNode } from '../net/connection.js';
import type { Peer } from '../net/greet.js';
import { nodeHasher } from '../net/hasher.js';
import type { Reception } from '../net/listen.js';
import type { NodeComputing } from '../node/computing.js';
import type { Upward } from '../node/run-session.js';
import type { ClusterError } from '../protocol/errors.js';
import { MAX_NODES_BELOW, MAX_WORKERS_BELOW } from '../protocol/limits.js';
import type { MessageOf, WelcomeMessage } from '../protocol/messages.js';
import type { ManifestColumn } from '../protocol/run-description.js';
import { RelayRounds } from './relay-rounds.js';
import { RelaySession } from './relay-session.js';

export interface RelayTools {
  /** Threads of this machine that compute shares too; 0 where it hands on alone. */
  readonly workers: number;
  /** Who was below before. */
  readonly register: Register;
  /** For people. */
  readonly notice: (sentence: string) => void;
  /** Monotonic, in milliseconds. */
  readonly now: () => number;
}

/** A run as the nodes below a relay see it. It outlives a connection to the coordinator that breaks: nodes wait for the next one. */
export class RelayRun {
  readonly computing: NodeComputing;
  readonly #rounds: RelayRounds;
  readonly #entrance: NodeEntrance;
  readonly #handingOn: Promise<void>;
  #session: RelaySession | undefined;
  #failure: { readonly error: unknown } | undefined;

  constructor({ welcome, prepared: { computing, probe } }: Upward, private readonly tools: RelayTools) {
    const { workers, notice, now } = tools;
    this.computing = computing;
    this.#rounds = new RelayRounds({
      ...tools, computing, usesLocal: workers > 0, heartbeatMs: welcome.heartbeatMs, silenceMs: welcome.deadlineMs,
      passUp: async (head, address, computeMs) => { await this.#session?.passUp(head, address, computeMs); }, sizeChanged: () => { this.#session?.tellSize(this.#size); },
    });
    this.#entrance = new NodeEntrance({
      nodes: this.#rounds.nodes, notice, now, arithmetic: welcome.arithmetic, probe: { seed: probe.seed, hash: () => Promise.resolve(probe.hash) },
      offer: () => Promise.resolve(offerOf(welcome, computing, this.#rounds)),
    });
    this.#handingOn = this.#rounds.run().catch((error: unknown) => {
      this.#failure = { error };
      this.#session?.fail(error);
    });
  }

  /** A node proved its key. @throws ClusterError to refuse it */
  receive(peer: Peer, connection: ToNode): Promise<Reception> {
    return this.#entrance.receive(peer, connection);
  }

  /** A connection to the coordinator, in the place of one before. */
  connect(upward: Upward, done: (message: MessageOf<'done'>) => Promise<void>): RelaySession {
    const session = new RelaySession(this.#rounds, this.computing, upward, done);
    this.#session = session;
    if (this.#failure === undefined) session.tellSize(this.#size);
    else session.fail(this.#failure.error);
    return session;
  }

  /** The run has come to its end above. */
  async done(message: MessageOf<'done'>): Promise<void> {
    this.#session = undefined; // that they leave now is no news
    await this.#entrance.done(message);
    await this.#end();
  }

  /** It does not go on here. */
  async close(error: ClusterError): Promise<void> {
    this.#session = undefined;
    await this.#entrance.close(error);
    await this.#end();
  }

  async #end(): Promise<void> {
    await this.#rounds.end();
    await this.#handingOn;
  }

  /** What nodes say of themselves is no more than one message may say. */
  get #size(): NodeSize {
    const { workers, nodes } = this.#rounds.size;
    return { workers: Math.min(MAX_WORKERS_BELOW, this.tools.workers + workers), nodes: Math.min(MAX_NODES_BELOW, 1 + nodes) };
  }
}

/** What came from above, with the columns that this relay has itself. */
function offerOf(welcome: WelcomeMessage, { parts: { program, room: { memory } } }: NodeComputing, rounds: RelayRounds): Offer {
  const columns = [...columnsIn(memory, welcome, 'input', program.inputs), ...columnsIn(memory, welcome, 'target', program.targets)];
  return {
    welcome: (node) => ({ ...welcome, generation: rounds.generation, node, step: rounds.version, columns: trainedColumns(welcome.columns) }),
    columns: new ServedColumns(columns, nodeHasher),
    rows: new RowSource(program, memory, columns, nodeHasher),
  };
}

/** Columns of a role, which lie in the arena in the order of the manifest. */
function columnsIn({ buffer }: WebAssembly.Memory, { columns }: WelcomeMessage, role: ManifestColumn['role'], bound: readonly BoundColumn[]): ColumnBytes[] {
  const ofRole = trainedColumns(columns).filter((column) => column.role === role);
  return ofRole.map((column, index) => {
    const { address, exampleLength } = bound[index]!;
    return { column, bytes: new Uint8Array(buffer, address, column.exampleCount * exampleLength * BYTES_PER_VALUE[column.type]) };
  });
}
