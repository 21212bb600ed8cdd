import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { periodRecords, startRecord, type EventRecord } from '../../cluster/rounds/events.js';
import { becomeReady, createMembers, endTurn, hear, join, leave, type MemberKind } from '../../cluster/rounds/membership.js';
import { dealSteps, nextPeriodAction, performPeriod, receivePart, type LocalRun, type PartResult, type PeriodAction } from '../../cluster/rounds/period.js';
import { replay } from '../../cluster/rounds/replay.js';
import { runs } from './properties.js';
import { seededRandom } from './rounds-arithmetic.js';

// A mini-batch of 32 examples; sources of 32,000 examples a second make a step a millisecond.

const SILENCE_MS = 3_000;
const PART_MS = 10_000;

function runWith(kinds: readonly MemberKind[], more: Partial<LocalRun> = {}): LocalRun {
  const members = createMembers({ silenceMs: SILENCE_MS, heartbeatMs: 1_000 });
  const run: LocalRun = { members, period: 4, quorum: 0, batchExamples: 32, partMs: PART_MS, generation: 1, version: 0, nextStep: 0, endStep: 100, parts: [], isPaused: false, ...more };
  for (const kind of kinds) arrive(run, kind, `identity ${String(members.nextNumber)}`);
  return run;
}

function arrive(run: LocalRun, kind: MemberKind, identity: string, nowMs = 0, connection = run.members.nextNumber): void {
  const admission = join(run.members, { identity, kind, connection }, nowMs);
  if (admission.kind !== 'refused') becomeReady(admission.member, run.nextStep, { speed: 32_000, latencyMs: 0, frameMs: 0 });
}

function settleDown(run: LocalRun, nowMs: number): PeriodAction['kind'][] {
  const kinds: PeriodAction['kind'][] = [];
  for (;;) {
    const action = nextPeriodAction(run, nowMs);
    kinds.push(action.kind);
    if (['wait', 'pause', 'read', 'done', 'stop'].includes(action.kind)) return kinds;
    performPeriod(run, action, nowMs);
  }
}

const part = (source: number, more: Partial<PartResult> = {}): PartResult => ({ source, connection: source, generation: 1, version: 0, examples: 128, isFinite: true, computeMs: 4, slot: source, ...more });

function begun(kinds: readonly MemberKind[], more: Partial<LocalRun> = {}): LocalRun {
  const run = runWith(kinds, more);
  settleDown(run, 0);
  return run;
}

describe('own steps', () => {
  test.each([
    // speeds, steps left, dealt with period 6
    [[1_000, 1_000], 100, [6, 6]], [[1_000, 500], 100, [6, 3]], [[1_000, 10], 100, [6, 1]], [[undefined, undefined], 100, [6, 6]], [[1_000, undefined], 100, [6, 1]],
    // 6 * 0.92 = 5.52, 6 * 0.91 = 5.46.
    [[1_000, 920], 100, [6, 6]], [[1_000, 910], 100, [6, 5]],
    // 6 * speed / speed is 5.999… here.
    [[92_945.79141027384], 100, [6]],
    // With 5 left both finish together; with 1 the first makes it.
    [[1_000, 1_000], 5, [3, 2]], [[1_000, 250], 5, [4, 1]], [[1_000, 1_000], 1, [1, 0]], [[undefined, undefined], 3, [2, 1]],
  ])('speeds %o, %i steps left: %o', (speeds, left, steps) => {
    expect(dealSteps(speeds.map((speed) => ({ speed, latencyMs: 0, frameMs: 0 })), 6, left, 32)).toEqual(steps);
  });

  test('are dealt one after the other, in the order of the members', () => {
    const run = begun(['local', 'node']);
    expect(run.parts.map(({ source, firstStep, steps }) => [source, firstStep, steps])).toEqual([[0, 0, 4], [1, 4, 4]]);
    expect(run.nextStep).toBe(8);
  });
});

describe('what is to be done', () => {
  interface Row {
    readonly when: string;
    readonly state: () => LocalRun;
    readonly nowMs?: number;
    readonly action: Record<string, unknown>;
  }
  const PAIR = ['node', 'node'] as const;
  const DUE_MS = PART_MS + 4 * 4;

  test.each<Row>([
    { when: 'nothing has begun', state: () => runWith(PAIR), action: { kind: 'deal', version: 0 } },
    { when: 'nobody is there', state: () => runWith([]), action: { kind: 'wait', untilMs: Infinity } },
    { when: 'parts are owed', state: () => begun(PAIR), action: { kind: 'wait', untilMs: SILENCE_MS } },
    { when: 'one part is here', state: () => { const run = begun(PAIR); receivePart(run, part(0), 4); return run; }, action: { kind: 'wait' } },
    { when: 'all parts are here', state: () => { const run = begun(PAIR); receivePart(run, part(1), 4); receivePart(run, part(0), 4); return run; }, action: { kind: 'applyPeriod', version: 0, results: [{ source: 0 }, { source: 1 }] } },
    { when: 'the other source left', state: () => { const run = begun(PAIR); receivePart(run, part(0), 4); leave(run.members.byNumber.get(1)!, 'closed'); return run; }, action: { kind: 'applyPeriod', results: [{ source: 0 }] } },
    { when: 'the other source came back over another connection', state: () => { const run = begun(PAIR); receivePart(run, part(0), 4); arrive(run, 'node', 'identity 1', 4, 9); return run; }, action: { kind: 'applyPeriod', results: [{ source: 0 }] } },
    { when: 'a source left after its part', state: () => { const run = begun(PAIR); receivePart(run, part(0), 4); leave(run.members.byNumber.get(0)!, 'closed'); receivePart(run, part(1), 4); return run; }, action: { kind: 'applyPeriod', results: [{ source: 0 }, { source: 1 }] } },
    { when: 'all left and nothing came', state: () => { const run = begun(PAIR); for (const member of run.members.byNumber.values()) leave(member, 'closed'); return run; }, action: { kind: 'dealAgain', firstStep: 0 } },
    { when: 'a part is not finite', state: () => { const run = begun(PAIR); receivePart(run, part(0, { isFinite: false }), 4); receivePart(run, part(1), 4); return run; }, action: { kind: 'applyPeriod', results: [{ source: 1 }] } },
    { when: 'no part is finite', state: () => { const run = begun(PAIR); for (const source of [0, 1]) receivePart(run, part(source, { isFinite: false }), 4); return run; }, action: { kind: 'stop', step: 0 } },
    { when: 'a node is silent', state: () => begun(PAIR), nowMs: SILENCE_MS, action: { kind: 'suspect', member: 0 } },
    { when: 'a part is overdue', state: () => { const run = begun(PAIR); for (const member of run.members.byNumber.values()) hear(member, DUE_MS); return run; }, nowMs: DUE_MS, action: { kind: 'suspectPart', source: 0 } },
    { when: 'the run is paused between periods', state: () => runWith(['local', 'node'], { isPaused: true }), action: { kind: 'pause', reason: 'operator', untilMs: SILENCE_MS } },
    { when: 'it is paused after its last step', state: () => runWith(['local'], { isPaused: true, nextStep: 100 }), action: { kind: 'done' } },
    { when: 'there are fewer nodes than the quorum', state: () => runWith(['local', 'node'], { quorum: 2 }), action: { kind: 'pause', reason: 'quorum' } },
    { when: 'all steps are made', state: () => runWith(PAIR, { nextStep: 100 }), action: { kind: 'done' } },
  ])('when $when: $action.kind', ({ state, nowMs = 4, action }) => {
    const run = state();
    expect(nextPeriodAction(run, nowMs)).toMatchObject(action);
    expect(nextPeriodAction(run, nowMs)).toMatchObject(action);
  });

  test('an overdue part is dropped after a whole turn of reading, and the period ends without it', () => {
    const run = begun(PAIR);
    receivePart(run, part(0), 4);
    for (const member of run.members.byNumber.values()) hear(member, DUE_MS);
    expect(settleDown(run, DUE_MS)).toEqual(['suspectPart', 'read']);
    endTurn(run.members);
    endTurn(run.members);
    expect(settleDown(run, DUE_MS)).toEqual(['dropPart', 'applyPeriod', 'deal', 'wait']);
    expect(run.version).toBe(8); // two parts of four steps
    expect(receivePart(run, part(1), DUE_MS)).toBe('wrongVersion');
    // It was slower than thought: 128 examples in more than ten seconds.
    const late = run.members.byNumber.get(1)!;
    expect([late.overdue, late.pace.speed! < 32_000]).toEqual([1, true]);
    // It delivers, and is as good as any.
    expect(receivePart(run, part(1, { version: 8 }), DUE_MS + 4)).toBe('accepted');
    expect(late.overdue).toBe(0);
  });

  test('a joiner is dealt steps from the next period on', () => {
    const run = begun(['node']);
    arrive(run, 'node', 'second', 1);
    expect(settleDown(run, 1)).toEqual(['wait']);
    receivePart(run, part(0), 4);
    settleDown(run, 4);
    expect(run.parts.map(({ source }) => source)).toEqual([0, 1]);
  });

  test('what came to nothing is dealt again from the same step', () => {
    const run = begun(['node']);
    leave(run.members.byNumber.get(0)!, 'closed');
    expect(settleDown(run, 1)).toEqual(['dealAgain', 'wait']);
    arrive(run, 'node', 'second', 2);
    settleDown(run, 2);
    expect(run.parts.map(({ source, firstStep }) => [source, firstStep])).toEqual([[1, 0]]);
  });
});

test.each<readonly [string, Partial<PartResult>, string]>([
  ['that is owed', {}, 'accepted'],
  ['of an earlier start', { generation: 0 }, 'staleGeneration'],
  ['from other parameters', { version: 1 }, 'wrongVersion'],
  ['over another connection', { connection: 5 }, 'notOwed'],
  ['of nobody', { source: 5, connection: 5 }, 'notOwed'],
  ['that is not finite', { isFinite: false }, 'notFinite'],
])('a part %s', (_, more, verdict) => {
  const run = begun(['node', 'node']);
  expect(receivePart(run, part(0, more), 4)).toBe(verdict);
  if (verdict === 'accepted') expect(receivePart(run, part(0, more), 5)).toBe('notOwed');
});

test('whoever joins, leaves or is late, periods follow each other to the end, and the log tells so', () => {
  fc.assert(fc.property(fc.nat(), fc.integer({ min: 1, max: 6 }), fc.integer({ min: 1, max: 60 }), (seed, period, endStep) => {
    const random = seededRandom(seed);
    const run = runWith(['local', 'node', 'node'], { period, endStep });
    const records: EventRecord[] = [startRecord(run, { kind: 'local', period }, 0)];
    let identity = 0;
    let isDone = false;
    for (let nowMs = 0; nowMs < 10_000 && !isDone; nowMs++) {
      const action = nextPeriodAction(run, nowMs);
      records.push(...periodRecords(action, nowMs));
      performPeriod(run, action, nowMs);
      for (const member of run.members.byNumber.values()) if (member.stage === 'ready') hear(member, nowMs);
      isDone = action.kind === 'done';
      const chance = random();
      const nodes = [...run.members.byNumber.values()].filter(({ kind, stage }) => kind === 'node' && stage === 'ready');
      if (chance < 0.05) arrive(run, 'node', `later ${String(identity++ % 3)}`, nowMs, 1_000 + nowMs);
      else if (chance < 0.1 && nodes.length > 0) leave(nodes[Math.floor(random() * nodes.length)]!, 'closed');
      for (const { source, connection, steps } of run.parts) if (random() < 0.3) receivePart(run, part(source, { connection, version: run.version, examples: 32 * steps }), nowMs);
    }
    expect(isDone).toBe(true);
    const { problems, periods } = replay(records);
    expect(problems).toEqual([]);
    expect(periods).toHaveLength(records.filter(({ event }) => event === 'period').length);
    expect(run.version).toBe(endStep);
  }), runs(200));
});
