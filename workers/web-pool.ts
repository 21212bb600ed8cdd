import type { Session, SessionRunner, WorkerPool } from '../src/train/session.js';
import { PoolSession, type CommandDone, type Threads } from './pool-session.js';
import type { WebReport, WebTask } from './web-worker.js';

/** Threads of a page that may share memory: a Web Worker each. Where one dies, its page dies with it. */
export class WebPool implements WorkerPool, Threads {
  readonly isBeside = true;
  readonly #workers: readonly Worker[];

  /** @param start a worker of web-worker.ts */
  constructor(readonly workers: number, start: () => Worker) {
    this.#workers = Array.from({ length: workers }, start);
  }

  open(session: Session): SessionRunner {
    return new PoolSession(this, session);
  }

  work(session: Session, index: number, report?: (done: CommandDone) => void): Promise<void> {
    const worker = this.#workers[index]!;
    return new Promise((resolve, reject) => {
      worker.onmessage = ({ data }: MessageEvent<WebReport>) => {
        if (data.kind === 'done') report?.(data);
        else if (data.error === undefined) resolve();
        else reject(new Error(data.error));
      };
      worker.onerror = ({ message }) => { reject(new Error(message || 'it could not be loaded')); };
      worker.postMessage({ session, index } satisfies WebTask);
    });
  }

  isDeath(): boolean {
    return false;
  }

  close(): Promise<void> {
    for (const worker of this.#workers) worker.terminate();
    return Promise.resolve();
  }
}
