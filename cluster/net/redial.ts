// Dialling again and again: when, and when no more.
import { ClusterError } from '../protocol/errors.js';
import type { Clock } from './clock.js';
import type { Ending } from './ending.js';

export interface RedialOptions {
  readonly clock: Clock;
  /** From 0 up to 1, for the jitter. */
  readonly random: () => number;
  /** Since the last connection, or the beginning; without it never. */
  readonly giveUpAfterMs?: number | undefined;
  /** Ends the waiting; the promise then rejects with the signal's reason. */
  readonly signal?: AbortSignal | undefined;
  /** Before each wait: for the log. */
  readonly waits?: (after: Ending | ClusterError, delayMs: number) => void;
}

const FIRST_DELAY_MS = 500;
const LONGEST_DELAY_MS = 30_000;

/**
 * The wait after so many failures in a row (from 1): doubled each time up to half a minute, and drawn from its upper half, so that
 * nodes that lost their coordinator together do not come back together.
 */
export function delayMsAfter(failures: number, random: () => number): number {
  const fullMs = Math.min(LONGEST_DELAY_MS, FIRST_DELAY_MS * 2 ** (failures - 1));
  return fullMs * (0.5 + 0.5 * random());
}

/** Whether a new connection may mend what ended the last one. */
export function isMendable(ending: Ending): boolean {
  if (ending.how === 'failed') return ending.error instanceof ClusterError && ending.error.retry;
  return ending.how === 'lost' || (ending.how === 'closed' && ending.by === 'them');
}

/**
 * Connects until a connection ends for good.
 * @param connect dials once and serves the connection to its end; calls `welcomed` in between
 * @returns the ending that nothing can mend: done, left, closed by us, or failed for an error that dialling again cannot help
 * @throws ClusterError where dialling fails for such an error, or for the last one when it is time to give up
 */
export async function keepDialling(connect: (welcomed: () => void) => Promise<Ending>, options: RedialOptions): Promise<Ending> {
  const { clock, random, giveUpAfterMs = Infinity, signal, waits } = options;
  let [failures, sinceMs] = [0, clock.nowMs()];
  const welcomed = (): void => { failures = 0; };
  for (;;) {
    signal?.throwIfAborted();
    const outcome = await connect(welcomed).catch(retryable);
    signal?.throwIfAborted();
    if (!(outcome instanceof ClusterError)) {
      if (!isMendable(outcome)) return outcome;
      sinceMs = clock.nowMs();
    }
    failures += 1;
    const delayMs = delayMsAfter(failures, random);
    if (clock.nowMs() + delayMs - sinceMs > giveUpAfterMs) throw errorOf(outcome);
    waits?.(outcome, delayMs);
    await pause(delayMs, clock, signal);
  }
}

function retryable(error: unknown): ClusterError {
  if (error instanceof ClusterError && error.retry) return error;
  throw error;
}

function errorOf(outcome: Ending | ClusterError): Error {
  if (outcome instanceof ClusterError) return outcome;
  return outcome.how === 'failed' ? outcome.error : new ClusterError('ERR_UNREACHABLE', 'The connection ended, and it is time to give up.');
}

async function pause(delayMs: number, clock: Clock, signal: AbortSignal | undefined): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    const abort = (): void => {
      cancel();
      reject(signal?.reason as Error);
    };
    const cancel = clock.after(delayMs, () => {
      signal?.removeEventListener('abort', abort);
      resolve();
    });
    signal?.addEventListener('abort', abort, { once: true });
  });
}
