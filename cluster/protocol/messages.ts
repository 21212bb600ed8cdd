// Every message of the protocol, version 1. docs/protocol.md has the same words, which a test compares.
// Hashes, nonces, proofs and identities are lower-case hex. `bytes` is the tensor of the frame, everything else its header.
import type { TreeNode } from '../../src/plan/tree.js';
import type { ClusterErrorCode } from './errors.js';
import type { Codec, CodecName, DataWay, ManifestColumn, Mode, Task } from './run-description.js';

export const PROTOCOL_VERSION = 1;

export const ROLES = ['node', 'relay', 'viewer', 'operator'] as const;
export type Role = (typeof ROLES)[number];
/** What a node dialled: the coordinator of the run, or a relay that stands for it. */
export type ServingRole = 'coordinator' | 'relay';

export const LEAVE_REASONS = ['stopped', 'finished', 'failed'] as const;
export const COMMANDS = ['pause', 'resume', 'stop', 'checkpoint'] as const;
export const IMPEDIMENTS = ['freeze', 'slow', 'drop', 'heal'] as const;

/** Node to coordinator, first: who dials. */
export interface HelloMessage {
  readonly type: 'hello';
  /** Version of the protocol; read before the other fields, which may differ in another version. */
  readonly protocolVersion: number;
  /** What it is to the coordinator: computes, computes and hands on, looks, steers. It decides which key is to be proved. */
  readonly role: Role;
  /** The public part of the node's identity: an Ed25519 public key of 32 bytes. */
  readonly identity: string;
  /** 32 random bytes, drawn for this connection. */
  readonly nonce: string;
  /** The program's version, for people. */
  readonly softwareVersion: string;
}

/** Coordinator to node: answers a hello, and proves the key first. */
export interface ChallengeMessage {
  readonly type: 'challenge';
  /** Who was dialled: a relay stands for the coordinator. */
  readonly role: ServingRole;
  /** The run: 16 random bytes, kept in its checkpoints. */
  readonly runId: string;
  /** 32 random bytes, drawn for this connection. */
  readonly nonce: string;
  /** HMAC-SHA-256 of the coordinator's transcript under the key. */
  readonly proof: string;
}

/** Node to coordinator: proves the key and the identity. */
export interface ProofMessage {
  readonly type: 'proof';
  /** HMAC-SHA-256 of the node's transcript under the key. */
  readonly proof: string;
  /** Ed25519 signature of the identity's transcript by the identity of the hello. */
  readonly signature: string;
}

/** Coordinator to node: the run, and everything that is needed to compute with it. */
export interface WelcomeMessage {
  readonly type: 'welcome';
  /** Number of the coordinator's start. */
  readonly generation: number;
  /** The node's number in the membership. */
  readonly node: number;
  /** Updates made so far. */
  readonly step: number;
  /** The arithmetic that everyone computes with: `fma`, `portable` or `native:…`. */
  readonly arithmetic: string;
  /** Mode of the run, with its bound or period. */
  readonly mode: Mode;
  /** Codecs by direction: `toNode` for parameters, `toCoordinator` for shares and states. */
  readonly codecs: { readonly toNode: Codec; readonly toCoordinator: Codec };
  /** Examples of a mini-batch. */
  readonly batchRows: number;
  /** Examples of a shard. */
  readonly shardSize: number;
  /** Seed of shuffles, dropout and noise. */
  readonly seed: number;
  /** Whether an epoch draws the order of its examples from the seed. */
  readonly shuffle: boolean;
  /** Examples that are trained on: the first so many of the columns. */
  readonly exampleCount: number;
  /** Threads the node may start; 0 leaves it to the node. */
  readonly workersHint: number;
  /** Time between two heartbeats, in ms. */
  readonly heartbeatMs: number;
  /** Silence after which a node counts as lost, in ms; more than `heartbeatMs`. A node waits for the coordinator four times as long. */
  readonly deadlineMs: number;
  /** The data manifest. */
  readonly columns: readonly ManifestColumn[];
  /** SHA-256 of the plan's bytes. */
  readonly sha256: string;
  /** The plan: programs, layout of parameters, optimizer; empty for a viewer and an operator. */
  readonly bytes: Uint8Array;
}

/** Coordinator to node: asks for a proof of its arithmetic. */
export interface ProbeMessage {
  readonly type: 'probe';
  /** Seed of the probe's inputs. */
  readonly probeSeed: number;
}

/** Node to coordinator: the answer to a probe. */
export interface ProbedMessage {
  readonly type: 'probed';
  /** The probe's. */
  readonly probeSeed: number;
  /** What the node computed with. */
  readonly arithmetic: string;
  /** SHA-256 of the probe's outputs, one from each worker. */
  readonly workerHashes: readonly string[];
}

/** Node to coordinator: asks for a piece of a column. */
export interface DataRequestMessage {
  readonly type: 'dataRequest';
  /** The column's SHA-256. */
  readonly column: string;
  /** Of the first byte. */
  readonly offset: number;
  /** Bytes wanted. */
  readonly byteLength: number;
}

/** Coordinator to node: a piece of a column, as it was asked for. */
export interface DataChunkMessage {
  readonly type: 'dataChunk';
  /** The column's SHA-256. */
  readonly column: string;
  /** Of the first byte. */
  readonly offset: number;
  /** SHA-256 of the bytes. */
  readonly sha256: string;
  /** At most 1,048,576 bytes of the column, from the offset on. */
  readonly bytes: Uint8Array;
}

/** Node to coordinator: has plan and data and takes assignments; sent again when the numbers change. */
export interface ReadyMessage {
  readonly type: 'ready';
  /** The welcome's. */
  readonly generation: number;
  /** Threads that compute, those of nodes below a relay included. */
  readonly workers: number;
  /** Nodes: 1, and for a relay those below it too. */
  readonly nodes: number;
  /** Whether it has the columns, or wants the rows of each assignment. */
  readonly data: DataWay;
}

/** Coordinator to node: parameters, or a part of them. */
export interface ParametersMessage {
  readonly type: 'parameters';
  /** Number of the coordinator's start. */
  readonly generation: number;
  /** The version that these parameters are, or lead to. */
  readonly version: number;
  /** `whole` replaces what the node has; `update` is added to the parameters that it was sent before, by all nodes alike. */
  readonly kind: 'whole' | 'update';
  /** How the bytes are written. */
  readonly codec: CodecName;
  /** The step's scalars (rate, bias corrections): at most 8 float32, exactly. */
  readonly scalars: Float32Array;
  /** Position among the parameters of the first value in this frame. */
  readonly firstValue: number;
  /** Values in this frame; a version is complete when all parameters have come, of an update those that are trained. */
  readonly valueCount: number;
  /** SHA-256 of the bytes. */
  readonly sha256: string;
  /** The values, as the codec writes them. */
  readonly bytes: Uint8Array;
}

/** Coordinator to node: work. */
export interface AssignMessage {
  readonly type: 'assign';
  /** Number of the coordinator's start. */
  readonly generation: number;
  /** The assignment's number, never used twice in a generation. */
  readonly assignment: number;
  /** Training has gradients; validation has loss and metrics alone. */
  readonly task: Task;
  /** Counted from 0; decides the order of the examples. */
  readonly epoch: number;
  /** Counted from 0 over the whole run. */
  readonly step: number;
  /** Steps to make one after the other: 1, or the period in mode `local`. */
  readonly stepCount: number;
  /** Version of the parameters to compute from. */
  readonly version: number;
  /** Subtrees of shards, each `{ level, index }`: the leaves from index * 2^level up to (index + 1) * 2^level. */
  readonly subtrees: readonly TreeNode[];
}

/** Coordinator to node: the rows of an assignment, one frame for each column, after the assignment. */
export interface RowsMessage {
  readonly type: 'rows';
  /** Number of the coordinator's start. */
  readonly generation: number;
  /** The assignment's. */
  readonly assignment: number;
  /** The column's SHA-256. */
  readonly column: string;
  /** Examples in the frame. */
  readonly rowCount: number;
  /** SHA-256 of the bytes. */
  readonly sha256: string;
  /** The rows in the order of the assignment's leaves, in the column's type. */
  readonly bytes: Uint8Array;
}

/** Coordinator to node: what others have done already. */
export interface CancelMessage {
  readonly type: 'cancel';
  /** Number of the coordinator's start. */
  readonly generation: number;
  /** Assignments whose shares are no longer wanted. */
  readonly assignments: readonly number[];
}

/** Of a share: which one, and whether it is in an update. */
export interface SettledShare extends TreeNode {
  readonly assignment: number;
  readonly counts: boolean;
}

/** Coordinator to node: what became of its shares, where their codec has a residual; before the next assignment. */
export interface SettledMessage {
  readonly type: 'settled';
  /** Number of the coordinator's start. */
  readonly generation: number;
  /** Each `{ assignment, level, index, counts }`; one that does not count was computed by others, and is no longer wanted. */
  readonly shares: readonly SettledShare[];
}

/** Node to coordinator: what a subtree adds to a step, or a part of it. */
export interface ShareMessage {
  readonly type: 'share';
  /** The assignment's. */
  readonly generation: number;
  /** The assignment's number. */
  readonly assignment: number;
  /** The assignment's. */
  readonly step: number;
  /** Version of the parameters it was computed from. */
  readonly version: number;
  /** One of the assignment's subtrees, `{ level, index }`. */
  readonly subtree: TreeNode;
  /** Examples it is summed over. */
  readonly exampleCount: number;
  /** Sums of loss and metrics: at most 32 float32, exactly, NaN and infinities included. */
  readonly sums: Float32Array;
  /** Time it took to compute, in ms. */
  readonly computeMs: number;
  /** Time it took to encode and hash what has been sent of it, in ms. */
  readonly encodeMs: number;
  /** How the bytes are written. */
  readonly codec: CodecName;
  /** Position among the gradients of the first value in this frame. */
  readonly firstValue: number;
  /** Values in this frame, 0 for validation; a share is complete when all gradients have come. */
  readonly valueCount: number;
  /** SHA-256 of the bytes. */
  readonly sha256: string;
  /** Sums of gradients, as the codec writes them. */
  readonly bytes: Uint8Array;
}

/** Node to coordinator, mode `local`: how far its own steps have led, or a part of it. */
export interface StateMessage {
  readonly type: 'state';
  /** The assignment's. */
  readonly generation: number;
  /** The assignment's number. */
  readonly assignment: number;
  /** Version of the parameters it started from. */
  readonly version: number;
  /** Steps made. */
  readonly stepCount: number;
  /** Examples of these steps: its weight in the mean. */
  readonly exampleCount: number;
  /** Sums of loss and metrics over these steps: at most 32 float32, exactly. */
  readonly sums: Float32Array;
  /** Time it took to compute, in ms. */
  readonly computeMs: number;
  /** How the bytes are written. */
  readonly codec: CodecName;
  /** Position among the parameters of the first value in this frame. */
  readonly firstValue: number;
  /** Values in this frame. */
  readonly valueCount: number;
  /** SHA-256 of the bytes. */
  readonly sha256: string;
  /** The node's parameters minus those it started from, as the codec writes them. */
  readonly bytes: Uint8Array;
}

/** Coordinator to node: no assignments for now. */
export interface PauseMessage {
  readonly type: 'pause';
  /** Too few nodes, or somebody said so. */
  readonly reason: 'quorum' | 'operator';
}

/** Coordinator to node: the run goes on. */
export interface ResumeMessage {
  readonly type: 'resume';
}

/** Coordinator to node: the run has ended. */
export interface DoneMessage {
  readonly type: 'done';
  /** Whether it came to its end or was stopped before. */
  readonly outcome: 'finished' | 'stopped';
  /** Updates made. */
  readonly step: number;
  /** SHA-256 of the trainable weights, as in the result of the run. */
  readonly weightsSha256: string;
}

/** Node to coordinator: closes the connection on purpose. */
export interface LeaveMessage {
  readonly type: 'leave';
  /** Stopped by its user, finished with what it came for, or failed. */
  readonly reason: (typeof LEAVE_REASONS)[number];
}

/** Operator to coordinator: steers the run. */
export interface CommandMessage {
  readonly type: 'command';
  /** Chosen by the operator; the answer carries it. */
  readonly id: number;
  /** What is to be done. */
  readonly command: (typeof COMMANDS)[number];
}

/** Operator to coordinator, where the run allows it: makes trouble for a node, or ends it. */
export interface ImpedeMessage {
  readonly type: 'impede';
  /** As of a command. */
  readonly id: number;
  /** Its number in the membership. */
  readonly node: number;
  /** `freeze`: nothing of it is read; `slow`: its messages one by one, with pauses; `drop`: its connection is cut; `heal`: all that is over. */
  readonly how: (typeof IMPEDIMENTS)[number];
}

/** Viewer or operator to coordinator: wants to be told how the run goes. */
export interface WatchMessage {
  readonly type: 'watch';
}

/** Coordinator to whoever watches: how the run goes. First what has been, beginning with a record of the run; so again after a gap. */
export interface FeedMessage {
  readonly type: 'feed';
  /** Records in it. */
  readonly recordCount: number;
  /** SHA-256 of the bytes. */
  readonly sha256: string;
  /** A list of records in JSON, as `cluster/feed/records.ts` has them. */
  readonly bytes: Uint8Array;
}

/** Coordinator to operator: a command was carried out. */
export interface PerformedMessage {
  readonly type: 'performed';
  /** The command's. */
  readonly id: number;
  /** Updates made by then. */
  readonly step: number;
}

/** Both ways, every `heartbeatMs`: I live. */
export interface HeartbeatMessage {
  readonly type: 'heartbeat';
  /** Monotonic time of the sender, in ms. */
  readonly sentMs: number;
  /** `sentMs` of the last heartbeat received; 0 before the first. */
  readonly echoMs: number;
}

/** Both ways, before closing: what is wrong. */
export interface ErrorMessage {
  readonly type: 'error';
  /** The error's code; the close code follows from it. */
  readonly code: ClusterErrorCode;
  /** What, where, and what to do; without control characters. */
  readonly sentence: string;
}

export type NodeMessage =
  | HelloMessage | ProofMessage | ProbedMessage | DataRequestMessage | ReadyMessage | ShareMessage | StateMessage | LeaveMessage
  | CommandMessage | ImpedeMessage | WatchMessage | HeartbeatMessage | ErrorMessage;

export type CoordinatorMessage =
  | ChallengeMessage | WelcomeMessage | ProbeMessage | DataChunkMessage | ParametersMessage | AssignMessage | RowsMessage
  | CancelMessage | SettledMessage | PauseMessage | ResumeMessage | DoneMessage | PerformedMessage | FeedMessage | HeartbeatMessage | ErrorMessage;

export type Message = NodeMessage | CoordinatorMessage;
export type MessageOf<Type extends Message['type']> = Extract<Message, { readonly type: Type }>;
