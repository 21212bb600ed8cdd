import { availableParallelism } from 'node:os';
import type { MessagePort } from 'node:worker_threads';
import type { Session } from '../src/train/session.js';
import { PoisonedError } from './barrier.js';
import type { CommandDone } from './pool-session.js';
import { WorkerRun } from './run.js';

/** What the pool hands to a thread: a whole run, not a step. */
export interface WorkerTask {
  readonly session: Session;
  readonly index: number;
  /** Worker 0 alone reports: all others have finished when it does. */
  readonly port?: MessagePort;
}

/** The pool's entry: returns when the run ends or another worker of it died. */
export default function work({ session, index, port }: WorkerTask): 'ended' | 'poisoned' {
  try {
    new WorkerRun(session, index, availableParallelism()).loop((diagnosis) => port?.postMessage({ diagnosis } satisfies CommandDone));
    return 'ended';
  } catch (error) {
    if (error instanceof PoisonedError) return 'poisoned';
    throw error;
  }
}
