import { clusterError, errorOfClose, type ClusterError } from '../protocol/errors.js';
import type { DoneMessage, LeaveMessage } from '../protocol/messages.js';

/** How a connection ended. */
export type Ending =
  /** The node said `leave`. */
  | { readonly how: 'left'; readonly reason: LeaveMessage['reason'] }
  /** The coordinator said `done`. */
  | { readonly how: 'done'; readonly outcome: DoneMessage['outcome'] }
  /** Closed on purpose, and no error. */
  | { readonly how: 'closed'; readonly by: 'us' | 'them' }
  /** One side closed it for an error: a `ClusterError`, or a fault of this program. */
  | { readonly how: 'failed'; readonly by: 'us' | 'them'; readonly error: Error }
  /** The socket ended without a word. */
  | { readonly how: 'lost' };

/** RFC 6455, 7.4.1. */
export const NORMAL_CLOSE = 1000;
const GOING_AWAY = 1001;
const NO_STATUS = 1005;
const MESSAGE_TOO_BIG = 1009;
export const INTERNAL_FAULT = 1011;
/** The other side's WebSocket refuses what we sent before its protocol sees it. */
const NO_WEBSOCKET_FRAME = [1002, 1003, 1007, 1008];

/** What a close frame of the other side means; 1006 is what a socket reports that had none. */
export function endingOfClose(closeCode: number, reason: string): Ending {
  if ([NORMAL_CLOSE, GOING_AWAY, NO_STATUS].includes(closeCode)) return { how: 'closed', by: 'them' };
  const error = errorOfClose(closeCode, reason) ?? errorOfWebSocket(closeCode);
  return error === undefined ? { how: 'lost' } : { how: 'failed', by: 'them', error };
}

function errorOfWebSocket(closeCode: number): ClusterError | undefined {
  if (closeCode === MESSAGE_TOO_BIG) return errorOfClose(4002, 'ERR_TOO_LARGE');
  return NO_WEBSOCKET_FRAME.includes(closeCode) ? errorOfClose(4000, 'ERR_FRAME') : undefined;
}

/** What `ws` says of the other side's bytes; undefined for what is no fault of theirs. */
export function errorOfReceiver(error: Error & { readonly code?: unknown }, address: string, maxBytes: number): ClusterError | undefined {
  const code = String(error.code);
  if (/^WS_ERR_(UNSUPPORTED_MESSAGE_LENGTH|UNSUPPORTED_DATA_PAYLOAD_LENGTH|TOO_MANY_BUFFERED_PARTS)$/.test(code)) {
    return clusterError('ERR_TOO_LARGE', { what: `A message from ${address}`, size: `over ${maxBytes}`, unit: 'bytes', limit: maxBytes });
  }
  return code.startsWith('WS_ERR_') ? clusterError('ERR_FRAME', { byteLength: 'some', problem: error.message }, { cause: error }) : undefined;
}
