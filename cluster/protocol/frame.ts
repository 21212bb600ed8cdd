// A frame is one binary WebSocket message:
//
//   0             4                 4 + header length      multiple of 16
//   ┌─────────────┬─────────────────┬──────────────────────┬──────────────┐
//   │ u32 LE      │ msgpack         │ bytes of 0           │ tensor bytes │
//   │ header      │ header          │ to a multiple of 16  │ to the end   │
//   │ length      │                 │ of the whole         │              │
//   └─────────────┴─────────────────┴──────────────────────┴──────────────┘
import { clusterError } from './errors.js';
import { decodeHeader, encodeHeader, type Fields, type HeaderLimits } from './header.js';

/** Tensor bytes start at a multiple of this from the start of the frame. */
export const TENSOR_ALIGNMENT_BYTES = 16;
const LENGTH_BYTES = 4;

export interface FrameLimits extends HeaderLimits {
  readonly maxHeaderBytes: number;
  readonly maxTensorBytes: number;
}

export interface Frame {
  /** Maps, lists, texts, numbers and booleans within the limits, and nothing else known of it. */
  readonly header: unknown;
  /** A view of the frame, empty where there is none; aligned only where the frame itself is, see `alignedBytes`. */
  readonly tensor: Uint8Array;
}

/** Where the tensor bytes begin after a header of so many bytes. */
export function tensorOffset(headerBytes: number): number {
  return Math.ceil((LENGTH_BYTES + headerBytes) / TENSOR_ALIGNMENT_BYTES) * TENSOR_ALIGNMENT_BYTES;
}

/** A frame as consecutive parts: length, header and padding in one, then the tensor's own memory, which is not copied. */
export function encodeFrame(fields: Fields, tensor?: Uint8Array): Uint8Array[] {
  const header = encodeHeader(fields);
  const prelude = new Uint8Array(tensorOffset(header.byteLength));
  new DataView(prelude.buffer).setUint32(0, header.byteLength, true);
  prelude.set(header, LENGTH_BYTES);
  return tensor === undefined || tensor.byteLength === 0 ? [prelude] : [prelude, tensor];
}

/**
 * The header and the tensor bytes of a frame. Nothing is allocated in proportion to a length that the frame only claims.
 * @throws ERR_FRAME for bytes that are no frame, ERR_TOO_LARGE for what is beyond the limits
 */
export function decodeFrame(bytes: Uint8Array, limits: FrameLimits): Frame {
  const headerBytes = headerLength(bytes, limits);
  const offset = tensorOffset(headerBytes);
  if (offset > bytes.byteLength) throw broken(bytes, `its header of ${headerBytes} bytes and the padding end at ${offset}`);
  const tensorBytes = bytes.byteLength - offset;
  if (tensorBytes > limits.maxTensorBytes) throw clusterError('ERR_TOO_LARGE', { what: 'The tensor of a frame', size: tensorBytes, unit: 'bytes', limit: limits.maxTensorBytes });
  const headerEnd = LENGTH_BYTES + headerBytes;
  if (bytes.subarray(headerEnd, offset).some((byte) => byte !== 0)) throw broken(bytes, 'its padding is not 0');
  return { header: decodeHeader(bytes.subarray(LENGTH_BYTES, headerEnd), limits), tensor: bytes.subarray(offset) };
}

/** The bytes themselves where they lie at a multiple of `alignment` of their buffer, otherwise a copy that does. */
export function alignedBytes(bytes: Uint8Array, alignment: number = TENSOR_ALIGNMENT_BYTES): Uint8Array {
  return bytes.byteOffset % alignment === 0 ? bytes : new Uint8Array(bytes);
}

function headerLength(bytes: Uint8Array, { maxHeaderBytes }: FrameLimits): number {
  if (bytes.byteLength < LENGTH_BYTES) throw broken(bytes, 'it ends within the length of its header');
  const length = new DataView(bytes.buffer, bytes.byteOffset, LENGTH_BYTES).getUint32(0, true);
  if (length > maxHeaderBytes) throw clusterError('ERR_TOO_LARGE', { what: 'The header of a frame', size: length, unit: 'bytes', limit: maxHeaderBytes });
  return length;
}

function broken(bytes: Uint8Array, problem: string): Error {
  return clusterError('ERR_FRAME', { byteLength: bytes.byteLength, problem });
}
