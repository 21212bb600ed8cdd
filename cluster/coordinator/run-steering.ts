import { runError } from '../../src/errors.js';
import { FIELD, type Control } from '../../src/train/control.js';
import type { PauseMessage } from '../protocol/messages.js';
import { readyNodes } from '../rounds/membership.js';
import type { Attendance } from './attendance.js';
import type { Steering } from './steering.js';

/** The state of a run's rounds or periods, of which it changes this alone. */
interface Pausable {
  isPaused: boolean;
}

/** How a run is steered from outside, whatever its mode: paused, let go on, given up. Nodes are told why there is nothing to do. */
export class RunSteering implements Pick<Steering, 'pause' | 'resume'> {
  #isTraining = false;
  #isAbandoned = false;
  /** Who waits for the steps in work. */
  #waiting: (() => void)[] = [];
  /** Why no work is handed out. */
  #resting: PauseMessage['reason'] | undefined;
  /** By connection: what a node was told that the run rests for, and was not told to be over. */
  readonly #told = new Map<number, PauseMessage['reason']>();

  constructor(private readonly run: Pausable, private readonly control: Control, private readonly attendance: Attendance) {}

  async pause(): Promise<number> {
    this.run.isPaused = true;
    // Workers that train alone hand back after their step.
    Atomics.store(this.control.fields, FIELD.handBack, 1);
    this.attendance.wake();
    if (this.#isTraining) await new Promise<void>((resolve) => { this.#waiting.push(resolve); });
    return this.#version;
  }

  resume(): Promise<number> {
    this.run.isPaused = false;
    this.attendance.wake();
    return Promise.resolve(this.#version);
  }

  get #version(): number {
    return this.control.fields[FIELD.version]!;
  }

  /** Nobody can help any more: a training that waits for nodes ends. */
  abandon(): void {
    this.#isAbandoned = true;
    this.attendance.wake();
  }

  /** No work is handed out; to be called again when somebody may have become ready. */
  rests(reason: PauseMessage['reason']): void {
    if (this.#resting !== reason) this.attendance.chronicle.rests(reason, this.attendance.nowMs());
    this.#resting = reason;
    for (const { number, connection } of readyNodes(this.attendance.members)) {
      if (this.#told.get(connection) === reason) continue;
      this.#told.set(connection, reason);
      this.attendance.nodes.tell(number, { type: 'pause', reason });
    }
  }

  /** Work is handed out. */
  goesOn(): void {
    if (this.#resting !== undefined) this.attendance.chronicle.goesOn(this.attendance.nowMs());
    this.#resting = undefined;
    if (this.#told.size === 0) return;
    for (const { number, connection } of readyNodes(this.attendance.members)) if (this.#told.has(connection)) this.attendance.nodes.tell(number, { type: 'resume' });
    this.#told.clear();
  }

  /** While `train` goes on, a pause waits until the steps in work are done; between two trainings none is. */
  async training(train: () => Promise<void>): Promise<void> {
    this.#isTraining = true;
    try {
      await this.attendance.ticking(train);
    } finally {
      this.#isTraining = false;
      this.stands();
    }
  }

  /** No step is in work, and none is begun. */
  stands(): void {
    for (const resolve of this.#waiting.splice(0)) resolve();
  }

  /** @throws ERR_CLOSED */
  throwIfAbandoned(): void {
    if (this.#isAbandoned) throw runError('ERR_CLOSED', 'the pool was closed in the middle of a training.');
  }
}
