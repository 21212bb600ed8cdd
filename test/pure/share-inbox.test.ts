import { describe, expect, test } from 'vitest';
import { ShareFates } from '../../cluster/coordinator/share-fates.js';
import { ShareInbox } from '../../cluster/coordinator/share-inbox.js';
import { ShareSlots } from '../../cluster/coordinator/shares.js';
import { panelsOf, panelValues } from '../../cluster/panels.js';
import { NO_SLOT } from '../../cluster/rounds/share.js';
import type { MessageOf } from '../../cluster/protocol/messages.js';
import { TensorCoding } from '../../cluster/tensor-coding.js';
import { codecsOf } from '../../src/codecs/choice.js';
import type { Program } from '../../src/train/session.js';
import { Room } from './tensor-room.js';

const VALUES = panelValues(1) + 32;
const INT8 = codecsOf('int8').toCoordinator;
const SLOTS = 3;

function fixture(): { inbox: ShareInbox; panels: (assignment: number, index?: number) => MessageOf<'share'>[]; gradientsIn: (slot: number) => Float32Array; decoded: Float32Array; sumsIn: (slot: number) => number[] } {
  const room = new Room();
  const shareBytes = (VALUES + 8) * 4;
  const shares = room.allocate('shares', SLOTS * shareBytes);
  const slots = new ShareSlots({ plan: { sumsOffset: VALUES, sumCount: 2 }, shares, shareBytes, shareSlots: SLOTS } as unknown as Program, room.memory, room.kernels);
  const coding = new TensorCoding(room, INT8, VALUES);
  const gradients = room.put(Float32Array.from({ length: VALUES }, (_, i) => Math.cos(i)));
  const encoded = panelsOf(INT8, VALUES).map((panel) => ({ ...panel, bytes: coding.encode(gradients, panel) }));
  const landing = room.put(new Float32Array(VALUES));
  for (const panel of encoded) coding.decode(panel.bytes, panel, landing);
  return {
    inbox: new ShareInbox(slots, coding),
    panels: (assignment, index = 0) => encoded.map((panel) => ({
      type: 'share', generation: 1, assignment, step: 4, version: 4, subtree: { level: 1, index }, exampleCount: 16, sums: Float32Array.of(3, 5), computeMs: 1, encodeMs: 0, codec: 'int8', sha256: '', ...panel,
    })),
    gradientsIn: (slot) => room.at(slots.address(slot), VALUES),
    decoded: room.at(landing, VALUES),
    sumsIn: (slot) => [0, 4].map((float) => room.at(slots.address(slot) + (VALUES + float) * 4, 1)[0]!),
  };
}

test('a share counts when its last panel is there, in the slot that it began in', () => {
  const { inbox, panels, gradientsIn, sumsIn, decoded } = fixture();
  const [first, last] = panels(7) as [MessageOf<'share'>, MessageOf<'share'>];
  const freeSlot = (): number => 2;
  expect(inbox.take({ member: 1, connection: 11 }, first, freeSlot)).toBeUndefined();
  expect([...inbox.filling]).toEqual([2]);
  expect(inbox.take({ member: 1, connection: 11 }, last, () => 0)).toBe(2);
  expect([...inbox.filling]).toEqual([]);
  expect(gradientsIn(2)).toEqual(decoded);
  expect(sumsIn(2)).toEqual([3, 5]);
  expect(inbox.namesOf([{ slot: 2, source: 1 }, { slot: 0, source: 1 }, { slot: 2, source: 3 }])).toEqual([{ member: 1, assignment: 7, subtree: { level: 1, index: 0 } }]);
});

test('shares of two nodes come beside each other', () => {
  const { inbox, panels, gradientsIn, decoded } = fixture();
  const [one, other] = [panels(7), panels(8, 1)];
  expect(inbox.take({ member: 1, connection: 11 }, one[0]!, () => 0)).toBeUndefined();
  expect(inbox.take({ member: 2, connection: 12 }, other[0]!, () => 1)).toBeUndefined();
  expect([...inbox.filling]).toEqual([0, 1]);
  expect([inbox.take({ member: 2, connection: 12 }, other[1]!, () => undefined), inbox.take({ member: 1, connection: 11 }, one[1]!, () => undefined)]).toEqual([1, 0]);
  for (const slot of [0, 1]) expect(gradientsIn(slot)).toEqual(decoded);
});

test('without a free slot a share is left out, and the next one counts again', () => {
  const { inbox, panels } = fixture();
  expect(panels(7).map((panel) => inbox.take({ member: 1, connection: 11 }, panel, () => undefined))).toEqual([undefined, NO_SLOT]);
  const [first, last] = panels(8) as [MessageOf<'share'>, MessageOf<'share'>];
  inbox.take({ member: 1, connection: 11 }, first, () => 1);
  expect(inbox.take({ member: 1, connection: 11 }, last, () => 1)).toBe(1);
});

test('what was begun and not ended is forgotten with its connection, also where its node is back before', () => {
  const { inbox, panels } = fixture();
  inbox.take({ member: 1, connection: 11 }, panels(7)[0]!, () => 0);
  for (const panel of panels(8)) inbox.take({ member: 1, connection: 12 }, panel, () => 1);
  expect([...inbox.filling]).toEqual([0]);
  inbox.drop(11);
  expect([...inbox.filling]).toEqual([]);
  expect(inbox.namesOf([{ slot: 0, source: 1 }, { slot: 1, source: 1 }])).toMatchObject([{ assignment: 8 }]);
});

describe('ERR_SHARE', () => {
  test.each<[string, (panels: MessageOf<'share'>[]) => MessageOf<'share'>[], RegExp]>([
    ['another codec', ([first]) => [{ ...first!, codec: 'float32' }], /its codec is float32 and that of the run int8/],
    ['too few bytes', ([first]) => [{ ...first!, bytes: first!.bytes.subarray(1) }], /no encoding of 32768 values/],
    ['bytes that are no encoding', ([first]) => [{ ...first!, bytes: new Uint8Array(first!.bytes.length) }], /no encoding of 32768 values/],
    ['too many values', ([first]) => [{ ...first!, valueCount: VALUES }], /more than a panel/],
    ['no values', ([first]) => [{ ...first!, valueCount: 0, bytes: new Uint8Array() }], /has 0 values/],
    ['a panel that comes too early', ([, second]) => [second!], /begins at value 32768/],
    ['other sums than the plan has', ([first]) => [{ ...first!, sums: new Float32Array(3) }], /3 sums and the plan 2/],
    ['a share within another', ([first]) => [first!, { ...first!, assignment: 8 }], /before the one before it is whole/],
    ['another subtree within a share', ([first, second]) => [first!, { ...second!, subtree: { level: 1, index: 1 } }], /before the one before it is whole/],
  ])('%s', (_, change, problem) => {
    const { inbox, panels } = fixture();
    expect(() => { for (const message of change(panels(7))) inbox.take({ member: 1, connection: 11 }, message, () => 0); }).toThrow(expect.objectContaining({ code: 'ERR_SHARE', message: expect.stringMatching(problem) as string }));
  });
});

describe('what becomes of shares', () => {
  const name = (assignment: number, index: number): { member: number; assignment: number; subtree: { level: number; index: number } } => ({ member: 1, assignment, subtree: { level: 0, index } });

  test('is told once, when the step is over', () => {
    const fates = new ShareFates();
    fates.asked(1, 4, 7, [name(7, 0).subtree, name(7, 1).subtree]);
    fates.asked(2, 4, 8, [{ level: 0, index: 2 }]);
    fates.count(4, name(7, 1));
    expect(fates.take(1)).toEqual([]);
    fates.close(4);
    expect(fates.take(1)).toEqual([{ assignment: 7, level: 0, index: 0, counts: false }, { assignment: 7, level: 0, index: 1, counts: true }]);
    expect(fates.take(1)).toEqual([]);
    expect(fates.take(2)).toEqual([{ assignment: 8, level: 0, index: 2, counts: false }]);
  });

  test('nothing of it counts after a return to an earlier state', () => {
    const fates = new ShareFates();
    fates.asked(1, 4, 7, [name(7, 0).subtree]);
    fates.asked(1, 5, 8, [name(8, 0).subtree]);
    fates.closeAll();
    expect(fates.take(1).map(({ counts }) => counts)).toEqual([false, false]);
  });

  test('the one of two computations that is in the update counts', () => {
    const fates = new ShareFates();
    fates.asked(1, 4, 7, [name(7, 0).subtree]);
    fates.asked(1, 4, 9, [name(9, 0).subtree]);
    fates.count(4, name(9, 0));
    fates.close(4);
    expect(fates.take(1)).toMatchObject([{ assignment: 7, counts: false }, { assignment: 9, counts: true }]);
  });
});
