import { DataQueue, type ServedColumns } from '../data/serve-columns.js';
import type { FromNodeMessage, ToNode } from '../net/connection.js';
import type { Ending } from '../net/ending.js';
import type { Peer } from '../net/greet.js';
import type { Reception } from '../net/listen.js';
import { CLUSTER_ERRORS, ClusterError, clusterError } from '../protocol/errors.js';
import type { MessageOf, WelcomeMessage } from '../protocol/messages.js';
import type { NodeChannel } from './channel.js';
import type { RowSource } from './row-source.js';
import type { TakenNodes } from './taken-nodes.js';

/** What every node of a run is given. */
export interface Offer {
  readonly welcome: (node: number) => WelcomeMessage;
  readonly columns: ServedColumns;
  readonly rows: RowSource;
}

export interface EntranceOptions {
  readonly nodes: TakenNodes;
  /** Called when the first node comes. */
  readonly offer: () => Promise<Offer>;
  /** What right workers answer to this seed; called when the first node has answered. */
  readonly probe: { readonly seed: number; readonly hash: () => Promise<string> };
  readonly arithmetic: string;
  /** For people. */
  readonly notice: (sentence: string) => void;
  /** Monotonic, in milliseconds. */
  readonly now: () => number;
}

/** How nodes come into a run: they are welcomed, prove their arithmetic, get the data, and are handed on to the rounds. */
export class NodeEntrance {
  readonly #connections = new Map<number, ToNode>();
  #nextConnection = 0;
  #offer: Promise<Offer> | undefined;
  #rightHash: Promise<string> | undefined;
  #isOver = false;

  constructor(private readonly options: EntranceOptions) {}

  /** A node proved its key. @throws ClusterError to refuse it */
  async receive(peer: Peer, connection: ToNode): Promise<Reception> {
    const { nodes, notice, probe, now } = this.options;
    const { role, address } = peer;
    if (role !== 'node' && role !== 'relay') throw new ClusterError('ERR_MESSAGE', `There is no place for the role "${role}" here; join as a node.`);
    const offer = await (this.#offer ??= this.options.offer());
    if (this.#isOver) throw clusterError('ERR_SHUTTING_DOWN', {});
    const number = this.#nextConnection++;
    const channel = channelOf(connection, { ...peer, role }, number);
    const member = nodes.admit(channel);
    if (member === undefined) throw new ClusterError('ERR_EXPELLED', CLUSTER_ERRORS.ERR_EXPELLED.meaning);
    this.#connections.set(number, connection);
    // After the welcome, which leaves when this returns.
    setImmediate(() => { void connection.send({ type: 'probe', probeSeed: probe.seed }); });
    const data = new DataSender(new DataQueue(offer.columns), connection, now);
    const message = async (received: FromNodeMessage): Promise<void> => {
      if (received.type === 'probed') await this.#judgeProbe(member, number, received);
      if (received.type === 'dataRequest') data.ask(received);
      if (received.type === 'ready') {
        notice(`node ${member} (${address}) takes part with ${sizeOf(received)}`);
        channel.rows = received.data === 'rows' ? offer.rows : undefined;
      }
      if (received.type === 'ready' || received.type === 'share' || received.type === 'state') nodes.receive(member, number, received);
    };
    return { welcome: offer.welcome(member), message, ended: (ending) => { this.#ended(member, number, ending); } };
  }

  /** The run has ended: all are told, and nobody is let in any more. */
  async done(message: MessageOf<'done'>): Promise<void> {
    this.#isOver = true;
    await Promise.all([...this.#connections.values()].map(async (connection) => {
      void connection.send(message);
      await connection.close();
    }));
  }

  /** The run does not go on here: all connections end for this error. */
  async close(error: ClusterError): Promise<void> {
    this.#isOver = true;
    await Promise.all([...this.#connections.values()].map((connection) => connection.close(error)));
  }

  async #judgeProbe(member: number, number: number, { workerHashes, arithmetic }: MessageOf<'probed'>): Promise<void> {
    const { probe, arithmetic: ours, nodes } = this.options;
    const right = await (this.#rightHash ??= probe.hash());
    if (workerHashes.some((hash) => hash !== right)) throw clusterError('ERR_OTHER_ARITHMETIC', { theirs: `${arithmetic}, whose probe differs`, ours });
    nodes.probed(member, number);
  }

  #ended(member: number, number: number, ending: Ending): void {
    this.#connections.delete(number);
    this.options.nodes.gone(member, number, ending.how === 'left' ? 'goodbye' : 'closed');
    this.options.notice(`node ${member} is gone: ${sentenceOf(ending)}`);
  }
}

function sizeOf({ workers, nodes }: MessageOf<'ready'>): string {
  return `${workers} workers${nodes > 1 ? ` of ${nodes} nodes` : ''}`;
}

function channelOf(connection: ToNode, { identity, role }: Pick<Peer, 'identity'> & Pick<NodeChannel, 'role'>, number: number): NodeChannel & { rows: RowSource | undefined } {
  return {
    connection: number,
    identity,
    role,
    rows: undefined,
    send: async (message) => { await connection.send(message); },
    get bufferedBytes() {
      return connection.bufferedBytes;
    },
    get heardMs() {
      return connection.heardMs;
    },
    get impediment() {
      return connection.impediment;
    },
    impede: (kind) => { connection.impede(kind); },
    close: (code) => { connection.fail(new ClusterError(code, CLUSTER_ERRORS[code].meaning)); },
  };
}

/** Sends what a node asked for, one chunk after the other. */
class DataSender {
  #sending = false;

  constructor(private readonly queue: DataQueue, private readonly connection: ToNode, private readonly now: () => number) {}

  ask(request: Parameters<DataQueue['ask']>[0]): void {
    this.queue.ask(request);
    if (!this.#sending) void this.#send();
  }

  async #send(): Promise<void> {
    this.#sending = true;
    for (let step = this.queue.next(this.now()); step.kind !== 'idle'; step = this.queue.next(this.now())) {
      if (step.kind === 'send') {
        if (!(await this.connection.send(step.chunk))) break;
      } else {
        const { untilMs } = step;
        await new Promise((resolve) => { setTimeout(resolve, untilMs - this.now()); });
      }
    }
    this.#sending = false;
  }
}

function sentenceOf(ending: Ending): string {
  if (ending.how === 'failed') return ending.error.message;
  if (ending.how === 'left') return `it left (${ending.reason})`;
  return ending.how === 'lost' ? 'its connection broke' : 'its connection was closed';
}
