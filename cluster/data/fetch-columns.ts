// Does what a FetchPlan decides: sends requests, puts answers into place and into the cache.
import type { DataChunkMessage, DataRequestMessage } from '../protocol/messages.js';
import type { ManifestColumn } from '../protocol/run-description.js';
import type { ColumnCache } from './column-cache.js';
import type { PlaceOf } from './columns.js';
import type { FetchPlan, FetchProgress } from './fetch-plan.js';

export interface FetchOptions {
  /** Answers with the chunk, whose bytes stay as they are; rejects when the connection has ended. */
  readonly request: (message: DataRequestMessage) => Promise<DataChunkMessage>;
  /** Where the bytes of a column belong. */
  readonly placeOf: PlaceOf;
  /** As `hashColumn` of column-hash does it. */
  readonly hashColumn: (column: ManifestColumn, bytes: Uint8Array) => Promise<string>;
  readonly cache?: Pick<ColumnCache, 'resume' | 'keepChunk' | 'store' | 'dropPart'>;
  /** Monotonic. */
  readonly nowMs: () => number;
  /** Resolves after a time in ms, or at once when the signal is aborted. */
  readonly sleep: (delayMs: number, signal: AbortSignal) => Promise<unknown>;
  readonly onProgress?: (progress: FetchProgress) => void;
}

/** Takes up the chunks of an earlier start, once, before the first `fetchColumns`. */
export async function resumeFromCache(plan: FetchPlan, { cache, placeOf }: Pick<FetchOptions, 'placeOf'> & Required<Pick<FetchOptions, 'cache'>>): Promise<void> {
  for (const column of plan.columns) plan.resume(column, await cache.resume(column, placeOf(column)));
}

/**
 * Fetches what the plan still lacks over one connection. After a rejection by `request` it may be called again with the same plan
 * and the next connection; what is in place stays there.
 * @throws what `request` rejects with; ERR_MESSAGE, ERR_TENSOR_HASH, ERR_NODE_TIMEOUT or ERR_OTHER_DATA for wrong, damaged,
 * missing and foreign answers
 */
export async function fetchColumns(plan: FetchPlan, options: FetchOptions): Promise<void> {
  const inbox = new Inbox();
  try {
    for (let step = plan.next(options.nowMs()); step.kind !== 'done'; step = plan.next(options.nowMs())) {
      if (step.kind === 'hash') {
        await judge(plan, step.column, options);
        continue;
      }
      for (const message of step.requests) inbox.expect(options.request(message));
      await inbox.wait(step.untilMs - options.nowMs(), options.sleep);
      for (const chunk of inbox.take()) await receive(plan, chunk, options);
    }
  } finally {
    plan.release();
  }
}

async function receive(plan: FetchPlan, chunk: DataChunkMessage, { placeOf, cache, nowMs, onProgress }: FetchOptions): Promise<void> {
  if (plan.receive(chunk, nowMs()) !== 'new') return;
  const column = plan.columns.find(({ sha256 }) => sha256 === chunk.column)!;
  placeOf(column).set(chunk.bytes, chunk.offset);
  await cache?.keepChunk(column, chunk.offset, chunk.sha256, chunk.bytes);
  onProgress?.(plan.progress);
}

/** Chunks of a column with another hash are forgotten, before the plan says what that means: a later start is not to trip over them. */
async function judge(plan: FetchPlan, column: ManifestColumn, { placeOf, hashColumn, cache }: FetchOptions): Promise<void> {
  const bytes = placeOf(column);
  const found = await hashColumn(column, bytes);
  if (found !== column.sha256) await cache?.dropPart(column);
  if (plan.judge(column, found) === 'right') await cache?.store(column, bytes);
}

/** Answers that have come, whenever they came. */
class Inbox {
  #chunks: DataChunkMessage[] = [];
  #fault: { readonly error: unknown } | undefined;
  #wake = (): void => undefined;

  expect(answer: Promise<DataChunkMessage>): void {
    answer.then(
      (chunk) => { this.#chunks.push(chunk); },
      (error: unknown) => { this.#fault ??= { error }; },
    ).finally(() => { this.#wake(); });
  }

  /** Returns when something has come, or after so long. */
  async wait(delayMs: number, sleep: FetchOptions['sleep']): Promise<void> {
    if (this.#chunks.length > 0 || this.#fault) return;
    const awake = new AbortController();
    this.#wake = () => { awake.abort(); };
    await sleep(delayMs, awake.signal);
  }

  /** Everything that came; first the chunks, then the fault that ended them. */
  take(): DataChunkMessage[] {
    const taken = this.#chunks;
    this.#chunks = [];
    if (taken.length === 0 && this.#fault) throw this.#fault.error;
    return taken;
  }
}
