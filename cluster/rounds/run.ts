// The state of a run as the cluster sees it. Plain records: events change them (perform.ts, receive.ts), nextAction reads them.
import { leavesOf, type LeafRange, type TreeNode } from '../../src/plan/tree.js';
import type { Source } from './assign.js';
import type { Unverified } from './audit.js';
import { missing, openCoverage, overlaps, rangesOverlap, equalRanges, type Coverage } from './coverage.js';
import type { Doubt } from './doubts.js';
import { eligible, type Member, type Members } from './membership.js';
import { oldestVersion, type Mode } from './modes.js';
import { isOnTrial, recall } from './pace.js';
import type { Share } from './share.js';

/** A share is wanted, wanted a second time because its first source is slow, or wanted to compare it. */
export type Purpose = 'share' | 'backup' | 'opinion';

export interface Assignment {
  readonly source: number;
  /** Its source's connection then: whoever came back over another one owes nothing. */
  readonly connection: number;
  readonly subtree: TreeNode;
  readonly leaves: LeafRange;
  readonly purpose: Purpose;
  /** Run times, in milliseconds: when it was given, when its share should be here (Infinity: nobody can tell), when it is overdue. */
  readonly assignedMs: number;
  readonly expectedMs: number;
  readonly dueMs: number;
  state: 'owed' | 'arrived' | 'revoked';
  /** The turn of reading in which it was found overdue. */
  suspectedTurn: number | undefined;
}

/** A step in work. */
export interface Round {
  readonly step: number;
  /** The parameters that its update is applied to. */
  readonly version: number;
  /** Shares computed from older parameters are computed again. */
  readonly oldestVersion: number;
  readonly examples: number;
  readonly shardExamples: number;
  readonly coverage: Coverage<Share>;
  readonly assignments: Assignment[];
  /** Shares that wait for a second opinion. */
  readonly doubts: Doubt[];
  /** Accepted shares whose bytes another source gave too: nobody has to vouch for them any more. */
  readonly vouched: Set<Share>;
  /** In `async`: accepted and not applied yet, in the order of arrival. */
  readonly unapplied: Share[];
}

export interface Settings {
  readonly mode: Mode;
  /** Whether shares are the same bytes whoever computed them, so that they can be compared. */
  readonly exact: boolean;
  /** Nodes that must be ready for work to be handed out; the local pool does not count. */
  readonly quorum: number;
  /** Whether idle sources compute again what a straggler owes. */
  readonly backup: boolean;
  /** Part of the shares that are computed a second time, in exact runs. */
  readonly auditProbability: number;
  /** Whether a share with an odd norm per example is computed a second time. */
  readonly checkShares: boolean;
  /** A share is overdue so long after the time it should take, stretched by `SLACK`. */
  readonly shareMs: number;
  /** A relay passes the sum of a round up, finite or not; else a complete round becomes an update. */
  readonly passesUp: boolean;
}

/** A source gave wrong bytes for these leaves. */
export interface Liar {
  readonly source: number;
  readonly step: number;
  readonly subtree: TreeNode;
}

/** Two sources gave different bytes, or numbers that are not finite or odd, for the same leaves. */
export interface Incident {
  readonly kind: 'differentBytes' | 'unconfirmed';
  readonly step: number;
  readonly version: number;
  readonly subtree: TreeNode;
  readonly claims: readonly { readonly source: number; readonly digest: string }[];
}

export function incidentOf(kind: Incident['kind'], { step, version }: Pick<Incident, 'step' | 'version'>, { subtree, shares }: Doubt): Incident {
  return { kind, step, version, subtree, claims: shares.map(({ source, digest }) => ({ source, digest })) };
}

/** Leaves that others were asked for too, who may still give them when their step is over. */
export interface Answered {
  readonly step: number;
  /** That they were computed from. */
  readonly version: number;
  readonly leafCount: number;
  /** By whom and what: first the share that counted. */
  readonly said: Doubt;
  /** Sources that may still speak. */
  readonly awaited: Set<number>;
}

export interface Run {
  readonly settings: Settings;
  readonly members: Members;
  /** Open steps, oldest first. */
  readonly rounds: Round[];
  /** Counts the starts from a checkpoint, those after a wrong share included: shares of earlier ones are refused. */
  generation: number;
  /** Updates made so far. */
  version: number;
  /** The next step to be opened, and the first one that is not to be opened yet. */
  nextStep: number;
  endStep: number;
  /** Norms per example of the latest accepted shares. */
  readonly norms: number[];
  readonly unverified: Unverified;
  /** Oldest first. */
  readonly answered: Answered[];
  /** Found out and not yet acted upon. */
  readonly incidents: Incident[];
  readonly liars: Liar[];
  /** Every share of this step and later ones is audited, where there are audits at all. */
  closeFrom: number;
  /** Parameters of later versions may hold wrong shares. */
  redoFrom: number | undefined;
  /** A share that is not finite whoever computes it. */
  diverged: Liar | undefined;
  /** Somebody said so: no further step is opened. */
  isPaused: boolean;
}

export interface RunStart {
  readonly generation: number;
  readonly version: number;
  readonly nextStep: number;
  readonly endStep: number;
}

export function startRun(settings: Settings, members: Members, start: RunStart): Run {
  return { settings, members, rounds: [], norms: [], unverified: new Map(), answered: [], closeFrom: Infinity, incidents: [], liars: [], redoFrom: undefined, diverged: undefined, isPaused: false, ...start };
}

/** A step that begins. A relay is told `root` and versions from above; else they follow from the run. */
export interface RoundStart {
  readonly step: number;
  readonly examples: number;
  readonly shardExamples: number;
  readonly root?: TreeNode | undefined;
  readonly version?: number | undefined;
  readonly oldestVersion?: number | undefined;
}

export function openRound(run: Run, start: RoundStart): Round {
  const { step, examples, shardExamples, root } = start;
  const version = start.version ?? run.version + (run.settings.mode.kind === 'async' ? 0 : run.rounds.length);
  const round: Round = {
    step,
    version,
    oldestVersion: start.oldestVersion ?? oldestVersion(run.settings.mode, version),
    examples,
    shardExamples,
    coverage: openCoverage(Math.ceil(examples / shardExamples), root),
    assignments: [],
    doubts: [],
    vouched: new Set(),
    unapplied: [],
  };
  run.rounds.push(round);
  run.nextStep = Math.max(run.nextStep, step + 1);
  return round;
}

/** What is on its way, at one moment. */
export interface Outlook {
  readonly nowMs: number;
  /** The open rounds, each with what may still come. */
  readonly rounds: readonly { readonly round: Round; readonly live: readonly Assignment[] }[];
  /** For each source that owes something, when the last of it should be here, in run time. */
  readonly busyUntilMs: ReadonlyMap<number, number>;
}

export function lookAhead(run: Run, nowMs: number): Outlook {
  const rounds = run.rounds.map((round) => ({ round, live: round.assignments.filter((assignment) => isLive(run, round, assignment)) }));
  const busyUntilMs = new Map<number, number>();
  for (const { live } of rounds) {
    for (const { source, expectedMs } of live) busyUntilMs.set(source, Math.max(busyUntilMs.get(source) ?? 0, expectedMs));
  }
  return { nowMs, rounds, busyUntilMs };
}

/** Whether a share may still come of an assignment: it is owed over its source's present connection, and would be taken. */
export function isLive(run: Run, round: Round, assignment: Assignment): boolean {
  if (assignment.state !== 'owed') return false;
  const member = run.members.byNumber.get(assignment.source);
  if (member?.stage !== 'ready' || member.connection !== assignment.connection) return false;
  if (overlaps(round.coverage, assignment.subtree)) return false;
  const leaves = assignment.leaves;
  return round.doubts.every((doubt) => equalRanges(doubt.leaves, leaves) || !rangesOverlap(doubt.leaves, leaves));
}

/** Leaves that nobody has given, owes, or is doubted for: to be handed out, as few aligned subtrees. */
export function freeLeaves(round: Round, live: readonly Assignment[]): TreeNode[] {
  return missing(round.coverage, [...live, ...round.doubts].map(({ leaves }) => leaves));
}

/** Whether every share of a round that is not the coordinator's own is audited. */
export function isClosing({ settings, closeFrom }: Run, { step }: Round): boolean {
  return settings.auditProbability > 0 && step >= closeFrom;
}

/**
 * Who may get work of a round, with what it owes in all rounds: whoever failed to deliver in time in this one only if nobody else
 * is there. Whom somebody has to vouch for in a closing round gets one leaf, as a source without a measured speed does.
 */
export function sourcesFor(run: Run, round: Round, { nowMs, busyUntilMs }: Outlook, all: readonly Member[] = eligible(run.members, round.step)): Source[] {
  const late = new Set(round.assignments.filter(({ state }) => state === 'revoked').map(({ source }) => source));
  const punctual = all.filter(({ number }) => !late.has(number));
  return (punctual.length > 0 ? punctual : all).map(({ number, kind, pace: known, lastStep, overdue }) => {
    const pace = overdue > 0 ? known : recall(known, lastStep, round.step);
    // Where a step waits for the last share, whoever is misjudged holds all others up.
    const isMeasured = run.settings.mode.kind !== 'sync' || kind === 'local' || !isOnTrial(pace);
    const isTried = !isMeasured || (isClosing(run, round) && run.unverified.has(number));
    return { number, pace, isTried, busyMs: Math.max(0, (busyUntilMs.get(number) ?? nowMs) - nowMs) };
  });
}

/** Slots whose bytes may still be needed; the executor may overwrite every other. */
export function heldSlots(run: Run): Set<number> {
  const slots = new Set<number>();
  for (const { coverage, doubts, unapplied } of run.rounds) {
    for (const covering of coverage.byLeaf) if (covering !== undefined && run.settings.mode.kind !== 'async') slots.add(covering.share.slot);
    for (const { shares } of doubts) for (const { slot } of shares) slots.add(slot);
    for (const { slot } of unapplied) slots.add(slot);
  }
  return slots;
}

/** Examples of a subtree; the last shard of a step may have fewer. */
export function examplesOf({ examples, shardExamples, coverage: { leafCount } }: Round, subtree: TreeNode): number {
  const { start, end } = leavesOf(subtree, leafCount);
  return Math.min(examples, end * shardExamples) - start * shardExamples;
}
