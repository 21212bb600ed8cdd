// Messages to frames and back. Behind `decodeFromNode` and `decodeFromCoordinator` nothing is unknown.
import * as z from 'zod'; // as a namespace, of which a page gets what is used
import { clusterError } from './errors.js';
import { decodeFrame, encodeFrame, type Frame, type FrameLimits } from './frame.js';
import type { Hasher } from './hasher.js';
import type { Fields } from './header.js';
import { MAX_CHUNK_BYTES } from './limits.js';
import { PROTOCOL_VERSION, type CoordinatorMessage, type Message, type NodeMessage } from './messages.js';
import { SCHEMAS } from './schemas.js';
import { COORDINATOR_EDGES, NODE_EDGES, type CoordinatorState, type NodeState } from './states.js';

/** What a frame is read with. */
export interface Reading<State> {
  /** Of the connection: a message that is not expected in it is refused by its type alone. */
  readonly state: State;
  readonly limits: FrameLimits;
  readonly hasher: Hasher;
}

/**
 * A message as consecutive parts of one frame; the tensor's bytes are its own memory and not copied.
 * @throws ERR_MESSAGE for a message that the other side would refuse
 */
export function encodeMessage(message: Message): Uint8Array[] {
  const { bytes, ...fields } = { bytes: undefined, ...message };
  const schema: z.ZodType = SCHEMAS[message.type];
  const { data, error } = z.safeEncode(schema, fields);
  if (error) throw refused(message.type, error);
  return encodeFrame(data as Fields, bytes);
}

/**
 * The message of a node. Its `bytes` are a view of the frame, which the caller copies to where they belong.
 * @throws ClusterError and nothing else: ERR_FRAME, ERR_TOO_LARGE, ERR_UNEXPECTED_MESSAGE, ERR_PROTOCOL_VERSION, ERR_MESSAGE, ERR_TENSOR_HASH
 */
export function decodeFromNode(frame: Uint8Array, reading: Reading<CoordinatorState>): NodeMessage {
  return decode(frame, reading, COORDINATOR_EDGES[reading.state]) as NodeMessage;
}

/** The message of a coordinator or relay; otherwise as `decodeFromNode`. */
export function decodeFromCoordinator(frame: Uint8Array, reading: Reading<NodeState>): CoordinatorMessage {
  return decode(frame, reading, NODE_EDGES[reading.state]) as CoordinatorMessage;
}

function decode(bytes: Uint8Array, { state, limits, hasher }: Reading<string>, expected: object): Message {
  const frame = decodeFrame(bytes, limits);
  const type = typeOf(frame.header);
  if (!Object.hasOwn(expected, type)) throw clusterError('ERR_UNEXPECTED_MESSAGE', { type, state, expected: Object.keys(expected).join(', ') || 'none' });
  if (type === 'hello') assertVersion(frame.header);
  const schema: z.ZodType<Omit<Message, 'bytes'>> = SCHEMAS[type as Message['type']];
  const { data, error } = schema.safeParse(frame.header);
  if (error) throw refused(type, error);
  return withTensor(data as Message, frame, hasher);
}

function typeOf(header: unknown): string {
  const type: unknown = typeof header === 'object' && header !== null && 'type' in header ? header.type : undefined;
  if (typeof type !== 'string') throw clusterError('ERR_MESSAGE', { type: '', problem: 'it names no type' });
  return type;
}

/** Before the other fields, which may be others in another version. */
function assertVersion(header: unknown): void {
  const { protocolVersion } = header as { readonly protocolVersion?: unknown };
  if (typeof protocolVersion !== 'number' || protocolVersion === PROTOCOL_VERSION) return;
  throw clusterError('ERR_PROTOCOL_VERSION', { theirs: protocolVersion, ours: PROTOCOL_VERSION });
}

function withTensor(message: Message, { tensor }: Frame, hasher: Hasher): Message {
  const { type } = message;
  if (!('sha256' in message)) {
    if (tensor.byteLength > 0) throw clusterError('ERR_MESSAGE', { type, problem: 'it has tensor bytes' });
    return message;
  }
  assertLength(message, tensor.byteLength);
  if (hasher.sha256(tensor) !== message.sha256) throw clusterError('ERR_TENSOR_HASH', { type, byteLength: tensor.byteLength });
  return { ...message, bytes: tensor };
}

/** Bytes of a value where the codec gives every value as many; the other codecs check their own bytes. */
const BYTES_OF_VALUE: Readonly<Record<string, number>> = { float32: 4, float16: 2, bfloat16: 2 };

function assertLength(message: Extract<Message, { readonly sha256: string }>, byteLength: number): void {
  const { type } = message;
  if (type === 'dataChunk' && byteLength > MAX_CHUNK_BYTES) throw clusterError('ERR_TOO_LARGE', { what: 'A chunk of data', size: byteLength, unit: 'bytes', limit: MAX_CHUNK_BYTES });
  if (!('codec' in message)) return;
  const perValue = BYTES_OF_VALUE[message.codec];
  if (perValue === undefined || byteLength === perValue * message.valueCount) return;
  throw clusterError('ERR_MESSAGE', { type, problem: `it has ${byteLength} tensor bytes for ${message.valueCount} values of ${perValue}` });
}

/** Names the field and never its value, which is the other side's to choose. */
function refused(type: string, error: z.ZodError): Error {
  const [issue] = error.issues;
  const field = issue?.path.join('.') ?? '';
  const problem = issue?.code === 'unrecognized_keys' ? 'it has fields that it does not know' : (issue?.message ?? 'it is no message');
  return clusterError('ERR_MESSAGE', { type, problem: field === '' ? problem : `${field}: ${problem}` });
}
