import { describe, expect, test } from 'vitest';
import { endTurn, hear, leave } from '../../cluster/rounds/membership.js';
import { nextAction } from '../../cluster/rounds/next-action.js';
import { perform, restored, SLACK } from '../../cluster/rounds/perform.js';
import { openRound, type Run } from '../../cluster/rounds/run.js';
import { beginStretch, endEarly, mustClose, owesAudit } from '../../cluster/rounds/stretch.js';
import { at, joinReady, owedIn, receive, runWith, settleDown, SHARE_MS, SILENCE_MS } from './rounds-fixture.js';

// A run of two nodes unless said; a step has eight leaves of a millisecond each, so that it should take 4 ms.

function begun(...args: Parameters<typeof runWith>): Run {
  const run = runWith(...args);
  settleDown(run, 0);
  return run;
}

/** What a share's deadline is in such a step. */
const DUE_MS = SHARE_MS + 4 * SLACK;

interface Row {
  readonly when: string;
  readonly state: () => Run;
  readonly nowMs?: number;
  readonly action: Record<string, unknown>;
}

const NODES = ['node', 'node'] as const;
const shared = (run: Run): Run => {
  receive(run, 0, at(2, 0));
  receive(run, 1, at(2, 1));
  return run;
};

const paused = (run: Run): Run => Object.assign(run, { isPaused: true });

describe('what is to be done', () => {
  test.each<Row>([
    { when: 'nothing has begun', state: () => runWith(NODES), action: { kind: 'open', step: 0 } },
    { when: 'nobody is there', state: () => runWith([]), action: { kind: 'wait', untilMs: Infinity } },
    { when: 'a step has begun', state: () => { const run = runWith(NODES); openRound(run, { step: 0, examples: 128, shardExamples: 16 }); return run; }, action: { kind: 'assign', step: 0, purpose: 'share', oldestVersion: 0, handedOut: [{ source: 0, subtree: at(2, 0), finishMs: 4 }, { source: 1, subtree: at(2, 1), finishMs: 4 }] } },
    { when: 'everything is handed out', state: () => begun(NODES), action: { kind: 'wait', untilMs: SILENCE_MS } },
    { when: 'one share is missing', state: () => { const run = begun(NODES); receive(run, 0, at(2, 0)); return run; }, action: { kind: 'wait' } },
    { when: 'every leaf is covered', state: () => shared(begun(NODES)), action: { kind: 'apply', step: 0, version: 0, examples: 128, shares: [{ source: 0 }, { source: 1 }], additions: [{ into: 0, from: 1 }] } },
    { when: 'a source leaves, its leaves are another’s', state: () => { const run = begun(NODES); leave(run.members.byNumber.get(0)!, 'closed'); return run; }, action: { kind: 'assign', purpose: 'share', handedOut: [{ source: 1, subtree: at(2, 0), finishMs: 7 }] } },
    { when: 'a source leaves whose share is here already', state: () => { const run = begun(NODES); receive(run, 0, at(2, 0)); leave(run.members.byNumber.get(0)!, 'closed'); return run; }, action: { kind: 'wait' } },
    { when: 'the last source leaves', state: () => { const run = begun(['node']); leave(run.members.byNumber.get(0)!, 'closed'); return run; }, action: { kind: 'wait', untilMs: Infinity } },
    { when: 'a node was silent for too long', state: () => begun(NODES), nowMs: SILENCE_MS, action: { kind: 'suspect', member: 0 } },
    { when: 'the coordinator’s own pool was', state: () => begun(['local']), nowMs: SILENCE_MS, action: { kind: 'wait', untilMs: SHARE_MS + 8 * SLACK } },
    { when: 'there are fewer nodes than the quorum', state: () => runWith(['local', 'node'], { quorum: 2 }), action: { kind: 'pause', reason: 'quorum', untilMs: SILENCE_MS } },
    { when: 'there are fewer, but a step is complete', state: () => { const run = shared(begun(['local', 'node'], { quorum: 1 })); leave(run.members.byNumber.get(1)!, 'closed'); return run; }, action: { kind: 'apply' } },
    { when: 'a node leaves below the quorum within a step', state: () => { const run = begun(NODES, { quorum: 2 }); leave(run.members.byNumber.get(1)!, 'closed'); return run; }, action: { kind: 'pause', reason: 'quorum' } },
    { when: 'there are as many', state: () => runWith(['local', 'node', 'relay'], { quorum: 2 }), action: { kind: 'open' } },
    { when: 'the run is paused before a step', state: () => paused(runWith(NODES)), action: { kind: 'pause', reason: 'operator', untilMs: SILENCE_MS } },
    { when: 'it is paused within a step, which goes on', state: () => paused(begun(NODES)), action: { kind: 'wait', untilMs: SILENCE_MS } },
    { when: 'it is paused and the step in work is complete', state: () => paused(shared(begun(NODES))), action: { kind: 'apply' } },
    { when: 'it is paused and a source leaves', state: () => { const run = paused(begun(NODES)); leave(run.members.byNumber.get(0)!, 'closed'); return run; }, action: { kind: 'assign', purpose: 'share' } },
    { when: 'it is paused in a mode of several open steps', state: () => paused(begun(NODES, { mode: { kind: 'stale', staleness: 2 } })), action: { kind: 'wait' } },
    { when: 'it is paused after its last step', state: () => { const run = paused(runWith(NODES)); run.nextStep = run.endStep; return run; }, action: { kind: 'done' } },
    { when: 'the last step is applied', state: () => { const run = runWith(NODES); run.nextStep = run.endStep; return run; }, action: { kind: 'done' } },
    { when: 'a share is overdue', state: () => heardAt(begun(NODES), DUE_MS), nowMs: DUE_MS, action: { kind: 'suspectShares', source: 0, step: 0 } },
    { when: 'a liar was found', state: () => { const run = begun(NODES); run.liars.push({ source: 1, step: 0, subtree: at(2, 1) }); return run; }, action: { kind: 'expel', liar: { source: 1, step: 0, subtree: at(2, 1) } } },
    { when: 'updates hold shares of a liar', state: () => { const run = shared(begun(NODES)); run.redoFrom = 0; return run; }, action: { kind: 'rollBack', version: 0 } },
    { when: 'a loss is not finite whoever computes it', state: () => { const run = shared(begun(NODES)); run.diverged = { source: 0, step: 0, subtree: at(2, 0) }; return run; }, action: { kind: 'stop', step: 0, subtree: at(2, 0) } },
  ])('when $when: $action.kind', ({ state, nowMs = 1, action }) => {
    const run = state();
    expect(nextAction(run, nowMs)).toMatchObject(action);
    // Asking changes nothing.
    expect(nextAction(run, nowMs)).toMatchObject(action);
  });

  test('incidents come before liars, liars before going back, and that before all else', () => {
    const run = shared(begun(NODES));
    run.incidents.push({ kind: 'differentBytes', step: 0, version: 0, subtree: at(2, 1), claims: [] });
    run.liars.push({ source: 1, step: 0, subtree: at(2, 1) });
    run.redoFrom = 0;
    expect(settleDown(run, SILENCE_MS)).toEqual(['incident', 'expel', 'rollBack']);
  });
});

/** Everybody was heard then. */
function heardAt(run: Run, nowMs: number): Run {
  for (const member of run.members.byNumber.values()) hear(member, nowMs);
  return run;
}

test('a step after the other is applied, each to the version that it was computed from', () => {
  const run = begun(NODES);
  for (let step = 0; step < 3; step++) {
    receive(run, 0, at(2, 0), { step, version: step });
    receive(run, 1, at(2, 1), { step, version: step });
    expect(settleDown(run, step)).toEqual(['apply', 'open', 'assign', 'wait']);
    expect([run.version, run.nextStep]).toEqual([step + 1, step + 2]);
  }
});

describe('an overdue share', () => {
  test('is judged after one whole turn of reading, and its leaves go to others, who are not late', () => {
    const run = heardAt(begun(['node', 'node', 'node']), DUE_MS);
    const [first] = run.rounds[0]!.assignments;
    for (const { source, subtree } of run.rounds[0]!.assignments.slice(1)) receive(run, source, subtree);
    const lateSource = first!.source;
    const alreadyHis = run.rounds[0]!.assignments.filter(({ source, state }) => source === lateSource && state === 'owed').length;
    expect(settleDown(run, DUE_MS)).toEqual(['suspectShares', 'read']);
    endTurn(run.members);
    expect(settleDown(run, DUE_MS)).toEqual(['read']);
    endTurn(run.members);
    expect(settleDown(run, DUE_MS)).toEqual(['revoke', 'assign', 'wait']);
    expect(alreadyHis).toBe(1);
    expect(Object.keys(owedIn(run, 0))).not.toContain(String(lateSource));
  });

  test('that is read in that turn is not late', () => {
    const run = heardAt(begun(NODES), DUE_MS);
    receive(run, 1, at(2, 1));
    settleDown(run, DUE_MS);
    endTurn(run.members);
    expect(receive(run, 0, at(2, 0), {}, DUE_MS)).toEqual({ kind: 'accepted' });
    endTurn(run.members);
    expect(nextAction(run, DUE_MS)).toMatchObject({ kind: 'apply' });
    expect(run.members.byNumber.get(0)!.overdue).toBe(0);
  });

  test('is not given back to who was late, though the others are ten times as slow', () => {
    const run = heardAt(begun(['node', 'node', 'node']), DUE_MS);
    for (const { source, subtree } of run.rounds[0]!.assignments) if (source !== 0) receive(run, source, subtree, {}, DUE_MS);
    for (const number of [1, 2]) run.members.byNumber.get(number)!.pace = { speed: 1_600, latencyMs: 0, frameMs: 0 };
    giveUpWaiting(run, DUE_MS);
    expect(Object.keys(owedIn(run, 0))).toEqual(['1', '2']);
  });

  test('that comes after all counts, if nobody else was faster', () => {
    const run = heardAt(begun(NODES), DUE_MS);
    receive(run, 1, at(2, 1));
    giveUpWaiting(run, DUE_MS);
    expect(run.members.byNumber.get(0)!.overdue).toBe(1);
    expect(receive(run, 0, at(2, 0), {}, DUE_MS + 1)).toEqual({ kind: 'accepted' });
    expect(run.members.byNumber.get(0)!.overdue).toBe(0);
  });

  test('of the only source is asked for again, with more time; the third time in a row the node is lost', () => {
    const run = begun(['node']);
    let nowMs = 0;
    for (const times of [1, 2, 3]) {
      nowMs = run.rounds[0]!.assignments.at(-1)!.dueMs;
      heardAt(run, nowMs);
      giveUpWaiting(run, nowMs);
      expect(run.members.byNumber.get(0)!.overdue).toBe(times);
    }
    expect(run.members.byNumber.get(0)).toMatchObject({ stage: 'left', departure: 'stalled' });
    const [first, second, third] = run.rounds[0]!.assignments.map(({ assignedMs, dueMs }) => dueMs - assignedMs);
    expect(first! < second! && second! < third!).toBe(true);
  });
});

/** Two turns of reading go by without the share. */
function giveUpWaiting(run: Run, nowMs: number): void {
  for (let turn = 0; turn < 3; turn++) {
    settleDown(run, nowMs);
    endTurn(run.members);
  }
}

describe('a backup', () => {
  /** Source 0 is done with its half after 4 ms, source 1 owes the other half, expected at 4 ms. */
  const waiting = (settings: Parameters<typeof runWith>[1] = { backup: true }): Run => {
    const run = begun(NODES, settings);
    receive(run, 0, at(2, 0), {}, 4);
    return run;
  };

  test('is begun when the straggler is as late as it would take: 4 leaves of 1 ms, so at 8 ms', () => {
    const run = waiting();
    expect(nextAction(run, 4)).toEqual({ kind: 'wait', untilMs: 8 });
    expect(nextAction(run, 7.9)).toEqual({ kind: 'wait', untilMs: 8 });
    expect(nextAction(run, 8)).toMatchObject({ kind: 'assign', purpose: 'backup', handedOut: [{ source: 0, subtree: at(2, 1), finishMs: 4 }] });
  });

  test('is begun at once when the idle source is so fast that it will be done before the straggler', () => {
    const run = waiting();
    run.rounds[0]!.assignments[1] = { ...run.rounds[0]!.assignments[1]!, expectedMs: 9 };
    expect(nextAction(run, 4)).toMatchObject({ kind: 'assign', purpose: 'backup' });
  });

  test('is begun at once for a source of unknown speed', () => {
    const run = waiting();
    run.rounds[0]!.assignments[1] = { ...run.rounds[0]!.assignments[1]!, expectedMs: Infinity };
    expect(nextAction(run, 4)).toMatchObject({ kind: 'assign', purpose: 'backup' });
  });

  test('is begun by who had nothing to do for longer than many a step takes', () => {
    const run = waiting();
    run.rounds[0]!.assignments[1] = { ...run.rounds[0]!.assignments[1]!, expectedMs: 60_000, dueMs: Infinity };
    run.members.byNumber.forEach((member) => { member.heardMs = 59_000; });
    expect(nextAction(run, 59_000)).toMatchObject({ kind: 'assign', purpose: 'backup', handedOut: [{ source: 0, subtree: at(2, 1), finishMs: 4 }] });
  });

  test('is not begun unless asked for', () => {
    expect(nextAction(waiting({ backup: false }), 100)).toMatchObject({ kind: 'wait' });
  });

  test('is made once: whichever comes first counts, the other is a duplicate', () => {
    const run = waiting();
    expect(settleDown(run, 8)).toEqual(['assign', 'wait']);
    expect(settleDown(run, 100)).toEqual(['wait']);
    expect(receive(run, 1, at(2, 1))).toEqual({ kind: 'accepted' });
    expect(receive(run, 0, at(2, 1))).toEqual({ kind: 'duplicate', of: 1 });
  });

  test('is split among all who are idle', () => {
    const run = begun(['node', 'node', 'node', 'node'], { backup: true });
    for (const source of [0, 1, 2]) receive(run, source, at(1, source), {}, 2);
    expect(nextAction(run, 4)).toMatchObject({ purpose: 'backup', handedOut: [{ source: 0, subtree: at(0, 6) }, { source: 1, subtree: at(0, 7) }] });
  });

  test('by two halves of which one came makes the straggler’s whole share come too late; the other half still counts', () => {
    const run = begun(['node', 'node', 'node', 'node'], { backup: true });
    for (const source of [0, 1, 2]) receive(run, source, at(1, source), {}, 2);
    settleDown(run, 4);
    expect(receive(run, 0, at(0, 6))).toEqual({ kind: 'accepted' });
    expect(receive(run, 3, at(1, 3))).toEqual({ kind: 'refused', reason: 'overlapping' });
    expect(nextAction(run, 5)).toMatchObject({ kind: 'wait' });
    expect(receive(run, 1, at(0, 7))).toEqual({ kind: 'accepted' });
    expect(nextAction(run, 5)).toMatchObject({ kind: 'apply' });
  });

  test('by halves of which one came is all that counts: when the source of the other leaves, its leaf is free, whatever the straggler owes', () => {
    const run = begun(['node', 'node', 'node', 'node'], { backup: true });
    for (const source of [0, 1, 2]) receive(run, source, at(1, source), {}, 2);
    settleDown(run, 4);
    receive(run, 0, at(0, 6));
    leave(run.members.byNumber.get(1)!, 'closed');
    expect(nextAction(run, 5)).toMatchObject({ kind: 'assign', purpose: 'share', handedOut: [{ subtree: at(0, 7) }] });
  });

  test('is not made of leaves that are doubted: who owes them is their judge', () => {
    const run = begun(['node', 'node', 'node', 'node'], { backup: true });
    const [round] = run.rounds;
    // Leaves 0 and 1 of source 0 were given to source 3 too, which is late with them.
    round!.assignments.push({ ...round!.assignments[3]!, subtree: at(1, 0), leaves: { start: 0, end: 2 } });
    receive(run, 3, at(1, 3), {}, 2);
    for (const source of [1, 2]) receive(run, source, at(1, source), {}, 2);
    receive(run, 0, at(1, 0), { isFinite: false }, 2);
    expect(settleDown(run, 1_000)).toEqual(['wait']);
  });
});

// Of 8 leaves of 1 ms here, 4/3 ms there, 5 and 3 are done after 5 and 4 ms.
test.each([
  ['node', 100, 3], ['node', 101, 1],
  ['local', 100, 3], ['local', 101, 1],
] as const)('a %s that delivered %i steps ago is given %i leaves: after a hundred steps it is measured anew, with one', (kind, ago, leaves) => {
  const run = runWith(kind === 'local' ? ['node', 'local'] : ['local', 'node']);
  const member = run.members.byNumber.get(1)!;
  member.lastStep = -ago;
  member.pace = { speed: 12_000, latencyMs: 0, frameMs: 0 };
  settleDown(run, 0);
  const given = run.rounds[0]!.assignments.filter(({ source }) => source === 1);
  expect(given.reduce((sum, { leaves: { start, end } }) => sum + end - start, 0)).toBe(leaves);
});

describe('a joiner', () => {
  test('is given nothing of a step in work, and its part of the next', () => {
    const run = begun(NODES);
    joinReady(run, 'node', 'third', 1);
    leave(run.members.byNumber.get(0)!, 'closed');
    settleDown(run, 2);
    expect(owedIn(run, 0)).toEqual({ 0: ['2/0'], 1: ['2/1', '2/0'] });
    receive(run, 1, at(2, 0));
    receive(run, 1, at(2, 1));
    settleDown(run, 3);
    expect(owedIn(run, 1)).toEqual({ 1: ['2/0'], 2: ['2/1'] });
  });

  test('helps with a step in work when nobody else is left', () => {
    const run = begun(['node']);
    joinReady(run, 'node', 'second', 1);
    expect(settleDown(run, 1)).toEqual(['wait']);
    leave(run.members.byNumber.get(0)!, 'closed');
    expect(settleDown(run, 2)).toEqual(['assign', 'wait']);
    expect(owedIn(run, 0)[1]).toEqual(['3/0']);
  });

  test('that was here before and came back owes nothing over its old connection', () => {
    const run = begun(NODES);
    joinReady(run, 'node', 'identity 0', 1, 7);
    expect(settleDown(run, 1)).toEqual(['assign', 'wait']);
    expect(run.rounds[0]!.assignments.at(-1)).toMatchObject({ source: 1, subtree: at(2, 0) });
  });
});

describe('stale', () => {
  test('opens a step early enough that a source with 3 ms of latency is never without work, and as many as the bound allows', () => {
    const run = runWith(NODES, { mode: { kind: 'stale', staleness: 2 }, exact: false });
    for (const member of run.members.byNumber.values()) member.pace = { speed: 16_000, latencyMs: 3, frameMs: 0 };
    settleDown(run, 0);
    // Each should be done at 7 ms; 3 ms before that step 1 is opened, which keeps them busy until 11 ms.
    expect(nextAction(run, 0)).toEqual({ kind: 'wait', untilMs: 4 });
    expect(settleDown(run, 4)).toEqual(['open', 'assign', 'wait']);
    expect(settleDown(run, 8)).toEqual(['open', 'assign', 'wait']);
    expect(settleDown(run, 12)).toEqual(['wait']);
    expect(run.rounds.map(({ step, version, oldestVersion }) => [step, version, oldestVersion])).toEqual([[0, 0, 0], [1, 1, 0], [2, 2, 0]]);
  });

  test('applies steps in their order, whichever is complete first', () => {
    const run = runWith(NODES, { mode: { kind: 'stale', staleness: 1 }, exact: false });
    settleDown(run, 0);
    settleDown(run, 4);
    receive(run, 0, at(2, 0), { step: 1 });
    receive(run, 1, at(2, 1), { step: 1 });
    expect(settleDown(run, 5)).toEqual(['wait']);
    receive(run, 0, at(2, 0));
    receive(run, 1, at(2, 1));
    expect(settleDown(run, 5).slice(0, 2)).toEqual(['apply', 'apply']);
    expect(run.version).toBe(2);
  });
});

test('async: each share is applied as it comes, with its age; a step is closed when all its leaves are applied', () => {
  const run = begun(NODES, { mode: { kind: 'async' }, exact: false });
  receive(run, 0, at(2, 0));
  expect(nextAction(run, 1)).toMatchObject({ kind: 'applyShare', step: 0, version: 0, examples: 64, batchExamples: 128, age: 0 });
  settleDown(run, 1);
  expect(run.version).toBe(1);
  receive(run, 1, at(2, 1));
  expect(nextAction(run, 2)).toMatchObject({ kind: 'applyShare', version: 1, age: 1, share: { source: 1 } });
  expect(settleDown(run, 2).slice(0, 2)).toEqual(['applyShare', 'close']);
  expect(run.version).toBe(2);
});

describe('a relay', () => {
  /** Above, a step of eight leaves gave this relay leaves 4 to 7 and leaf 2, both from version 5. */
  function relay(): Run {
    const run = runWith(['local', 'node'], { passesUp: true });
    Object.assign(run, { version: 5, endStep: 0 });
    openRound(run, { step: 9, examples: 128, shardExamples: 16, root: at(2, 1), version: 5, oldestVersion: 5 });
    // A sum of leaves for version 6, in `stale`, waits for no other.
    openRound(run, { step: 9, examples: 128, shardExamples: 16, root: at(0, 2), version: 6, oldestVersion: 5 });
    return run;
  }

  test('hands its subtrees on, and passes each sum up when it is complete, in any order', () => {
    const run = relay();
    expect(settleDown(run, 0)).toEqual(['assign', 'assign', 'wait']);
    const mine = { step: 9, version: 5 };
    const given = run.rounds[1]!.assignments[0]!;
    expect(receive(run, given.source, at(0, 2), mine)).toEqual({ kind: 'accepted' });
    expect(nextAction(run, 1)).toMatchObject({ kind: 'apply', step: 9, root: at(0, 2), examples: 16, additions: [] });
    expect(settleDown(run, 1)).toEqual(['apply', 'wait']);
    for (const { source, subtree } of [...run.rounds[0]!.assignments]) receive(run, source, subtree, mine);
    expect(nextAction(run, 2)).toMatchObject({ kind: 'apply', root: at(2, 1), examples: 64 });
    expect(settleDown(run, 2)).toEqual(['apply', 'done']);
    // Versions are made above.
    expect(run.version).toBe(5);
  });

  test('gives the leaves of one that left below it to the others', () => {
    const run = relay();
    settleDown(run, 0);
    leave(run.members.byNumber.get(1)!, 'closed');
    settleDown(run, 1);
    expect(run.rounds.flatMap(({ assignments }) => assignments.filter(({ source }) => source === 0).map(({ subtree }) => subtree))).toEqual(expect.arrayContaining([at(0, 2)]));
    expect(nextAction(run, 1)).toMatchObject({ kind: 'wait' });
  });
});

describe('a closing step', () => {
  /** As many leaves as source 0 to 3 owe of the open step. */
  const leavesOwed = (run: Run): number[] => [0, 1, 2, 3].map((source) => run.rounds[0]!.assignments.filter((each) => each.source === source).reduce((sum, { leaves: { start, end } }) => sum + end - start, 0));

  function closing(settings: Parameters<typeof runWith>[1] = {}): Run {
    const run = runWith(['local', 'node', 'node', 'node'], { auditProbability: 0.1, ...settings });
    run.closeFrom = 0;
    run.unverified.set(1, 0).set(2, 0);
    settleDown(run, 0);
    return run;
  }

  test('gives one leaf to each that must be vouched for; whoever vouches has the more work', () => {
    expect(leavesOwed(closing())).toEqual([3, 1, 1, 3]);
  });

  test('is handed out as any other where there are no audits', () => {
    expect(leavesOwed(closing({ auditProbability: 0 }))).toEqual([2, 2, 2, 2]);
  });

  test('has no backup: a share that comes second would not be looked at', () => {
    const run = closing({ backup: true });
    for (const { source, subtree } of [...run.rounds[0]!.assignments]) if (source === 0) receive(run, source, subtree);
    expect(settleDown(run, 100)).toEqual(['wait']);
    run.closeFrom = 1;
    expect(settleDown(run, 100)).toContain('assign');
  });
});

test('between sources that stand by different bytes a newcomer judges, though the step is older than it', () => {
  const run = begun(NODES);
  receive(run, 0, at(2, 0), { digest: 'one', isFinite: false });
  settleDown(run, 4);
  receive(run, 1, at(2, 1));
  receive(run, 1, at(2, 0), { digest: 'other' });
  for (const source of [0, 1]) {
    settleDown(run, 8);
    receive(run, source, at(2, 0), { digest: ['one', 'other'][source]!, isFinite: source === 1 });
  }
  expect(settleDown(run, 8)).toEqual(['incident', 'pause']);
  const third = joinReady(run, 'node', 'third', 9);
  expect(third.countsFrom).toBeGreaterThan(0);
  expect(nextAction(run, 9)).toMatchObject({ kind: 'recompute', step: 0, subtree: at(2, 0), source: third.number });
});

describe('a stretch', () => {
  const stretched = (): Run => {
    const run = runWith(['local', 'node'], { auditProbability: 0.1 });
    run.unverified.set(1, 3);
    beginStretch(run, { version: 5, nextStep: 5, endStep: 9 });
    return run;
  };

  test('begins with nothing to be gone back for, and ends with a step that is audited throughout', () => {
    const run = stretched();
    expect([run.version, run.nextStep, run.endStep, run.closeFrom, run.unverified.size]).toEqual([5, 5, 9, 8, 0]);
  });

  test('may end early at once where nobody must be vouched for, or whoever must has left', () => {
    const run = stretched();
    expect(endEarly(run)).toBe(true);
    run.unverified.set(1, 6);
    leave(run.members.byNumber.get(1)!, 'closed');
    expect(endEarly(run)).toBe(true);
    expect(run.closeFrom).toBe(8);
  });

  test('ends early after one more step that is audited throughout, again after going back in it', () => {
    const run = stretched();
    run.unverified.set(1, 6);
    run.nextStep = 7;
    expect([endEarly(run), run.closeFrom, mustClose(run)]).toEqual([false, 7, true]);
    run.nextStep = 6;
    expect([endEarly(run), run.closeFrom, mustClose(run)]).toEqual([false, 6, true]);
    run.nextStep = 7;
    expect(endEarly(run)).toBe(true);
  });

  test('leaves the local pool alone with all but its last step', () => {
    const run = stretched();
    run.unverified.set(1, 6);
    expect([owesAudit(run), mustClose(run)]).toEqual([true, false]);
    run.nextStep = 8;
    expect(mustClose(run)).toBe(true);
    run.unverified.clear();
    expect(mustClose(run)).toBe(false);
  });
});

describe('a start from a checkpoint', () => {
  test('refuses what was computed before it, and begins with the checkpoint’s step', () => {
    const run = begun(NODES);
    for (let step = 0; step < 2; step++) {
      receive(run, 0, at(2, 0), { step, version: step });
      receive(run, 1, at(2, 1), { step, version: step });
      settleDown(run, 1);
    }
    joinReady(run, 'node', 'third', 1);
    restored(run, { version: 1, nextStep: 1 });
    expect([run.generation, run.version, run.nextStep, run.rounds.length]).toEqual([2, 1, 1, 0]);
    expect(settleDown(run, 2)).toEqual(['open', 'assign', 'wait']);
    // Everybody who is there takes part, though the third was to begin with step 3.
    expect(Object.keys(owedIn(run, 1))).toEqual(['0', '1', '2']);
    expect(receive(run, 0, run.rounds[0]!.assignments[0]!.subtree, { step: 1, version: 1, generation: 1 })).toEqual({ kind: 'refused', reason: 'staleGeneration' });
    expect(receive(run, 0, run.rounds[0]!.assignments[0]!.subtree, { step: 1, version: 1, generation: 2 })).toEqual({ kind: 'accepted' });
  });

  test('takes back that the loss was not finite, which may have come of wrong shares', () => {
    const run = begun(NODES);
    run.diverged = { source: 0, step: 0, subtree: at(2, 0) };
    run.redoFrom = 0;
    restored(run, { version: 0, nextStep: 0 });
    expect(nextAction(run, 1)).toEqual({ kind: 'open', step: 0 });
  });

  test('forgets who would have to be vouched for later than it, and keeps who before', () => {
    const run = begun(NODES);
    run.unverified.set(0, 3).set(1, 7);
    restored(run, { version: 4, nextStep: 4 });
    expect([...run.unverified]).toEqual([[0, 3]]);
  });
});

test('an action that is only to wait changes nothing', () => {
  const run = begun(NODES);
  const before = structuredClone({ ...run, members: [...run.members.byNumber.values()] });
  for (const action of [{ kind: 'wait', untilMs: 1 }, { kind: 'read' }, { kind: 'done' }, { kind: 'pause', reason: 'judge', untilMs: 1 }] as const) perform(run, action, 1);
  expect(structuredClone({ ...run, members: [...run.members.byNumber.values()] })).toEqual(before);
});
