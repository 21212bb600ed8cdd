import { describe, expect, test } from 'vitest';
import { isComplete } from '../../cluster/rounds/coverage.js';
import { leave } from '../../cluster/rounds/membership.js';
import { nextAction } from '../../cluster/rounds/next-action.js';
import { perform } from '../../cluster/rounds/perform.js';
import type { Verdict } from '../../cluster/rounds/receive.js';
import { heldSlots, type Run } from '../../cluster/rounds/run.js';
import { NO_SLOT, type Share } from '../../cluster/rounds/share.js';
import { at, joinReady, receive, runWith, settleDown, shareFrom } from './rounds-fixture.js';

// Eight leaves; source 0 owes the left half 2/0, source 1 the right half 2/1.

function begun(...args: Parameters<typeof runWith>): Run {
  const run = runWith(...args);
  settleDown(run, 0);
  return run;
}

const NODES = ['node', 'node'] as const;

describe('a share', () => {
  interface Row {
    readonly when: string;
    readonly before?: (run: Run) => void;
    readonly source?: number;
    readonly share?: Partial<Share>;
    readonly verdict: Verdict;
  }

  test.each<Row>([
    { when: 'is the first for its leaves', verdict: { kind: 'accepted' } },
    { when: 'is of an earlier start of the coordinator', share: { generation: 0 }, verdict: { kind: 'refused', reason: 'staleGeneration' } },
    { when: 'is of a start that has not been', share: { generation: 2 }, verdict: { kind: 'refused', reason: 'staleGeneration' } },
    { when: 'is of a step that is over', before: (run) => { finishStep(run); }, verdict: { kind: 'refused', reason: 'wrongStep' } },
    { when: 'is of a step that has not begun', share: { step: 1 }, verdict: { kind: 'refused', reason: 'wrongStep' } },
    { when: 'is of a step with a name that is no number', share: { step: NaN }, verdict: { kind: 'refused', reason: 'wrongStep' } },
    { when: 'names leaves that do not exist', share: { subtree: at(2, 2) }, verdict: { kind: 'refused', reason: 'unasked' } },
    { when: 'names leaves that are no subtree', share: { subtree: at(0.5, 1) }, verdict: { kind: 'refused', reason: 'unasked' } },
    { when: 'is for leaves that another was asked for', share: { subtree: at(2, 1) }, verdict: { kind: 'refused', reason: 'unasked' } },
    { when: 'is for part of what its source was asked for', share: { subtree: at(1, 0) }, verdict: { kind: 'refused', reason: 'unasked' } },
    { when: 'comes from nobody', source: 7, verdict: { kind: 'refused', reason: 'notReady' } },
    { when: 'comes from a source that left', before: (run) => { leave(run.members.byNumber.get(0)!, 'closed'); }, verdict: { kind: 'refused', reason: 'notReady' } },
    { when: 'was computed from parameters that do not exist yet', share: { version: 1 }, verdict: { kind: 'refused', reason: 'fromTheFuture' } },
    { when: 'is sent twice', before: (run) => { receive(run, 0, at(2, 0)); }, verdict: { kind: 'duplicate', of: 0 } },
    { when: 'names the same leaves by another level', before: (run) => { receive(run, 0, at(2, 0)); }, share: { subtree: at(2, 0) }, verdict: { kind: 'duplicate', of: 0 } },
    { when: 'is not finite', share: { isFinite: false }, verdict: { kind: 'held', reason: 'notFinite' } },
  ])('that $when: $verdict', ({ before, source = 0, share, verdict }) => {
    const run = begun(NODES);
    before?.(run);
    expect(receive(run, source, at(2, 0), share)).toEqual(verdict);
  });

  test('that is refused or repeated changes no leaf, and its bytes are not kept', () => {
    const run = begun(NODES);
    receive(run, 0, at(2, 0), { slot: 1_000 });
    for (const share of [{ generation: 0 }, { step: 5 }, { subtree: at(2, 1) }, { version: 1 }, {}]) {
      receive(run, 0, at(2, 0), { ...share, slot: 2_000 });
      expect(run.rounds[0]!.coverage.covered).toBe(4);
      expect([...heldSlots(run)]).toEqual([1_000]);
    }
  });

  test('from a source that came back counts, as long as nobody else gave its leaves', () => {
    const run = begun(NODES);
    leave(run.members.byNumber.get(0)!, 'closed');
    settleDown(run, 1);
    expect(run.rounds[0]!.assignments.at(-1)).toMatchObject({ source: 1, subtree: at(2, 0) });
    joinReady(run, 'node', 'identity 0', 2, 9);
    expect(receive(run, 0, at(2, 0))).toEqual({ kind: 'accepted' });
    expect(receive(run, 1, at(2, 0))).toEqual({ kind: 'duplicate', of: 0 });
  });
});

/** Both halves arrive and are applied; the next step begins. */
function finishStep(run: Run): void {
  receive(run, 0, at(2, 0), { step: run.version, version: run.version });
  receive(run, 1, at(2, 1), { step: run.version, version: run.version });
  expect(isComplete(run.rounds[0]!.coverage)).toBe(true);
  settleDown(run, 2);
}

test('a share that overlaps an accepted one, but has other leaves, is refused', () => {
  // Source 0 left its half; source 1 was given it beside its own, then source 0 comes back and is given part of it.
  const run = begun(NODES);
  run.rounds[0]!.assignments.push({ ...run.rounds[0]!.assignments[0]!, source: 1, connection: 1, subtree: at(1, 0), leaves: { start: 0, end: 2 } });
  expect(receive(run, 1, at(1, 0))).toEqual({ kind: 'accepted' });
  expect(receive(run, 0, at(2, 0))).toEqual({ kind: 'refused', reason: 'overlapping' });
  // What it would have covered besides is handed out again.
  settleDown(run, 1);
  expect(run.rounds[0]!.assignments.slice(3).map(({ subtree }) => subtree)).toEqual([at(1, 1)]);
});

test('a share that overlaps one that is held, but has other leaves, is refused', () => {
  const run = begun(NODES);
  run.rounds[0]!.assignments.push({ ...run.rounds[0]!.assignments[0]!, source: 1, connection: 1, subtree: at(1, 0), leaves: { start: 0, end: 2 } });
  expect(receive(run, 1, at(1, 0), { isFinite: false })).toEqual({ kind: 'held', reason: 'notFinite' });
  expect(receive(run, 0, at(2, 0))).toEqual({ kind: 'refused', reason: 'overlapping' });
});

describe('stale', () => {
  test('a share that is too old is refused, and its leaves are handed out again', () => {
    const run = begun(NODES, { mode: { kind: 'stale', staleness: 1 }, exact: false });
    // Step 0 is applied; step 1, which takes versions 0 and 1, begins, and step 2, which takes 1 and 2, when that should be done.
    receive(run, 0, at(2, 0));
    receive(run, 1, at(2, 1));
    settleDown(run, 2);
    settleDown(run, 6);
    expect(run.rounds.map(({ step, version, oldestVersion }) => [step, version, oldestVersion])).toEqual([[1, 1, 0], [2, 2, 1]]);
    const [asked] = run.rounds[1]!.assignments;
    const { source, subtree } = asked!;
    expect(receive(run, source, subtree, { step: 2, version: 0 })).toEqual({ kind: 'refused', reason: 'tooOld' });
    settleDown(run, 3);
    expect(run.rounds[1]!.assignments.at(-1)).toMatchObject({ subtree, state: 'owed' });
    expect(run.rounds[1]!.assignments).toHaveLength(3);
    // Version 1 is good enough for step 2, version 0 for step 1.
    expect(receive(run, run.rounds[1]!.assignments.at(-1)!.source, subtree, { step: 2, version: 1 })).toEqual({ kind: 'accepted' });
    expect(receive(run, run.rounds[0]!.assignments[0]!.source, run.rounds[0]!.assignments[0]!.subtree, { step: 1, version: 0 })).toEqual({ kind: 'accepted' });
  });
});

describe('a share that is not finite', () => {
  test('is computed again by another; the same bytes end the run as a loss that is not finite', () => {
    const run = begun(NODES);
    receive(run, 0, at(2, 0), { isFinite: false, digest: 'nan' });
    expect(nextAction(run, 1)).toMatchObject({ kind: 'recompute', source: 1, subtree: at(2, 0), version: 0, reason: 'notFinite' });
    perform(run, nextAction(run, 1), 1);
    expect(nextAction(run, 1)).toMatchObject({ kind: 'wait' });
    expect(receive(run, 1, at(2, 0), { isFinite: false, digest: 'nan' })).toMatchObject({ kind: 'settled', wrong: [] });
    expect(nextAction(run, 2)).toEqual({ kind: 'stop', step: 0, subtree: at(2, 0) });
  });

  test('is computed again by its own source where nobody else is', () => {
    const run = begun(['node']);
    receive(run, 0, at(3, 0), { isFinite: false, digest: 'nan' });
    expect(nextAction(run, 1)).toMatchObject({ kind: 'recompute', source: 0 });
    perform(run, nextAction(run, 1), 1);
    expect(receive(run, 0, at(3, 0), { isFinite: false, digest: 'nan' })).toMatchObject({ kind: 'settled' });
    expect(nextAction(run, 2)).toMatchObject({ kind: 'stop' });
  });

  test('said twice without having been asked again is no second opinion', () => {
    const run = begun(['node']);
    receive(run, 0, at(3, 0), { isFinite: false, digest: 'nan' });
    expect(receive(run, 0, at(3, 0), { isFinite: false, digest: 'nan' })).toEqual({ kind: 'duplicate', of: 0 });
  });

  test('that another computes to other bytes is an incident that names both, and the run goes on when a third agrees with one', () => {
    const run = begun(['node', 'node', 'node']);
    const [{ subtree } = { subtree: at(0, 0) }] = run.rounds[0]!.assignments;
    receive(run, 0, subtree, { isFinite: false, digest: 'nan' });
    // Source 2 has the fewest leaves to do before.
    expect(settleDown(run, 1)).toEqual(['recompute', 'wait']);
    expect(receive(run, 2, subtree)).toEqual({ kind: 'undecided' });
    const incident = nextAction(run, 2);
    expect(incident).toMatchObject({ kind: 'incident', incident: { kind: 'differentBytes', step: 0, claims: [{ source: 0, digest: 'nan' }, { source: 2, digest: 'right' }] } });
    expect(settleDown(run, 2)).toEqual(['incident', 'recompute', 'wait']);
    expect(receive(run, 1, subtree)).toMatchObject({ kind: 'settled', wrong: [0], share: { source: 2 } });
    // The third opinion differs from what source 0 said too.
    perform(run, nextAction(run, 3), 3);
    expect(nextAction(run, 3)).toEqual({ kind: 'expel', liar: { source: 0, step: 0, subtree } });
  });

  test('in a run whose bytes cannot be compared is dropped for a finite one, and nobody is expelled', () => {
    const run = begun(NODES, { exact: false });
    receive(run, 0, at(2, 0), { isFinite: false, digest: 'nan' });
    expect(nextAction(run, 1)).toMatchObject({ kind: 'recompute', source: 1, version: undefined });
    perform(run, nextAction(run, 1), 1);
    expect(receive(run, 1, at(2, 0), { digest: 'other' })).toMatchObject({ kind: 'settled', wrong: [], share: { source: 1 } });
    expect(settleDown(run, 2)).toEqual(['incident', 'wait']);
  });
});

describe('different bytes for leaves that were accepted', () => {
  /** Source 1 was given the left half too, and says something else. */
  function disputed(kinds: readonly ('local' | 'node')[]): { readonly run: Run; readonly verdict: Verdict } {
    const run = begun(kinds);
    const { assignments } = run.rounds[0]!;
    const { subtree, leaves } = assignments.find(({ source }) => source === 0)!;
    assignments.push({ ...assignments[0]!, source: 1, connection: 1, subtree, leaves });
    receive(run, 0, subtree);
    return { run, verdict: receive(run, 1, subtree, { digest: 'other' }) };
  }

  test('take the accepted share back until somebody else has judged', () => {
    const { run, verdict } = disputed(['node', 'node', 'node']);
    expect(verdict).toEqual({ kind: 'undecided' });
    expect(run.rounds[0]!.coverage.covered).toBe(0);
    expect(settleDown(run, 2)).toEqual(['incident', 'recompute', 'wait']);
    expect(run.rounds[0]!.assignments.at(-1)).toMatchObject({ source: 2, purpose: 'opinion' });
  });

  test('are decided at once where one of the two is the coordinator’s own pool', () => {
    const { run, verdict } = disputed(['local', 'node', 'node']);
    expect(verdict).toMatchObject({ kind: 'settled', wrong: [1], share: { source: 0 } });
    expect(settleDown(run, 2)).toEqual(['incident', 'expel', 'assign', 'wait']);
    expect(run.members.byNumber.get(1)).toMatchObject({ stage: 'left', departure: 'expelled' });
  });

  test('between two nodes alone: both compute again, and where both stand by theirs the run waits for a judge', () => {
    const { run } = disputed(['node', 'node']);
    const { subtree } = run.rounds[0]!.doubts[0]!;
    expect(settleDown(run, 2)).toEqual(['incident', 'recompute', 'wait']);
    receive(run, 0, subtree);
    expect(settleDown(run, 3)).toEqual(['incident', 'recompute', 'wait']);
    receive(run, 1, subtree, { digest: 'other' });
    expect(settleDown(run, 4)).toEqual(['incident', 'pause']);
    expect(nextAction(run, 4)).toMatchObject({ kind: 'pause', reason: 'judge' });
    // A third joins: it is counted from the next step on, and judges this one because nobody else can.
    joinReady(run, 'node', 'third', 5);
    run.members.byNumber.get(2)!.countsFrom = 0;
    expect(settleDown(run, 5)).toContain('recompute');
    expect(receive(run, 2, subtree, { digest: 'other' })).toMatchObject({ kind: 'settled', wrong: [0] });
  });
});

describe('an audit', () => {
  test('is drawn for a node’s share, never for the coordinator’s own', () => {
    const run = begun(['local', 'node'], { auditProbability: 0.25 });
    expect(receive(run, 0, at(2, 0), {}, 1, 0)).toEqual({ kind: 'accepted' });
    expect(receive(run, 1, at(2, 1), {}, 1, 0.24)).toEqual({ kind: 'held', reason: 'audit' });
  });

  test.each([
    ['the draw is not below the probability', { auditProbability: 0.25 }, ['node', 'node'], 0.25],
    ['bytes cannot be compared', { auditProbability: 1, exact: false }, ['node', 'node'], 0],
    ['nobody else is there', { auditProbability: 1 }, ['node'], 0],
  ] as const)('is not made when %s', (_, settings, kinds, draw) => {
    const run = begun(kinds, settings);
    expect(receive(run, 0, run.rounds[0]!.assignments[0]!.subtree, {}, 1, draw)).toEqual({ kind: 'accepted' });
  });

  test('holds the update back until it is done, and vouches for its source', () => {
    const run = begun(['local', 'node'], { auditProbability: 0.5 });
    run.unverified.set(1, 0);
    receive(run, 1, at(2, 1), {}, 1, 0);
    receive(run, 0, at(2, 0), {}, 1);
    expect(settleDown(run, 1)).toEqual(['recompute', 'wait']);
    expect(receive(run, 0, at(2, 1))).toMatchObject({ kind: 'settled', wrong: [] });
    expect(run.unverified.size).toBe(0);
    expect(settleDown(run, 20)).toEqual(['apply', 'open', 'assign', 'wait']);
    // The only share of the node that the update holds has been vouched for.
    expect(run.unverified.size).toBe(0);
  });

  test('of one share vouches for none that its source gave unseen in the same step', () => {
    const run = begun(['local', 'node', 'node'], { auditProbability: 0.5 });
    // Source 1 owes 2 subtrees (3 leaves).
    const [seen, unseen] = run.rounds[0]!.assignments.filter(({ source }) => source === 1).map(({ subtree }) => subtree);
    receive(run, 1, seen!, {}, 1, 0);
    receive(run, 1, unseen!, {}, 1, 0.9);
    for (const { source, subtree } of run.rounds[0]!.assignments.filter(({ source }) => source !== 1)) receive(run, source, subtree, {}, 1);
    settleDown(run, 1);
    receive(run, 0, seen!);
    expect(settleDown(run, 20)).toContain('apply');
    expect([...run.unverified]).toEqual([[2, 0], [1, 0]]);
  });

  test('is made of every share of a node from a closing step on, whatever is drawn', () => {
    const run = begun(['local', 'node'], { auditProbability: 1e-9 });
    run.closeFrom = 0;
    expect(receive(run, 0, at(2, 0))).toEqual({ kind: 'accepted' });
    expect(receive(run, 1, at(2, 1), {}, 4, 0.9)).toEqual({ kind: 'held', reason: 'audit' });
  });

  test('that finds other bytes expels the source and takes back what it gave in this step', () => {
    const run = begun(['local', 'node', 'node'], { auditProbability: 0.5 });
    // Source 1 owes 2 subtrees (3 leaves): one is accepted unseen, one is drawn.
    const mine = run.rounds[0]!.assignments.filter(({ source }) => source === 1).map(({ subtree }) => subtree);
    expect(mine).toHaveLength(2);
    receive(run, 1, mine[0]!, {}, 1, 0.9);
    receive(run, 1, mine[1]!, { digest: 'wrong' }, 1, 0);
    expect(run.rounds[0]!.coverage.covered).toBe(2);
    settleDown(run, 1);
    receive(run, 0, mine[1]!);
    expect(settleDown(run, 2)).toEqual(['incident', 'expel', 'assign', 'wait']);
    // The leaf that the coordinator computed counts; the two that source 1 had given are owed by others.
    expect(run.rounds[0]!.coverage.covered).toBe(1);
    expect(run.redoFrom).toBeUndefined();
  });

  test('that finds other bytes goes back to the first update that nobody has vouched for', () => {
    const run = begun(['local', 'node'], { auditProbability: 0.5 });
    for (let step = 0; step < 3; step++) {
      const nowMs = 4 * step + 4;
      receive(run, 0, at(2, 0), { step, version: step }, nowMs);
      receive(run, 1, at(2, 1), { step, version: step }, nowMs, 0.9);
      settleDown(run, nowMs);
    }
    receive(run, 1, at(2, 1), { step: 3, version: 3, digest: 'wrong' }, 16, 0);
    settleDown(run, 16);
    receive(run, 0, at(2, 1), { step: 3, version: 3 });
    expect(settleDown(run, 20)).toEqual(['incident', 'expel', 'rollBack']);
    expect(nextAction(run, 20)).toEqual({ kind: 'rollBack', version: 0 });
  });
});

test('without audits wrong bytes expel their source, and nothing is redone: no checkpoint is kept for that', () => {
  const run = begun(['local', 'node', 'node']);
  for (const { source, subtree } of [...run.rounds[0]!.assignments]) receive(run, source, subtree);
  settleDown(run, 4);
  expect([run.version, run.unverified.size]).toEqual([1, 0]);
  const mine = { step: 1, version: 1 };
  const { subtree } = run.rounds[0]!.assignments.find(({ source }) => source === 1)!;
  receive(run, 1, subtree, { ...mine, isFinite: false, digest: 'nan' });
  settleDown(run, 5);
  receive(run, 0, subtree, mine);
  expect(settleDown(run, 9).slice(0, 2)).toEqual(['incident', 'expel']);
  expect([run.version, run.redoFrom]).toEqual([1, undefined]);
});

test('a share without room for its bytes does not count, and its leaves are asked for again at once', () => {
  const run = begun(NODES);
  expect(receive(run, 0, at(2, 0), { slot: NO_SLOT })).toEqual({ kind: 'refused', reason: 'noRoom' });
  expect(settleDown(run, 5)).toEqual(['assign', 'wait']);
  // Its source is not late, and gets a part of them again.
  expect(run.rounds[0]!.assignments.slice(2)).toMatchObject([{ source: 0, subtree: at(1, 0), state: 'owed' }, { source: 1, subtree: at(1, 1), state: 'owed' }]);
  expect(receive(run, 0, at(1, 0))).toEqual({ kind: 'accepted' });
});

describe('norms', () => {
  test('that stand far out of the latest ones are computed again', () => {
    const run = begun(NODES, { checkShares: true });
    for (let i = 0; i < 8; i++) run.norms.push(1 + i / 10);
    // The median of 1, 1.1, … 1.7 is 1.4; odd is above 16 * 1.4 = 22.4 and below 1.4 / 16 = 0.0875.
    expect(receive(run, 0, at(2, 0), { normPerExample: 22.5 })).toEqual({ kind: 'held', reason: 'oddNorm' });
    expect(receive(run, 1, at(2, 1), { normPerExample: 0.087 })).toEqual({ kind: 'held', reason: 'oddNorm' });
  });

  test.each([[22.3], [0.088]])('like %f do not', (normPerExample) => {
    const run = begun(NODES, { checkShares: true });
    for (let i = 0; i < 8; i++) run.norms.push(1 + i / 10);
    expect(receive(run, 0, at(2, 0), { normPerExample })).toEqual({ kind: 'accepted' });
    expect(run.norms.at(-1)).toBe(normPerExample);
  });

  test('are not judged by fewer than eight others, nor unless asked for', () => {
    const run = begun(NODES, { checkShares: true });
    for (let i = 0; i < 7; i++) run.norms.push(1);
    expect(receive(run, 0, at(2, 0), { normPerExample: 1e9 })).toEqual({ kind: 'accepted' });
    const unasked = begun(NODES);
    for (let i = 0; i < 8; i++) unasked.norms.push(1);
    expect(receive(unasked, 0, at(2, 0), { normPerExample: 1e9 })).toEqual({ kind: 'accepted' });
  });
});

test('shares that are held or accepted keep their slots, those of an applied step do not', () => {
  const run = begun(['node', 'node', 'node']);
  const [left, right] = run.rounds[0]!.assignments;
  receive(run, left!.source, left!.subtree, { slot: 1 });
  receive(run, right!.source, right!.subtree, { slot: 2, isFinite: false });
  expect([...heldSlots(run)].sort()).toEqual([1, 2]);
  run.rounds.length = 0;
  expect(heldSlots(run).size).toBe(0);
  expect(shareFrom(0, at(0, 0)).isFinite).toBe(true);
});
