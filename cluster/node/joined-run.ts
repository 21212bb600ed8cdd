import { createHash } from 'node:crypto';
import type { Column } from '../../src/data/dataset.js';
import { probeHash } from '../../src/train/probe.js';
import { hashColumn } from '../data/column-hash.js';
import type { ColumnCache } from '../data/column-cache.js';
import { fetchColumns, resumeFromCache } from '../data/fetch-columns.js';
import { FetchPlan, type FetchProgress } from '../data/fetch-plan.js';
import { findColumns } from '../data/find-data.js';
import { checkManifest } from '../data/manifest.js';
import { nodeHasher } from '../net/hasher.js';
import type { FromCoordinatorMessage, ToCoordinator } from '../net/connection.js';
import { clusterError } from '../protocol/errors.js';
import type { DataChunkMessage, DataRequestMessage, MessageOf, WelcomeMessage } from '../protocol/messages.js';
import type { ManifestColumn } from '../protocol/run-description.js';
import { decodeRunPlan, type RunPlan } from '../run-plan.js';
import { NodeSession } from './node-session.js';
import type { NodeTools } from './computing.js';

export interface JoinTools extends NodeTools {
  readonly cache: ColumnCache;
  /** Monotonic, in milliseconds. */
  readonly now: () => number;
  /** For people. */
  readonly notice: (sentence: string) => void;
  readonly onProgress?: (progress: FetchProgress) => void;
}

/** One run that this node takes part in, over one connection. */
export class JoinedRun {
  readonly #chunks = new Map<string, { readonly resolve: (chunk: DataChunkMessage) => void; readonly reject: (error: unknown) => void }>();
  #probeAsked: (message: MessageOf<'probe'>) => void = () => undefined;
  readonly #probe = new Promise<MessageOf<'probe'>>((resolve) => { this.#probeAsked = resolve; });
  #session: NodeSession | undefined;
  readonly #ready: Promise<void>;
  #isOver = false;

  constructor(private readonly welcome: WelcomeMessage, private readonly connection: ToCoordinator, private readonly tools: JoinTools) {
    this.#ready = this.#prepare().catch((error: unknown) => { if (!this.#isOver) connection.fail(error); });
  }

  /** Messages in their order; preparing goes on beside them. */
  async handle(message: FromCoordinatorMessage): Promise<void> {
    switch (message.type) {
      case 'probe': this.#probeAsked(message); return;
      case 'dataChunk': this.#takeChunk(message); return;
      case 'parameters': this.#session?.parameters(message); return;
      case 'assign': this.#session?.assign(message); return;
      case 'cancel': this.#session?.cancel(message); return;
      default: return;
    }
  }

  /** The connection has ended. */
  async close(): Promise<void> {
    this.#isOver = true;
    for (const { reject } of this.#chunks.values()) reject(new Error('the connection has ended'));
    this.#chunks.clear();
    this.#probeAsked({ type: 'probe', probeSeed: -1 });
    await this.#ready;
    await this.#session?.close();
  }

  async #prepare(): Promise<void> {
    const { welcome, tools, connection } = this;
    checkManifest(welcome.columns);
    const runPlan = this.#plan();
    await this.#answerProbe(runPlan);
    if (this.#isOver) return;
    const columns = await this.#data();
    if (this.#isOver) return;
    const { exampleCount, batchRows, shardSize, seed, shuffle, mode, generation } = welcome;
    const ofRole = (role: ManifestColumn['role']): Column[] => this.#trained(role).map((column) => toColumn(column, columns.get(column.sha256)!));
    const session = new NodeSession(
      { ...runPlan, inputs: ofRole('input'), targets: ofRole('target'), exampleCount, batchRows, shardSize, seed, shuffle, mode },
      tools, async (message) => { await connection.send(message); },
    );
    this.#session = session;
    await session.warmUp();
    void connection.send({ type: 'ready', generation, workers: tools.pool.workers, nodes: 1, data: 'columns' });
    tools.notice(`taking part with ${tools.pool.workers} workers`);
  }

  /** Columns that the plan reads: what it was checked against. */
  #trained(role: ManifestColumn['role']): ManifestColumn[] {
    return this.welcome.columns.filter((column) => column.split === 'train' && column.role === role);
  }

  #plan(): RunPlan {
    const { sha256, bytes, columns, shardSize, mode } = this.welcome;
    const { address } = this.connection;
    if (createHash('sha256').update(bytes).digest('hex') !== sha256) throw clusterError('ERR_OTHER_PLAN', { address, problem: 'its bytes are damaged' });
    return decodeRunPlan(bytes, { columns, shardSize, mode, address });
  }

  /** Before the workers belong to the run. */
  async #answerProbe({ plan, parameterFloats }: RunPlan): Promise<void> {
    const { probeSeed } = await this.#probe;
    if (this.#isOver) return;
    const form = ({ type, shape, scale }: ManifestColumn): Pick<ManifestColumn, 'type' | 'shape' | 'scale'> => ({ type, shape, scale });
    const ofRole = (role: ManifestColumn['role']): ReturnType<typeof form>[] => this.#trained(role).map(form);
    const subject = { plan, parameterFloats, shardRows: this.welcome.shardSize, inputs: ofRole('input'), targets: ofRole('target') };
    const hash = await probeHash(subject, probeSeed, this.tools);
    if (hash === undefined) throw clusterError('ERR_OTHER_ARITHMETIC', { theirs: 'an engine that rounds now so, now otherwise', ours: this.welcome.arithmetic });
    void this.connection.send({ type: 'probed', probeSeed, arithmetic: this.welcome.arithmetic, workerHashes: [hash] });
  }

  /** The columns' bytes by their hash: from this machine where it has them, else from the coordinator. */
  async #data(): Promise<ReadonlyMap<string, Uint8Array>> {
    const { columns } = this.welcome;
    const { cache, now, notice, onProgress } = this.tools;
    const places = new Map(columns.map(({ sha256, byteLength }) => [sha256, new Uint8Array(byteLength)]));
    const placeOf = ({ sha256 }: ManifestColumn): Uint8Array => places.get(sha256)!;
    cache.protect(columns);
    const { found, missing } = await findColumns(columns, { placeOf, cache, notice });
    for (const { column, where } of found) notice(`data "${column.name}": from ${where}`);
    if (missing.length === 0) return places;
    const plan = new FetchPlan(missing, nodeHasher);
    await resumeFromCache(plan, { cache, placeOf });
    await fetchColumns(plan, {
      request: (message) => this.#request(message), placeOf, hashColumn, cache, nowMs: now,
      sleep: (delayMs, signal) => sleepUnless(delayMs, signal), ...(onProgress === undefined ? {} : { onProgress }),
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
