// What one side accepts from the other. Everything here is checked before anything is allocated for it.
import { tensorOffset, type FrameLimits } from './frame.js';

/** Threads of one process. */
export const MAX_THREADS = 64;
/** Nodes and threads below a relay, itself included. */
export const MAX_NODES_BELOW = 4_096;
export const MAX_WORKERS_BELOW = 65_536;
export const MAX_SUBTREES = 256;
/** Shares in one message of what became of them. */
export const MAX_SETTLED = 128;
export const MAX_COLUMNS = 64;
/** Axes of an example. */
export const MAX_AXES = 8;
/** Loss and metrics of a step. */
export const MAX_SUMS = 32;
export const MAX_SCALARS = 8;
/** Of a sentence, in characters. */
export const MAX_SENTENCE = 500;
/** Bytes of data that one request may ask for, and one chunk carry. */
export const MAX_CHUNK_BYTES = 1_048_576;
/** Of one message to whoever watches. */
export const MAX_FEED_RECORDS = 256;
/** Requests for data of one node that wait for their answer. */
export const MAX_DATA_REQUESTS = 16;
/** Bytes of a plan, constants included. */
export const MAX_PLAN_BYTES = 67_108_864;

const HANDSHAKE_HEADER_BYTES = 1_024;
const NODE_HEADER_BYTES = 8_192;
const COORDINATOR_HEADER_BYTES = 65_536;

/** Before both sides have proved the key: no tensor, and a header of a few flat fields. */
export const HANDSHAKE_LIMITS: FrameLimits = { maxHeaderBytes: HANDSHAKE_HEADER_BYTES, maxTensorBytes: 0, maxDepth: 1, maxKeys: 8, maxItems: 0, maxTextBytes: 128 };

/** @param maxTensorBytes of the largest share that the plan and the codec allow */
export function limitsOfNode(maxTensorBytes: number): FrameLimits {
  return { maxHeaderBytes: NODE_HEADER_BYTES, maxTensorBytes, maxDepth: 2, maxKeys: 32, maxItems: MAX_THREADS, maxTextBytes: 2_048 };
}

/** @param maxTensorBytes of the largest part of parameters, chunk of data, or (in the welcome) plan */
export function limitsOfCoordinator(maxTensorBytes: number): FrameLimits {
  return { maxHeaderBytes: COORDINATOR_HEADER_BYTES, maxTensorBytes, maxDepth: 4, maxKeys: 1_024, maxItems: MAX_SUBTREES, maxTextBytes: 2_048 };
}

/** The longest frame within the limits, which is what a socket may take in (`maxPayload`). */
export function maxFrameBytes({ maxHeaderBytes, maxTensorBytes }: FrameLimits): number {
  return tensorOffset(maxHeaderBytes) + maxTensorBytes;
}
