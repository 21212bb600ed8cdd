import { runError, TensorflockError } from '../src/errors.js';
import { COMMAND, FIELD, viewControl, type CommandKind, type Control } from '../src/train/control.js';
import type { Diagnosis, Session, SessionRunner } from '../src/train/session.js';

/** Deaths in one command after which the cause must be in the run itself. */
const MAX_DEATHS = 3;

export interface CommandDone {
  readonly diagnosis?: Diagnosis | undefined;
}

/** Where the workers of a pool run. */
export interface Threads {
  /**
   * Has a thread do a worker's whole run; resolves when it has ended, or another worker of it has died.
   * @param report of worker 0 alone: after each command, which all others have finished by then
   */
  work(session: Session, index: number, report?: (done: CommandDone) => void): Promise<void>;
  /** Whether `work` rejected because the thread is gone, and not for what its code threw. */
  isDeath(error: unknown): boolean;
}

/** How a set of tasks ended. */
interface Ending {
  /** An error that a worker threw. */
  readonly thrown?: unknown;
  /** A worker's thread is gone. */
  readonly death?: unknown;
}

/** One run on all threads of a pool. */
export class PoolSession implements SessionRunner {
  readonly #control: Control;
  #tasks: Promise<Ending>;
  #faults: Session['faults'];
  #reported: (done: CommandDone) => void = () => undefined;

  constructor(private readonly threads: Threads, private readonly session: Session) {
    this.#control = viewControl(session.memory, session.control);
    this.#faults = session.faults;
    this.#tasks = this.#launch();
  }

  async run(kind: CommandKind): Promise<Diagnosis | undefined> {
    for (let deaths = 0; ; deaths++) {
      const outcome = await this.#carryOut(kind);
      if (outcome.done !== undefined) return outcome.done.diagnosis;
      const { thrown, death } = outcome.ending;
      if (thrown !== undefined) throw asRunError(thrown);
      if (deaths === MAX_DEATHS) {
        throw runError('ERR_WORKER_DIED', `a worker died ${deaths + 1} times in the same part of the run (${String(death)}); give the process more memory or use fewer workers.`, { cause: death });
      }
      this.#recover(kind);
      if (kind === COMMAND.apply || kind === COMMAND.applyArriving) return undefined; // the shares were of the version that is gone
    }
  }

  async end(): Promise<void> {
    this.#order(COMMAND.end);
    await this.#tasks;
  }

  /** Gives the order and waits until worker 0 reports or the tasks end. */
  async #carryOut(kind: CommandKind): Promise<{ done: CommandDone; ending?: never } | { done?: never; ending: Ending }> {
    const reported = new Promise<{ done: CommandDone }>((resolve) => {
      this.#reported = (done) => { resolve({ done }); };
    });
    this.#order(kind);
    return Promise.race([reported, this.#tasks.then((ending) => ({ ending }))]);
  }

  #order(kind: number): void {
    const { fields } = this.#control;
    Atomics.store(fields, FIELD.kind, kind);
    Atomics.add(fields, FIELD.command, 1);
    Atomics.notify(fields, FIELD.command);
  }

  /** Starts one task a worker. The first to fail poisons the others, so that all of them end. */
  async #launch(): Promise<Ending> {
    const { fields } = this.#control;
    for (const field of [FIELD.command, FIELD.poison, FIELD.barrierArrived]) Atomics.store(fields, field, 0);
    const session = { ...this.session, faults: this.#faults };
    const runs = Array.from({ length: this.session.workers }, async (_, index) => {
      try {
        await this.threads.work(session, index, index === 0 ? (done) => { this.#reported(done); } : undefined);
        return undefined;
      } catch (error) {
        Atomics.store(fields, FIELD.poison, 1);
        Atomics.notify(fields, FIELD.barrierGeneration);
        Atomics.notify(fields, FIELD.command);
        return error;
      }
    });
    const errors = (await Promise.all(runs)).filter((error) => error !== undefined);
    // An error thrown by a worker's code tells more than the end of a thread.
    const thrown = errors.find((error) => !this.threads.isDeath(error));
    return thrown === undefined ? { death: errors[0] } : { thrown };
  }

  /** After all threads of the run have let go: the state of the last snapshot, and new threads where some are missing. */
  #recover(kind: CommandKind): void {
    const { fields, sums } = this.#control;
    if (kind === COMMAND.train || kind === COMMAND.apply || kind === COMMAND.applyArriving) this.#restoreSnapshot();
    else if (kind !== COMMAND.shares) sums.fill(0);
    fields[FIELD.badLoss] = 0;
    // A fault is a test's and happens once.
    this.#faults = [];
    this.#tasks = this.#launch();
  }

  #restoreSnapshot(): void {
    const { fields, sums, snapshotSums } = this.#control;
    // While a snapshot is being taken, and before the first, no update is under way: the live state is whole.
    if (fields[FIELD.snapshotBusy] !== 0 || fields[FIELD.snapshotVersion]! < 0) {
      fields[FIELD.snapshotBusy] = 0;
      fields[FIELD.snapshotVersion] = -1;
      return;
    }
    const { parameters, states, snapshot, floats } = this.session.update!;
    const bytes = new Uint8Array(this.session.memory.buffer);
    [parameters, ...states].forEach((to, index) => bytes.copyWithin(to, snapshot + index * floats * 4, snapshot + (index + 1) * floats * 4));
    sums.set(snapshotSums);
    fields[FIELD.epochStep] = fields[FIELD.snapshotEpochStep]!;
    fields[FIELD.version] = fields[FIELD.snapshotVersion]!;
    fields[FIELD.packedVersion] = -1;
  }
}

function asRunError(cause: unknown): TensorflockError {
  const message = cause instanceof Error ? cause.message : String(cause);
  return runError('ERR_WORKER', `a worker failed: ${message}.`, { cause });
}
