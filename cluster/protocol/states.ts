// What may come on a connection, and what it makes of the connection. docs/protocol.md draws the same; a test compares.
import type { CoordinatorMessage, NodeMessage, Role } from './messages.js';

/** `ofRole` stands for the state that the proved role leads to. */
type Next<State> = State | 'ofRole';
type Edges<State, Type extends string> = Readonly<Partial<Record<Type, Next<State>>>>;

/** What the coordinator (or relay) makes of one connection. Nothing is expected of a closed one. */
export type CoordinatorState = 'awaitingHello' | 'awaitingProof' | 'joining' | 'working' | 'watching' | 'steering' | 'closed';

/** What a node makes of its connection. */
export type NodeState = 'awaitingChallenge' | 'awaitingWelcome' | 'joining' | 'working' | 'watching' | 'steering' | 'closed';

const FROM_EVERY_NODE = { leave: 'closed', error: 'closed' } as const;

/** By state: the messages from a node that are expected, and the state each leads to. */
export const COORDINATOR_EDGES: Readonly<Record<CoordinatorState, Edges<CoordinatorState, NodeMessage['type']>>> = {
  awaitingHello: { hello: 'awaitingProof' },
  awaitingProof: { proof: 'ofRole' },
  joining: { probed: 'joining', dataRequest: 'joining', ready: 'working', heartbeat: 'joining', ...FROM_EVERY_NODE },
  working: { probed: 'working', dataRequest: 'working', ready: 'working', share: 'working', state: 'working', heartbeat: 'working', ...FROM_EVERY_NODE },
  watching: { watch: 'watching', heartbeat: 'watching', ...FROM_EVERY_NODE },
  steering: { watch: 'steering', command: 'steering', impede: 'steering', heartbeat: 'steering', ...FROM_EVERY_NODE },
  closed: {},
};

/** By state: the messages from the coordinator that are expected, and the state each leads to. */
export const NODE_EDGES: Readonly<Record<NodeState, Edges<NodeState, CoordinatorMessage['type']>>> = {
  awaitingChallenge: { challenge: 'awaitingWelcome' },
  awaitingWelcome: { welcome: 'ofRole', heartbeat: 'awaitingWelcome', error: 'closed' },
  joining: {
    probe: 'joining', dataChunk: 'joining', parameters: 'joining', pause: 'joining', resume: 'joining', heartbeat: 'joining',
    done: 'closed', error: 'closed',
  },
  working: {
    probe: 'working', dataChunk: 'working', parameters: 'working', assign: 'working', rows: 'working', cancel: 'working', settled: 'working',
    pause: 'working', resume: 'working', heartbeat: 'working', done: 'closed', error: 'closed',
  },
  watching: { feed: 'watching', pause: 'watching', resume: 'watching', heartbeat: 'watching', done: 'closed', error: 'closed' },
  steering: { feed: 'steering', performed: 'steering', pause: 'steering', resume: 'steering', heartbeat: 'steering', done: 'closed', error: 'closed' },
  closed: {},
};

export type StateOfRole = 'joining' | 'watching' | 'steering';

/** Where a connection stands when both sides have proved the key. */
export function stateOfRole(role: Role): StateOfRole {
  if (role === 'viewer') return 'watching';
  return role === 'operator' ? 'steering' : 'joining';
}

/** The state after a message from the node, or undefined where it is not expected. */
export function afterNodeMessage(state: CoordinatorState, type: NodeMessage['type'], role: Role): CoordinatorState | undefined {
  const next = COORDINATOR_EDGES[state][type];
  return next === 'ofRole' ? stateOfRole(role) : next;
}

/** The state after a message from the coordinator, or undefined where it is not expected. A node that sends `ready` goes from `joining` to `working`. */
export function afterCoordinatorMessage(state: NodeState, type: CoordinatorMessage['type'], role: Role): NodeState | undefined {
  const next = NODE_EDGES[state][type];
  return next === 'ofRole' ? stateOfRole(role) : next;
}
