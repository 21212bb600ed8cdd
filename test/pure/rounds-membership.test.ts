import { describe, expect, test } from 'vitest';
import { monotonicTime, runTime, startClock } from '../../cluster/rounds/clock.js';
import {
  becomeReady, createMembers, eligible, endTurn, hear, join, leave, memberAction, nextSilenceMs, performMember, present, reach, readyNodes, speaker, stateOf,
  type Admission, type Member, type Members,
} from '../../cluster/rounds/membership.js';

const list = (): Members => createMembers({ silenceMs: 3_000, heartbeatMs: 1_000 });

/** A node joins over a connection. */
function admit(members: Members, identity: string, connection: number, nowMs = 0): Member {
  const admission = join(members, { identity, kind: 'node', connection }, nowMs);
  if (admission.kind === 'refused') throw new Error('refused');
  return admission.member;
}

describe('joining', () => {
  test('numbers are given in order, and never again', () => {
    const members = list();
    expect(['a', 'b', 'c'].map((identity, i) => admit(members, identity, i).number)).toEqual([0, 1, 2]);
    leave(members.byNumber.get(2)!, 'goodbye');
    expect(admit(members, 'd', 3).number).toBe(3);
  });

  test.each<readonly [string, (member: Member) => void, Partial<Admission> & Record<string, unknown>]>([
    ['is there', () => undefined, { kind: 'rejoined', replaced: 10 }],
    ['is suspected', (member) => { member.suspectedTurn = 0; }, { kind: 'rejoined', replaced: 10 }],
    ['has left', (member) => { leave(member, 'closed'); }, { kind: 'rejoined', replaced: undefined }],
    ['was silent', (member) => { leave(member, 'silent'); }, { kind: 'rejoined', replaced: undefined }],
    ['gave wrong bytes', (member) => { leave(member, 'expelled'); }, { kind: 'refused', reason: 'expelled' }],
  ])('an identity that %s comes back: %o', (_, change, admission) => {
    const members = list();
    const member = admit(members, 'a', 10);
    becomeReady(member, 5);
    member.pace = { speed: 7, latencyMs: 1, frameMs: 0.5 };
    change(member);
    expect(join(members, { identity: 'a', kind: 'node', connection: 11 }, 500)).toMatchObject(admission);
    if (admission.kind === 'refused') return;
    // Its number and speed stay; the rest begins anew.
    expect(member).toMatchObject({ number: 0, connection: 11, stage: 'joined', departure: undefined, heardMs: 500, suspectedTurn: undefined, countsFrom: Infinity, pace: { speed: 7 } });
    expect(speaker(members, 0, 10)).toBeUndefined();
    expect(speaker(members, 0, 11)).toBe(member);
  });

  test('who left longest ago is forgotten when four thousand others have', () => {
    const members = list();
    for (let i = 0; i < 4_097; i++) leave(admit(members, `node ${String(i)}`, i), 'closed');
    admit(members, 'another', 5_000);
    expect(members.byNumber.has(0)).toBe(false);
    expect(members.byNumber.has(2)).toBe(true);
    expect(members.byNumber.size).toBe(4_096);
  });
});

describe('stages', () => {
  test.each<readonly [Member['stage'], 'probed' | 'fetching' | 'ready', boolean]>([
    ['joined', 'probed', true], ['joined', 'fetching', true], ['joined', 'ready', true],
    ['probed', 'probed', false], ['probed', 'fetching', true], ['probed', 'ready', true],
    ['fetching', 'probed', false], ['fetching', 'fetching', false], ['fetching', 'ready', true],
    ['ready', 'probed', false], ['ready', 'fetching', false], ['ready', 'ready', false],
    ['left', 'probed', false], ['left', 'fetching', false], ['left', 'ready', false],
  ])('from %s to %s is a step forward: %s', (from, to, forward) => {
    const member = admit(list(), 'a', 0);
    member.stage = from;
    expect(to === 'ready' ? becomeReady(member, 3) : reach(member, to)).toBe(forward);
    expect(member.stage).toBe(forward ? to : from);
    expect(member.countsFrom).toBe(forward && to === 'ready' ? 3 : Infinity);
  });

  test('a probe’s speed is taken where none is known', () => {
    const [fresh, known] = [admit(list(), 'a', 0), admit(list(), 'b', 0)];
    known.pace = { speed: 5, latencyMs: 0, frameMs: 0 };
    for (const member of [fresh, known]) becomeReady(member, 0, { speed: 9, latencyMs: 2, frameMs: 1 });
    expect([fresh.pace.speed, known.pace.speed]).toEqual([9, 5]);
  });
});

describe('silence', () => {
  test('is suspected when it has lasted, not before', () => {
    const members = list();
    admit(members, 'a', 0, 100);
    expect(nextSilenceMs(members)).toBe(3_100);
    expect(memberAction(members, 3_099.9)).toBeUndefined();
    expect(memberAction(members, 3_100)).toEqual({ kind: 'suspect', member: 0 });
  });

  test('of a suspect is judged when the turn in which it arose and a whole one have ended', () => {
    const members = list();
    const member = admit(members, 'a', 0);
    performMember(members, memberAction(members, 3_000)!);
    expect(stateOf(member)).toBe('suspected');
    expect(nextSilenceMs(members)).toBe(Infinity);
    endTurn(members);
    expect(memberAction(members, 9_000)).toBeUndefined();
    endTurn(members);
    expect(memberAction(members, 9_000)).toEqual({ kind: 'lose', member: 0, departure: 'silent' });
    performMember(members, memberAction(members, 9_000)!);
    expect([stateOf(member), member.departure, present(members).length]).toEqual(['left', 'silent', 0]);
  });

  test('ends with anything that is heard', () => {
    const members = list();
    const member = admit(members, 'a', 0);
    performMember(members, memberAction(members, 3_000)!);
    endTurn(members);
    hear(member, 3_050);
    endTurn(members);
    expect(memberAction(members, 3_050)).toBeUndefined();
    expect(nextSilenceMs(members)).toBe(6_050);
  });

  test('after a stall all deadlines fire before the heartbeats that wait are read, and nobody is lost', () => {
    const members = list();
    const nodes = ['a', 'b', 'c'].map((identity, i) => admit(members, identity, i));
    // Nobody was heard for three silences: all are suspected, one after the other.
    for (let i = 0; i < 3; i++) performMember(members, memberAction(members, 9_000)!);
    expect(nodes.map(stateOf)).toEqual(['suspected', 'suspected', 'suspected']);
    expect(memberAction(members, 9_000)).toBeUndefined();
    endTurn(members);
    for (const node of nodes) hear(node, 9_000);
    endTurn(members);
    expect(memberAction(members, 9_000)).toBeUndefined();
    expect(nodes.map(stateOf)).toEqual(['joined', 'joined', 'joined']);
  });

  test('of the coordinator’s own pool says nothing', () => {
    const members = list();
    join(members, { identity: 'local', kind: 'local', connection: 0 }, 0);
    expect(memberAction(members, 1e9)).toBeUndefined();
    expect(nextSilenceMs(members)).toBe(Infinity);
  });

  test('must last for two heartbeats, or a node on time would be suspected', () => {
    expect(() => createMembers({ silenceMs: 1_999, heartbeatMs: 1_000 })).toThrow(expect.objectContaining({ code: 'ERR_OPTION', kind: 'input' }) as Error);
    expect(() => createMembers({ silenceMs: NaN, heartbeatMs: 1_000 })).toThrow();
    expect(() => createMembers({ silenceMs: 2_000, heartbeatMs: 1_000 })).not.toThrow();
  });
});

describe('time that the coordinator lost', () => {
  test('is left out of run time: of a gap one tick remains', () => {
    const clock = startClock(50, 1_000);
    expect(runTime(clock, 1_040)).toBe(1_040);
    expect(runTime(clock, 1_140)).toBe(1_140); // two ticks are still a late timer
    expect(runTime(clock, 10_140)).toBe(1_190);
    expect(runTime(clock, 10_150)).toBe(1_200);
  });

  test('moves timers: one for run time 1,500 fires so much later, and never too early', () => {
    const clock = startClock(50, 1_000);
    runTime(clock, 10_050);
    expect(clock.lostMs).toBe(9_000);
    const atMs = monotonicTime(clock, 1_500);
    expect(atMs).toBeCloseTo(10_500, 2);
    expect(atMs - clock.lostMs).toBeGreaterThanOrEqual(1_500);
  });

  test('never goes back, not even when its clock does', () => {
    const clock = startClock(50, 1_000);
    expect(runTime(clock, 1_010)).toBe(1_010);
    expect(runTime(clock, 990)).toBe(1_010);
  });
});

describe('who gets work', () => {
  function members(): Members {
    const all = list();
    const kinds = ['local', 'node', 'relay', 'node', 'node', 'node'] as const;
    kinds.forEach((kind, i) => { join(all, { identity: String(i), kind, connection: i }, 0); });
    for (const number of [0, 1, 2, 3, 4]) becomeReady(all.byNumber.get(number)!, number === 4 ? 7 : 0);
    leave(all.byNumber.get(3)!, 'closed');
    return all;
  }

  test('are those who are ready and counted in', () => {
    expect(eligible(members(), 6).map(({ number }) => number)).toEqual([0, 1, 2]);
    expect(eligible(members(), 7).map(({ number }) => number)).toEqual([0, 1, 2, 4]);
  });

  test('are not those who are suspected, as long as anybody else is there', () => {
    const all = members();
    all.byNumber.get(1)!.suspectedTurn = 0;
    expect(eligible(all, 6).map(({ number }) => number)).toEqual([0, 2]);
  });

  test('are not those who have not read what they were sent, even where nobody else is there', () => {
    const all = members();
    for (const number of [0, 2, 4]) leave(all.byNumber.get(number)!, 'closed');
    all.byNumber.get(1)!.isBehind = true;
    expect(eligible(all, 6)).toEqual([]);
  });

  test('is a newcomer where nobody is counted in', () => {
    const all = members();
    for (const number of [0, 1, 2]) leave(all.byNumber.get(number)!, 'closed');
    expect(eligible(all, 6).map(({ number }) => number)).toEqual([4]);
  });

  test('a quorum counts ready nodes and relays, not the coordinator’s pool', () => {
    expect(readyNodes(members())).toHaveLength(3);
  });
});
