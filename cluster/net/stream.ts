// A WebSocket as a stream of frames: one is read when one is asked for, and what is sent waits its turn.
import type { Socket } from 'node:net';
import type { RawData, WebSocket } from 'ws';
import { MAX_PAGES, PAGE_BYTES } from '../../src/kernels/instance.js';
import { panelValues } from '../panels.js';
import { clusterError, type ClusterError } from '../protocol/errors.js';
import type { Clock } from './clock.js';
import { endingOfClose, errorOfReceiver, NORMAL_CLOSE, type Ending } from './ending.js';
import type { Frames } from './frames.js';
import { Outbox, type OutboxLimits } from './outbox.js';
import { TokenBucket, type Rate } from './rate.js';

export interface StreamLimits {
  /** Bytes that may come, framing included, before `trust` is called. */
  readonly maxBytesBeforeProof: number;
  /** The longest message that the WebSocket takes in, which it was made with. */
  readonly maxPayloadBytes: number;
  readonly messages: Rate;
  readonly outbox: OutboxLimits;
  /** For the other side's answer to a close frame. */
  readonly closeTimeoutMs: number;
}

/** Beside parameters may wait: a tensor such as rows, and small messages. */
const WAITING_BYTES = 67_108_864;
/** Header and padding of a panel are shorter. */
const PANEL_HEAD_BYTES = 512;
/** They lie in one arena. */
const MOST_PARAMETER_BYTES = MAX_PAGES * PAGE_BYTES;

/**
 * What may wait for a node of a run: one version of its parameters in panels, as nobody is sent a newer one before those have left.
 * @param parameterBytes the most that any run has where it is not known
 */
export function outboxFor(parameterBytes = MOST_PARAMETER_BYTES): OutboxLimits {
  const panels = Math.ceil(parameterBytes / 4 / panelValues(parameterBytes / 4));
  return { maxInFlightBytes: 1_048_576, maxWaitingBytes: WAITING_BYTES + parameterBytes + panels * PANEL_HEAD_BYTES, pieceBytes: 262_144 };
}

export const STREAM_LIMITS: Omit<StreamLimits, 'maxPayloadBytes'> = {
  // Two frames of the handshake and their framing.
  maxBytesBeforeProof: 4_096,
  messages: { perSecond: 5_000, burst: 10_000 },
  outbox: outboxFor(0), // a node sends few panels at a time, however many it has
  closeTimeoutMs: 2_000,
};

/** What one who floods may send on while the close frame is on its way. */
const GRACE_BYTES = 65_536;

export class FrameStream implements Frames {
  readMs: number;
  takenMs: number;
  readonly ended: Promise<Ending>;

  readonly #outbox: Outbox;
  readonly #bucket: TokenBucket;
  readonly #frames: Uint8Array[] = [];
  #waiter: ((frame: Uint8Array | undefined) => void) | undefined;
  #untrustedBytes: number | undefined = 0;
  #ending: Ending | undefined;
  #isOver = false;
  #cancelTerminate = (): void => {};

  /**
   * @param ws open, without compression, with `autoPong` off
   * @param socket the one below it
   * @param address of the other side, for sentences
   */
  constructor(private readonly ws: WebSocket, private readonly socket: Socket, readonly address: string, private readonly limits: StreamLimits, private readonly clock: Clock) {
    this.readMs = this.takenMs = clock.nowMs();
    this.#bucket = new TokenBucket(limits.messages, this.readMs);
    this.#outbox = new Outbox({ write: this.#write, together: this.#together }, limits.outbox, () => { this.takenMs = clock.nowMs(); });
    // Before ws has its turn: what is too much is not to be collected first.
    socket.prependListener('data', this.#onBytes);
    ws.on('message', this.#onMessage);
    ws.on('ping', this.#onPing);
    ws.on('error', this.#onError);
    this.ended = new Promise((resolve) => {
      ws.once('close', (code, reason) => { resolve(this.#onClose(code, reason.toString())); });
    });
  }

  get isReading(): boolean {
    return !this.ws.isPaused;
  }

  get bufferedBytes(): number {
    return this.#outbox.bufferedBytes;
  }

  get isFull(): boolean {
    return this.#outbox.isFull;
  }

  trust(): void {
    this.#untrustedBytes = undefined;
  }

  receive(): Promise<Uint8Array | undefined> {
    const frame = this.#frames.shift();
    if (frame !== undefined || this.#isOver) return Promise.resolve(frame);
    return new Promise((resolve) => {
      this.#waiter = resolve;
      this.ws.resume();
    });
  }

  send(parts: readonly Uint8Array[]): Promise<boolean> {
    const byteLength = parts.reduce((sum, part) => sum + part.byteLength, 0);
    if (this.#outbox.wouldOverflow(byteLength)) this.fail(this.slowReader());
    return this.#outbox.send(parts);
  }

  settled(): Promise<void> {
    return this.#outbox.settled();
  }

  slowReader(): ClusterError {
    const timeoutMs = Math.round(this.clock.nowMs() - this.takenMs);
    return clusterError('ERR_SLOW_READER', { address: this.address, byteLength: this.bufferedBytes, timeoutMs });
  }

  fail(error: ClusterError): void {
    this.end(error.closeCode, error.code, { how: 'failed', by: 'us', error });
  }

  /** Reads no more than the answer to the close frame. */
  end(closeCode = NORMAL_CLOSE, reason = '', ending: Ending = { how: 'closed', by: 'us' }): void {
    if (this.#ending !== undefined || this.#isOver) return;
    this.#stop(ending);
    this.ws.close(closeCode, reason);
    this.ws.resume();
  }

  readonly #write = (piece: Uint8Array, isLast: boolean, taken: () => void): void => {
    this.ws.send(piece, { binary: true, fin: isLast }, (error) => { if (!error) taken(); });
  };

  readonly #together = (run: () => void): void => {
    this.socket.cork();
    run();
    this.socket.uncork();
  };

  readonly #onBytes = (chunk: Buffer): void => {
    this.readMs = this.clock.nowMs();
    if (this.#untrustedBytes === undefined) return;
    this.#untrustedBytes += chunk.byteLength;
    const { maxBytesBeforeProof: limit } = this.limits;
    if (this.#untrustedBytes > limit + GRACE_BYTES && this.#ending !== undefined) this.ws.terminate();
    if (this.#untrustedBytes > limit) this.fail(clusterError('ERR_TOO_LARGE', { what: `What came from ${this.address} before a proof`, size: this.#untrustedBytes, unit: 'bytes', limit }));
  };

  readonly #onMessage = (data: RawData, isBinary: boolean): void => {
    if (this.#ending !== undefined || !this.#mayCome()) return;
    const frame = data as Buffer;
    if (!isBinary) return this.fail(clusterError('ERR_FRAME', { byteLength: frame.byteLength, problem: 'it is text' }));
    if (this.#waiter !== undefined) return this.#hand(frame);
    this.#frames.push(frame);
    this.ws.pause();
  };

  /** Answered as RFC 6455 asks, unless answers pile up; a browser sends none. */
  readonly #onPing = (data: Buffer): void => {
    if (this.#mayCome() && this.bufferedBytes === 0 && this.ws.bufferedAmount === 0) this.ws.pong(data);
  };

  #mayCome(): boolean {
    if (this.#bucket.take(this.clock.nowMs())) return true;
    const { perSecond, burst } = this.limits.messages;
    this.fail(clusterError('ERR_TOO_FAST', { address: this.address, messages: `over ${burst}`, limit: perSecond }));
    return false;
  }

  /** `ws` answers bytes that are no WebSocket by itself; a socket that breaks needs no answer. */
  readonly #onError = (error: Error): void => {
    const fault = errorOfReceiver(error, this.address, this.limits.maxPayloadBytes);
    if (fault !== undefined && this.#ending === undefined) this.#stop({ how: 'failed', by: 'us', error: fault });
  };

  #stop(ending: Ending): void {
    this.#ending = ending;
    this.#outbox.stop();
    this.#frames.length = 0;
    this.#cancelTerminate = this.clock.after(this.limits.closeTimeoutMs, () => { this.ws.terminate(); });
    this.#hand(undefined);
    this.#isOver = true;
  }

  #onClose(code: number, reason: string): Ending {
    this.#isOver = true;
    this.#cancelTerminate();
    this.#outbox.end();
    this.#hand(undefined);
    return this.#ending ?? endingOfClose(code, reason);
  }

  #hand(frame: Uint8Array | undefined): void {
    const waiter = this.#waiter;
    this.#waiter = undefined;
    waiter?.(frame);
  }
}
