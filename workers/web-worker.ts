// A thread of a page: does one worker's whole run after another.
import type { Session } from '../src/train/session.js';
import { PoisonedError } from './barrier.js';
import type { CommandDone } from './pool-session.js';
import { WorkerRun } from './run.js';

export interface WebTask {
  readonly session: Session;
  readonly index: number;
}

export type WebReport =
  /** Of worker 0. */
  | ({ readonly kind: 'done' } & CommandDone)
  /** The run has ended, or another worker of it has died; or it threw. */
  | { readonly kind: 'ended'; readonly error?: string };

/** What is used of a worker's global scope. */
interface WorkerScope extends EventTarget {
  postMessage(report: WebReport): void;
}

const scope = globalThis as unknown as WorkerScope;

scope.addEventListener('message', (event) => { scope.postMessage(work((event as MessageEvent<WebTask>).data)); });

function work({ session, index }: WebTask): WebReport {
  try {
    new WorkerRun(session, index, navigator.hardwareConcurrency).loop((diagnosis) => {
      if (index === 0) scope.postMessage({ kind: 'done', diagnosis });
    });
    return { kind: 'ended' };
  } catch (error) {
    return { kind: 'ended', ...(error instanceof PoisonedError ? {} : { error: String(error) }) };
  }
}
