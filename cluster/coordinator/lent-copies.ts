/**
 * Copies for sockets to read. Their memory is used again: where every step made new ones, collecting that garbage took a coordinator of
 * 80,000 parameters 0.8 ms a step, more than hashing and sending it.
 */
export class LentCopies {
  /** By length, in bytes. */
  readonly #free = new Map<number, Uint8Array[]>();
  #freeBytes = 0;
  /** Of the copies that are in use: who made one is its first reader. */
  readonly #readers = new Map<Uint8Array, number>();

  /** @param mostFreeBytes that are kept though nobody reads them */
  constructor(private readonly mostFreeBytes: number) {}

  /** A copy that stays as it is until it is released, and nobody reads it any more. */
  of(bytes: Uint8Array): Uint8Array {
    const copy = this.#take(bytes.byteLength);
    copy.set(bytes);
    this.#readers.set(copy, 1);
    return copy;
  }

  /** Somebody reads one until `read` resolves, which it does in any case. */
  lend(copy: Uint8Array, read: Promise<unknown>): void {
    const readers = this.#readers.get(copy);
    if (readers === undefined) return; // the bytes are nobody's copy
    this.#readers.set(copy, readers + 1);
    void read.then(() => { this.release(copy); });
  }

  /** One reader less. */
  release(copy: Uint8Array): void {
    const readers = this.#readers.get(copy)! - 1;
    if (readers > 0) this.#readers.set(copy, readers);
    else this.#keep(copy);
  }

  #take(byteLength: number): Uint8Array {
    const free = this.#free.get(byteLength)?.pop();
    if (free === undefined) return new Uint8Array(byteLength);
    this.#freeBytes -= byteLength;
    return free;
  }

  #keep(copy: Uint8Array): void {
    const { byteLength } = copy;
    this.#readers.delete(copy);
    if (this.#freeBytes + byteLength > this.mostFreeBytes) return;
    this.#freeBytes += byteLength;
    const free = this.#free.get(byteLength);
    if (free === undefined) this.#free.set(byteLength, [copy]);
    else free.push(copy);
  }
}
