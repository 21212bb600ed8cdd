import { systemClock, type Clock } from '../../cluster/net/clock.js';

interface Timer {
  readonly atMs: number;
  readonly callback: () => void;
}

/** A clock that stands still until it is moved; sockets are the system's own. */
export class HandClock implements Clock {
  #nowMs = 1_000;
  readonly #timers = new Set<Timer>();
  /** Times that it was asked for the time. */
  reads = 0;

  nowMs(): number {
    this.reads++;
    return this.#nowMs;
  }

  after(delayMs: number, callback: () => void): () => void {
    const timer = { atMs: this.#nowMs + delayMs, callback };
    this.#timers.add(timer);
    return () => { this.#timers.delete(timer); };
  }

  afterReading(callback: () => void): void {
    systemClock.afterReading(callback);
  }

  /** Runs every timer that is due on the way, each at its own time. */
  advance(byMs: number): void {
    const untilMs = this.#nowMs + byMs;
    for (let timer = this.#next(untilMs); timer; timer = this.#next(untilMs)) {
      this.#nowMs = Math.max(this.#nowMs, timer.atMs);
      this.#timers.delete(timer);
      timer.callback();
    }
    this.#nowMs = untilMs;
  }

  /** The process stood still for so long: every timer is late, and runs at the end of it. */
  stall(byMs: number): void {
    this.#nowMs += byMs;
    for (const timer of [...this.#timers].filter((one) => one.atMs <= this.#nowMs)) {
      this.#timers.delete(timer);
      timer.callback();
    }
  }

  get timers(): number {
    return this.#timers.size;
  }

  #next(untilMs: number): Timer | undefined {
    return [...this.#timers].filter((timer) => timer.atMs <= untilMs).sort((a, b) => a.atMs - b.atMs)[0];
  }
}
