import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { SentParameters, type ParametersVersion } from '../../cluster/coordinator/sent-parameters.js';
import { ParametersInbox } from '../../cluster/node/parameters-inbox.js';
import type { MessageOf } from '../../cluster/protocol/messages.js';
import { CODEC_NAMES, codecsOf } from '../../src/codecs/choice.js';
import type { Codec } from '../../src/codecs/codec.js';
import { runs } from './properties.js';
import { Room } from './tensor-room.js';

// Parameters on their way from a coordinator to nodes, without the way between.

// Two panels.
const UPDATED = 32_768 + 32;
const FLOATS = UPDATED + 16;

class Coordinator {
  readonly room = new Room();
  readonly address = this.room.put(Float32Array.from({ length: FLOATS }, (_, i) => Math.sin(i)));
  readonly sent: SentParameters;
  version = 0;
  generation = 1;

  constructor(codec: Codec) {
    this.sent = new SentParameters({ ...this.room, memory: this.room.memory, kernels: this.room.kernels, address: this.address, floats: FLOATS, updatedFloats: UPDATED }, codec);
  }

  get parameters(): Float32Array {
    return this.room.at(this.address, FLOATS);
  }

  /** Every trained parameter moves, the last ones stay. */
  update(seed: number, size = 1e-3): void {
    const { parameters } = this;
    for (let i = 0; i < UPDATED; i++) parameters[i]! += size * Math.sin(i * seed + this.version);
    this.version++;
  }

  get now(): ParametersVersion {
    return { generation: this.generation, version: this.version };
  }
}

class Node {
  readonly room = new Room();
  readonly address = this.room.put(new Float32Array(FLOATS));
  readonly inbox: ParametersInbox;
  known: ParametersVersion | undefined;
  readonly kinds: string[] = [];
  byteLength = 0;

  constructor(codec: Codec) {
    this.inbox = new ParametersInbox(this.room, { address: this.address, floats: FLOATS, updatedFloats: UPDATED }, codec);
  }

  follow({ sent, now }: Coordinator): void {
    for (const part of sent.partsSince(this.known, now)) {
      const message = messageOf(part);
      this.kinds.push(part.kind);
      this.byteLength += part.bytes.byteLength;
      if (this.inbox.take(message)) this.inbox.apply();
    }
    this.known = now;
  }

  get parameters(): Float32Array {
    return this.room.at(this.address, FLOATS);
  }
}

function messageOf(part: Omit<MessageOf<'parameters'>, 'type' | 'generation' | 'scalars'>): MessageOf<'parameters'> {
  return { type: 'parameters', generation: 1, scalars: new Float32Array(0), ...part };
}

const bitsOf = (values: Float32Array): Buffer => Buffer.from(new Uint8Array(values.buffer, values.byteOffset, values.byteLength));
const TO_NODE: [string, Codec][] = CODEC_NAMES.filter((name) => name !== 'topk').map((name) => [name, codecsOf(name).toNode]);
const LOSSY = TO_NODE.filter(([name]) => name !== 'float32');

test('in float32 every node has the parameters themselves, whole', () => {
  const [coordinator, node] = [new Coordinator({ name: 'float32' }), new Node({ name: 'float32' })];
  for (let step = 0; step < 3; step++) {
    node.follow(coordinator);
    expect(bitsOf(node.parameters).equals(bitsOf(coordinator.parameters))).toBe(true);
    coordinator.update(step);
  }
  expect(new Set(node.kinds)).toEqual(new Set(['whole']));
});

describe.each(LOSSY)('%s', (_, codec) => {
  test('the copies of all nodes are the same bytes, whenever they came and whatever they missed', () => {
    const event = fc.record({ node: fc.nat(3), joins: fc.boolean(), seed: fc.nat(100), returns: fc.nat(9) });
    fc.assert(fc.property(fc.array(event, { minLength: 1, maxLength: 24 }), (events) => {
      const coordinator = new Coordinator(codec);
      const nodes = Array.from({ length: 4 }, () => new Node(codec));
      for (const { node, joins, seed, returns } of events) {
        if (joins) nodes[node] = new Node(codec);
        nodes[node]!.follow(coordinator);
        for (const other of nodes) {
          if (other.known !== undefined && other.known.version === coordinator.version && other.known.generation === coordinator.generation) {
            expect(bitsOf(other.parameters).equals(bitsOf(nodes[node]!.parameters))).toBe(true);
          }
        }
        coordinator.update(seed);
        // A return to an earlier state makes other parameters of a version that nodes have.
        if (returns === 0) {
          coordinator.generation++;
          coordinator.version = Math.max(0, coordinator.version - 2);
        }
      }
    }), runs(20));
  });

  test('the copies stay within the codec of the parameters: what is lost is in the next update', () => {
    const [coordinator, node] = [new Coordinator(codec), new Node(codec)];
    node.follow(coordinator);
    for (let step = 0; step < 50; step++) {
      coordinator.update(3);
      node.follow(coordinator);
    }
    const off = node.parameters.map((value, i) => Math.abs(value - coordinator.parameters[i]!));
    // Half a scale of int8, of the difference that an update and what was lost before can make; and what float32 itself rounds.
    expect(Math.max(...off)).toBeLessThan(1.1e-3 / 127 / 2 + 2 ** -22);
    expect(node.kinds.slice(2)).toEqual(Array.from({ length: 100 }, () => 'update'));
  });

  test('who was away is sent the updates that it lacks, or the whole where that is shorter', () => {
    const [coordinator, present, away] = [new Coordinator(codec), new Node(codec), new Node(codec)];
    const step = (): void => {
      coordinator.update(1);
      present.follow(coordinator);
    };
    present.follow(coordinator);
    away.follow(coordinator);
    const [wholeBytes, before] = [away.byteLength, present.byteLength];
    step();
    const updateBytes = present.byteLength - before;
    const affordable = Math.floor(wholeBytes / updateBytes);
    for (let steps = 1; steps < affordable; steps++) step();
    away.follow(coordinator);
    expect(away.byteLength).toBe(wholeBytes + affordable * updateBytes);
    for (let steps = 0; steps <= affordable; steps++) step();
    away.follow(coordinator);
    expect(away.byteLength).toBe(2 * wholeBytes + affordable * updateBytes);
    expect(bitsOf(away.parameters).equals(bitsOf(present.parameters))).toBe(true);
  });

  test('a difference that the codec cannot hold is sent whole', () => {
    const [coordinator, node] = [new Coordinator(codec), new Node(codec)];
    node.follow(coordinator);
    coordinator.parameters[5] = 3.4e38;
    coordinator.version++;
    node.follow(coordinator);
    coordinator.update(1);
    node.follow(coordinator);
    expect(node.parameters.every(Number.isFinite)).toBe(true);
    if (codec.name === 'float16' || codec.name === 'bfloat16') expect(node.kinds.slice(2)).toEqual(['whole', 'whole', 'update', 'update']);
  });
});

describe('a node refuses', () => {
  const whole = (): MessageOf<'parameters'>[] => [...new Coordinator({ name: 'int8', blockValues: 256 }).sent.partsSince(undefined, { generation: 1, version: 0 })].map(messageOf);
  const refused = (messages: readonly MessageOf<'parameters'>[]): void => {
    const node = new Node({ name: 'int8', blockValues: 256 });
    for (const message of messages) if (node.inbox.take(message)) node.inbox.apply();
  };
  const [first, second] = whole() as [MessageOf<'parameters'>, MessageOf<'parameters'>];

  test.each<[string, MessageOf<'parameters'>[], RegExp]>([
    ['a mixture of two versions', [first, { ...second, version: 1 }], /version 1 comes before version 0 is whole/],
    ['a panel that comes too early', [second], /begins at value 32768/],
    ['an update before the whole', [{ ...first, kind: 'update', codec: 'int8' }], /nothing was there before/],
    ['another codec than that of the run', [first, second, { ...first, kind: 'update', codec: 'float16' }], /its codec is float16 and not int8/],
    ['whole parameters in another codec than float32', [{ ...first, codec: 'float16' }], /its codec is float16 and not float32/],
    ['a panel with too few bytes', [{ ...first, bytes: first.bytes.subarray(4) }], /no encoding of 32768 values/],
    ['scales that are none', [first, second, { ...first, kind: 'update', codec: 'int8', bytes: new Uint8Array(32_768 + 512) }], /no encoding of 32768 values/],
  ])('%s', (_, messages, problem) => {
    expect(() => { refused(messages); }).toThrow(expect.objectContaining({ code: 'ERR_MESSAGE', message: expect.stringMatching(problem) as string }));
  });
});
