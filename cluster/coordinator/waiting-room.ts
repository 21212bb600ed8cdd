import type { ToNode } from '../net/connection.js';
import { clusterError } from '../protocol/errors.js';

/** Where nodes that have proved the key wait for a run to begin. */
export class WaitingRoom<Run> {
  #run: Run | undefined;
  #isClosed = false;
  #waiting: (() => void)[] = [];

  /** The run that goes on. */
  get run(): Run | undefined {
    return this.#run;
  }

  /** A run begins: whoever waits takes part in it. */
  begin(run: Run): void {
    this.#run = run;
    this.#wakeAll();
  }

  /** It has ended: whoever comes waits for the next one. */
  end(): void {
    this.#run = undefined;
  }

  /** The run that goes on, or the next one. @throws ERR_SHUTTING_DOWN where there will be none, or nobody waits any more */
  async runFor(connection: ToNode): Promise<Run> {
    let ended = false;
    void connection.ended.then(() => { ended = true; });
    while (this.#run === undefined) {
      if (this.#isClosed || ended) throw clusterError('ERR_SHUTTING_DOWN', {});
      await new Promise<void>((resolve) => {
        this.#waiting.push(resolve);
        void connection.ended.then(() => { resolve(); });
      });
    }
    return this.#run;
  }

  /** No run will begin any more. */
  close(): void {
    this.#isClosed = true;
    this.#wakeAll();
  }

  #wakeAll(): void {
    for (const wake of this.#waiting.splice(0)) wake();
  }
}
