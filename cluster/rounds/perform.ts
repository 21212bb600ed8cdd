// What is different after an action was performed.
import { leavesOf, type TreeNode } from '../../src/plan/tree.js';
import type { HandedOut } from './assign.js';
import { noteRedo, noteUpdate, redoVersion } from './audit.js';
import { isWithin } from './coverage.js';
import { isTrusted, leave, performMember, type Member } from './membership.js';
import type { Action } from './next-action.js';
import { observe } from './pace.js';
import { disown } from './receive.js';
import { examplesOf, isLive, type Assignment, type Purpose, type Round, type Run } from './run.js';

/** A share is overdue when it takes so many times as long as it should, and `shareMs` more. */
export const SLACK = 4;

/**
 * Notes that the executor has done what `nextAction` asked for; then it asks again. `open` and `rollBack` are noted by `openRound`
 * and `restored`, because the executor knows more about them, and `read` by `endTurn`.
 */
export function perform(run: Run, action: Action, nowMs: number): void {
  switch (action.kind) {
    case 'incident':
      run.incidents.shift();
      return;
    case 'expel':
      expel(run, action.liar.source);
      return;
    case 'suspect':
    case 'lose':
      performMember(run.members, action);
      return;
    case 'suspectShares':
      for (const assignment of overdueOf(run, action, nowMs)) assignment.suspectedTurn ??= run.members.turn;
      return;
    case 'revoke':
      revoke(run, action, nowMs);
      return;
    case 'apply':
      applied(run, action);
      return;
    case 'applyShare':
      roundOf(run, action.step).unapplied.shift();
      run.version++;
      return;
    case 'close':
      run.rounds.splice(run.rounds.indexOf(roundOf(run, action.step)), 1);
      return;
    case 'recompute':
      give(run, roundOf(run, action.step, action.subtree), [action], 'opinion', nowMs);
      return;
    case 'assign':
      give(run, roundOf(run, action.step, action.root), action.handedOut, action.purpose, nowMs);
      return;
    case 'open':
    case 'rollBack':
    case 'stop':
    case 'pause':
    case 'read':
    case 'wait':
    case 'done':
      return;
    default:
      action satisfies never;
  }
}

/** The coordinator starts again from a checkpoint: at its own start, or because a source gave wrong bytes. */
export function restored(run: Run, { version, nextStep }: { readonly version: number; readonly nextStep: number }): void {
  run.generation++;
  run.version = version;
  run.nextStep = nextStep;
  run.rounds.length = 0;
  run.redoFrom = undefined;
  run.answered.length = 0;
  // What is not finite may have come of the wrong shares.
  run.diverged = undefined;
  noteRedo(run.unverified, version);
  for (const member of run.members.byNumber.values()) member.countsFrom = Math.min(member.countsFrom, nextStep);
}

function expel(run: Run, source: number): void {
  leave(memberOf(run, source), 'expelled');
  const since = redoVersion(run.unverified, source);
  if (since !== undefined) run.redoFrom = Math.min(since, run.redoFrom ?? Infinity);
  run.liars.splice(0, run.liars.length, ...run.liars.filter((liar) => liar.source !== source));
  disown(run, source);
}

function revoke(run: Run, { source, step }: { readonly source: number; readonly step: number }, nowMs: number): void {
  const member = memberOf(run, source);
  const overdue = overdueOf(run, { source, step }, nowMs);
  for (const assignment of overdue) assignment.state = 'revoked';
  member.overdue++;
  const round = roundOf(run, step);
  const examples = overdue.reduce((sum, { subtree }) => sum + examplesOf(round, subtree), 0);
  // It has not even done so much; the next assignment is smaller, and is given more time.
  member.pace = observe(member.pace, { examples, elapsedMs: nowMs - Math.min(...overdue.map(({ assignedMs }) => assignedMs)), computeMs: NaN, wasIdle: false });
}

function overdueOf(run: Run, { source, step }: { readonly source: number; readonly step: number }, nowMs: number): Assignment[] {
  return run.rounds
    .filter((round) => round.step === step)
    .flatMap((round) => round.assignments.filter((assignment) => assignment.source === source && nowMs >= assignment.dueMs && isLive(run, round, assignment)));
}

function applied(run: Run, { step, root, version, shares }: Extract<Action, { kind: 'apply' }>): void {
  const round = roundOf(run, step, root);
  run.rounds.splice(run.rounds.indexOf(round), 1);
  if (run.settings.passesUp) return;
  run.version = version + 1;
  if (run.settings.auditProbability === 0) return;
  noteUpdate(run.unverified, version, shares.filter((share) => !isTrusted(run.members, share.source) && !round.vouched.has(share)).map(({ source }) => source));
}

function give(run: Run, round: Round, handedOut: readonly HandedOut[], purpose: Purpose, nowMs: number): void {
  for (const { source, subtree, finishMs } of handedOut) {
    round.assignments.push({
      source,
      connection: memberOf(run, source).connection,
      subtree,
      leaves: leavesOf(subtree, round.coverage.leafCount),
      purpose,
      assignedMs: nowMs,
      expectedMs: nowMs + finishMs,
      dueMs: nowMs + run.settings.shareMs + (Number.isFinite(finishMs) ? SLACK * finishMs : 0),
      state: 'owed',
      suspectedTurn: undefined,
    });
  }
}

function memberOf(run: Run, number: number): Member {
  return run.members.byNumber.get(number)!;
}

/** The open round of a step; a relay may have several, each for another part of the tree. */
function roundOf({ rounds }: Run, step: number, subtree?: TreeNode): Round {
  return rounds.find((round) => round.step === step && (subtree === undefined || isWithin(round.coverage, subtree)))!;
}
