/** Virtual time: things happen in the order of their times, and of their making where times are equal. */
export class VirtualTime {
  nowMs = 0;
  readonly #heap: { readonly atMs: number; readonly order: number; readonly happen: () => void }[] = [];
  #order = 0;

  at(atMs: number, happen: () => void): void {
    const item = { atMs: Math.max(atMs, this.nowMs), order: this.#order++, happen };
    let child = this.#heap.push(item) - 1;
    for (let parent = (child - 1) >> 1; child > 0 && isBefore(item, this.#heap[parent]!); child = parent, parent = (child - 1) >> 1) this.#heap[child] = this.#heap[parent]!;
    this.#heap[child] = item;
  }

  /** Lets the next thing happen, unless it is later than `untilMs`. @returns whether there was one */
  step(untilMs: number): boolean {
    const first = this.#heap[0];
    if (first === undefined || first.atMs > untilMs) return false;
    const last = this.#heap.pop()!;
    if (this.#heap.length > 0) this.#sink(last);
    this.nowMs = first.atMs;
    first.happen();
    return true;
  }

  #sink(item: { readonly atMs: number; readonly order: number; readonly happen: () => void }): void {
    const heap = this.#heap;
    let parent = 0;
    for (let child = 1; child < heap.length; child = 2 * parent + 1) {
      if (child + 1 < heap.length && isBefore(heap[child + 1]!, heap[child]!)) child++;
      if (!isBefore(heap[child]!, item)) break;
      heap[parent] = heap[child]!;
      parent = child;
    }
    heap[parent] = item;
  }
}

interface Timed {
  readonly atMs: number;
  readonly order: number;
}

const isBefore = (a: Timed, b: Timed): boolean => a.atMs < b.atMs || (a.atMs === b.atMs && a.order < b.order);
