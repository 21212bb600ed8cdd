import { longestTransfer } from './cache.js';
import type { SetFile } from './image-sets.js';
import type { PartialDownload } from './partial.js';
import { verify } from './verify.js';

/** What has arrived of one file; `totalBytes` is absent where the server does not tell. Both count compressed bytes. */
export interface DownloadProgress {
  readonly file: string;
  readonly mirror: string;
  readonly receivedBytes: number;
  readonly totalBytes?: number;
}

/** Calls back once when `restart` was not called for a while. */
export interface StallTimer {
  restart(): void;
  stop(): void;
}

export type StartStallTimer = (timeoutMs: number, onStall: () => void) => StallTimer;

export const startStallTimer: StartStallTimer = (timeoutMs, onStall) => {
  const timer = setTimeout(onStall, timeoutMs);
  return { restart: () => { timer.refresh(); }, stop: () => { clearTimeout(timer); } };
};

export interface DownloadOptions {
  /** A mirror that sends nothing for so long is given up. */
  readonly stallTimeoutMs: number;
  readonly startStallTimer: StartStallTimer;
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: DownloadProgress) => void;
}

/** How one request ended. `broken` may go on from what has arrived; after `refused` there is nothing to go on with. */
type Transfer =
  | { readonly kind: 'whole' }
  | { readonly kind: 'broken'; readonly reason: string }
  | { readonly kind: 'refused'; readonly reason: string };

export type Download = { readonly bytes: Uint8Array } | { readonly fault: string };

/** A line that breaks so often is left for the next mirror, which goes on from there. */
const MOST_RESUMPTIONS = 4;
const HTTP_PARTIAL_CONTENT = 206;
const HTTP_RANGE_NOT_SATISFIABLE = 416;

/**
 * Fetches `<mirror>/<name>.gz` and verifies its decoded bytes. Goes on by Range from what `partial` holds, and again after
 * each break that brought new bytes; bytes that turn out wrong after a resumption are fetched once more from the start.
 */
export async function downloadFrom(
  mirror: string,
  file: SetFile,
  partial: PartialDownload,
  options: DownloadOptions,
): Promise<Download> {
  const url = `${mirror.replace(/\/+$/, '')}/${file.name}.gz`;
  for (let resumptions = 0; ; resumptions++) {
    const startByte = partial.byteLength;
    const transfer = await receive(url, mirror, file, partial, options);
    if (transfer.kind === 'whole') {
      const verified = await verify(partial.bytes(), file);
      if ('bytes' in verified) return verified;
      await partial.restart();
      if (startByte === 0 || resumptions >= MOST_RESUMPTIONS) return { fault: `${url} sent a wrong file: ${verified.fault}` };
    } else if (transfer.kind === 'refused' || partial.byteLength === startByte || resumptions >= MOST_RESUMPTIONS) {
      return { fault: `${url} ${transfer.reason}` };
    }
  }
}

/** One request: appends what arrives to `partial`, or replaces it where the server sends the file from its start. */
async function receive(
  url: string,
  mirror: string,
  file: SetFile,
  partial: PartialDownload,
  options: DownloadOptions,
): Promise<Transfer> {
  const stall = new AbortController();
  const timer = options.startStallTimer(options.stallTimeoutMs, () => { stall.abort(); });
  try {
    const signal = options.signal ? AbortSignal.any([options.signal, stall.signal]) : stall.signal;
    const response = await fetch(url, { headers: requestHeaders(partial.byteLength), signal });
    const refusal = refusalOf(response, partial.byteLength);
    if (refusal) {
      await response.body?.cancel();
      return refusal;
    }
    if (response.status !== HTTP_PARTIAL_CONTENT) await partial.restart();
    return await receiveBody(response, partial, longestTransfer(file), (receivedBytes, totalBytes) => {
      timer.restart();
      options.onProgress?.({ file: file.name, mirror, receivedBytes, ...(totalBytes !== undefined && { totalBytes }) });
    });
  } catch (error) {
    options.signal?.throwIfAborted();
    return { kind: 'broken', reason: stall.signal.aborted ? `sent nothing for ${options.stallTimeoutMs} ms` : brokenReason(error) };
  } finally {
    timer.stop();
  }
}

/** `identity`: a transparently inflated body would make the bytes of a Range mean something else. */
function requestHeaders(startByte: number): Record<string, string> {
  return { 'accept-encoding': 'identity', ...(startByte > 0 && { range: `bytes=${startByte}-` }) };
}

/** Why a response cannot be read, or that nothing is missing; undefined where its body is to be read. */
function refusalOf(response: Response, startByte: number): Transfer | undefined {
  if (response.status === HTTP_RANGE_NOT_SATISFIABLE && startByte > 0) return { kind: 'whole' };
  if (!response.ok) return { kind: 'refused', reason: `answered ${response.status}` };
  if (response.status !== HTTP_PARTIAL_CONTENT) return undefined;
  const contentRange = response.headers.get('content-range') ?? 'none';
  if (contentRange.startsWith(`bytes ${startByte}-`)) return undefined;
  return { kind: 'refused', reason: `answered with the range "${contentRange}" where bytes from ${startByte} were asked for` };
}

async function receiveBody(
  response: Response,
  partial: PartialDownload,
  mostBytes: number,
  onBytes: (receivedBytes: number, totalBytes: number | undefined) => void,
): Promise<Transfer> {
  const announcedBytes = response.headers.get('content-length');
  const totalBytes = announcedBytes === null ? undefined : partial.byteLength + Number(announcedBytes);
  const reader = response.body?.getReader();
  for (let next = await reader?.read(); next && !next.done; next = await reader?.read()) {
    await partial.append(next.value as Uint8Array);
    onBytes(partial.byteLength, totalBytes);
    if (partial.byteLength <= mostBytes) continue;
    await reader?.cancel();
    await partial.restart();
    return { kind: 'refused', reason: `sent more than the ${mostBytes} bytes that the file can have` };
  }
  return { kind: 'whole' };
}

/** fetch hides the reason in a chain of causes. */
function brokenReason(error: unknown): string {
  const { cause, message } = error as Error;
  if (!(cause instanceof Error)) return `failed (${message})`;
  return `failed (${(cause as NodeJS.ErrnoException).code ?? cause.message})`;
}
