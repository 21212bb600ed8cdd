/** Lets something be done so seldom that it takes no more than a part of the time. */
export class Budget {
  #dueMs = -Infinity;

  /** @param part of the time, from 0 to 1 */
  constructor(private readonly part: number) {}

  isDue(nowMs: number): boolean {
    return nowMs >= this.#dueMs;
  }

  spent(startMs: number, endMs: number): void {
    this.#dueMs = endMs + (endMs - startMs) / this.part;
  }
}
