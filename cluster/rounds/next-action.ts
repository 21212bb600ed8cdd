// The one question that is asked after every event (a share, a departure, a timer): what is to be done now?
import type { ShareAddition } from '../../src/plan/joins.js';
import type { TreeNode } from '../../src/plan/tree.js';
import { handOut, type HandedOut, type Source } from './assign.js';
import { backupOf } from './backup.js';
import { equalRanges, isComplete, summation } from './coverage.js';
import { judgeOf, type Doubt, type DoubtReason } from './doubts.js';
import { eligible, hasSuspects, isJudged, isTrusted, memberAction, nextSilenceMs, readyNodes, type MemberAction } from './membership.js';
import { mostOpenSteps } from './modes.js';
import { examplesOf, freeLeaves, isClosing, lookAhead, sourcesFor, type Assignment, type Incident, type Liar, type Outlook, type Round, type Run } from './run.js';
import type { Share } from './share.js';

export type Action =
  | MemberAction
  /** To be logged. */
  | { readonly kind: 'incident'; readonly incident: Incident }
  /** Close the connection of a source that gave wrong bytes; it may not come back. */
  | { readonly kind: 'expel'; readonly liar: Liar }
  /** Restore the newest checkpoint of at most this version, then call `restored`. */
  | { readonly kind: 'rollBack'; readonly version: number }
  /** The loss is not finite, whoever computes it: the run ends. */
  | { readonly kind: 'stop'; readonly step: number; readonly subtree: TreeNode }
  /** A source's shares of a step are overdue: note it and read on. */
  | { readonly kind: 'suspectShares'; readonly source: number; readonly step: number }
  /** They still are: others get these leaves. */
  | { readonly kind: 'revoke'; readonly source: number; readonly step: number }
  /** Add the shares along the tree; then make the update, or, as a relay, pass the sum up. */
  | { readonly kind: 'apply'; readonly step: number; readonly root: TreeNode; readonly version: number; readonly examples: number; readonly shares: readonly Share[]; readonly additions: readonly ShareAddition[] }
  /** `async`: make an update of one share, applied to `version`. */
  | { readonly kind: 'applyShare'; readonly step: number; readonly version: number; readonly share: Share; readonly examples: number; readonly batchExamples: number; readonly age: number }
  /** `async`: every share of the step has been applied. */
  | { readonly kind: 'close'; readonly step: number }
  /** Nothing is handed out: too few nodes, somebody said so, or nobody who could say which of two different shares is right. */
  | { readonly kind: 'pause'; readonly reason: 'quorum' | 'operator' | 'judge'; readonly untilMs: number }
  /** One source computes doubted leaves again: where bytes are compared, from the same version. */
  | { readonly kind: 'recompute'; readonly step: number; readonly subtree: TreeNode; readonly version: number | undefined; readonly source: number; readonly reason: DoubtReason; readonly finishMs: number }
  /** Sources compute leaves, from parameters of `oldestVersion` or newer. */
  | { readonly kind: 'assign'; readonly step: number; readonly root: TreeNode; readonly oldestVersion: number; readonly purpose: 'share' | 'backup'; readonly handedOut: readonly HandedOut[] }
  /** Begin this step with `openRound`. */
  | { readonly kind: 'open'; readonly step: number }
  /** Read all that is there, call `endTurn`, ask again: a suspicion is to be judged. */
  | { readonly kind: 'read' }
  /** Ask again at this run time, or at the next event. */
  | { readonly kind: 'wait'; readonly untilMs: number }
  /** Every step up to `endStep` has been applied. */
  | { readonly kind: 'done' };

/** What is to be done now, at a run time in milliseconds. Nothing changes before `perform` is told that it was done. */
export function nextAction(run: Run, nowMs: number): Action {
  const outlook = lookAhead(run, nowMs);
  return (
    // What was found out is said, and acted upon, before anything is built on it.
    sayIncident(run) ??
    expelLiar(run) ??
    goBack(run) ??
    stopDiverged(run) ??
    // Who is not there owes nothing any more.
    memberAction(run.members, nowMs) ??
    judgeOverdue(run, outlook) ??
    // What is complete is not kept waiting, not even by a quorum.
    finish(run) ??
    // Work is handed out: what the oldest step lacks first, and a second time last.
    pauseBelowQuorum(run, outlook) ??
    recompute(run, outlook) ??
    assign(run, outlook) ??
    open(run, outlook) ??
    backUp(run, outlook) ??
    // Nothing can be done but to wait for somebody.
    rest(run, outlook)
  );
}

function sayIncident({ incidents: [incident] }: Run): Action | undefined {
  return incident && { kind: 'incident', incident };
}

function expelLiar({ liars: [liar] }: Run): Action | undefined {
  return liar && { kind: 'expel', liar };
}

function goBack({ redoFrom }: Run): Action | undefined {
  return redoFrom === undefined ? undefined : { kind: 'rollBack', version: redoFrom };
}

function stopDiverged({ diverged }: Run): Action | undefined {
  return diverged && { kind: 'stop', step: diverged.step, subtree: diverged.subtree };
}

function judgeOverdue(run: Run, { nowMs, rounds }: Outlook): Action | undefined {
  for (const { round, live } of rounds) {
    const overdue = live.find(({ dueMs, suspectedTurn }) => nowMs >= dueMs && (suspectedTurn === undefined || isJudged(run.members, suspectedTurn)));
    if (overdue !== undefined) return { kind: overdue.suspectedTurn === undefined ? 'suspectShares' : 'revoke', source: overdue.source, step: round.step };
  }
  return undefined;
}

/** Updates are made in the order of their steps, but in `async`, where a share is an update of its own. */
function finish(run: Run): Action | undefined {
  if (run.settings.mode.kind === 'async') return finishShares(run);
  const round = run.rounds.find(({ coverage, version }) => isComplete(coverage) && (run.settings.passesUp || version === run.version));
  if (round === undefined) return undefined;
  const { step, version, coverage } = round;
  return { kind: 'apply', step, root: coverage.root, version, examples: examplesOf(round, coverage.root), ...summation(coverage) };
}

function finishShares(run: Run): Action | undefined {
  for (const round of run.rounds) {
    const [share] = round.unapplied;
    if (share !== undefined) return { kind: 'applyShare', step: round.step, version: run.version, share, examples: examplesOf(round, share.subtree), batchExamples: round.examples, age: run.version - share.version };
    if (isComplete(round.coverage)) return { kind: 'close', step: round.step };
  }
  return undefined;
}

function pauseBelowQuorum(run: Run, outlook: Outlook): Action | undefined {
  if (readyNodes(run.members).length >= run.settings.quorum || isDone(run)) return undefined;
  return isSuspecting(run, outlook) ? { kind: 'read' } : { kind: 'pause', reason: 'quorum', untilMs: nextDeadlineMs(run, outlook) };
}

function recompute(run: Run, outlook: Outlook): Action | undefined {
  for (const { round, live } of outlook.rounds) {
    for (const doubt of round.doubts) {
      if (isBeingJudged(doubt, live)) continue;
      const judgeAmong = (sources: readonly Source[]): Source | undefined => judgeOf(doubt, sources, (source) => isTrusted(run.members, source));
      // Who joined within the step is waited for where nobody else can judge.
      const judge = judgeAmong(sourcesFor(run, round, outlook)) ?? judgeAmong(sourcesFor(run, round, outlook, eligible(run.members, Infinity)));
      if (judge !== undefined) return opinionOf(judge, round, doubt, run.settings.exact);
    }
  }
  return undefined;
}

function opinionOf(judge: Source, round: Round, { subtree, reason, shares: [first] }: Doubt, exact: boolean): Action {
  const { step, shardExamples, coverage: { leafCount } } = round;
  const [expected] = handOut({ free: [subtree], leafCount, shardExamples }, [judge]);
  return { kind: 'recompute', step, subtree, version: exact ? first!.version : undefined, source: judge.number, reason, finishMs: expected?.finishMs ?? Infinity };
}

/** Somebody who has not spoken, or was asked to speak again, owes exactly the doubted leaves. */
function isBeingJudged(doubt: Doubt, live: readonly Assignment[]): boolean {
  return live.some(({ leaves, source, purpose }) => equalRanges(leaves, doubt.leaves) && (purpose === 'opinion' || doubt.shares.every((share) => share.source !== source)));
}

function assign(run: Run, outlook: Outlook): Action | undefined {
  for (const { round, live } of outlook.rounds) {
    const free = freeLeaves(round, live);
    if (free.length === 0) continue;
    const { shardExamples, coverage: { leafCount } } = round;
    const handedOut = handOut({ free, leafCount, shardExamples }, sourcesFor(run, round, outlook));
    if (handedOut.length > 0) return assignment(round, 'share', handedOut);
  }
  return undefined;
}

function assignment({ step, oldestVersion, coverage: { root } }: Round, purpose: 'share' | 'backup', handedOut: readonly HandedOut[]): Action {
  return { kind: 'assign', step, root, oldestVersion, purpose, handedOut };
}

/** A further step is begun as soon as somebody would be idle before work of it could reach it. */
function open(run: Run, outlook: Outlook): Action | undefined {
  return mayOpen(run) && outlook.nowMs >= driesUpMs(run, outlook) ? { kind: 'open', step: run.nextStep } : undefined;
}

function mayOpen(run: Run): boolean {
  return !run.isPaused && run.nextStep < run.endStep && run.rounds.length < mostOpenSteps(run.settings.mode);
}

/** When the first of the sources of the next step runs out of work, less what new work takes to get there. */
function driesUpMs(run: Run, { busyUntilMs }: Outlook): number {
  return Math.min(...eligible(run.members, run.nextStep).map(({ number, pace }) => (busyUntilMs.get(number) ?? -Infinity) - pace.latencyMs));
}

function backUp(run: Run, outlook: Outlook): Action | undefined {
  if (!run.settings.backup) return undefined;
  for (const { round, live } of outlook.rounds) {
    // Each source is to give a share of its own before the others' word.
    const backup = isClosing(run, round) ? undefined : backupOf(run, round, live, outlook);
    if (backup?.kind === 'now') return assignment(round, 'backup', backup.handedOut);
  }
  return undefined;
}

function rest(run: Run, outlook: Outlook): Action {
  if (isDone(run)) return { kind: 'done' };
  if (isSuspecting(run, outlook)) return { kind: 'read' };
  const untilMs = Math.min(nextDeadlineMs(run, outlook), mayOpen(run) ? driesUpMs(run, outlook) : Infinity);
  if (lacksJudge(outlook)) return { kind: 'pause', reason: 'judge', untilMs };
  return run.isPaused && run.rounds.length === 0 ? { kind: 'pause', reason: 'operator', untilMs } : { kind: 'wait', untilMs };
}

function isDone(run: Run): boolean {
  return run.rounds.length === 0 && run.nextStep >= run.endStep;
}

function isSuspecting(run: Run, { rounds }: Outlook): boolean {
  return hasSuspects(run.members) || rounds.some(({ live }) => live.some(({ suspectedTurn }) => suspectedTurn !== undefined));
}

/** Different shares of the same leaves, and nobody is there to judge. */
function lacksJudge({ rounds }: Outlook): boolean {
  return rounds.some(({ round, live }) => round.doubts.some((doubt) => !isBeingJudged(doubt, live)));
}

/** The next time at which something is overdue, or worth a backup. */
function nextDeadlineMs(run: Run, outlook: Outlook): number {
  let earliestMs = nextSilenceMs(run.members);
  for (const { round, live } of outlook.rounds) {
    for (const { dueMs } of live) earliestMs = Math.min(earliestMs, dueMs);
    const backup = run.settings.backup && !isClosing(run, round) ? backupOf(run, round, live, outlook) : undefined;
    if (backup?.kind === 'later') earliestMs = Math.min(earliestMs, backup.atMs);
  }
  return earliestMs;
}
