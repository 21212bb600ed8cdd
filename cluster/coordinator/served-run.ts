import { createHash } from 'node:crypto';
import type { BoundColumn } from '../../src/plan/bind.js';
import { probeHash } from '../../src/train/probe.js';
import type { ColumnForm } from '../../src/train/programs.js';
import type { FitControl, Program, RunOutcome, Session, SessionRunner, WorkerPool } from '../../src/train/session.js';
import type { CommandKind } from '../../src/train/control.js';
import { hashColumn } from '../data/column-hash.js';
import type { ColumnBytes } from '../data/columns.js';
import { DataQueue, ServedColumns } from '../data/serve-columns.js';
import { nodeHasher } from '../net/hasher.js';
import type { FromNodeMessage, ToNode } from '../net/connection.js';
import type { Ending } from '../net/ending.js';
import type { Peer } from '../net/greet.js';
import type { Reception } from '../net/listen.js';
import { CLUSTER_ERRORS, ClusterError, clusterError } from '../protocol/errors.js';
import type { WelcomeMessage } from '../protocol/messages.js';
import type { ManifestColumn } from '../protocol/run-description.js';
import { encodeRunPlan } from '../run-plan.js';
import type { NodeChannel } from './channel.js';
import { PeriodsRunner, type OuterState } from './periods-runner.js';
import { RowSource } from './row-source.js';
import { RoundsRunner, type JoinableRunner, type RoundsOptions } from './rounds-runner.js';
import type { RunStatus } from './status.js';
import { Commands, type Steering } from './steering.js';

export interface ServedOptions extends RoundsOptions {
  /** Mode `local`. */
  readonly outer?: OuterState | undefined;
  readonly arithmetic: string;
  /** A pool of one worker for the probe, while this run's own workers are busy. */
  readonly createPool: (workers: number) => WorkerPool;
  /** Of the trainable weights as they are. */
  readonly weightsSha256: () => string;
}

/** What every welcome of a run has in common. */
interface Description {
  readonly plan: Uint8Array;
  readonly planSha256: string;
  readonly columns: readonly ManifestColumn[];
  readonly served: ServedColumns;
  readonly rows: RowSource;
}

/** A run that nodes may join while it lasts. */
export class ServedRun implements SessionRunner {
  readonly #rounds: JoinableRunner;
  readonly #connections = new Map<number, ToNode>();
  #nextConnection = 0;
  /** Of operators. */
  readonly #operators = new Set<ToNode>();
  readonly #commands: Commands;
  #fit: FitControl | undefined;
  #description: Promise<Description> | undefined;
  #probe: Promise<string> | undefined;

  constructor(inner: SessionRunner, private readonly options: ServedOptions) {
    this.#rounds = runnerOf(inner, options);
    this.#commands = new Commands(this.#steering(), options.notice);
  }

  get status(): RunStatus {
    return this.#rounds.status;
  }

  get mostNodes(): number {
    return this.#rounds.mostNodes;
  }

  async run(kind: CommandKind): ReturnType<SessionRunner['run']> {
    return this.#rounds.run(kind);
  }

  /** How the fit that this is the run of is steered. */
  steers(fit: FitControl): void {
    this.#fit = fit;
  }

  /** Nobody will help any more. */
  abandon(): void {
    this.#rounds.steering.abandon();
  }

  async end(outcome: RunOutcome = 'finished'): Promise<void> {
    await this.#commands.answered();
    const weightsSha256 = this.options.weightsSha256();
    await Promise.all([...this.#connections.values(), ...this.#operators].map(async (connection) => {
      void connection.send({ type: 'done', outcome, step: this.#rounds.version, weightsSha256 });
      await connection.close();
    }));
    await this.#rounds.end(outcome);
  }

  /** A node proved its key. @throws ClusterError to refuse it */
  async receive(peer: Peer, connection: ToNode): Promise<Reception> {
    if (peer.role === 'operator') return this.#receiveOperator(peer, connection);
    if (peer.role !== 'node') throw new ClusterError('ERR_MESSAGE', `This coordinator has no place for the role "${peer.role}"; join as a node.`);
    const description = await (this.#description ??= this.#describe());
    const number = this.#nextConnection++;
    const channel = channelOf(connection, peer, number);
    const member = this.#rounds.nodes.admit(channel);
    if (member === undefined) throw new ClusterError('ERR_EXPELLED', CLUSTER_ERRORS.ERR_EXPELLED.meaning);
    this.#connections.set(number, connection);
    // After the welcome, which leaves when this returns.
    setImmediate(() => { void connection.send({ type: 'probe', probeSeed: 0 }); });
    const data = new DataSender(new DataQueue(description.served), connection, this.options.now);
    const handle = async (message: FromNodeMessage): Promise<void> => {
      if (message.type === 'probed') await this.#judgeProbe(member, number, message.workerHashes, message.arithmetic);
      if (message.type === 'dataRequest') data.ask(message);
      if (message.type === 'ready') {
        this.options.notice(`node ${member} (${peer.address}) takes part with ${message.workers} workers`);
        channel.rows = message.data === 'rows' ? description.rows : undefined;
        this.#rounds.nodes.receive(member, number, message);
      }
      if (message.type === 'share' || message.type === 'state') this.#rounds.nodes.receive(member, number, message);
    };
    return { welcome: this.#welcome(member, description), message: handle, ended: (ending) => { this.#ended(member, number, ending); } };
  }

  #receiveOperator({ address }: Peer, connection: ToNode): Reception {
    this.#operators.add(connection);
    const message = async (received: FromNodeMessage): Promise<void> => {
      if (received.type === 'command') await this.#commands.perform(received, address, (answer) => { void connection.send(answer); });
    };
    const nothing = { plan: NO_BYTES, planSha256: nodeHasher.sha256(NO_BYTES), columns: [] };
    return { welcome: this.#welcome(0, nothing), message, ended: () => { this.#operators.delete(connection); } };
  }

  #steering(): Steering {
    const { steering } = this.#rounds;
    return {
      pause: () => steering.pause(),
      resume: () => steering.resume(),
      checkpoint: async () => {
        const step = await this.#fit?.checkpoint();
        if (step === undefined) throw clusterError('ERR_NO_CHECKPOINTS', {});
        return step;
      },
      stop: async () => (await this.#fit?.stop()) ?? this.#rounds.version,
    };
  }

  #ended(member: number, number: number, ending: Ending): void {
    this.#connections.delete(number);
    this.#rounds.nodes.gone(member, number, ending.how === 'left' ? 'goodbye' : 'closed');
    this.options.notice(`node ${member} is gone: ${sentenceOf(ending)}`);
  }

  async #judgeProbe(member: number, number: number, hashes: readonly string[], theirs: string): Promise<void> {
    const own = await (this.#probe ??= this.#ownProbe());
    if (hashes.some((hash) => hash !== own)) throw clusterError('ERR_OTHER_ARITHMETIC', { theirs: `${theirs}, whose probe differs`, ours: this.options.arithmetic });
    this.#rounds.nodes.probed(member, number);
  }

  async #ownProbe(): Promise<string> {
    const { session, parameterFloats, createPool } = this.options;
    const program = session.train!;
    const pool = createPool(1);
    try {
      const hash = await probeHash(probeSubject(program, parameterFloats), 0, { pool, module: session.module, tile: session.tile });
      return hash ?? 'this machine has no fixed arithmetic';
    } finally {
      await pool.close();
    }
  }

  async #describe(): Promise<Description> {
    const { session, parameterFloats, rules: { mode } } = this.options;
    const program = session.train!;
    const own = mode.kind === 'local' ? { optimizer: session.update!.optimizer, penalties: session.penalties?.plan } : undefined;
    const plan = encodeRunPlan({ plan: program.plan, parameterFloats, own });
    const columns = await columnsOf(program, session);
    return {
      plan, planSha256: createHash('sha256').update(plan).digest('hex'),
      columns: columns.map(({ column }) => column), served: new ServedColumns(columns, nodeHasher), rows: new RowSource(program, session.memory, columns, nodeHasher),
    };
  }

  #welcome(node: number, { plan, planSha256, columns }: Pick<Description, 'plan' | 'planSha256' | 'columns'>): WelcomeMessage {
    const { session, arithmetic, codecs, heartbeatMs, silenceMs, rules: { mode } } = this.options;
    const { batchRows, shardRows, examples } = session.train!;
    return {
      type: 'welcome', generation: this.#rounds.generation, node, step: this.#rounds.version, arithmetic, mode, codecs,
      batchRows, shardSize: shardRows, seed: session.seed, shuffle: session.shuffle, exampleCount: examples, workersHint: 0, heartbeatMs, deadlineMs: silenceMs,
      columns, sha256: planSha256, bytes: plan,
    };
  }
}

function runnerOf(inner: SessionRunner, options: ServedOptions): JoinableRunner {
  const { rules: { mode }, outer } = options;
  return mode.kind === 'local' && outer !== undefined ? new PeriodsRunner(inner, { ...options, period: mode.period, outer }) : new RoundsRunner(inner, options);
}

const NO_BYTES = new Uint8Array(0);

/** What a probe of a program runs over. */
export function probeSubject({ plan, shardRows, inputs, targets }: Pick<Program, 'plan' | 'shardRows' | 'inputs' | 'targets'>, parameterFloats: number): Parameters<typeof probeHash>[0] {
  const form = ({ type, shape, scale }: BoundColumn): ColumnForm => ({ type: COLUMN_TYPES[type], shape, scale });
  return { plan, parameterFloats, shardRows, inputs: inputs.map(form), targets: targets.map(form) };
}

const COLUMN_TYPES = { u8: 'uint8', i32: 'int32', f32: 'float32' } as const;
const BYTES_PER_VALUE = { u8: 1, i32: 4, f32: 4 } as const;

/** The columns in the arena, with their hashes. */
async function columnsOf({ inputs, targets, examples }: Program, { memory }: Session): Promise<ColumnBytes[]> {
  const all = [...inputs.map((column) => ({ column, role: 'input' as const })), ...targets.map((column) => ({ column, role: 'target' as const }))];
  return Promise.all(all.map(async ({ column: { address, type, shape, exampleLength, scale }, role }, index) => {
    const bytes = new Uint8Array(memory.buffer, address, examples * exampleLength * BYTES_PER_VALUE[type]);
    const column: ManifestColumn = {
      name: `train ${role} ${index}`, role, split: 'train', sha256: '', byteLength: bytes.byteLength, type: COLUMN_TYPES[type], shape, exampleCount: examples, scale,
    };
    return { bytes, column: { ...column, sha256: await hashColumn(column, bytes) } };
  }));
}

function channelOf(connection: ToNode, { identity }: Peer, number: number): NodeChannel & { rows: RowSource | undefined } {
  return {
    connection: number,
    identity,
    role: 'node',
    rows: undefined,
    send: async (message) => { await connection.send(message); },
    get bufferedBytes() {
      return connection.bufferedBytes;
    },
    get heardMs() {
      return connection.heardMs;
    },
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
