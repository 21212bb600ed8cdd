import { MessageChannel } from 'node:worker_threads';
import { Piscina } from 'piscina';
import type { Session, SessionRunner, WorkerPool } from '../src/train/session.js';
import { PoolSession, type CommandDone, type Threads } from './pool-session.js';
import type { WorkerTask } from './worker.js';

/** The threads of this machine, one piscina worker each. A task is a worker's whole run. */
export class LocalPool implements WorkerPool, Threads {
  readonly isBeside = true;
  readonly #piscina: Piscina<WorkerTask, 'ended' | 'poisoned'>;

  constructor(readonly workers: number) {
    this.#piscina = new Piscina({
      filename: new URL('./worker.js', import.meta.url).href,
      minThreads: workers,
      maxThreads: workers,
      concurrentTasksPerWorker: 1,
      atomics: 'disabled', // the workers have their own barrier; piscina's would keep idle threads from ending
    });
    // A thread that dies without a task is replaced by the pool; nothing of a run was on it.
    this.#piscina.on('error', () => undefined);
  }

  open(session: Session): SessionRunner {
    return new PoolSession(this, session);
  }

  async work(session: Session, index: number, report?: (done: CommandDone) => void): Promise<void> {
    if (report === undefined) {
      await this.#piscina.run({ session, index });
      return;
    }
    const { port1, port2 } = new MessageChannel();
    port1.on('message', report);
    try {
      await this.#piscina.run({ session, index, port: port2 }, { transferList: [port2] });
    } finally {
      port1.close();
    }
  }

  isDeath(error: unknown): boolean {
    if (!(error instanceof Error)) return false;
    return /^worker exited with code/.test(error.message) || (error as NodeJS.ErrnoException).code === 'ERR_WORKER_OUT_OF_MEMORY';
  }

  async close(): Promise<void> {
    await this.#piscina.destroy();
  }
}
