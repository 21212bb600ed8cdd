/**
 * How long something has been waited for, without the time that this process itself lost: after a stall all timers are overdue
 * before the messages that waited meanwhile are read. It is asked at every tick, and a tick that comes late was lost time.
 */
export class Patience {
  #sinceMs: number;
  #tickMs: number;

  /**
   * @param limitMs what is waited for is overdue after that time
   * @param periodMs between two ticks
   * @param nowMs monotonic, as everywhere here
   */
  constructor(private readonly limitMs: number, private readonly periodMs: number, nowMs: number) {
    this.#sinceMs = nowMs;
    this.#tickMs = nowMs + periodMs;
  }

  /** It came at that time, or nothing was waited for. */
  renew(atMs: number): void {
    this.#sinceMs = Math.max(this.#sinceMs, atMs);
  }

  tick(nowMs: number): void {
    const lostMs = Math.max(0, nowMs - this.#tickMs);
    this.#sinceMs = Math.min(nowMs, this.#sinceMs + lostMs);
    this.#tickMs = nowMs + this.periodMs;
  }

  isOverdue(nowMs: number): boolean {
    return this.waitedMs(nowMs) > this.limitMs;
  }

  waitedMs(nowMs: number): number {
    return nowMs - this.#sinceMs;
  }
}
