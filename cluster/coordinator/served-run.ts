import { createHash } from 'node:crypto';
import type { BoundColumn } from '../../src/plan/bind.js';
import { probeHash } from '../../src/train/probe.js';
import type { ColumnForm } from '../../src/train/programs.js';
import type { FitControl, Program, RunOutcome, Session, SessionRunner, WorkerPool } from '../../src/train/session.js';
import type { CommandKind } from '../../src/train/control.js';
import { hashColumn } from '../data/column-hash.js';
import type { ColumnBytes } from '../data/columns.js';
import { ServedColumns } from '../data/serve-columns.js';
import { nodeHasher } from '../net/hasher.js';
import type { FromNodeMessage, ToNode } from '../net/connection.js';
import type { Peer } from '../net/greet.js';
import type { ImpedimentKind } from '../net/impediment.js';
import type { Reception } from '../net/listen.js';
import { clusterError } from '../protocol/errors.js';
import type { WelcomeMessage } from '../protocol/messages.js';
import type { ManifestColumn } from '../protocol/run-description.js';
import { encodeRunPlan } from '../run-plan.js';
import { impede } from './chaos.js';
import { NodeEntrance, type Offer } from './node-entrance.js';
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
  /** Whether operators may make trouble for nodes. */
  readonly mayChaos?: boolean;
  /** Tells one who watches, until what it gives back is called. */
  readonly watch?: (connection: ToNode) => () => void;
}

/** The plan and the columns of a run, as a welcome has them. */
type Described = Pick<WelcomeMessage, 'bytes' | 'sha256' | 'columns'>;

/** A run that nodes may join while it lasts. */
export class ServedRun implements SessionRunner {
  readonly #rounds: JoinableRunner;
  readonly #entrance: NodeEntrance;
  /** Of operators and viewers. */
  readonly #guests = new Set<ToNode>();
  readonly #commands: Commands;
  #fit: FitControl | undefined;

  constructor(inner: SessionRunner, private readonly options: ServedOptions) {
    this.#rounds = runnerOf(inner, options);
    this.#entrance = new NodeEntrance({ ...options, nodes: this.#rounds.nodes, offer: () => this.#offer(), probe: { seed: PROBE_SEED, hash: () => this.#ownProbe() } });
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
    const done = { type: 'done', outcome, step: this.#rounds.version, weightsSha256: this.options.weightsSha256() } as const;
    await this.#entrance.done(done);
    await this.#rounds.end(outcome); // whoever watches is told before the connection ends
    await Promise.all([...this.#guests].map(async (connection) => {
      void connection.send(done);
      await connection.close();
    }));
  }

  /** Somebody proved a key. @throws ClusterError to refuse it */
  async receive(peer: Peer, connection: ToNode): Promise<Reception> {
    return peer.role === 'operator' || peer.role === 'viewer' ? this.#receiveGuest(peer, connection) : this.#entrance.receive(peer, connection);
  }

  /** One who does not compute. What a role may not send is refused before it comes here. */
  #receiveGuest({ address }: Peer, connection: ToNode): Reception {
    this.#guests.add(connection);
    let unwatch = (): void => {};
    const message = async (received: FromNodeMessage): Promise<void> => {
      if (received.type === 'watch') {
        unwatch();
        unwatch = this.options.watch?.(connection) ?? unwatch;
      }
      if (received.type === 'impede') {
        impede(received, this.#rounds.nodes, this.options);
        void connection.send({ type: 'performed', id: received.id, step: this.#rounds.version });
      }
      if (received.type === 'command') await this.#commands.perform(received, address, (answer) => { void connection.send(answer); });
    };
    const ended = (): void => {
      unwatch();
      this.#guests.delete(connection);
    };
    const nothing = { bytes: NO_BYTES, sha256: nodeHasher.sha256(NO_BYTES), columns: [] };
    return { welcome: this.#welcome(0, nothing), message, ended };
  }

  /** What makes trouble for a node now. */
  impedimentOf(member: number): ImpedimentKind | undefined {
    return this.#rounds.nodes.channelOf(member)?.impediment;
  }

  /** @param epoch from 1 */
  noteEpoch(epoch: number, logs: Readonly<Record<string, number>>): void {
    this.#rounds.noteEpoch(epoch, logs);
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

  async #ownProbe(): Promise<string> {
    const { session, parameterFloats, createPool } = this.options;
    const program = session.train!;
    const pool = createPool(1);
    try {
      const hash = await probeHash(probeSubject(program, parameterFloats), PROBE_SEED, { pool, module: session.module, tile: session.tile });
      return hash ?? 'this machine has no fixed arithmetic';
    } finally {
      await pool.close();
    }
  }

  async #offer(): Promise<Offer> {
    const { session, parameterFloats, rules: { mode } } = this.options;
    const program = session.train!;
    const own = mode.kind === 'local' ? { optimizer: session.update!.optimizer, penalties: session.penalties?.plan } : undefined;
    const bytes = encodeRunPlan({ plan: program.plan, parameterFloats, own });
    const columns = await columnsOf(program, session);
    const described = { bytes, sha256: createHash('sha256').update(bytes).digest('hex'), columns: columns.map(({ column }) => column) };
    return {
      welcome: (node) => this.#welcome(node, described),
      columns: new ServedColumns(columns, nodeHasher),
      rows: new RowSource(program, session.memory, columns, nodeHasher),
    };
  }

  #welcome(node: number, described: Described): WelcomeMessage {
    const { session, arithmetic, codecs, heartbeatMs, silenceMs, rules: { mode } } = this.options;
    const { batchRows, shardRows, examples } = session.train!;
    return {
      type: 'welcome', generation: this.#rounds.generation, node, step: this.#rounds.version, arithmetic, mode, codecs,
      batchRows, shardSize: shardRows, seed: session.seed, shuffle: session.shuffle, exampleCount: examples, workersHint: 0, heartbeatMs, deadlineMs: silenceMs,
      ...described,
    };
  }
}

function runnerOf(inner: SessionRunner, options: ServedOptions): JoinableRunner {
  const { rules: { mode }, outer } = options;
  return mode.kind === 'local' && outer !== undefined ? new PeriodsRunner(inner, { ...options, period: mode.period, outer }) : new RoundsRunner(inner, options);
}

const NO_BYTES = new Uint8Array(0);
const PROBE_SEED = 0;

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
