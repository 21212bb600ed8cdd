import { describe, expect, test } from 'vitest';
import { hear, leave, type MemberKind } from '../../cluster/rounds/membership.js';
import { nextAction } from '../../cluster/rounds/next-action.js';
import { restored } from '../../cluster/rounds/perform.js';
import { receiveShare } from '../../cluster/rounds/receive.js';
import type { Run, Settings } from '../../cluster/rounds/run.js';
import { NO_SLOT, type Share } from '../../cluster/rounds/share.js';
import { receive, runWith, settleDown, shareFrom } from './rounds-fixture.js';

// Step 0 has eight leaves. Source 0 gives its subtree; `late` sources were asked for it too and have not sent it when the update is made.

const TWO = ['node', 'node'] as const;

/** @returns the run in step 1, and the subtree that was asked of several */
function overtaken(kinds: readonly MemberKind[], late: readonly number[], settings: Partial<Settings> = {}, share: Partial<Share> = {}): { readonly run: Run; readonly give: (source: number, more?: Partial<Share>) => unknown } {
  const run = runWith(kinds, settings);
  settleDown(run, 0);
  const { assignments } = run.rounds[0]!;
  const own = assignments.filter(({ state }) => state === 'owed');
  const asked = own.find(({ source }) => source === 0)!;
  for (const source of late) assignments.push({ ...asked, source, connection: source, state: 'revoked' });
  for (const { source, subtree } of own) receive(run, source, subtree, subtree === asked.subtree ? share : {}, undefined, 1);
  settleDown(run, 20);
  expect(run.version).toBe(1);
  return { run, give: (source, more = {}) => receive(run, source, asked.subtree, more, 21) };
}

describe('a share that comes after the update', () => {
  test('with the same bytes is a duplicate, once', () => {
    const { run, give } = overtaken(TWO, [1]);
    expect(give(1)).toEqual({ kind: 'duplicate', of: 0 });
    expect(give(1)).toEqual({ kind: 'refused', reason: 'wrongStep' });
    expect(run.answered).toEqual([]);
    expect(settleDown(run, 22)).toEqual(['wait']);
  });

  test('with other bytes is an incident that names both, and of two nodes nobody knows who is wrong', () => {
    const { run, give } = overtaken(TWO, [1]);
    expect(give(1, { digest: 'other' })).toEqual({ kind: 'differs', of: 0 });
    expect(nextAction(run, 22)).toMatchObject({ kind: 'incident', incident: { kind: 'differentBytes', step: 0, version: 0, claims: [{ source: 0, digest: 'right' }, { source: 1, digest: 'other' }] } });
    expect(settleDown(run, 22)).toEqual(['incident', 'wait']);
    expect(run.version).toBe(1);
  });

  test('with other bytes than the coordinator’s own pool gave shows its source to be wrong', () => {
    const { run, give } = overtaken(['local', 'node', 'node'], [1]);
    expect(give(1, { digest: 'other' })).toEqual({ kind: 'differs', of: 0 });
    expect(settleDown(run, 22)).toEqual(expect.arrayContaining(['incident', 'expel']));
    expect(run.members.byNumber.get(1)).toMatchObject({ departure: 'expelled' });
  });

  test.each<[string, Partial<Settings>, number | undefined]>([
    ['stays where nothing is audited', {}, undefined],
    ['is undone where shares are audited, from the first update on that nobody vouched for', { auditProbability: 1e-9 }, 0],
  ])('with other bytes than two of three: what the wrong one gave %s', (_, settings, redoFrom) => {
    const { run, give } = overtaken(['node', 'node', 'node'], [1, 2], settings, { digest: 'wrong' });
    expect([give(1), give(2)]).toEqual([{ kind: 'differs', of: 0 }, { kind: 'differs', of: 0 }]);
    expect(settleDown(run, 22).slice(0, 3)).toEqual(['incident', 'incident', 'expel']);
    expect(run.members.byNumber.get(0)).toMatchObject({ departure: 'expelled' });
    expect(run.redoFrom).toBe(redoFrom);
  });

  test('with other bytes than one gave whom nobody remembers, is an incident all the same', () => {
    const { run, give } = overtaken(['local', 'node', 'node'], [1, 2]);
    give(1, { digest: 'other' });
    run.liars.length = 0;
    run.members.byNumber.delete(1);
    expect(give(2, { digest: 'other' })).toEqual({ kind: 'differs', of: 0 });
    expect(run.liars.map(({ source }) => source)).toEqual([2]);
  });

  test.each<[string, (run: Run) => void, Partial<Share>, string]>([
    ['that was computed from other parameters', () => undefined, { version: 1 }, 'wrongStep'],
    ['of an earlier start of the coordinator', (run) => { restored(run, { version: 0, nextStep: 0 }); }, {}, 'staleGeneration'],
    ['of a past before a wrong share', (run) => { restored(run, { version: 0, nextStep: 0 }); }, { generation: 2 }, 'wrongStep'],
    ['for which there is no room', () => undefined, { slot: NO_SLOT }, 'wrongStep'],
    ['from a source that left', (run) => { leave(run.members.byNumber.get(1)!, 'closed'); }, {}, 'wrongStep'],
  ])('%s is not compared', (_, change, more, reason) => {
    const { run, give } = overtaken(TWO, [1]);
    change(run);
    expect(give(1, { digest: 'other', ...more })).toEqual({ kind: 'refused', reason });
    expect(run.incidents).toEqual([]);
  });

  test('is not compared where bytes depend on who computed them', () => {
    const { give } = overtaken(TWO, [1], { exact: false });
    expect(give(1, { digest: 'other' })).toEqual({ kind: 'refused', reason: 'wrongStep' });
  });

  test('from a source that nobody asked is not compared', () => {
    const { give } = overtaken(['node', 'node', 'node'], [1]);
    expect(give(2, { digest: 'other' })).toEqual({ kind: 'refused', reason: 'wrongStep' });
  });

  test('is compared with what counted in the end, where a share was taken back', () => {
    const run = runWith(['local', 'node', 'node']);
    settleDown(run, 0);
    const { assignments } = run.rounds[0]!;
    const own = [...assignments];
    const first = own.find(({ source }) => source === 1)!;
    for (const source of [0, 2]) assignments.push({ ...first, source, connection: source });
    receive(run, 1, first.subtree, { digest: 'wrong' });
    receive(run, 0, first.subtree);
    for (const { source, subtree } of own) if (source !== 1) receive(run, source, subtree);
    // Source 1 is expelled, and what it owed besides is given to others.
    expect(settleDown(run, 20)).toEqual(['incident', 'expel', 'assign', 'wait']);
    for (const { source, subtree } of assignments.filter(({ state, leaves }) => state === 'owed' && leaves.start !== first.leaves.start)) receive(run, source, subtree, {}, 20);
    settleDown(run, 20);
    expect(run.version).toBe(1);
    expect(receive(run, 2, first.subtree, {}, 21)).toEqual({ kind: 'duplicate', of: 0 });
  });
});

test('bytes are named only where somebody else may still send them, and no more than 256 steps are remembered', () => {
  const run = runWith(TWO);
  let named = 0;
  const makeSteps = (count: number, isAskedTwice: boolean): void => {
    for (let made = 0; made < count; made++) {
      const nowMs = run.version * 100;
      settleDown(run, nowMs);
      const { step, version, assignments } = run.rounds[0]!;
      const owed = [...assignments];
      if (isAskedTwice) assignments.push({ ...owed.find(({ source }) => source === 0)!, source: 1, connection: 1, state: 'revoked' });
      for (const { source, subtree } of owed) {
        const share: Share = {
          ...shareFrom(source, subtree, { step, version }),
          get digest() {
            named++;
            return 'right';
          },
        };
        receiveShare(run, share, nowMs + 1);
      }
      for (const member of run.members.byNumber.values()) hear(member, nowMs + 100);
    }
  };
  run.endStep = 1_000;
  makeSteps(20, false);
  expect([named, run.answered.length]).toEqual([0, 0]);
  makeSteps(300, true);
  expect(run.answered).toHaveLength(256);
  expect(run.answered.map(({ step }) => step)).toEqual(Array.from({ length: 256 }, (_, index) => 20 + 300 - 256 + index));
});
