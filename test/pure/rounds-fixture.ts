// A run in a state that a test needs, in few words.
import type { TreeNode } from '../../src/plan/tree.js';
import { becomeReady, createMembers, join, type Member, type MemberKind } from '../../cluster/rounds/membership.js';
import { nextAction, type Action } from '../../cluster/rounds/next-action.js';
import { perform } from '../../cluster/rounds/perform.js';
import { receiveShare, type Verdict } from '../../cluster/rounds/receive.js';
import { openRound, startRun, type Run, type Settings } from '../../cluster/rounds/run.js';
import type { Share } from '../../cluster/rounds/share.js';

export const SILENCE_MS = 3_000;
export const SHARE_MS = 10_000;

export const at = (level: number, index: number): TreeNode => ({ level, index });

/** Members 0, 1, … of these kinds, ready before step 0, heard at 0 ms, with 16,000 examples a second: a leaf of 16 a millisecond. */
export function runWith(kinds: readonly MemberKind[], settings: Partial<Settings> = {}): Run {
  const run = startRun(
    { mode: { kind: 'sync' }, exact: true, quorum: 0, backup: false, auditProbability: 0, checkShares: false, shareMs: SHARE_MS, passesUp: false, ...settings },
    createMembers({ silenceMs: SILENCE_MS, heartbeatMs: 1_000 }),
    { generation: 1, version: 0, nextStep: 0, endStep: 100 },
  );
  kinds.forEach((kind, index) => { joinReady(run, kind, `identity ${String(index)}`, 0); });
  return run;
}

/** Somebody joins over a connection of its own number, and is ready at once. */
export function joinReady(run: Run, kind: MemberKind, identity: string, nowMs: number, connection = run.members.nextNumber): Member {
  const admission = join(run.members, { identity, kind, connection }, nowMs);
  if (admission.kind === 'refused') throw new Error('refused');
  becomeReady(admission.member, run.nextStep, { speed: 16_000, latencyMs: 0, frameMs: 0 });
  return admission.member;
}

/** Does what is to be done at a time until that is to wait; a step begun has eight leaves of 16 examples. @returns the kinds, in order */
export function settleDown(run: Run, nowMs: number, leaves = 8): Action['kind'][] {
  const kinds: Action['kind'][] = [];
  for (let turns = 0; turns < 100; turns++) {
    const action = nextAction(run, nowMs);
    kinds.push(action.kind);
    if (action.kind === 'open') openRound(run, { step: action.step, examples: 16 * leaves, shardExamples: 16 });
    else if (['wait', 'pause', 'read', 'done', 'stop', 'rollBack'].includes(action.kind)) return kinds;
    else perform(run, action, nowMs);
  }
  throw new Error('the actions never end');
}

/** The nodes' subtrees of what each owes in a step, by source. */
export function owedIn(run: Run, step: number): Record<number, string[]> {
  const owed: Record<number, string[]> = {};
  for (const { source, subtree, state } of run.rounds.find((round) => round.step === step)?.assignments ?? []) {
    if (state === 'owed') (owed[source] ??= []).push(`${String(subtree.level)}/${String(subtree.index)}`);
  }
  return owed;
}

let slots = 0;

export function shareFrom(source: number, subtree: TreeNode, more: Partial<Share> = {}): Share {
  return { source, generation: 1, step: 0, version: 0, subtree, digest: 'right', isFinite: true, computeMs: 2 ** subtree.level, encodeMs: 0, slot: slots++, ...more };
}

/** The share arrives when it should, unless a time is given: its speed is what it was. */
export function receive(run: Run, source: number, subtree: TreeNode, more: Partial<Share> = {}, nowMs?: number, draw?: number): Verdict {
  const share = shareFrom(source, subtree, more);
  const owed = run.rounds.find(({ step }) => step === share.step)?.assignments.filter((assignment) => assignment.source === source) ?? [];
  const punctualMs = Math.max(0, ...owed.map(({ assignedMs, expectedMs }) => (Number.isFinite(expectedMs) ? expectedMs : assignedMs + share.computeMs)));
  return receiveShare(run, share, nowMs ?? punctualMs, draw);
}
