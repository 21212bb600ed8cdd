export interface Rate {
  readonly perSecond: number;
  /** What may come at once after a silence. */
  readonly burst: number;
}

/** A token bucket: every message takes a token, and tokens come back at a steady rate up to the burst. */
export class TokenBucket {
  #tokens: number;
  #filledMs: number;

  /** @param nowMs monotonic */
  constructor(private readonly rate: Rate, nowMs: number) {
    this.#tokens = rate.burst;
    this.#filledMs = nowMs;
  }

  /** Whether there was a token to take. */
  take(nowMs: number): boolean {
    const { perSecond, burst } = this.rate;
    this.#tokens = Math.min(burst, this.#tokens + ((nowMs - this.#filledMs) * perSecond) / 1_000);
    this.#filledMs = nowMs;
    if (this.#tokens < 1) return false;
    this.#tokens -= 1;
    return true;
  }
}
