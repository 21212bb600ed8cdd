// What waits to be sent. Only so much is handed to the socket at a time; the rest stays where it lies, in slots and small headers,
// so that a reader who does not read costs no memory beyond the cap.

export interface OutboxLimits {
  /** Bytes that the socket may hold; a piece more where it is not yet reached. */
  readonly maxInFlightBytes: number;
  /** Bytes of messages that wait behind those; the first may be longer. */
  readonly maxWaitingBytes: number;
  /** A longer message goes in pieces of so many bytes, so that one sees it move. */
  readonly pieceBytes: number;
}

/** Where the pieces go. */
export interface Wire {
  /** Hands over a piece of a message. `taken` is called when its memory is no longer read, and never when the wire has broken. */
  write(piece: Uint8Array, isLast: boolean, taken: () => void): void;
  /** What is written within `run` may leave in one go. */
  together(run: () => void): void;
}

interface Letter {
  readonly pieces: Uint8Array[];
  readonly byteLength: number;
  readonly settle: (taken: boolean) => void;
}

/** Parts of a message are joined up to here: a copy is cheaper than a system call. */
const JOINED_BYTES = 4_096;

export class Outbox {
  readonly #waiting: Letter[] = [];
  readonly #begun = new Set<Letter>();
  #waitingBytes = 0;
  #inFlightBytes = 0;
  #isStopped = false;
  #last: Promise<boolean> = Promise.resolve(true);

  constructor(private readonly wire: Wire, private readonly limits: OutboxLimits, private readonly moved: () => void) {}

  /** Handed to the socket and not yet taken, and waiting. */
  get bufferedBytes(): number {
    return this.#inFlightBytes + this.#waitingBytes;
  }

  /** Whether a message would have to wait. */
  get isFull(): boolean {
    return this.#waitingBytes > 0 || this.#inFlightBytes >= this.limits.maxInFlightBytes;
  }

  /** Whether a message of that length would be too much to wait. */
  wouldOverflow(byteLength: number): boolean {
    return this.#waitingBytes > 0 && this.#waitingBytes + byteLength > this.limits.maxWaitingBytes;
  }

  /** Resolves when the memory of all parts is free again: true where the socket took them all, false where it ended before. */
  send(parts: readonly Uint8Array[]): Promise<boolean> {
    if (this.#isStopped) return Promise.resolve(false);
    this.#last = new Promise((settle) => {
      const byteLength = bytesOf(parts);
      this.#waiting.push({ pieces: piecesOf(parts, byteLength, this.limits.pieceBytes), byteLength, settle });
      this.#waitingBytes += byteLength;
      this.#pump();
    });
    return this.#last;
  }

  /** Resolves when everything sent so far is settled. */
  async settled(): Promise<void> {
    await this.#last;
  }

  /** Nothing more is handed over. What waits is settled by `end`. */
  stop(): void {
    this.#isStopped = true;
  }

  /** The socket is gone: whatever it did not take it never will. */
  end(): void {
    this.stop();
    for (const { settle } of [...this.#begun, ...this.#waiting]) settle(false);
    this.#begun.clear();
    this.#waiting.length = 0;
    this.#waitingBytes = this.#inFlightBytes = 0;
  }

  #pump(): void {
    this.wire.together(() => {
      while (!this.#isStopped && this.#waiting.length > 0 && this.#inFlightBytes < this.limits.maxInFlightBytes) this.#writeNext(this.#waiting[0]!);
    });
  }

  #writeNext(letter: Letter): void {
    const piece = letter.pieces.shift()!;
    const isLast = letter.pieces.length === 0;
    this.#begun.add(letter);
    if (isLast) this.#waiting.shift();
    this.#waitingBytes -= piece.byteLength;
    this.#inFlightBytes += piece.byteLength;
    this.wire.write(piece, isLast, () => { this.#taken(letter, piece, isLast); });
  }

  /** Sockets take pieces in their order, so the last one taken is all of them. */
  #taken(letter: Letter, piece: Uint8Array, isLast: boolean): void {
    if (!this.#begun.has(letter)) return;
    this.#inFlightBytes -= piece.byteLength;
    this.moved();
    if (isLast) {
      this.#begun.delete(letter);
      letter.settle(true);
    }
    this.#pump();
  }
}

function bytesOf(parts: readonly Uint8Array[]): number {
  return parts.reduce((sum, part) => sum + part.byteLength, 0);
}

function piecesOf(parts: readonly Uint8Array[], byteLength: number, pieceBytes: number): Uint8Array[] {
  if (parts.length > 1 && byteLength <= JOINED_BYTES) return [Buffer.concat(parts)];
  return parts.flatMap((part) =>
    Array.from({ length: Math.ceil(part.byteLength / pieceBytes) }, (_, piece) => part.subarray(piece * pieceBytes, (piece + 1) * pieceBytes)),
  );
}
