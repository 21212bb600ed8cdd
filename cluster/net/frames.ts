import type { ClusterError } from '../protocol/errors.js';
import type { Ending } from './ending.js';

/** A WebSocket as a stream of frames, Node's (stream.ts) or a page's (../browser/page-stream.ts). */
export interface Frames {
  /** Of the other side, for sentences. */
  readonly address: string;
  /** When bytes last came, and when the socket last took some; monotonic, in ms. */
  readonly readMs: number;
  readonly takenMs: number;
  /** Resolves when the socket is gone. */
  readonly ended: Promise<Ending>;
  /** Whether more is read; not while the frames that came are not asked for. */
  readonly isReading: boolean;
  /** Bytes that wait, here or in the socket. */
  readonly bufferedBytes: number;
  readonly isFull: boolean;
  /** The other side has proved the key: from now on the limits of messages alone hold. */
  trust(): void;
  /** The next frame; undefined when the stream has ended and nothing is left. One call at a time. */
  receive(): Promise<Uint8Array | undefined>;
  /**
   * Sends consecutive parts as one message. Resolves when their memory is free again: true where the socket took them, false where
   * it ended before. Never rejects.
   */
  send(parts: readonly Uint8Array[]): Promise<boolean>;
  /** Resolves when the socket has taken everything sent so far, or has ended. */
  settled(): Promise<void>;
  slowReader(): ClusterError;
  /** Ends it for an error, whose code the other side learns. */
  fail(error: ClusterError): void;
  /** Sends no more than a close frame, and waits for its answer no longer than the limit. */
  end(closeCode?: number, reason?: string, ending?: Ending): void;
}
