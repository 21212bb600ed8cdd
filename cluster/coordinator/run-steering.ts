import { runError } from '../../src/errors.js';
import { FIELD, type Control } from '../../src/train/control.js';
import type { Attendance } from './attendance.js';
import type { Steering } from './steering.js';

/** The state of a run's rounds or periods, of which it changes this alone. */
interface Pausable {
  isPaused: boolean;
}

/** How a run is steered from outside, whatever its mode: paused, let go on, given up. */
export class RunSteering implements Pick<Steering, 'pause' | 'resume'> {
  #isTraining = false;
  #isAbandoned = false;
  /** Who waits for the steps in work. */
  #waiting: (() => void)[] = [];

  constructor(private readonly run: Pausable, private readonly control: Control, private readonly attendance: Attendance) {}

  async pause(): Promise<number> {
    if (!this.run.isPaused) this.attendance.nodes.tell({ type: 'pause', reason: 'operator' });
    this.run.isPaused = true;
    // Workers that train alone hand back after their step.
    Atomics.store(this.control.fields, FIELD.handBack, 1);
    this.attendance.wake();
    if (this.#isTraining) await new Promise<void>((resolve) => { this.#waiting.push(resolve); });
    return this.#version;
  }

  resume(): Promise<number> {
    if (this.run.isPaused) this.attendance.nodes.tell({ type: 'resume' });
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

  /** A node that is ready only now learns that there is nothing to do. */
  tell(member: number): void {
    if (this.run.isPaused) this.attendance.nodes.tell({ type: 'pause', reason: 'operator' }, member);
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
