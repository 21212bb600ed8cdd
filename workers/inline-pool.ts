import { COMMAND, FIELD, viewControl, type CommandKind, type Control } from '../src/train/control.js';
import type { Diagnosis, Session, SessionRunner, WorkerPool } from '../src/train/session.js';
import { WorkerRun } from './run.js';

/** One worker on the thread that asks: the same code without other threads, for pages that may not share memory with any. */
export class InlinePool implements WorkerPool {
  readonly workers = 1;

  /** @param turn is waited for before each command, so that the thread does something else between two */
  constructor(private readonly turn: () => Promise<void> = () => Promise.resolve()) {}

  open(session: Session): SessionRunner {
    return new InlineSession(session, this.turn);
  }

  async close(): Promise<void> { /* There is no thread. */ }
}

class InlineSession implements SessionRunner {
  readonly #control: Control;
  readonly #run: WorkerRun;

  constructor(session: Session, private readonly turn: () => Promise<void>) {
    this.#control = viewControl(session.memory, session.control);
    this.#run = new WorkerRun(session, 0, 1);
  }

  async run(kind: CommandKind): Promise<Diagnosis | undefined> {
    let found: Diagnosis | undefined;
    await this.turn();
    this.#order(kind, 1);
    this.#run.loop((diagnosis) => {
      found = diagnosis;
      this.#order(COMMAND.end, 2); // so that the loop ends, instead of waiting for another thread
    });
    return found;
  }

  async end(): Promise<void> { /* Each command ended its own loop. */ }

  /** A loop begins with having seen command 0. */
  #order(kind: number, number: number): void {
    Atomics.store(this.#control.fields, FIELD.kind, kind);
    Atomics.store(this.#control.fields, FIELD.command, number);
  }
}
