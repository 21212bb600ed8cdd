import { describe, expect, test } from 'vitest';
import { ClusterError } from '../../cluster/protocol/errors.js';
import { encodeFrame } from '../../cluster/protocol/frame.js';
import type { Fields } from '../../cluster/protocol/header.js';
import { HANDSHAKE_LIMITS, limitsOfCoordinator, limitsOfNode } from '../../cluster/protocol/limits.js';
import type { Message } from '../../cluster/protocol/messages.js';
import { decodeFromCoordinator, decodeFromNode, encodeMessage } from '../../cluster/protocol/wire.js';
import { coordinatorStateFor, fromCoordinator, fromNode, hasher, joined, nodeStateFor, SAMPLES, TYPES } from './protocol-samples.js';

const fromNodes = TYPES.filter((type) => coordinatorStateFor(type) !== undefined);
const fromCoordinators = TYPES.filter((type) => nodeStateFor(type) !== undefined);
const frameOf = (message: Message): Uint8Array => joined(encodeMessage(message));
const refused = (code: string, words = '') => expect.objectContaining({ code, message: expect.stringContaining(words) as string }) as Error;

/** A frame of fields that `encodeMessage` would refuse. */
function forged(fields: object, tensor?: Uint8Array): Uint8Array {
  return joined(encodeFrame(fields as Fields, tensor));
}

test('a heartbeat is these bytes, whatever the order of its fields', () => {
  const text = (value: string): number[] => [0xa0 + value.length, ...Buffer.from(value)];
  // A map of 3 (0x83), texts (0xa0 + length), numbers below 128 as themselves: 1 + 5 + 10 + 7 + 1 + 7 + 1 = 32 = 0x20 bytes;
  // 4 + 32 are padded to 48.
  const header = [0x83, ...text('type'), ...text('heartbeat'), ...text('sentMs'), 1, ...text('echoMs'), 0];
  const bytes = [0x20, 0, 0, 0, ...header, ...Array.from({ length: 12 }, () => 0)];
  expect([...frameOf({ echoMs: 0, sentMs: 1, type: 'heartbeat' })]).toEqual(bytes);
  expect(decodeFromNode(Uint8Array.from(bytes), fromNode('working'))).toEqual(SAMPLES.heartbeat);
});

test('every message can be sent by somebody', () => {
  expect(new Set([...fromNodes, ...fromCoordinators])).toEqual(new Set(TYPES));
});

describe('every message comes back as it was, and no shorter or longer frame passes for it', () => {
  test.each(fromNodes)('%s from a node', (type) => {
    const reading = fromNode(coordinatorStateFor(type)!);
    const frame = frameOf(SAMPLES[type]);
    expect(decodeFromNode(frame, reading)).toStrictEqual(SAMPLES[type]);
    for (let end = 0; end < frame.length; end++) expect(() => decodeFromNode(frame.subarray(0, end), reading), `${end} bytes`).toThrow(ClusterError);
    expect(() => decodeFromNode(joined([frame, Uint8Array.of(0)]), reading)).toThrow(ClusterError);
  });

  test.each(fromCoordinators)('%s from a coordinator', (type) => {
    const reading = fromCoordinator(nodeStateFor(type)!);
    const frame = frameOf(SAMPLES[type]);
    expect(decodeFromCoordinator(frame, reading)).toStrictEqual(SAMPLES[type]);
    for (let end = 0; end < frame.length; end++) expect(() => decodeFromCoordinator(frame.subarray(0, end), reading), `${end} bytes`).toThrow(ClusterError);
    expect(() => decodeFromCoordinator(joined([frame, Uint8Array.of(0)]), reading)).toThrow(ClusterError);
  });
});

describe('every field of every message', () => {
  /** Goes down into maps and lists; a place is the way to a field. */
  function places(value: unknown, path: readonly (string | number)[] = []): (readonly (string | number)[])[] {
    if (value instanceof Uint8Array || value instanceof Float32Array || typeof value !== 'object' || value === null) return path.length > 0 ? [path] : [];
    const entries = Array.isArray(value) ? value.slice(0, 1).map((item, index) => [index, item] as const) : Object.entries(value);
    return [...(path.length > 0 ? [path] : []), ...entries.flatMap(([key, item]) => places(item, [...path, key]))];
  }

  type Container = Readonly<Record<string, unknown>>;

  /** A copy of a map or list in which the container at the end of the way is another. */
  function withField(value: unknown, [key, ...rest]: readonly (string | number)[], change: (container: Container, key: string) => Container): unknown {
    if (rest.length === 0) return change(value as Container, String(key));
    if (Array.isArray(value)) return value.map((item: unknown, index) => (index === key ? withField(item, rest, change) : item));
    return { ...(value as Container), [key!]: withField((value as Container)[key!], rest, change) };
  }

  const without = (container: Container, key: string): Container => Object.fromEntries(Object.entries(container).filter(([name]) => name !== key));

  function read(type: Message['type'], message: unknown): void {
    const { bytes, ...fields } = message as { bytes?: Uint8Array };
    const header = Object.fromEntries(Object.entries(fields).map(([name, value]) => [name, value instanceof Float32Array ? Buffer.from(value.buffer).toString('hex') : value]));
    const frame = forged(header, bytes);
    const state = coordinatorStateFor(type);
    if (state !== undefined) decodeFromNode(frame, fromNode(state));
    else decodeFromCoordinator(frame, fromCoordinator(nodeStateFor(type)!));
  }

  test.each(TYPES)('of %s is needed, has one type, and has no neighbour', (type) => {
    const fields = places(SAMPLES[type]).filter(([name]) => name !== 'bytes');
    read(type, SAMPLES[type]);
    for (const place of fields) {
      const isItem = typeof place.at(-1) === 'number';
      const missing = withField(SAMPLES[type], place, without);
      const empty = withField(SAMPLES[type], place, (container, key) => (Array.isArray(container) ? ([{ none: true }] as unknown as Container) : { ...container, [key]: { none: true } }));
      const beside = withField(SAMPLES[type], place, (container) => ({ ...container, toString: 1 }));
      if (!isItem) expect(() => read(type, missing), `without ${place.join('.')}`).toThrow(ClusterError);
      expect(() => read(type, empty), `another ${place.join('.')}`).toThrow(ClusterError);
      if (!isItem) expect(() => read(type, beside), `beside ${place.join('.')}`).toThrow(ClusterError);
    }
  });
});

describe('refuses a message', () => {
  const sent = (message: Message, changes: object): Uint8Array => {
    const { bytes, ...fields } = { bytes: undefined, ...message };
    const floats = Object.fromEntries(Object.entries(fields).filter(([, value]) => value instanceof Float32Array).map(([name]) => [name, '00000000']));
    return forged({ ...fields, ...floats, ...changes }, bytes);
  };
  const { hello, share, welcome } = SAMPLES;
  const [column] = welcome.columns;

  test.each<[string, Uint8Array, string, string]>([
    ['without a type', forged({ step: 1 }), 'ERR_MESSAGE', 'names no type'],
    ['that is a list', forged([1]), 'ERR_MESSAGE', 'names no type'],
    ['whose type is a number', forged({ type: 1 }), 'ERR_MESSAGE', 'names no type'],
    ['of a type that objects have by nature', forged({ type: 'constructor' }), 'ERR_UNEXPECTED_MESSAGE', 'constructor'],
    ['of a type with control characters, which are not shown', forged({ type: 'a\u001b[2J\u202e' }), 'ERR_UNEXPECTED_MESSAGE', '"a?[2J?"'],
    ['of the other direction', frameOf(SAMPLES.done), 'ERR_UNEXPECTED_MESSAGE', '"done"'],
    ['whose type comes with its prototype', forged(Object.defineProperty({}, '__proto__', { value: { type: 'leave', reason: 'stopped' }, enumerable: true })), 'ERR_MESSAGE', 'names no type'],
    ['with a step that is no whole number', sent(share, { step: 1.5 }), 'ERR_MESSAGE', 'step'],
    ['with a step beyond 2^53', sent(share, { step: 2 ** 53 }), 'ERR_MESSAGE', 'step'],
    ['with a negative step', sent(share, { step: -1 }), 'ERR_MESSAGE', 'step'],
    ['with a time that is infinite', sent(share, { computeMs: Infinity }), 'ERR_MESSAGE', 'computeMs'],
    ['with half a float32', sent(share, { sums: '0000' }), 'ERR_MESSAGE', 'sums'],
    ['with 33 sums', sent(share, { sums: '00000000'.repeat(33) }), 'ERR_MESSAGE', 'sums'],
    ['with hex in capitals', sent(share, { sha256: share.sha256.toUpperCase() }), 'ERR_MESSAGE', 'sha256'],
    ['with leaves beyond 2^53', sent(share, { subtree: { level: 40, index: 2 ** 13 } }), 'ERR_MESSAGE', 'subtree'],
    ['with more values than bytes', sent(share, { valueCount: 3 }), 'ERR_MESSAGE', '8 tensor bytes for 3 values of 4'],
    ['whose float16 are as long as float32', sent(share, { codec: 'float16' }), 'ERR_MESSAGE', '8 tensor bytes for 2 values of 2'],
    ['with other bytes than it names', sent(share, { sha256: '0'.repeat(64) }), 'ERR_TENSOR_HASH', '8 tensor bytes'],
    ['with bytes where there belong none', forged(SAMPLES.heartbeat, Uint8Array.of(1)), 'ERR_MESSAGE', 'tensor bytes'],
    ['with a code that does not exist', forged({ type: 'error', code: 'ERR_OTHER', sentence: 'a' }), 'ERR_MESSAGE', 'code'],
    ['with a sentence that moves the cursor', forged({ type: 'error', code: 'ERR_SHARE', sentence: '\u001b[2J' }), 'ERR_MESSAGE', 'control characters'],
    ['with a sentence of two lines', forged({ type: 'error', code: 'ERR_SHARE', sentence: 'a\nb' }), 'ERR_MESSAGE', 'control characters'],
    ['with no worker', forged({ ...SAMPLES.probed, workerHashes: [] }), 'ERR_MESSAGE', 'workerHashes'],
    ['asking for more than a chunk', forged({ ...SAMPLES.dataRequest, byteLength: 1_048_577 }), 'ERR_MESSAGE', 'byteLength'],
  ])('%s', (_, frame, code, words) => {
    expect(() => decodeFromNode(frame, fromNode('working'))).toThrow(refused(code, words));
  });

  test.each<[string, object, string]>([
    ['columns whose bytes do not fit their shape', { columns: [{ ...column, byteLength: 47_040_001 }] }, 'columns.0'],
    ['columns of a shape that overflows', { columns: [{ ...column, shape: [2 ** 50, 2 ** 50, 2 ** 50] }] }, 'columns.0'],
    ['a column of no examples', { columns: [{ ...column, exampleCount: 0, byteLength: 0 }] }, 'columns.0'],
    ['a scale of 0', { columns: [{ ...column, scale: 0 }] }, 'columns.0'],
    ['more examples than the columns have', { exampleCount: 60_001 }, 'exampleCount'],
    ['a deadline within a heartbeat', { deadlineMs: 1_000 }, 'deadlineMs'],
    ['a staleness in a mode that has none', { mode: { kind: 'sync', staleness: 1 } }, 'mode'],
    ['a codec that keeps nothing', { codecs: { toNode: { name: 'topk', keptFraction: 0 }, toCoordinator: { name: 'float32' } } }, 'codecs.toNode'],
    ['an arithmetic that is none', { arithmetic: 'native:' }, 'arithmetic'],
    ['generation 0', { generation: 0 }, 'generation'],
  ])('of welcome with %s', (_, changes, words) => {
    expect(() => decodeFromCoordinator(sent(welcome, changes), fromCoordinator('awaitingWelcome'))).toThrow(refused('ERR_MESSAGE', words));
  });

  test('of another version, by its version alone', () => {
    expect(() => decodeFromNode(forged({ type: 'hello', protocolVersion: 2, anything: true }), fromNode('awaitingHello'))).toThrow(refused('ERR_PROTOCOL_VERSION', 'speaks version 2'));
    expect(() => decodeFromNode(sent(hello, { protocolVersion: 'one' }), fromNode('awaitingHello'))).toThrow(refused('ERR_MESSAGE', 'protocolVersion'));
  });

  test('that the other side would refuse, before it is sent', () => {
    expect(() => encodeMessage({ ...SAMPLES.ready, workers: 0 })).toThrow(refused('ERR_MESSAGE', 'workers'));
    expect(() => encodeMessage({ ...share, sums: new Float32Array(33) })).toThrow(refused('ERR_MESSAGE', 'sums'));
  });
});

test('a chunk of data is at most a MiB, even where a tensor may be more', () => {
  const bytes = new Uint8Array(1_048_577);
  const chunk = { ...SAMPLES.dataChunk, bytes, sha256: hasher.sha256(bytes) };
  const reading = { ...fromCoordinator('joining'), limits: limitsOfCoordinator(2_000_000) };
  expect(() => decodeFromCoordinator(frameOf(chunk), reading)).toThrow(refused('ERR_TOO_LARGE', '1048577 bytes'));
});

test('sums come back bit for bit', () => {
  // A NaN with a payload, -0, the least subnormal, -Infinity.
  const bits = Uint32Array.of(0x7fc0_1234, 0x8000_0000, 1, 0xff80_0000);
  const slot = new Float32Array(8); // as a slot within an arena
  new Uint32Array(slot.buffer).set(bits, 2);
  const message = decodeFromNode(frameOf({ ...SAMPLES.share, sums: slot.subarray(2, 6) }), fromNode('working'));
  expect(message.type === 'share' && [...new Uint32Array(message.sums.buffer)]).toEqual([...bits]);
});

test('the bytes of a message are a view of its frame', () => {
  const frame = frameOf(SAMPLES.share);
  const message = decodeFromNode(frame, fromNode('working'));
  expect(message.type === 'share' && message.bytes.buffer).toBe(frame.buffer);
});

describe('the limits', () => {
  test.each(['hello', 'proof'] as const)('of the handshake let %s through', (type) => {
    expect(decodeFromNode(frameOf(SAMPLES[type]), { ...fromNode(coordinatorStateFor(type)!), limits: HANDSHAKE_LIMITS })).toEqual(SAMPLES[type]);
  });

  test('of the handshake let a challenge through, and nothing with a tensor', () => {
    const reading = { ...fromCoordinator('awaitingChallenge'), limits: HANDSHAKE_LIMITS };
    expect(decodeFromCoordinator(frameOf(SAMPLES.challenge), reading)).toEqual(SAMPLES.challenge);
    expect(() => decodeFromCoordinator(frameOf(SAMPLES.parameters), reading)).toThrow(refused('ERR_TOO_LARGE'));
  });

  test('let the largest messages through', () => {
    const columns = Array.from({ length: 64 }, () => ({ ...SAMPLES.welcome.columns[0]!, name: 'é'.repeat(80), shape: [28, 28, 1, 1, 1, 1, 1, 1] }));
    const welcome = { ...SAMPLES.welcome, arithmetic: `native:${'b'.repeat(64)}`, columns };
    expect(decodeFromCoordinator(frameOf(welcome), fromCoordinator('awaitingWelcome'))).toEqual(welcome);
    const assign = { ...SAMPLES.assign, subtrees: Array.from({ length: 256 }, () => ({ level: 0, index: 2 ** 52 })) };
    expect(decodeFromCoordinator(frameOf(assign), fromCoordinator('working'))).toEqual(assign);
    const probed = { ...SAMPLES.probed, workerHashes: Array.from({ length: 64 }, () => '0'.repeat(64)) };
    expect(decodeFromNode(frameOf(probed), { ...fromNode('joining'), limits: limitsOfNode(0) })).toEqual(probed);
    const error = { ...SAMPLES.error, sentence: '…'.repeat(500) };
    expect(decodeFromNode(frameOf(error), fromNode('joining'))).toEqual(error);
  });
});

test('the header of a share of 80,000 parameters is below a thousandth of its tensor', () => {
  const bytes = new Uint8Array(320_000);
  const [prelude] = encodeMessage({ ...SAMPLES.share, valueCount: 80_000, bytes, sha256: hasher.sha256(bytes) });
  expect(prelude!.byteLength).toBeLessThan(320);
});
