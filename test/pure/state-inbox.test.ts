import { describe, expect, test } from 'vitest';
import { StateInbox } from '../../cluster/coordinator/state-inbox.js';
import { panelsOf, panelValues } from '../../cluster/panels.js';
import type { MessageOf } from '../../cluster/protocol/messages.js';
import { TensorCoding } from '../../cluster/tensor-coding.js';
import { codecsOf } from '../../src/codecs/choice.js';
import { Room } from './tensor-room.js';

const VALUES = panelValues(1) + 32;
const INT8 = codecsOf('int8').toCoordinator;
const [ONE, OTHER] = [{ member: 1, connection: 11 }, { member: 2, connection: 12 }];

function fixture(): { inbox: StateInbox; panels: (assignment: number) => MessageOf<'state'>[]; decoded: Float32Array } {
  const room = new Room();
  const coding = new TensorCoding(room, INT8, VALUES);
  const difference = room.put(Float32Array.from({ length: VALUES }, (_, i) => Math.cos(i)));
  const encoded = panelsOf(INT8, VALUES).map((panel) => ({ ...panel, bytes: coding.encode(difference, panel) }));
  const landing = room.put(new Float32Array(VALUES));
  for (const panel of encoded) coding.decode(panel.bytes, panel, landing);
  return {
    inbox: new StateInbox(room, coding, 2),
    panels: (assignment) => encoded.map((panel) => ({
      type: 'state', generation: 1, assignment, version: 4, stepCount: 16, exampleCount: 256, sums: Float32Array.of(3, 5), computeMs: 1, codec: 'int8', sha256: '', ...panel,
    })),
    decoded: room.at(landing, VALUES),
  };
}

test('states of two nodes come beside each other, each whole with its last panel', () => {
  const { inbox, panels, decoded } = fixture();
  const [first, last] = panels(7) as [MessageOf<'state'>, MessageOf<'state'>];
  expect(inbox.take(ONE, first)).toBeUndefined();
  expect(inbox.take(OTHER, { ...first, assignment: 8 })).toBeUndefined();
  expect(inbox.take(ONE, last)).toEqual(decoded);
  expect(inbox.take(OTHER, { ...last, assignment: 8 })).toEqual(decoded);
});

test('what was begun and not ended is forgotten with its connection', () => {
  const { inbox, panels, decoded } = fixture();
  inbox.take(ONE, panels(7)[0]!);
  inbox.drop(11);
  expect(panels(8).map((panel) => inbox.take(ONE, panel))).toEqual([undefined, decoded]);
});

describe('ERR_SHARE', () => {
  test.each<[string, (panels: MessageOf<'state'>[]) => MessageOf<'state'>[], RegExp]>([
    ['another codec', ([first]) => [{ ...first!, codec: 'float32' }], /its codec is float32 and that of the run int8/],
    ['bytes that are no encoding', ([first]) => [{ ...first!, bytes: new Uint8Array(first!.bytes.length) }], /no encoding of 32768 values/],
    ['a panel that comes too early', ([, second]) => [second!], /begins at value 32768/],
    ['other sums than the plan has', ([first]) => [{ ...first!, sums: new Float32Array(3) }], /3 sums and the plan 2/],
    ['a state within another', ([first]) => [first!, { ...first!, assignment: 8 }], /before the one before it is whole/],
  ])('%s', (_, change, problem) => {
    const { inbox, panels } = fixture();
    expect(() => { for (const message of change(panels(7))) inbox.take(ONE, message); }).toThrow(expect.objectContaining({ code: 'ERR_SHARE', message: expect.stringMatching(problem) as string }));
  });
});
