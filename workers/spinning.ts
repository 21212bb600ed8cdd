/**
 * Loads of a word before a waiter sleeps: about a millisecond. A sleep and its wake-up cost some 100 microseconds, and
 * a worker that lost its core for a moment is mostly back sooner (with 20,000 loads the mlp ran at half the speed, with
 * 100,000 at 0.95 of it).
 */
const SPINS = 1_000_000;
/** Where there are too few cores, spinning keeps the missing worker from running. */
const SPINS_CROWDED = 20;

/** Who is waited for longer has no core: others want it too. */
const LONG_MS = 1;
/** So many of so many waits are long where other programs take the cores for good; on a virtual machine one or two may be. */
const MANY = 8;
const WINDOW = 64;
/** For so many waits it then does not spin, before it tries again: each time that is in vain, twice as many. */
const FIRST_REST = 1_024;
const MOST_REST = 65_536;

/**
 * How long a waiter spins before it sleeps. With a core for each worker, long; where other programs compute, not at all: a spinning
 * worker uses up the time that the missing one is waiting for (784-10 at batch 32, two workers, two cores and a load of 4 from others:
 * 3,800 examples a second with spinning, 110,000 and more without).
 */
export class Spinning {
  #waits = 0;
  #longWaits = 0;
  /** Waits left without spinning. */
  #rest: number;
  #nextRest = FIRST_REST;

  /** @param isCrowded there are fewer cores than workers */
  constructor(isCrowded: boolean) {
    this.#rest = isCrowded ? Infinity : 0;
  }

  get loads(): number {
    return this.#rest > 0 ? SPINS_CROWDED : SPINS;
  }

  /** A wait is over, and was so long. */
  waited(waitedMs: number): void {
    if (this.#rest > 0) {
      this.#rest--;
      return;
    }
    this.#waits++;
    if (waitedMs > LONG_MS) this.#longWaits++;
    if (this.#longWaits === MANY) {
      this.#rest = this.#nextRest;
      this.#nextRest = Math.min(MOST_REST, 2 * this.#nextRest);
    } else if (this.#waits === WINDOW) {
      this.#nextRest = FIRST_REST;
    } else return;
    this.#waits = this.#longWaits = 0;
  }
}
