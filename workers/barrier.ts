import { DECISION, FIELD } from '../src/train/control.js';
import { Spinning } from './spinning.js';

/** Another member of the barrier is dead, or the coordinator gave up: leave at once. */
export class PoisonedError extends Error {
  override readonly name = 'PoisonedError';
}

/** A waiter re-reads the poison at least this often. */
const POISON_CHECK_MS = 100;

/** Meets all workers of a session. The words are in shared memory, so that a replaced member finds them reset. */
export class Barrier {
  readonly #spinning: Spinning;

  constructor(private readonly fields: Int32Array, private readonly members: number, cores: number) {
    this.#spinning = new Spinning(members > cores);
  }

  /**
   * Returns when all members have arrived. The last one runs `last` before any of them goes on.
   * @throws PoisonedError
   */
  wait(last?: () => void): void {
    const { fields } = this;
    const generation = Atomics.load(fields, FIELD.barrierGeneration);
    if (Atomics.add(fields, FIELD.barrierArrived, 1) + 1 === this.members) {
      this.throwIfPoisoned();
      last?.();
      Atomics.store(fields, FIELD.barrierArrived, 0); // before the generation moves: a waiter may arrive again at once
      Atomics.add(fields, FIELD.barrierGeneration, 1);
      Atomics.notify(fields, FIELD.barrierGeneration);
      return;
    }
    const startMs = performance.now();
    if (!this.#spin(generation)) this.#sleep(generation);
    this.#spinning.waited(performance.now() - startMs);
    this.throwIfPoisoned();
  }

  /** @returns whether the generation is over before it is time to sleep */
  #spin(generation: number): boolean {
    const { loads } = this.#spinning;
    for (let spin = 0; spin < loads; spin++) {
      if (Atomics.load(this.fields, FIELD.barrierGeneration) !== generation) return true;
    }
    return false;
  }

  #sleep(generation: number): void {
    const { fields } = this;
    while (Atomics.load(fields, FIELD.barrierGeneration) === generation) {
      this.throwIfPoisoned();
      Atomics.wait(fields, FIELD.barrierGeneration, generation, POISON_CHECK_MS);
    }
  }

  throwIfPoisoned(): void {
    throwIfPoisoned(this.fields);
  }
}

/** Loads before a worker that waits for shares sleeps: some 20 microseconds, so that it does not take the core from the thread that reads them. */
const ARRIVAL_SPINS = 2_000;

/** Waits until so many floats of all shares are there. @returns false where the update was called off @throws PoisonedError */
export function awaitFloats(fields: Int32Array, floats: number): boolean {
  for (let turn = 0; ; turn++) {
    if (Atomics.load(fields, FIELD.decision) === DECISION.calledOff) return false;
    const arrived = Atomics.load(fields, FIELD.arrivedFloats);
    if (arrived >= floats) return true;
    throwIfPoisoned(fields);
    if (turn > ARRIVAL_SPINS) Atomics.wait(fields, FIELD.arrivedFloats, arrived, POISON_CHECK_MS);
  }
}

/** Waits until it is known whether the update counts. @throws PoisonedError */
export function awaitDecision(fields: Int32Array): number {
  for (let turn = 0; ; turn++) {
    const decision = Atomics.load(fields, FIELD.decision);
    if (decision !== DECISION.none) return decision;
    throwIfPoisoned(fields);
    if (turn > ARRIVAL_SPINS) Atomics.wait(fields, FIELD.decision, DECISION.none, POISON_CHECK_MS);
  }
}

function throwIfPoisoned(fields: Int32Array): void {
  if (Atomics.load(fields, FIELD.poison) !== 0) throw new PoisonedError('another worker of this run is gone');
}

/** Sleeps until the coordinator moves the command word past `seen`; returns its new value. */
export function awaitCommand(fields: Int32Array, seen: number): number {
  for (;;) {
    const current = Atomics.load(fields, FIELD.command);
    if (current !== seen) return current;
    throwIfPoisoned(fields);
    Atomics.wait(fields, FIELD.command, seen, POISON_CHECK_MS);
  }
}
