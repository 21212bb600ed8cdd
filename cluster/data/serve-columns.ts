// The coordinator's side of fetching: chunks out of the arena, no more of them than the node reads and the line bears.
import { clusterError, type ClusterError } from '../protocol/errors.js';
import type { Hasher } from '../protocol/hasher.js';
import { MAX_CHUNK_BYTES, MAX_DATA_REQUESTS } from '../protocol/limits.js';
import type { DataChunkMessage, DataRequestMessage } from '../protocol/messages.js';
import type { ColumnBytes } from './columns.js';

/** The columns of a run, for all nodes. Their bytes must not change while it lives. */
export class ServedColumns {
  readonly #bytes: ReadonlyMap<string, Uint8Array>;
  /** Of whole chunks, by column and offset: fifty nodes ask for the same ones. */
  readonly #chunkHashes = new Map<string, string>();

  constructor(columns: readonly ColumnBytes[], private readonly hasher: Hasher) {
    this.#bytes = new Map(columns.map(({ column, bytes }) => [column.sha256, bytes]));
  }

  /** @throws ERR_MESSAGE for a column that is not of this run, or bytes that it does not have */
  check({ column, offset, byteLength }: DataRequestMessage): void {
    const bytes = this.#bytes.get(column);
    if (bytes === undefined) throw refused(`no column of this run has the SHA-256 ${column}`);
    if (offset + byteLength > bytes.byteLength) throw refused(`it asks for bytes up to ${offset + byteLength} of a column of ${bytes.byteLength}`);
  }

  /** A copy of the bytes, which a socket may keep: the arena's memory is shared, and no socket takes that. */
  chunk(request: DataRequestMessage): DataChunkMessage {
    this.check(request);
    const { column, offset, byteLength } = request;
    const bytes = this.#bytes.get(column)!.slice(offset, offset + byteLength);
    return { type: 'dataChunk', column, offset, sha256: this.#hashOf(request, bytes), bytes };
  }

  /** Only the regular chunks are remembered, so that no node decides how many. */
  #hashOf({ column, offset, byteLength }: DataRequestMessage, bytes: Uint8Array): string {
    const whole = offset % MAX_CHUNK_BYTES === 0 && byteLength === MAX_CHUNK_BYTES;
    if (!whole) return this.hasher.sha256(bytes);
    const key = `${column} ${offset}`;
    const sha256 = this.#chunkHashes.get(key) ?? this.hasher.sha256(bytes);
    this.#chunkHashes.set(key, sha256);
    return sha256;
  }
}

export interface ServeLimits {
  readonly bytesPerSecond: number;
  /** Bytes that may go out at once after a pause; at least those of a chunk. */
  readonly burstBytes: number;
}

/** A node alone on a line of 1 Gbit/s (119 MiB/s) never waits; on a faster one, or on loopback, rounds keep the machine. */
export const SERVE_LIMITS: ServeLimits = { bytesPerSecond: 128 * 1024 * 1024, burstBytes: 16 * 1024 * 1024 };

export type ServeStep =
  | { readonly kind: 'send'; readonly chunk: DataChunkMessage }
  /** The node has had enough for now. */
  | { readonly kind: 'wait'; readonly untilMs: number }
  | { readonly kind: 'idle' };

/** The requests of one node. Its connection asks for the next chunk when the one before has left, so that only one is in memory. */
export class DataQueue {
  readonly #waiting: DataRequestMessage[] = [];
  /** When all that was sent would have been sent at the allowed rate. */
  #clearMs = 0;

  constructor(private readonly columns: ServedColumns, private readonly limits: ServeLimits = SERVE_LIMITS) {}

  /**
   * A request that waits already is not answered twice.
   * @throws ERR_MESSAGE where it cannot be answered, or too many wait
   */
  ask(request: DataRequestMessage): void {
    this.columns.check(request);
    const { column, offset, byteLength } = request;
    if (this.#waiting.some((other) => other.column === column && other.offset === offset && other.byteLength === byteLength)) return;
    if (this.#waiting.length >= MAX_DATA_REQUESTS) throw refused(`${MAX_DATA_REQUESTS} of them wait already, as many as may`);
    this.#waiting.push(request);
  }

  /** @param nowMs monotonic */
  next(nowMs: number): ServeStep {
    const [request] = this.#waiting;
    if (request === undefined) return { kind: 'idle' };
    const bytesPerMs = this.limits.bytesPerSecond / 1_000;
    const clearMs = Math.max(nowMs, this.#clearMs);
    const untilMs = clearMs + (request.byteLength - this.limits.burstBytes) / bytesPerMs;
    if (untilMs > nowMs) return { kind: 'wait', untilMs };
    this.#waiting.shift();
    this.#clearMs = clearMs + request.byteLength / bytesPerMs;
    return { kind: 'send', chunk: this.columns.chunk(request) };
  }
}

function refused(problem: string): ClusterError {
  return clusterError('ERR_MESSAGE', { type: 'dataRequest', problem });
}
