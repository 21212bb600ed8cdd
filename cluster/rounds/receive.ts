// A share arrives: what it counts for. Nothing changes where it is refused, but what is known of its source's speed.
import { leavesOf } from '../../src/plan/tree.js';
import { isAudited, noteGoodAudit } from './audit.js';
import { accept, acceptedFor, equalRanges, isWithin, overlaps, rangesOverlap, withdraw } from './coverage.js';
import { isOddNorm, noteNorm, settle, type Doubt, type DoubtReason } from './doubts.js';
import { compareLate, remember, type LateVerdict } from './late.js';
import { eligible, isTrusted } from './membership.js';
import { observe } from './pace.js';
import { examplesOf, incidentOf, isClosing, type Assignment, type Round, type Run } from './run.js';
import { NO_SLOT, type Share } from './share.js';

export type Refusal =
  /** It belongs to a start of the coordinator, or to a past before a wrong share, that is over. */
  | 'staleGeneration'
  /** Its step is not in work: over, or not begun. */
  | 'wrongStep'
  /** Its source is not ready (any more). */
  | 'notReady'
  /** Its source was never asked for these leaves. */
  | 'unasked'
  /** It was computed from older parameters than the mode allows; its leaves are computed again. */
  | 'tooOld'
  /** It was computed from parameters that do not exist yet. */
  | 'fromTheFuture'
  /** Some of its leaves, but not exactly these, are covered or held back. */
  | 'overlapping'
  /** There is no slot for its bytes; its leaves are asked for again. */
  | 'noRoom';

export type Verdict =
  | { readonly kind: 'accepted' }
  /** The leaves were covered already, or their step is over; in exact runs the bytes are the same (`duplicate`) or not (`differs`). */
  | LateVerdict
  /** It does not count before its leaves were computed again. */
  | { readonly kind: 'held'; readonly reason: DoubtReason }
  /** It is another computation of held leaves, and does not decide. */
  | { readonly kind: 'undecided' }
  /** Held leaves are decided; `share` counts now, unless it is not finite or there is none. */
  | { readonly kind: 'settled'; readonly share: Share | undefined; readonly wrong: readonly number[] }
  | { readonly kind: 'refused'; readonly reason: Refusal };

/**
 * @param nowMs run time
 * @param draw from [0, 1), drawn after the share arrived: decides on an audit. Without it there is none
 */
export function receiveShare(run: Run, share: Share, nowMs: number, draw = 1): Verdict {
  const round = findRound(run, share);
  const late = round === undefined ? compareLate(run, share) : undefined;
  if (late !== undefined) return late;
  const refusal = refusalBeforeReading(run, round, share);
  if (round === undefined || refusal !== undefined) return { kind: 'refused', reason: refusal ?? 'wrongStep' };
  const asked = askedFor(round, share);
  if (asked.length === 0) return { kind: 'refused', reason: 'unasked' };
  const owed = noteArrival(run, round, asked, share, nowMs);
  if (share.version > run.version) return { kind: 'refused', reason: 'fromTheFuture' };
  if (share.version < round.oldestVersion) return { kind: 'refused', reason: 'tooOld' };
  if (share.slot === NO_SLOT) return { kind: 'refused', reason: 'noRoom' };
  return count(run, round, share, owed, draw);
}

/** The round of a share; a relay may have several of a step, for different subtrees. */
function findRound(run: Run, { step, subtree }: Share): Round | undefined {
  return run.rounds.find((round) => round.step === step && isWithin(round.coverage, subtree));
}

function refusalBeforeReading(run: Run, round: Round | undefined, { generation, step, source }: Share): Refusal | undefined {
  if (generation !== run.generation) return 'staleGeneration';
  if (round === undefined) return run.rounds.some((open) => open.step === step) ? 'unasked' : 'wrongStep';
  if (run.members.byNumber.get(source)?.stage !== 'ready') return 'notReady';
  return undefined;
}

/** What its source was asked for with exactly these leaves, at any time of the step and over any connection. */
function askedFor(round: Round, { source, subtree }: Share): Assignment[] {
  const leaves = leavesOf(subtree, round.coverage.leafCount);
  return round.assignments.filter((assignment) => assignment.source === source && equalRanges(assignment.leaves, leaves));
}

/** The source has done what it was asked for, and shows how fast it is. @returns what it still owed of it */
function noteArrival(run: Run, round: Round, asked: readonly Assignment[], share: Share, nowMs: number): Assignment[] {
  const member = run.members.byNumber.get(share.source)!;
  const owed = asked.filter(({ state }) => state === 'owed');
  for (const assignment of owed) assignment.state = 'arrived';
  member.overdue = 0;
  const [first] = owed;
  if (first === undefined) return owed;
  const wasIdle = first.assignedMs >= member.lastShareMs;
  member.pace = observe(member.pace, { examples: examplesOf(round, share.subtree), elapsedMs: nowMs - first.assignedMs, computeMs: share.computeMs, wasIdle });
  member.lastShareMs = nowMs;
  member.lastStep = round.step;
  return owed;
}

/** Gives a share that was asked for and is of the right version its place. */
function count(run: Run, round: Round, share: Share, owed: readonly Assignment[], draw: number): Verdict {
  const leaves = leavesOf(share.subtree, round.coverage.leafCount);
  const doubt = round.doubts.find((held) => equalRanges(held.leaves, leaves));
  if (doubt !== undefined) return hearOpinion(run, round, doubt, share, owed);
  const accepted = acceptedFor(round.coverage, share.subtree);
  if (accepted !== undefined) return compare(run, round, accepted.share, share);
  if (overlaps(round.coverage, share.subtree) || round.doubts.some((held) => rangesOverlap(held.leaves, leaves))) return { kind: 'refused', reason: 'overlapping' };
  const reason = doubtOf(run, round, share, draw);
  if (reason === undefined) return take(run, round, share);
  round.doubts.push({ subtree: share.subtree, leaves, reason, shares: [share] });
  return { kind: 'held', reason };
}

function take(run: Run, round: Round, share: Share): Verdict {
  accept(round.coverage, share.subtree, share);
  remember(run, round, share);
  if (run.settings.mode.kind === 'async') round.unapplied.push(share);
  if (share.normPerExample !== undefined) noteNorm(run.norms, share.normPerExample);
  return { kind: 'accepted' };
}

function doubtOf(run: Run, round: Round, share: Share, draw: number): DoubtReason | undefined {
  const { settings, norms } = run;
  if (!share.isFinite) return 'notFinite';
  if (settings.checkShares && share.normPerExample !== undefined && isOddNorm(share.normPerExample, norms)) return 'oddNorm';
  if (!settings.exact || isTrusted(run.members, share.source)) return undefined;
  const isDrawn = isClosing(run, round) || isAudited(settings.auditProbability, draw);
  return isDrawn && hasOthers(run, round, share.source) ? 'audit' : undefined;
}

function hasOthers(run: Run, round: Round, source: number): boolean {
  return eligible(run.members, round.step).some(({ number }) => number !== source);
}

/** The leaves are covered already: the same bytes change nothing, other bytes take the accepted share back until it is settled. */
function compare(run: Run, round: Round, accepted: Share, share: Share): Verdict {
  if (!run.settings.exact || accepted.digest === share.digest) return { kind: 'duplicate', of: accepted.source };
  withdraw(round.coverage, accepted.subtree);
  const doubt: Doubt = { subtree: accepted.subtree, leaves: leavesOf(accepted.subtree, round.coverage.leafCount), reason: 'differs', shares: [accepted] };
  round.doubts.push(doubt);
  return addOpinion(run, round, doubt, share);
}

/** A source that repeats what it said already gives no second opinion, unless that is what it was asked for. */
function hearOpinion(run: Run, round: Round, doubt: Doubt, share: Share, owed: readonly Assignment[]): Verdict {
  const repeats = doubt.shares.some(({ source, digest }) => source === share.source && (!run.settings.exact || digest === share.digest));
  if (repeats && !owed.some(({ purpose }) => purpose === 'opinion')) return { kind: 'duplicate', of: share.source };
  return addOpinion(run, round, doubt, share);
}

function addOpinion(run: Run, round: Round, doubt: Doubt, share: Share): Verdict {
  const differs = run.settings.exact && doubt.shares.some(({ digest }) => digest !== share.digest);
  doubt.shares.push(share);
  if (differs) run.incidents.push(incidentOf('differentBytes', round, doubt));
  return settleDoubt(run, round, doubt) ?? { kind: 'undecided' };
}

/** Closes a doubt if what was said decides it. */
function settleDoubt(run: Run, round: Round, doubt: Doubt): Verdict | undefined {
  const settlement = settle(doubt, run.settings.exact, (source) => isTrusted(run.members, source));
  if (settlement.kind === 'open') return undefined;
  const { share, wrong } = settlement;
  round.doubts.splice(round.doubts.indexOf(doubt), 1);
  for (const source of wrong) run.liars.push({ source, step: round.step, subtree: doubt.subtree });
  if (share === undefined) return { kind: 'settled', share, wrong };
  if (share.isFinite || run.settings.passesUp) take(run, round, share);
  else run.diverged = { source: share.source, step: round.step, subtree: share.subtree };
  noteOutcome(run, round, doubt, share);
  return { kind: 'settled', share, wrong };
}

function noteOutcome(run: Run, round: Round, doubt: Doubt, right: Share): void {
  const first = doubt.shares[0]!;
  const isConfirmed = run.settings.exact && doubt.shares.some(({ source, digest }) => source !== right.source && digest === right.digest);
  if (isConfirmed) round.vouched.add(right);
  if (isConfirmed && doubt.reason === 'audit' && first.digest === right.digest) noteGoodAudit(run.unverified, first.source);
  if (!run.settings.exact && first.isFinite !== right.isFinite) run.incidents.push(incidentOf('unconfirmed', round, doubt));
}

/** A source is expelled: what it said about held leaves is not heard any more, and what of it was accepted and not applied is taken back. */
export function disown(run: Run, source: number): void {
  for (const round of run.rounds) {
    for (const covering of new Set(round.coverage.byLeaf)) if (covering?.share.source === source) withdraw(round.coverage, covering.subtree);
    for (const doubt of [...round.doubts]) disownDoubt(run, round, doubt, source);
  }
}

function disownDoubt(run: Run, round: Round, doubt: Doubt, source: number): void {
  const others = doubt.shares.filter((share) => share.source !== source);
  if (others.length === doubt.shares.length) return;
  doubt.shares.splice(0, doubt.shares.length, ...others);
  if (others.length === 0) round.doubts.splice(round.doubts.indexOf(doubt), 1);
  else settleDoubt(run, round, doubt);
}

