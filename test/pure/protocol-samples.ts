import { createHash } from 'node:crypto';
import type { Reading } from '../../cluster/protocol/wire.js';
import { limitsOfCoordinator, limitsOfNode } from '../../cluster/protocol/limits.js';
import type { CoordinatorMessage, Message, MessageOf, NodeMessage } from '../../cluster/protocol/messages.js';
import { COORDINATOR_EDGES, NODE_EDGES, type CoordinatorState, type NodeState } from '../../cluster/protocol/states.js';

/** The SHA-256 that these tests read with. */
export const hasher = { sha256: (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex') };

const hash = (digit: string): string => digit.repeat(64);
const [column, weights] = [hash('c'), hash('e')];
/** 1.5 and -2 as float32 are 0x3fc00000 and 0xc0000000. */
const bytes = Uint8Array.of(0x00, 0x00, 0xc0, 0x3f, 0x00, 0x00, 0x00, 0xc0);
const sha256 = hasher.sha256(bytes);
const tensor = { codec: 'float32', firstValue: 0, valueCount: 2, sha256, bytes } as const;
const sums = Float32Array.of(-0, Number.NaN);

/** One of every message. */
export const SAMPLES: { readonly [Type in Message['type']]: MessageOf<Type> } = {
  hello: { type: 'hello', protocolVersion: 1, role: 'node', identity: hash('1'), nonce: hash('2'), softwareVersion: '0.1.0' },
  challenge: { type: 'challenge', role: 'coordinator', runId: '3'.repeat(32), nonce: hash('4'), proof: hash('5') },
  proof: { type: 'proof', proof: hash('6'), signature: hash('7') + hash('8') },
  welcome: {
    type: 'welcome', generation: 1, node: 3, step: 40, arithmetic: 'fma', mode: { kind: 'stale', staleness: 2 },
    codecs: { toNode: { name: 'float32' }, toCoordinator: { name: 'topk', keptFraction: 0.01 } },
    batchRows: 128, shardSize: 16, seed: 1, shuffle: true, exampleCount: 60_000, workersHint: 0, heartbeatMs: 1_000, deadlineMs: 5_000,
    columns: [
      { name: 'images', role: 'input', split: 'train', sha256: column, byteLength: 47_040_000, type: 'uint8', shape: [28, 28], exampleCount: 60_000, scale: 1 / 255 },
      { name: 'labels', role: 'target', split: 'train', sha256: hash('d'), byteLength: 240_000, type: 'int32', shape: [], exampleCount: 60_000, scale: 1 },
    ],
    sha256, bytes,
  },
  probe: { type: 'probe', probeSeed: 7 },
  probed: { type: 'probed', probeSeed: 7, arithmetic: 'portable', workerHashes: [hash('9'), hash('9')] },
  dataRequest: { type: 'dataRequest', column, offset: 5_000_000_000, byteLength: 1_048_576 },
  dataChunk: { type: 'dataChunk', column, offset: 5_000_000_000, sha256, bytes },
  ready: { type: 'ready', generation: 1, workers: 4, nodes: 1, data: 'columns' },
  parameters: { type: 'parameters', generation: 1, version: 41, kind: 'whole', scalars: Float32Array.of(0.5), ...tensor },
  assign: { type: 'assign', generation: 1, assignment: 9, task: 'train', epoch: 0, step: 41, stepCount: 1, version: 41, subtrees: [{ level: 2, index: 0 }, { level: 0, index: 4 }] },
  rows: { type: 'rows', generation: 1, assignment: 9, column, rowCount: 2, sha256, bytes },
  cancel: { type: 'cancel', generation: 1, assignments: [8, 9] },
  settled: { type: 'settled', generation: 1, shares: [{ assignment: 9, level: 2, index: 0, counts: true }, { assignment: 9, level: 0, index: 4, counts: false }] },
  share: { type: 'share', generation: 1, assignment: 9, step: 41, version: 41, subtree: { level: 2, index: 0 }, exampleCount: 64, sums, computeMs: 1.25, encodeMs: 0.5, ...tensor },
  state: { type: 'state', generation: 1, assignment: 9, version: 41, stepCount: 16, exampleCount: 2_048, sums, computeMs: 20, ...tensor },
  pause: { type: 'pause', reason: 'quorum' },
  resume: { type: 'resume' },
  done: { type: 'done', outcome: 'finished', step: 4_690, weightsSha256: weights },
  leave: { type: 'leave', reason: 'stopped' },
  command: { type: 'command', id: 1, command: 'checkpoint' },
  impede: { type: 'impede', id: 2, node: 3, how: 'freeze' },
  watch: { type: 'watch' },
  feed: { type: 'feed', recordCount: 1, sha256, bytes },
  performed: { type: 'performed', id: 1, step: 42 },
  heartbeat: { type: 'heartbeat', sentMs: 1, echoMs: 0 },
  error: { type: 'error', code: 'ERR_OTHER_ARITHMETIC', sentence: 'The node computes with portable and the run with fma.' },
};

export const TYPES = Object.keys(SAMPLES) as Message['type'][];
export const COORDINATOR_STATES = Object.keys(COORDINATOR_EDGES) as CoordinatorState[];
export const NODE_STATES = Object.keys(NODE_EDGES) as NodeState[];

export function joined(parts: readonly Uint8Array[]): Uint8Array {
  return new Uint8Array(Buffer.concat(parts));
}

const MAX_TENSOR_BYTES = 1_024;

export function fromNode(state: CoordinatorState): Reading<CoordinatorState> {
  return { state, limits: limitsOfNode(MAX_TENSOR_BYTES), hasher };
}

export function fromCoordinator(state: NodeState): Reading<NodeState> {
  return { state, limits: limitsOfCoordinator(MAX_TENSOR_BYTES), hasher };
}

/** The first state in which a node may send this, if it may. */
export function coordinatorStateFor(type: Message['type']): CoordinatorState | undefined {
  return COORDINATOR_STATES.find((state) => COORDINATOR_EDGES[state][type as NodeMessage['type']] !== undefined);
}

export function nodeStateFor(type: Message['type']): NodeState | undefined {
  return NODE_STATES.find((state) => NODE_EDGES[state][type as CoordinatorMessage['type']] !== undefined);
}
