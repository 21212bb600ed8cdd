import fc from 'fast-check';
import { Packr } from 'msgpackr/pack';
import { expect, test } from 'vitest';
import { ClusterError } from '../../cluster/protocol/errors.js';
import { tensorOffset } from '../../cluster/protocol/frame.js';
import { COORDINATOR_EDGES, NODE_EDGES } from '../../cluster/protocol/states.js';
import { decodeFromCoordinator, decodeFromNode, encodeMessage } from '../../cluster/protocol/wire.js';
import { runs } from './properties.js';
import { COORDINATOR_STATES, coordinatorStateFor, fromCoordinator, fromNode, joined, NODE_STATES, nodeStateFor, SAMPLES, TYPES } from './protocol-samples.js';

/** The one property: our error, or a message that is expected in the state and says the same when it is written again. */
function ourErrorOrAMessage(frame: Uint8Array, stateOfCoordinator: (typeof COORDINATOR_STATES)[number], stateOfNode: (typeof NODE_STATES)[number]): void {
  const fromNodes = fromNode(stateOfCoordinator);
  const fromCoordinators = fromCoordinator(stateOfNode);
  const first = attempt(() => decodeFromNode(frame, fromNodes));
  if (first !== undefined) {
    expect(COORDINATOR_EDGES[stateOfCoordinator]).toHaveProperty(first.type);
    expect(decodeFromNode(joined(encodeMessage(first)), fromNodes)).toEqual(first);
  }
  const second = attempt(() => decodeFromCoordinator(frame, fromCoordinators));
  if (second !== undefined) {
    expect(NODE_EDGES[stateOfNode]).toHaveProperty(second.type);
    expect(decodeFromCoordinator(joined(encodeMessage(second)), fromCoordinators)).toEqual(second);
  }
}

function attempt<T>(decode: () => T): T | undefined {
  try {
    return decode();
  } catch (error) {
    if (!(error instanceof ClusterError)) throw error;
    return undefined;
  }
}

const coordinatorState = fc.constantFrom(...COORDINATOR_STATES);
const nodeState = fc.constantFrom(...NODE_STATES);

/** A frame around any header bytes, so that the fuzz gets past the length. */
function framed(header: Uint8Array, tensor: Uint8Array): Uint8Array {
  const frame = new Uint8Array(tensorOffset(header.length) + tensor.length);
  new DataView(frame.buffer).setUint32(0, header.length, true);
  frame.set(header, 4);
  frame.set(tensor, tensorOffset(header.length));
  return frame;
}

test('any bytes give our error or a message', () => {
  fc.assert(fc.property(fc.uint8Array({ maxLength: 200 }), coordinatorState, nodeState, ourErrorOrAMessage), runs(2_000));
});

test('any bytes as a header give our error or a message', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), fc.uint8Array({ maxLength: 20 }), coordinatorState, nodeState, (header, tensor, forCoordinator, forNode) =>
      ourErrorOrAMessage(framed(header, tensor), forCoordinator, forNode)),
    runs(2_000),
  );
});

test('any msgpack as a header gives our error or a message', () => {
  const packr = new Packr({ useRecords: false, variableMapSize: true, moreTypes: true });
  const anything = fc.anything({ withBigInt: false, withDate: true, withMap: true, withSet: true, withTypedArray: true, maxDepth: 6 });
  const withType = fc.tuple(fc.dictionary(fc.string(), anything, { noNullPrototype: true }), fc.constantFrom(...TYPES)).map(([fields, type]) => ({ ...fields, type }));
  fc.assert(
    fc.property(fc.oneof(anything, withType), coordinatorState, nodeState, (value, forCoordinator, forNode) =>
      ourErrorOrAMessage(framed(packr.pack(value), new Uint8Array(0)), forCoordinator, forNode)),
    runs(2_000),
  );
});

/** Frames of all messages with pieces replaced, doubled, cut out or put in from another one. */
const frames = TYPES.map((type) => ({ type, frame: joined(encodeMessage(SAMPLES[type])) }));
const damaged = fc
  .tuple(fc.constantFrom(...frames), fc.constantFrom(...frames), fc.array(fc.record({ at: fc.nat({ max: 999 }), length: fc.nat({ max: 12 }), bytes: fc.uint8Array({ maxLength: 6 }), foreign: fc.boolean() }), { minLength: 1, maxLength: 4 }))
  .map(([{ type, frame }, other, edits]) => {
    const bytes = edits.reduce((current, { at, length, bytes: inserted, foreign }) => {
      const start = at % (current.length + 1);
      return joined([current.subarray(0, start), foreign ? other.frame.subarray(start, start + length) : inserted, current.subarray(start + length)]);
    }, frame);
    return { type, bytes };
  });

test('any damage to a frame gives our error or a message', () => {
  fc.assert(
    fc.property(damaged, ({ type, bytes }) => ourErrorOrAMessage(bytes, coordinatorStateFor(type) ?? 'working', nodeStateFor(type) ?? 'working')),
    runs(5_000),
  );
});

test('a byte changed anywhere in a frame with a tensor is never read as another tensor', () => {
  const frame = joined(encodeMessage(SAMPLES.share));
  const tensorAt = frame.length - SAMPLES.share.bytes.length;
  fc.assert(
    fc.property(fc.integer({ min: tensorAt, max: frame.length - 1 }), fc.integer({ min: 1, max: 255 }), (at, change) => {
      expect(() => decodeFromNode(frame.with(at, frame[at]! ^ change), fromNode('working'))).toThrow(expect.objectContaining({ code: 'ERR_TENSOR_HASH' }) as Error);
    }),
    runs(200),
  );
});
