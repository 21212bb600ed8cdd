// Which chunks of which columns a node asks for, and what it makes of the answers. Decides; does nothing.
import { clusterError, type ClusterError } from '../protocol/errors.js';
import type { Hasher } from '../protocol/hasher.js';
import type { DataChunkMessage, DataRequestMessage } from '../protocol/messages.js';
import type { ManifestColumn } from '../protocol/run-description.js';
import { chunkByteLength, chunkOffsets, distinctColumns } from './columns.js';

export interface FetchLimits {
  /** Requests that are unanswered at once; at most `MAX_DATA_REQUESTS`. */
  readonly inFlight: number;
  /** Silence after which everything in flight is asked for again, in ms. */
  readonly timeoutMs: number;
  /** Answers to one request that may be damaged, and silences that may follow one another, before it is given up. */
  readonly maxFaults: number;
}

/** 4 MiB under way fill a line of 1 Gbit/s up to 30 ms of delay; a minute for 1 MiB is 0.14 Mbit/s. */
export const FETCH_LIMITS: FetchLimits = { inFlight: 4, timeoutMs: 60_000, maxFaults: 5 };

/** What is to be done next. */
export type FetchStep =
  /** Send these requests; ask again when an answer came, or at `untilMs`. */
  | { readonly kind: 'ask'; readonly requests: readonly DataRequestMessage[]; readonly untilMs: number }
  /** All bytes of the column are there: hash the whole and tell `judge`. */
  | { readonly kind: 'hash'; readonly column: ManifestColumn }
  | { readonly kind: 'done' };

export interface FetchProgress {
  /** Bytes that are there, taken up from an earlier start or received. */
  readonly receivedBytes: number;
  readonly totalBytes: number;
}

interface Chunk {
  readonly of: Fetched;
  readonly offset: number;
  readonly byteLength: number;
  state: 'wanted' | 'asked' | 'there';
  everAsked: boolean;
  faults: number;
}

interface Fetched {
  readonly column: ManifestColumn;
  readonly chunks: Map<number, Chunk>;
  missing: number;
  /** Whether bytes of an earlier start are among those that are there. */
  resumed: boolean;
  judged: boolean;
}

/** The fetching of the columns that a node lacks. It outlives a connection: see `release`. */
export class FetchPlan {
  readonly #columns: ReadonlyMap<string, Fetched>;
  readonly #asked = new Set<Chunk>();
  /** In the order in which they will be asked for; those that came meanwhile are skipped. */
  #wanted: Chunk[] = [];
  #heardMs = 0;
  #silences = 0;

  constructor(columns: readonly ManifestColumn[], private readonly hasher: Hasher, private readonly limits: FetchLimits = FETCH_LIMITS) {
    this.#columns = new Map(distinctColumns(columns).map((column) => [column.sha256, fetchedOf(column)]));
    for (const { chunks } of this.#columns.values()) this.#wanted.push(...chunks.values());
  }

  /** What is fetched, each content once. */
  get columns(): ManifestColumn[] {
    return [...this.#columns.values()].map(({ column }) => column);
  }

  get progress(): FetchProgress {
    const chunks = [...this.#columns.values()].flatMap((fetched) => [...fetched.chunks.values()]);
    const bytes = (some: readonly Chunk[]): number => some.reduce((sum, { byteLength }) => sum + byteLength, 0);
    return { receivedBytes: bytes(chunks.filter(({ state }) => state === 'there')), totalBytes: bytes(chunks) };
  }

  /** Takes up chunks that an earlier start has left and that have the hashes noted for them. */
  resume(column: ManifestColumn, offsets: readonly number[]): void {
    const fetched = this.#columns.get(column.sha256);
    for (const offset of offsets) {
      const chunk = fetched?.chunks.get(offset);
      if (chunk?.state !== 'wanted') continue;
      this.#take(chunk);
      chunk.of.resumed = true;
    }
  }

  /**
   * @param nowMs monotonic
   * @throws ERR_NODE_TIMEOUT where nothing came for too long, again and again
   */
  next(nowMs: number): FetchStep {
    this.#hearSilence(nowMs);
    const whole = [...this.#columns.values()].find(({ missing, judged }) => missing === 0 && !judged);
    if (whole) return { kind: 'hash', column: whole.column };
    if ([...this.#columns.values()].every(({ judged }) => judged)) return { kind: 'done' };
    if (this.#asked.size === 0) this.#heardMs = nowMs;
    return { kind: 'ask', requests: this.#newRequests(), untilMs: this.#heardMs + this.limits.timeoutMs };
  }

  /**
   * Judges an answer: `new` bytes are for the caller to keep; `known` ones came before; `damaged` ones are asked for again.
   * @throws ERR_MESSAGE for what was not asked for; ERR_TENSOR_HASH where the same chunk is damaged again and again
   */
  receive({ column, offset, sha256, bytes }: DataChunkMessage, nowMs: number): 'new' | 'known' | 'damaged' {
    const chunk = this.#columns.get(column)?.chunks.get(offset);
    if (!chunk?.everAsked) throw refused(`nobody asked for bytes from ${offset} on of the column ${column}`);
    this.#heardMs = nowMs;
    this.#silences = 0;
    if (chunk.state === 'there') return 'known';
    if (this.hasher.sha256(bytes) !== sha256) return this.#askAgain(chunk, bytes.byteLength);
    if (bytes.byteLength !== chunk.byteLength) throw refused(`it has ${bytes.byteLength} bytes where ${chunk.byteLength} were asked for`);
    this.#take(chunk);
    return 'new';
  }

  /**
   * Takes the hash of a column's bytes. Another hash than the manifest's starts the column anew where bytes of an earlier start
   * are among them, for these may come from elsewhere.
   * @throws ERR_OTHER_DATA where they all came from this coordinator
   */
  judge(column: ManifestColumn, found: string): 'right' | 'again' {
    const fetched = this.#columns.get(column.sha256)!;
    if (found === column.sha256) {
      fetched.judged = true;
      return 'right';
    }
    if (!fetched.resumed) throw clusterError('ERR_OTHER_DATA', { column: column.name, found, expected: column.sha256 });
    fetched.resumed = false;
    fetched.missing = fetched.chunks.size;
    for (const chunk of fetched.chunks.values()) this.#want(chunk);
    return 'again';
  }

  /** The connection has ended: what was in flight will not come. The plan goes on with the next one. */
  release(): void {
    const lost = [...this.#asked];
    for (const chunk of lost) chunk.state = 'wanted';
    this.#asked.clear();
    this.#wanted = [...lost, ...this.#wanted];
  }

  #newRequests(): DataRequestMessage[] {
    const requests: DataRequestMessage[] = [];
    while (this.#asked.size < this.limits.inFlight) {
      const chunk = this.#wanted.shift();
      if (chunk === undefined) break;
      if (chunk.state !== 'wanted') continue;
      chunk.state = 'asked';
      chunk.everAsked = true;
      this.#asked.add(chunk);
      requests.push({ type: 'dataRequest', column: chunk.of.column.sha256, offset: chunk.offset, byteLength: chunk.byteLength });
    }
    return requests;
  }

  #hearSilence(nowMs: number): void {
    const { timeoutMs, maxFaults } = this.limits;
    if (this.#asked.size === 0 || nowMs - this.#heardMs < timeoutMs) return;
    this.#silences += 1;
    if (this.#silences >= maxFaults) {
      const [chunk] = this.#asked;
      throw clusterError('ERR_NODE_TIMEOUT', { address: `the coordinator about the column "${chunk!.of.column.name}"`, silentMs: this.#silences * timeoutMs, deadlineMs: timeoutMs });
    }
    this.release();
  }

  #askAgain(chunk: Chunk, byteLength: number): 'damaged' {
    chunk.faults += 1;
    if (chunk.faults >= this.limits.maxFaults) throw clusterError('ERR_TENSOR_HASH', { type: 'dataChunk', byteLength });
    this.#want(chunk);
    return 'damaged';
  }

  #want(chunk: Chunk): void {
    this.#asked.delete(chunk);
    chunk.state = 'wanted';
    this.#wanted.push(chunk);
  }

  #take(chunk: Chunk): void {
    this.#asked.delete(chunk);
    chunk.state = 'there';
    chunk.of.missing -= 1;
  }
}

function fetchedOf(column: ManifestColumn): Fetched {
  const offsets = chunkOffsets(column);
  const fetched: Fetched = { column, chunks: new Map(), missing: offsets.length, resumed: false, judged: false };
  for (const offset of offsets) {
    fetched.chunks.set(offset, { of: fetched, offset, byteLength: chunkByteLength(column, offset), state: 'wanted', everAsked: false, faults: 0 });
  }
  return fetched;
}

function refused(problem: string): ClusterError {
  return clusterError('ERR_MESSAGE', { type: 'dataChunk', problem });
}
