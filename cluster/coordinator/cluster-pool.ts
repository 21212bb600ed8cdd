import type { SessionRunner, Session, WorkerPool } from '../../src/train/session.js';
import type { FitWatcher } from '../../src/train/watcher.js';
import type { ToNode } from '../net/connection.js';
import type { Peer } from '../net/greet.js';
import type { KeptRegister } from '../net/kept-cluster.js';
import type { Reception } from '../net/listen.js';
import { coordinatorShareSlots } from './leaf-groups.js';
import { Register } from './register.js';
import { ServedRun, type ServedOptions } from './served-run.js';
import type { RunStatus } from './status.js';
import { drawSecretly } from './trust.js';
import { WaitingRoom } from './waiting-room.js';

export interface PoolOptions extends Omit<ServedOptions, 'session' | 'register' | 'draw'> {
  /** Is told of every fit, besides its log. */
  readonly fitWatcher?: FitWatcher;
  /** As another process left it. */
  readonly register?: KeptRegister;
  /** Keeps in the folder of a training what a coordinator needs to be started again. */
  readonly keep?: (folder: string, register: KeptRegister) => Promise<void>;
}

/** The pool of this machine, whose trainings nodes may join. Evaluations and predictions stay on this machine. */
export class ClusterPool implements WorkerPool {
  readonly workers: number;
  readonly isBeside: boolean;
  mostNodes = 0;
  readonly watcher: FitWatcher = {
    begins: (fit) => { this.options.fitWatcher?.begins(fit); },
    epochEnds: async (epoch, logs) => {
      this.#room.run?.noteEpoch(epoch + 1, logs);
      await this.options.fitWatcher?.epochEnds(epoch, logs);
    },
    ends: () => { this.options.fitWatcher?.ends(); },
  };
  readonly #room = new WaitingRoom<ServedRun>();
  #trainings = 0;
  /** Of the last training, when it ended. */
  #lastStatus: RunStatus | undefined;
  readonly #register: Register;
  #alsoClose: () => Promise<void> = () => Promise.resolve();

  constructor(private readonly inner: WorkerPool, private readonly options: PoolOptions) {
    this.workers = inner.workers;
    this.isBeside = inner.isBeside === true;
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
        this.#trainings++;
        this.#room.begin(run);
      },
      steers: (fit) => { run.steers(fit); },
      end: async (outcome) => {
        this.#room.end();
        this.#lastStatus = { ...run.status, nodes: new Map() };
        await run.end(outcome);
        await this.#register.keepWith(undefined);
        this.mostNodes = Math.max(this.mostNodes, run.mostNodes);
      },
    };
  }

  /** A node proved its key: it takes part in the training that goes on, or in the next one. */
  async receive(peer: Peer, connection: ToNode): Promise<Reception> {
    const run = await this.#room.runFor(connection);
    return run.receive(peer, connection);
  }

  /** What makes trouble for a node of the training that goes on. */
  impedimentOf(member: number): ReturnType<ServedRun['impedimentOf']> {
    return this.#room.run?.impedimentOf(member);
  }

  /** Of the training that goes on, or of the last one. */
  status(): (RunStatus & { readonly training: number }) | undefined {
    const status = this.#room.run?.status ?? this.#lastStatus;
    return status && { ...status, training: this.#trainings };
  }

  /** What is to be closed with the pool. */
  closes(close: () => Promise<void>): void {
    this.#alsoClose = close;
  }

  async close(): Promise<void> {
    this.#room.run?.abandon();
    this.#room.close();
    await Promise.all([this.inner.close(), this.#alsoClose()]);
  }
}
