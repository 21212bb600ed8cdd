import { describe, expect, test } from 'vitest';
import { ROLES } from '../../cluster/protocol/messages.js';
import { afterCoordinatorMessage, afterNodeMessage, COORDINATOR_EDGES, NODE_EDGES } from '../../cluster/protocol/states.js';
import { decodeFromCoordinator, decodeFromNode, encodeMessage } from '../../cluster/protocol/wire.js';
import { COORDINATOR_STATES, coordinatorStateFor, fromCoordinator, fromNode, joined, NODE_STATES, nodeStateFor, SAMPLES, TYPES } from './protocol-samples.js';

const unexpected = expect.objectContaining({ code: 'ERR_UNEXPECTED_MESSAGE' }) as Error;

describe('a message is read in the states that expect it and in no other', () => {
  test.each(COORDINATOR_STATES)('%s of the coordinator', (state) => {
    for (const type of TYPES.filter((one) => coordinatorStateFor(one) !== undefined)) {
      const decode = (): unknown => decodeFromNode(joined(encodeMessage(SAMPLES[type])), fromNode(state));
      if (type in COORDINATOR_EDGES[state]) expect(decode()).toEqual(SAMPLES[type]);
      else expect(decode, type).toThrow(unexpected);
    }
  });

  test.each(NODE_STATES)('%s of the node', (state) => {
    for (const type of TYPES.filter((one) => nodeStateFor(one) !== undefined)) {
      const decode = (): unknown => decodeFromCoordinator(joined(encodeMessage(SAMPLES[type])), fromCoordinator(state));
      if (type in NODE_EDGES[state]) expect(decode()).toEqual(SAMPLES[type]);
      else expect(decode, type).toThrow(unexpected);
    }
  });
});

test('before both sides have proved the key, one message is expected at a time', () => {
  expect(Object.keys(COORDINATOR_EDGES.awaitingHello)).toEqual(['hello']);
  expect(Object.keys(COORDINATOR_EDGES.awaitingProof)).toEqual(['proof']);
  expect(Object.keys(NODE_EDGES.awaitingChallenge)).toEqual(['challenge']);
});

test('the proved role decides what may be said', () => {
  expect(ROLES.map((role) => afterNodeMessage('awaitingProof', 'proof', role))).toEqual(['joining', 'joining', 'watching', 'steering']);
  expect(ROLES.map((role) => afterCoordinatorMessage('awaitingWelcome', 'welcome', role))).toEqual(['joining', 'joining', 'watching', 'steering']);
  expect(COORDINATOR_STATES.filter((state) => 'command' in COORDINATOR_EDGES[state])).toEqual(['steering']);
  expect(COORDINATOR_STATES.filter((state) => 'share' in COORDINATOR_EDGES[state])).toEqual(['working']);
  expect(COORDINATOR_STATES.filter((state) => 'dataRequest' in COORDINATOR_EDGES[state])).toEqual(['joining', 'working']);
});

test('a whole life of a node goes through these states', () => {
  const talk = ['hello', 'proof', 'probed', 'dataRequest', 'ready', 'share', 'heartbeat', 'leave'] as const;
  let state = COORDINATOR_STATES[0]!;
  const seen = talk.map((type) => (state = afterNodeMessage(state, type, 'node')!));
  expect(seen).toEqual(['awaitingProof', 'joining', 'joining', 'joining', 'working', 'working', 'working', 'closed']);
  expect(afterNodeMessage('closed', 'heartbeat', 'node')).toBeUndefined();
  expect(afterNodeMessage('joining', 'share', 'node')).toBeUndefined();
});

test('every state can be reached, and left but for the last', () => {
  for (const edges of [COORDINATOR_EDGES, NODE_EDGES]) {
    const led = new Set(Object.values(edges).flatMap((from) => Object.values(from)).flatMap((next) => (next === 'ofRole' ? ['joining', 'watching', 'steering'] : [next])));
    // A node goes from joining to working by what it sends.
    const [first, ...others] = Object.keys(edges).filter((state) => edges === COORDINATOR_EDGES || state !== 'working');
    expect(others.filter((state) => !led.has(state))).toEqual([]);
    expect(led.has(first!)).toBe(false);
    expect(Object.entries(edges).filter(([, from]) => Object.keys(from).length === 0).map(([state]) => state)).toEqual(['closed']);
  }
});
