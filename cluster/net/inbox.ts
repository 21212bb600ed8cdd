// What comes on a connection, by the tables of the protocol: bytes in, messages out, and the state that follows.
import { HANDSHAKE_LIMITS, limitsOfCoordinator, limitsOfNode } from '../protocol/limits.js';
import type { CoordinatorMessage, Message, NodeMessage, Role } from '../protocol/messages.js';
import { afterCoordinatorMessage, afterNodeMessage, type CoordinatorState, type NodeState } from '../protocol/states.js';
import type { FrameLimits } from '../protocol/frame.js';
import { decodeFromCoordinator, decodeFromNode } from '../protocol/wire.js';
import { nodeHasher } from './hasher.js';

export interface Inbox<Received extends Message> {
  readonly state: CoordinatorState | NodeState;
  /** @throws ClusterError for what is no message, or none that may come now */
  read(frame: Uint8Array): Received;
  /** A message of ours leaves, which may change what is expected. */
  said(type: Message['type']): void;
  /** What a tensor may be long from now on. */
  allow(maxTensorBytes: number): void;
}

/** The coordinator's end of one connection. A viewer's and an operator's messages have no tensors, whatever is allowed. */
export class FromNode implements Inbox<NodeMessage> {
  state: CoordinatorState = 'awaitingHello';
  #limits: FrameLimits = HANDSHAKE_LIMITS;
  #role: Role = 'node';

  read(frame: Uint8Array): NodeMessage {
    const message = decodeFromNode(frame, { state: this.state, limits: this.#limits, hasher: nodeHasher });
    if (message.type === 'hello') this.#role = message.role;
    this.state = afterNodeMessage(this.state, message.type, this.#role)!;
    return message;
  }

  said(): void {}

  allow(maxTensorBytes: number): void {
    this.#limits = limitsOfNode(this.#role === 'node' || this.#role === 'relay' ? maxTensorBytes : 0);
  }
}

/** A node's end of its connection. */
export class FromCoordinator implements Inbox<CoordinatorMessage> {
  state: NodeState = 'awaitingChallenge';
  #limits: FrameLimits = HANDSHAKE_LIMITS;

  constructor(private readonly role: Role) {}

  read(frame: Uint8Array): CoordinatorMessage {
    const message = decodeFromCoordinator(frame, { state: this.state, limits: this.#limits, hasher: nodeHasher });
    this.state = afterCoordinatorMessage(this.state, message.type, this.role)!;
    return message;
  }

  said(type: Message['type']): void {
    if (type === 'ready' && this.state === 'joining') this.state = 'working';
  }

  allow(maxTensorBytes: number): void {
    this.#limits = limitsOfCoordinator(maxTensorBytes);
  }
}
