import type { SessionRunner, Session, WorkerPool } from '../../src/train/session.js';
import type { ToNode } from '../net/connection.js';
import type { Peer } from '../net/greet.js';
import type { KeptRegister } from '../net/kept-cluster.js';
import type { Reception } from '../net/listen.js';
import { clusterError } from '../protocol/errors.js';
import { coordinatorShareSlots } from './leaf-groups.js';
import { Register } from './register.js';
import { ServedRun, type ServedOptions } from './served-run.js';
import type { RunStatus } from './status.js';
import { drawSecretly } from './trust.js';

export interface PoolOptions extends Omit<ServedOptions, 'session' | 'register' | 'draw'> {
  /** As another process left it. */
  readonly register?: KeptRegister;
  /** Keeps in the folder of a training what a coordinator needs to be started again. */
  readonly keep?: (folder: string, register: KeptRegister) => Promise<void>;
}

/** The pool of this machine, whose trainings nodes may join. Evaluations and predictions stay on this machine. */
export class ClusterPool implements WorkerPool {
  readonly workers: number;
  mostNodes = 0;
  #run: ServedRun | undefined;
  #trainings = 0;
  /** Of the last training, when it ended. */
  #lastStatus: RunStatus | undefined;
  #isClosed = false;
  readonly #register: Register;
  #alsoClose: () => Promise<void> = () => Promise.resolve();
  /** Nodes that wait for a training to begin. */
  #waiting: (() => void)[] = [];

  constructor(private readonly inner: WorkerPool, private readonly options: PoolOptions) {
    this.workers = inner.workers;
    this.#register = new Register(options.register);
  }

  shareSlots(shards: number): number {
    return coordinatorShareSlots(this.options.rules.mode, shards);
  }

  open(session: Session): SessionRunner {
    const runner = this.inner.open(session);
    if (session.train === undefined || session.update === undefined) return runner;
    const run = new ServedRun(runner, { ...this.options, session, register: this.#register, draw: drawSecretly });
    return {
      run: (kind) => run.run(kind),
      begin: async (folder) => {
        const { keep } = this.options;
        // Before anybody is welcomed by this start.
        await this.#register.keepWith(folder === undefined || keep === undefined ? undefined : (state) => keep(folder, state));
        this.#run = run;
        this.#trainings++;
        this.#wakeAll();
      },
      steers: (fit) => { run.steers(fit); },
      end: async (outcome) => {
        this.#run = undefined;
        this.#lastStatus = { ...run.status, nodes: new Map() };
        await run.end(outcome);
        await this.#register.keepWith(undefined);
        this.mostNodes = Math.max(this.mostNodes, run.mostNodes);
      },
    };
  }

  /** A node proved its key: it takes part in the training that goes on, or in the next one. */
  async receive(peer: Peer, connection: ToNode): Promise<Reception> {
    let ended = false;
    void connection.ended.then(() => { ended = true; });
    while (this.#run === undefined) {
      if (this.#isClosed || ended) throw clusterError('ERR_SHUTTING_DOWN', {});
      await new Promise<void>((resolve) => {
        this.#waiting.push(resolve);
        void connection.ended.then(() => { resolve(); });
      });
    }
    return this.#run.receive(peer, connection);
  }

  /** Of the training that goes on, or of the last one. */
  status(): (RunStatus & { readonly training: number }) | undefined {
    const status = this.#run?.status ?? this.#lastStatus;
    return status && { ...status, training: this.#trainings };
  }

  /** What is to be closed with the pool. */
  closes(close: () => Promise<void>): void {
    this.#alsoClose = close;
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    this.#run?.abandon();
    this.#wakeAll();
    await Promise.all([this.inner.close(), this.#alsoClose()]);
  }

  #wakeAll(): void {
    for (const wake of this.#waiting.splice(0)) wake();
  }
}
