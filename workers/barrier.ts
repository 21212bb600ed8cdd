import { DECISION, FIELD } from '../src/train/control.js';

/** Another member of the barrier is dead, or the coordinator gave up: leave at once. */
export class PoisonedError extends Error {
  override readonly name = 'PoisonedError';
}

/** A waiter re-reads the poison at least this often. */
const POISON_CHECK_MS = 100;

/**
 * Loads of the generation before a waiter sleeps: about a millisecond. A sleep and its wake-up cost some 100 microseconds, and
 * a worker that lost its core for a moment is mostly back sooner (with 20,000 loads the mlp ran at half the speed, with
 * 100,000 at 0.95 of it). With more workers than cores, spinning would keep the missing member from running.
 */
const SPINS = 1_000_000;
const SPINS_CROWDED = 20;

/** Meets all workers of a session. The words are in shared memory, so that a replaced member finds them reset. */
export class Barrier {
  readonly #spins: number;

  constructor(private readonly fields: Int32Array, private readonly members: number, cores: number) {
    this.#spins = members > cores ? SPINS_CROWDED : SPINS;
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
    for (let spin = 0; spin < this.#spins; spin++) {
      if (Atomics.load(fields, FIELD.barrierGeneration) !== generation) return this.throwIfPoisoned();
    }
    while (Atomics.load(fields, FIELD.barrierGeneration) === generation) {
      this.throwIfPoisoned();
      Atomics.wait(fields, FIELD.barrierGeneration, generation, POISON_CHECK_MS);
    }
    this.throwIfPoisoned();
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
