import { MessageChannel, type MessagePort } from 'node:worker_threads';
import { Piscina } from 'piscina';
import { runError, TensorflockError } from '../src/errors.js';
import { COMMAND, FIELD, viewControl, type CommandKind, type Control } from '../src/train/control.js';
import type { Diagnosis, Session, SessionRunner, WorkerPool } from '../src/train/session.js';
import type { CommandDone, WorkerTask } from './worker.js';

/** Deaths in one command after which the cause must be in the run itself. */
const MAX_DEATHS = 3;

/** The threads of this machine, one piscina worker each. A task is a worker's whole run. */
export class LocalPool implements WorkerPool {
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
    return new LocalSession(this.#piscina, session);
  }

  async close(): Promise<void> {
    await this.#piscina.destroy();
  }
}

/** How a set of tasks ended. */
interface Ending {
  /** An error that a worker threw. */
  readonly thrown?: unknown;
  /** A worker's thread is gone. */
  readonly death?: unknown;
}

class LocalSession implements SessionRunner {
  readonly #control: Control;
  #tasks: Promise<Ending>;
  #port: MessagePort;
  #faults: Session['faults'];

  constructor(private readonly piscina: Piscina<WorkerTask, 'ended' | 'poisoned'>, private readonly session: Session) {
    this.#control = viewControl(session.memory, session.control);
    this.#faults = session.faults;
    const launched = this.#launch();
    this.#tasks = launched.tasks;
    this.#port = launched.port;
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
    this.#port.close();
  }

  /** Gives the order and waits until worker 0 reports or the tasks end. */
  async #carryOut(kind: CommandKind): Promise<{ done: CommandDone; ending?: never } | { done?: never; ending: Ending }> {
    const port = this.#port;
    const reported = new Promise<{ done: CommandDone }>((resolve) => {
      port.once('message', (done: CommandDone) => { resolve({ done }); });
    });
    this.#order(kind);
    const outcome = await Promise.race([reported, this.#tasks.then((ending) => ({ ending }))]);
    port.removeAllListeners('message');
    return outcome;
  }

  #order(kind: number): void {
    const { fields } = this.#control;
    Atomics.store(fields, FIELD.kind, kind);
    Atomics.add(fields, FIELD.command, 1);
    Atomics.notify(fields, FIELD.command);
  }

  /** Starts one task a worker. The first to fail poisons the others, so that all of them end. */
  #launch(): { tasks: Promise<Ending>; port: MessagePort } {
    const { fields } = this.#control;
    for (const field of [FIELD.command, FIELD.poison, FIELD.barrierArrived]) Atomics.store(fields, field, 0);
    const { port1, port2 } = new MessageChannel();
    const session = { ...this.session, faults: this.#faults };
    const runs = Array.from({ length: this.session.workers }, async (_, index) => {
      try {
        await (index === 0 ? this.piscina.run({ session, index, port: port2 }, { transferList: [port2] }) : this.piscina.run({ session, index }));
        return undefined;
      } catch (error) {
        Atomics.store(fields, FIELD.poison, 1);
        Atomics.notify(fields, FIELD.barrierGeneration);
        Atomics.notify(fields, FIELD.command);
        return error;
      }
    });
    const tasks = Promise.all(runs).then((errors) => endingOf(errors.filter((error) => error !== undefined)));
    return { tasks, port: port1 };
  }

  /** After all threads of the run have let go: the state of the last snapshot, and new threads where some are missing. */
  #recover(kind: CommandKind): void {
    const { fields, sums } = this.#control;
    if (kind === COMMAND.train || kind === COMMAND.apply || kind === COMMAND.applyArriving) this.#restoreSnapshot();
    else if (kind !== COMMAND.shares) sums.fill(0);
    fields[FIELD.badLoss] = 0;
    // A fault is a test's and happens once.
    this.#faults = [];
    this.#port.close();
    const launched = this.#launch();
    this.#tasks = launched.tasks;
    this.#port = launched.port;
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

/** Tells an error thrown by a worker's code from the end of its thread. */
function endingOf(errors: readonly unknown[]): Ending {
  const thrown = errors.find((error) => !isDeath(error));
  return thrown === undefined ? { death: errors[0] } : { thrown };
}

function isDeath(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  return /^worker exited with code/.test(error.message) || (error as NodeJS.ErrnoException).code === 'ERR_WORKER_OUT_OF_MEMORY';
}

function asRunError(cause: unknown): TensorflockError {
  const message = cause instanceof Error ? cause.message : String(cause);
  return runError('ERR_WORKER', `a worker failed: ${message}.`, { cause });
}
