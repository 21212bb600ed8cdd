import type { Column } from '../../src/data/dataset.js';
import { sha256Hex } from '../../src/sha256.js';
import { probeHash } from '../../src/train/probe.js';
import type { ColumnCache } from '../data/column-cache.js';
import { hashColumn } from '../data/column-hash.js';
import type { PlaceOf } from '../data/columns.js';
import { fetchColumns, resumeFromCache } from '../data/fetch-columns.js';
import { FetchPlan, type FetchProgress } from '../data/fetch-plan.js';
import type { Findings } from '../data/find-data.js';
import { keptColumns, trainedColumns } from '../data/kept-columns.js';
import { checkManifest } from '../data/manifest.js';
import { nodeHasher } from '../net/hasher.js';
import type { FromCoordinatorMessage, ToCoordinator } from '../net/connection.js';
import { clusterError } from '../protocol/errors.js';
import type { DataChunkMessage, DataRequestMessage, MessageOf, WelcomeMessage } from '../protocol/messages.js';
import type { DataWay, ManifestColumn } from '../protocol/run-description.js';
import { decodeRunPlan, type RunPlan } from '../run-plan.js';
import { NodeComputing, type NodeTools } from './computing.js';
import type { NodeData } from './examples.js';
import { NodeSession } from './node-session.js';
import type { OpenSession, RunSession, Upward } from './run-session.js';
import type { Prepared, Workshop } from './workshop.js';

export interface JoinTools extends NodeTools {
  readonly workshop: Workshop;
  /** Whether to keep the columns, or be sent the rows of each assignment. */
  readonly data: DataWay;
  /** What is made of the run, where that is not to compute shares here. */
  readonly openSession?: OpenSession | undefined;
  /** 32 hex digits. */
  readonly runId: string;
  /** Puts the columns that this machine has into place. */
  readonly findColumns: (columns: readonly ManifestColumn[], placeOf: PlaceOf) => Promise<Findings>;
  /** Keeps what was fetched; without it each start fetches anew. */
  readonly cache?: ColumnCache | undefined;
  /** Monotonic, in milliseconds. */
  readonly now: () => number;
  /** For people. */
  readonly notice: (sentence: string) => void;
  readonly onProgress?: (progress: FetchProgress) => void;
  /** A share of so many examples begins to leave. */
  readonly onShare?: (examples: number) => void;
}

/** One run that this node takes part in, over one connection. */
export class JoinedRun {
  readonly #chunks = new Map<string, { readonly resolve: (chunk: DataChunkMessage) => void; readonly reject: (error: unknown) => void }>();
  #probeAsked: (message: MessageOf<'probe'>) => void = () => undefined;
  readonly #probe = new Promise<MessageOf<'probe'>>((resolve) => { this.#probeAsked = resolve; });
  #prepared: Prepared | undefined;
  #session: RunSession | undefined;
  readonly #ready: Promise<void>;
  #isOver = false;
  /** The run has come to its end. */
  #isDone = false;

  constructor(private readonly welcome: WelcomeMessage, private readonly connection: ToCoordinator, private readonly tools: JoinTools) {
    this.#ready = this.#prepare().catch((error: unknown) => { if (!this.#isOver) connection.fail(error); });
  }

  /** Messages in their order; preparing goes on beside them. */
  async handle(message: FromCoordinatorMessage): Promise<void> {
    switch (message.type) {
      case 'probe': this.#probeAsked(message); return;
      case 'dataChunk': this.#takeChunk(message); return;
      case 'parameters': return this.#session?.parameters(message);
      case 'assign': return this.#session?.assign(message);
      case 'rows': return this.#session?.rows(message);
      case 'cancel': this.#session?.cancel(message); return;
      case 'settled': this.#session?.settled(message); return;
      case 'done':
        this.#isDone = true;
        return this.#session?.told?.(message);
      case 'pause':
        this.tools.notice(message.reason === 'quorum' ? 'the run waits for more nodes' : 'the run is paused by its operator');
        return this.#session?.told?.(message);
      case 'resume':
        this.tools.notice('the run goes on');
        return this.#session?.told?.(message);
      default: return;
    }
  }

  /** Before it leaves: what is being computed is sent, nothing else is begun. */
  async drain(): Promise<void> {
    await this.#session?.drain();
  }

  /** The connection has ended. */
  async close(): Promise<void> {
    this.#isOver = true;
    for (const { reject } of this.#chunks.values()) reject(new Error('the connection has ended'));
    this.#chunks.clear();
    this.#probeAsked({ type: 'probe', probeSeed: -1 });
    await this.#ready;
    await this.#settle();
  }

  /** What was prepared is kept for the next connection, unless it failed, or holds an optimizer's state, which belongs to this one. */
  async #settle(): Promise<void> {
    const prepared = this.#prepared;
    const isWell = await this.#session?.close().then(() => true, () => false) ?? true;
    if (prepared === undefined) return;
    if (this.#isDone) prepared.computing.begin('');
    if (isWell && this.welcome.mode.kind !== 'local') this.tools.workshop.putBack(prepared);
    else await prepared.computing.close();
  }

  async #prepare(): Promise<void> {
    const { welcome: { generation }, tools: { workshop, runId } } = this;
    const { probeSeed } = await this.#probe;
    if (this.#isOver) return;
    this.#prepared = await workshop.take(this.#key(), probeSeed);
    if (this.#prepared === undefined) this.#prepared = await this.#prepareAnew(probeSeed);
    else this.#sendProbed(this.#prepared.probe);
    if (this.#prepared === undefined || this.#isOver) return;
    this.#prepared.computing.begin(`${runId} ${generation}`);
    this.#session = this.#open(this.#prepared);
  }

  #open(prepared: Prepared): RunSession {
    const { welcome, tools: { pool, data, openSession, notice, onShare }, connection } = this;
    const upward: Upward = {
      welcome, prepared,
      send: async (message) => {
        if (message.type === 'share' && message.firstValue === 0) onShare?.(message.exampleCount);
        await connection.send(message);
      },
      failed: (error) => { connection.fail(error); },
      ready: ({ workers, nodes }) => {
        void connection.send({ type: 'ready', generation: welcome.generation, workers, nodes, data });
        notice(`taking part with ${workers} workers${nodes > 1 ? ` of ${nodes} nodes` : ''}`);
      },
    };
    if (openSession !== undefined) return openSession(upward);
    upward.ready({ workers: pool.workers, nodes: 1 });
    return new NodeSession(prepared.computing, upward.send, upward.failed);
  }

  /** Undefined where the connection ended in between. */
  async #prepareAnew(probeSeed: number): Promise<Prepared | undefined> {
    const { welcome, tools } = this;
    checkManifest(welcome.columns);
    const runPlan = this.#plan();
    const probe = { seed: probeSeed, hash: await this.#probeHash(runPlan, probeSeed) };
    if (this.#isOver) return undefined;
    this.#sendProbed(probe);
    const data = tools.data === 'rows' ? { way: 'rows' as const, columns: this.#trained() } : await this.#columns();
    if (this.#isOver) return undefined;
    const { exampleCount, batchRows, shardSize, seed, shuffle, mode, codecs } = welcome;
    const computing = new NodeComputing({ ...runPlan, data, exampleCount, batchRows, shardSize, seed, shuffle, mode, codecs }, tools);
    await computing.warmUp();
    return { key: this.#key(), probe, computing };
  }

  /** All of the welcome that a prepared run depends on. */
  #key(): string {
    const { sha256, arithmetic, mode, codecs, columns, exampleCount, batchRows, shardSize, seed, shuffle } = this.welcome;
    return JSON.stringify([sha256, arithmetic, mode, codecs, columns, exampleCount, batchRows, shardSize, seed, shuffle]);
  }

  /** Columns that the plan reads: what it was checked against. */
  #trained(role?: ManifestColumn['role']): ManifestColumn[] {
    return trainedColumns(this.welcome.columns).filter((column) => role === undefined || column.role === role);
  }

  #plan(): RunPlan {
    const { sha256, bytes, shardSize, mode } = this.welcome;
    const { address } = this.connection;
    if (sha256Hex(bytes) !== sha256) throw clusterError('ERR_OTHER_PLAN', { address, problem: 'its bytes are damaged' });
    return decodeRunPlan(bytes, { columns: keptColumns(this.welcome, this.tools.data, address), shardSize, mode, address });
  }

  /** Before the workers belong to the run. */
  async #probeHash({ plan, parameterFloats }: RunPlan, probeSeed: number): Promise<string> {
    const form = ({ type, shape, scale }: ManifestColumn): Pick<ManifestColumn, 'type' | 'shape' | 'scale'> => ({ type, shape, scale });
    const ofRole = (role: ManifestColumn['role']): ReturnType<typeof form>[] => this.#trained(role).map(form);
    const subject = { plan, parameterFloats, shardRows: this.welcome.shardSize, inputs: ofRole('input'), targets: ofRole('target') };
    const hash = await probeHash(subject, probeSeed, this.tools);
    if (hash === undefined) throw clusterError('ERR_OTHER_ARITHMETIC', { theirs: 'an engine that rounds now so, now otherwise', ours: this.welcome.arithmetic });
    return hash;
  }

  #sendProbed({ seed, hash }: Prepared['probe']): void {
    void this.connection.send({ type: 'probed', probeSeed: seed, arithmetic: this.welcome.arithmetic, workerHashes: [hash] });
  }

  async #columns(): Promise<NodeData> {
    const columns = await this.#data();
    const ofRole = (role: ManifestColumn['role']): Column[] => this.#trained(role).map((column) => toColumn(column, columns.get(column.sha256)!));
    return { way: 'columns', inputs: ofRole('input'), targets: ofRole('target') };
  }

  /** The columns' bytes by their hash: from this machine where it has them, else from the coordinator. */
  async #data(): Promise<ReadonlyMap<string, Uint8Array>> {
    const { columns } = this.welcome;
    const { findColumns, cache, now, notice, onProgress } = this.tools;
    const places = new Map(columns.map(({ sha256, byteLength }) => [sha256, new Uint8Array(byteLength)]));
    const placeOf = ({ sha256 }: ManifestColumn): Uint8Array => places.get(sha256)!;
    cache?.protect(columns);
    const { found, missing } = await findColumns(columns, placeOf);
    for (const { column, where } of found) notice(`data "${column.name}": from ${where}`);
    if (missing.length === 0) return places;
    const plan = new FetchPlan(missing, nodeHasher);
    if (cache !== undefined) await resumeFromCache(plan, { cache, placeOf });
    await fetchColumns(plan, {
      request: (message) => this.#request(message), placeOf, hashColumn, nowMs: now,
      sleep: (delayMs, signal) => sleepUnless(delayMs, signal), ...(cache === undefined ? {} : { cache }), ...(onProgress === undefined ? {} : { onProgress }),
    });
    notice(`data: ${missing.length} columns fetched`);
    return places;
  }

  #request(message: DataRequestMessage): Promise<DataChunkMessage> {
    return new Promise((resolve, reject) => {
      this.#chunks.set(`${message.column} ${message.offset}`, { resolve, reject });
      void this.connection.send(message);
    });
  }

  #takeChunk(message: DataChunkMessage): void {
    const key = `${message.column} ${message.offset}`;
    this.#chunks.get(key)?.resolve({ ...message, bytes: message.bytes.slice() });
    this.#chunks.delete(key);
  }
}

function toColumn({ type, shape, exampleCount, scale }: ManifestColumn, bytes: Uint8Array): Column {
  const values = type === 'uint8' ? bytes : type === 'int32' ? new Int32Array(bytes.buffer) : new Float32Array(bytes.buffer);
  return { values, shape: [exampleCount, ...shape], scale };
}

async function sleepUnless(delayMs: number, signal: AbortSignal): Promise<void> {
  await new Promise<void>((resolve) => {
    const timer = setTimeout(resolve, Math.min(delayMs, 2 ** 31 - 1));
    signal.addEventListener('abort', () => {
      clearTimeout(timer);
      resolve();
    }, { once: true });
  });
}
