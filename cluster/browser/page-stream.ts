// The WebSocket of a page as a stream of frames. It has no fragments, cannot pause, and tells what left by `bufferedAmount` alone; what
// is sent is copied, because no page may send memory that its workers share.
import type { Clock } from '../net/clock.js';
import { endingOfClose, NORMAL_CLOSE, type Ending } from '../net/ending.js';
import type { Frames } from '../net/frames.js';
import { clusterError, type ClusterError } from '../protocol/errors.js';
import { limitsOfCoordinator, MAX_PLAN_BYTES, maxFrameBytes } from '../protocol/limits.js';

/** What is used of a page's WebSocket, which is open and hands over ArrayBuffers. */
export interface PageSocket extends Pick<EventTarget, 'addEventListener'> {
  readonly readyState: number;
  readonly bufferedAmount: number;
  send(bytes: Uint8Array<ArrayBuffer>): void;
  close(code: number, reason: string): void;
}

/** The ready state in which a WebSocket takes messages; before its end is told, it may be in another one for a while. */
export const SOCKET_OPEN = 1;
/** The frames of a handshake. */
const MOST_BYTES_BEFORE_PROOF = 4_096;
/** The longest of a coordinator's messages is the welcome. */
const MOST_FRAME_BYTES = maxFrameBytes(limitsOfCoordinator(MAX_PLAN_BYTES));
/** Beyond this much that nobody asked for yet the tab would rather not take part. */
const MOST_UNREAD_BYTES = 1_073_741_824;
/** Bytes that may wait in the socket before the next message waits here. */
const FULL_BYTES = 1_048_576;
/** Between two looks at what has left. */
const LOOK_MS = 10;
const CLOSE_TIMEOUT_MS = 2_000;

export class PageStream implements Frames {
  readMs: number;
  takenMs: number;
  readonly ended: Promise<Ending>;

  readonly #frames: Uint8Array[] = [];
  #unreadBytes = 0;
  #untrustedBytes: number | undefined = 0;
  #waiter: ((frame: Uint8Array | undefined) => void) | undefined;
  /** Those who wait until no more than so many bytes are buffered. */
  #senders: { readonly bytes: number; readonly resolve: (taken: boolean) => void }[] = [];
  #seenBytes = 0;
  #isLooking = false;
  #ending: Ending | undefined;
  #isOver = false;
  #gone: (ending: Ending) => void = () => undefined;

  /** @param address of the other side, for sentences */
  constructor(private readonly socket: PageSocket, readonly address: string, private readonly clock: Clock) {
    this.readMs = this.takenMs = clock.nowMs();
    this.ended = new Promise((resolve) => { this.#gone = resolve; });
    socket.addEventListener('message', (event) => { this.#onMessage((event as MessageEvent<unknown>).data); });
    socket.addEventListener('close', (event) => {
      const { code, reason } = event as CloseEvent;
      this.#onClose(code, reason);
    });
  }

  get isReading(): boolean {
    return this.#frames.length === 0;
  }

  get bufferedBytes(): number {
    return this.socket.bufferedAmount;
  }

  get isFull(): boolean {
    return this.bufferedBytes >= FULL_BYTES;
  }

  trust(): void {
    this.#untrustedBytes = undefined;
  }

  receive(): Promise<Uint8Array | undefined> {
    const frame = this.#frames.shift();
    if (frame !== undefined || this.#isOver) {
      this.#unreadBytes -= frame?.byteLength ?? 0;
      return Promise.resolve(frame);
    }
    return new Promise((resolve) => { this.#waiter = resolve; });
  }

  send(parts: readonly Uint8Array[]): Promise<boolean> {
    if (this.#isOver || this.socket.readyState !== SOCKET_OPEN) return Promise.resolve(false);
    this.socket.send(joined(parts));
    return this.#whenBuffered(FULL_BYTES);
  }

  async settled(): Promise<void> {
    await this.#whenBuffered(0);
  }

  slowReader(): ClusterError {
    return clusterError('ERR_SLOW_READER', { address: this.address, byteLength: this.bufferedBytes, timeoutMs: Math.round(this.clock.nowMs() - this.takenMs) });
  }

  fail(error: ClusterError): void {
    this.end(error.closeCode, error.code, { how: 'failed', by: 'us', error });
  }

  end(closeCode = NORMAL_CLOSE, reason = '', ending: Ending = { how: 'closed', by: 'us' }): void {
    if (this.#isOver) return;
    this.#ending = ending;
    this.#stop();
    // A page may give no other codes; a fault of this program is then told by what is missing.
    this.socket.close(closeCode >= 3_000 ? closeCode : NORMAL_CLOSE, reason);
    this.clock.after(CLOSE_TIMEOUT_MS, () => { this.#gone(ending); });
  }

  #onMessage(data: unknown): void {
    if (this.#isOver) return;
    this.readMs = this.clock.nowMs();
    if (!(data instanceof ArrayBuffer)) return this.fail(clusterError('ERR_FRAME', { byteLength: 'some', problem: 'it is text' }));
    const tooMuch = this.#excessOf(data.byteLength);
    if (tooMuch !== undefined) return this.fail(tooMuch);
    const frame = new Uint8Array(data);
    if (this.#waiter !== undefined) return this.#hand(frame);
    this.#frames.push(frame);
    this.#unreadBytes += frame.byteLength;
  }

  #excessOf(byteLength: number): ClusterError | undefined {
    const tooLarge = (what: string, size: number, limit: number): ClusterError | undefined => (size > limit ? clusterError('ERR_TOO_LARGE', { what, size, unit: 'bytes', limit }) : undefined);
    if (this.#untrustedBytes !== undefined) {
      this.#untrustedBytes += byteLength;
      return tooLarge(`What came from ${this.address} before a proof`, this.#untrustedBytes, MOST_BYTES_BEFORE_PROOF);
    }
    return tooLarge(`A message from ${this.address}`, byteLength, MOST_FRAME_BYTES) ?? tooLarge(`What came from ${this.address} unread`, this.#unreadBytes + byteLength, MOST_UNREAD_BYTES);
  }

  #onClose(code: number, reason: string): void {
    const ending = this.#ending ?? endingOfClose(code, reason);
    this.#stopReading();
    this.#gone(ending);
  }

  /** What came is no longer of interest. */
  #stop(): void {
    this.#frames.length = 0;
    this.#stopReading();
  }

  /** Nothing more comes, and what waits is not taken any more. */
  #stopReading(): void {
    this.#isOver = true;
    this.#hand(undefined);
    for (const { resolve } of this.#senders.splice(0)) resolve(false);
  }

  #hand(frame: Uint8Array | undefined): void {
    const waiter = this.#waiter;
    this.#waiter = undefined;
    waiter?.(frame);
  }

  #whenBuffered(bytes: number): Promise<boolean> {
    if (this.#isOver) return Promise.resolve(false);
    this.#seenBytes = this.bufferedBytes;
    if (this.#seenBytes > 0 && !this.#isLooking) this.#lookLater();
    if (this.#seenBytes <= bytes) return Promise.resolve(true);
    return new Promise((resolve) => { this.#senders.push({ bytes, resolve }); });
  }

  #lookLater(): void {
    this.#isLooking = true;
    this.clock.after(LOOK_MS, () => {
      this.#isLooking = false;
      this.#look();
    });
  }

  /** No event tells that bytes have left. */
  #look(): void {
    if (this.#isOver) return;
    const bytes = this.bufferedBytes;
    if (bytes < this.#seenBytes) this.takenMs = this.clock.nowMs();
    this.#seenBytes = bytes;
    const waiting = this.#senders;
    this.#senders = waiting.filter((sender) => bytes > sender.bytes);
    for (const sender of waiting) if (bytes <= sender.bytes) sender.resolve(true);
    if (bytes > 0) this.#lookLater();
  }
}

function joined(parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const whole = new Uint8Array(parts.reduce((sum, { byteLength }) => sum + byteLength, 0));
  let end = 0;
  for (const part of parts) {
    whole.set(part, end);
    end += part.byteLength;
  }
  return whole;
}
