// The rounds of `local`: every source makes steps of its own from the same parameters, and the coordinator joins what came out.
import { fillSources } from './fill.js';
import { eligible, hasSuspects, isJudged, memberAction, nextSilenceMs, performMember, readyNodes, type Member, type MemberAction, type Members } from './membership.js';
import { observe, type Pace } from './pace.js';

/** The steps of an epoch that one source makes. */
export interface Part {
  readonly source: number;
  readonly connection: number;
  readonly firstStep: number;
  readonly steps: number;
  /** Run times, in milliseconds. */
  readonly assignedMs: number;
  readonly dueMs: number;
  suspectedTurn: number | undefined;
  /** A dropped part's source was late; one that left, or came back over another connection, owes nothing either. */
  state: 'owed' | 'arrived' | 'notFinite' | 'dropped';
  /** What came, once it arrived. */
  result: PartResult | undefined;
}

/** What a source brings after its own steps. */
export interface PartResult {
  readonly source: number;
  readonly connection: number;
  readonly generation: number;
  /** Of the coordinator's parameters that it began with. */
  readonly version: number;
  /** Of all its steps: its weight in the mean. */
  readonly examples: number;
  readonly isFinite: boolean;
  /** Time that its source says it spent on them, in milliseconds; NaN when it says nothing. */
  readonly computeMs: number;
  /** Where the executor keeps its parameters. */
  readonly slot: number;
}

export interface LocalRun {
  readonly members: Members;
  /** Own steps of the fastest source between two updates of the coordinator; slower ones make fewer, so that all finish together. */
  readonly period: number;
  readonly quorum: number;
  readonly batchExamples: number;
  /** A part is overdue so long after the time it should take, stretched by `PART_SLACK`. */
  readonly partMs: number;
  generation: number;
  /** Of the parameters: the own steps dealt until then, so that a start from a checkpoint goes on where the one before was. */
  version: number;
  /** The next own step to be dealt, and the first one that is not to be dealt yet. */
  nextStep: number;
  endStep: number;
  parts: Part[];
  /** Somebody said so: no further period is begun. */
  isPaused: boolean;
}

export type PeriodAction =
  | MemberAction
  /** A part is overdue: note it and read on. */
  | { readonly kind: 'suspectPart'; readonly source: number }
  /** It still is: the period ends without it. */
  | { readonly kind: 'dropPart'; readonly source: number }
  /** Make an update of these parts with `outerUpdate`. */
  | { readonly kind: 'applyPeriod'; readonly version: number; readonly results: readonly PartResult[] }
  /** No part arrived and nobody is there any more: its steps are dealt again. */
  | { readonly kind: 'dealAgain'; readonly firstStep: number }
  /** Sources make these steps, from parameters of `version`. */
  | { readonly kind: 'deal'; readonly version: number; readonly parts: readonly Part[] }
  /** What all sources brought is not finite: the run ends. */
  | { readonly kind: 'stop'; readonly step: number }
  | { readonly kind: 'pause'; readonly reason: 'quorum' | 'operator'; readonly untilMs: number }
  | { readonly kind: 'read' }
  | { readonly kind: 'wait'; readonly untilMs: number }
  | { readonly kind: 'done' };

/** A part is overdue when it takes so many times as long as it should, and `partMs` more. */
const PART_SLACK = 4;

/**
 * What is to be done now, at a run time. A period ends when every part is here whose source still is; a source that left or was
 * late drops its part, and its examples are not trained on in this epoch.
 */
export function nextPeriodAction(run: LocalRun, nowMs: number): PeriodAction {
  return memberAction(run.members, nowMs) ?? judgePart(run, nowMs) ?? endPeriod(run) ?? beginPeriod(run, nowMs) ?? rest(run);
}

function judgePart(run: LocalRun, nowMs: number): PeriodAction | undefined {
  const overdue = run.parts.find((part) => isOwed(run, part) && nowMs >= part.dueMs && (part.suspectedTurn === undefined || isJudged(run.members, part.suspectedTurn)));
  return overdue && { kind: overdue.suspectedTurn === undefined ? 'suspectPart' : 'dropPart', source: overdue.source };
}

function endPeriod({ parts, version, ...run }: LocalRun): PeriodAction | undefined {
  if (parts.length === 0 || parts.some((part) => isOwed(run, part))) return undefined;
  const results = parts.flatMap(({ state, result }) => (state === 'arrived' ? result! : []));
  if (results.length > 0) return { kind: 'applyPeriod', version, results };
  const firstStep = parts[0]!.firstStep;
  return parts.some(({ state }) => state === 'notFinite') ? { kind: 'stop', step: firstStep } : { kind: 'dealAgain', firstStep };
}

function beginPeriod(run: LocalRun, nowMs: number): PeriodAction | undefined {
  const { members, parts, nextStep, endStep, version } = run;
  if (parts.length > 0) return undefined;
  if (nextStep >= endStep) return { kind: 'done' };
  const reason = run.isPaused ? 'operator' : readyNodes(members).length < run.quorum ? 'quorum' : undefined;
  if (reason !== undefined) return hasSuspects(members) ? { kind: 'read' } : { kind: 'pause', reason, untilMs: nextSilenceMs(members) };
  const sources = eligible(members, nextStep);
  return sources.length === 0 ? undefined : { kind: 'deal', version, parts: deal(run, sources, nowMs) };
}

function rest(run: LocalRun): PeriodAction {
  const owed = run.parts.filter((part) => isOwed(run, part));
  if (hasSuspects(run.members) || owed.some(({ suspectedTurn }) => suspectedTurn !== undefined)) return { kind: 'read' };
  return { kind: 'wait', untilMs: Math.min(nextSilenceMs(run.members), ...owed.map(({ dueMs }) => dueMs)) };
}

function isOwed({ members }: { readonly members: Members }, { source, connection, state }: Part): boolean {
  const member = members.byNumber.get(source);
  return state === 'owed' && member?.stage === 'ready' && member.connection === connection;
}

/** Consecutive steps for each source, in the order of their numbers. */
function deal(run: LocalRun, sources: readonly Member[], nowMs: number): Part[] {
  const counts = dealSteps(sources.map(({ pace }) => pace), run.period, run.endStep - run.nextStep, run.batchExamples);
  let firstStep = run.nextStep;
  return sources.flatMap(({ number, connection, kind, pace }, index) => {
    const steps = counts[index]!;
    if (steps === 0) return [];
    const neededMs = pace.speed === undefined ? 0 : pace.latencyMs + (steps * run.batchExamples * 1000) / pace.speed;
    // The local pool reports its own deaths, and goes on with what it has begun.
    const dueMs = kind === 'local' ? Infinity : nowMs + run.partMs + PART_SLACK * neededMs;
    const part: Part = { source: number, connection, firstStep, steps, assignedMs: nowMs, dueMs, suspectedTurn: undefined, state: 'owed', result: undefined };
    firstStep += steps;
    return [part];
  });
}

/**
 * Own steps for each source: `period` for the fastest, in proportion for others, rounded, so that sources about as fast leave no step
 * over for an exchange of its own; at least one; one for a source of unknown speed
 * beside others, `period` where no speed is known. Where fewer steps are left than that, they are shared out to finish together.
 */
export function dealSteps(paces: readonly Pace[], period: number, left: number, batchExamples: number): number[] {
  const fastest = Math.max(0, ...paces.map(({ speed }) => speed ?? 0));
  const counts = paces.map(({ speed }) => (fastest === 0 ? period : Math.max(1, Math.round(period * ((speed ?? 0) / fastest)))));
  if (counts.reduce((sum, count) => sum + count, 0) <= left) return counts;
  // With no speed known any one does.
  const guess = fastest === 0 ? batchExamples : fastest;
  return fillSources(left, paces.map(({ speed, latencyMs }) => ({ startMs: latencyMs, leafMs: (batchExamples * 1000) / (speed ?? guess), frameMs: 0 })));
}

export type PartVerdict = 'accepted' | 'staleGeneration' | 'wrongVersion' | 'notOwed' | 'notFinite';

/** A part that is not finite is dropped: unlike a share it cannot be computed again by another. */
export function receivePart(run: LocalRun, result: PartResult, nowMs: number): PartVerdict {
  if (result.generation !== run.generation) return 'staleGeneration';
  if (result.version !== run.version) return 'wrongVersion';
  const part = run.parts.find((each) => each.source === result.source && each.connection === result.connection && isOwed(run, each));
  if (part === undefined) return 'notOwed';
  part.state = result.isFinite ? 'arrived' : 'notFinite';
  part.result = result;
  const member = run.members.byNumber.get(part.source)!;
  member.overdue = 0;
  member.pace = observe(member.pace, { examples: result.examples, elapsedMs: nowMs - part.assignedMs, computeMs: result.computeMs, wasIdle: true });
  return result.isFinite ? 'accepted' : 'notFinite';
}

/** Notes that the executor has done what `nextPeriodAction` asked for. */
export function performPeriod(run: LocalRun, action: PeriodAction, nowMs: number): void {
  switch (action.kind) {
    case 'suspect':
    case 'lose':
      performMember(run.members, action);
      return;
    case 'suspectPart':
      owedBy(run, action.source).suspectedTurn = run.members.turn;
      return;
    case 'dropPart':
      drop(run, action.source, nowMs);
      return;
    case 'deal':
      run.parts = [...action.parts];
      run.nextStep += action.parts.reduce((sum, { steps }) => sum + steps, 0);
      return;
    case 'dealAgain':
      run.parts = [];
      run.nextStep = action.firstStep;
      return;
    case 'applyPeriod':
      run.parts = [];
      run.version = run.nextStep;
      return;
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

/** Its source has not even done so much: the next part is smaller, and is given more time. */
function drop(run: LocalRun, source: number, nowMs: number): void {
  const part = owedBy(run, source);
  const member = run.members.byNumber.get(source)!;
  part.state = 'dropped';
  member.overdue++;
  member.pace = observe(member.pace, { examples: part.steps * run.batchExamples, elapsedMs: nowMs - part.assignedMs, computeMs: NaN, wasIdle: false });
}

function owedBy(run: LocalRun, source: number): Part {
  return run.parts.find((part) => part.source === source && part.state === 'owed')!;
}
