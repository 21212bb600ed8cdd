// The event log: a line of JSON for everything that happened, from which the assignments of a whole run can be told (replay.ts).
import { z } from 'zod';
import { inputError } from '../../src/errors.js';
import { stateOf, type Member } from './membership.js';
import type { Mode } from './modes.js';
import type { Action } from './next-action.js';
import type { PeriodAction } from './period.js';
import type { Verdict } from './receive.js';
import type { Round, Run } from './run.js';
import type { Share } from './share.js';

const whole = z.number().int().nonnegative();
const subtree = { level: whole, index: whole };
const atMs = z.number();

/** A share that went into an update: where its leaves are, who computed them, and from which parameters. */
const used = z.strictObject({ source: whole, ...subtree, version: whole });

const schema = z.discriminatedUnion('event', [
  /**
   * The coordinator starts from a checkpoint of `version`: at its own start, where `unixMs` is what a wall clock showed at `atMs`, or
   * because a share was wrong or a worker died.
   */
  z.strictObject({ event: z.literal('start'), atMs, unixMs: whole.optional(), generation: whole, version: whole, nextStep: whole, mode: z.enum(['sync', 'stale', 'async', 'local']), staleness: whole }),
  /** The local pool has connection -1. `workers` as a node said when it was ready last. */
  z.strictObject({ event: z.literal('member'), atMs, member: whole, kind: z.enum(['local', 'node', 'relay']), identity: z.string(), state: z.string(), connection: z.number().int().min(-1), departure: z.string().optional(), workers: whole.optional() }),
  z.strictObject({ event: z.literal('round'), atMs, step: whole, version: whole, oldestVersion: whole, examples: whole, leaves: whole }),
  z.strictObject({ event: z.literal('assign'), atMs, step: whole, purpose: z.enum(['share', 'backup', 'opinion']), source: whole, ...subtree }),
  /** `reason` says why a share was refused or held; `draw` decided on an audit; the times are what its source says. */
  z.strictObject({ event: z.literal('share'), atMs, step: whole, generation: whole, source: whole, ...subtree, version: whole, verdict: z.string(), reason: z.string().optional(), draw: z.number().optional(), computeMs: z.number().optional(), encodeMs: z.number().optional() }),
  z.strictObject({ event: z.literal('revoke'), atMs, step: whole, source: whole }),
  /** An update was applied to `version`: of a whole step, or of one share in `async`. */
  z.strictObject({ event: z.literal('update'), atMs, step: whole, version: whole, shares: z.array(used) }),
  /** While nobody else was there, the local pool made so many steps, each an update, without handing out anything. */
  z.strictObject({ event: z.literal('alone'), atMs, firstStep: whole, version: whole, steps: whole }),
  /** `async`: every leaf of the step has been applied. */
  z.strictObject({ event: z.literal('close'), atMs, step: whole }),
  /** `local`: own steps were dealt, and an update was made of what came. */
  z.strictObject({ event: z.literal('deal'), atMs, version: whole, parts: z.array(z.strictObject({ source: whole, firstStep: whole, steps: whole })) }),
  z.strictObject({ event: z.literal('period'), atMs, version: whole, sources: z.array(whole), computeMs: z.array(z.number()).optional() }),
  z.strictObject({ event: z.literal('incident'), atMs, kind: z.string(), step: whole, version: whole, ...subtree, claims: z.array(z.strictObject({ source: whole, digest: z.string() })) }),
  z.strictObject({ event: z.literal('expel'), atMs, source: whole, step: whole, ...subtree }),
  /** No work is handed out, for want of nodes or because an operator said so; and it is again. */
  z.strictObject({ event: z.literal('pause'), atMs, reason: z.enum(['quorum', 'operator']) }),
  z.strictObject({ event: z.literal('resume'), atMs }),
  /** All steps of an epoch (from 1) are made: its means, those of the validation data under `val_`. */
  z.strictObject({ event: z.literal('epoch'), atMs, epoch: whole, version: whole, logs: z.record(z.string(), z.number()) }),
  /** The run came to its end, or was stopped before. */
  z.strictObject({ event: z.literal('end'), atMs, outcome: z.enum(['finished', 'stopped']), version: whole }),
  /** So many records are missing here, because the disk was slower than the run. */
  z.strictObject({ event: z.literal('gap'), atMs, records: whole }),
]);

export type EventRecord = z.infer<typeof schema>;

export function formatRecord(record: EventRecord): string {
  return `${JSON.stringify(record)}\n`;
}

/**
 * The records of a log. A last line without an end is what a killed process was writing, and is left out.
 * @param path where the text was read, for the sentence
 * @throws ERR_EVENT_LOG naming the line
 */
export function parseRecords(text: string, path: string): EventRecord[] {
  return text.split('\n').slice(0, -1).map((line, index) => parseRecord(line, `${path}: line ${String(index + 1)}`));
}

/**
 * @param place of the line, for the sentence
 * @throws ERR_EVENT_LOG
 */
export function parseRecord(line: string, place: string): EventRecord {
  const { data, success } = schema.safeParse(jsonOrNothing(line));
  if (!success) throw inputError('ERR_EVENT_LOG', `${place} is not an event of tensorflock; give the log as it was written.`);
  return data;
}

function jsonOrNothing(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return undefined;
  }
}

/** @param unixMs what a wall clock shows, at the coordinator's own start */
export function startRecord({ generation, version, nextStep }: Pick<Run, 'generation' | 'version' | 'nextStep'>, mode: Mode, nowMs: number, unixMs?: number): EventRecord {
  const wall = unixMs === undefined ? {} : { unixMs };
  return { event: 'start', atMs: nowMs, ...wall, generation, version, nextStep, mode: mode.kind, staleness: mode.kind === 'stale' ? mode.staleness : 0 };
}

/** To be written whenever a member's state or connection has changed. */
export function memberRecord(member: Member, nowMs: number, workers?: number): EventRecord {
  const { number, kind, identity, connection, departure } = member;
  return { event: 'member', atMs: nowMs, member: number, kind, identity, state: stateOf(member), connection, ...(departure !== undefined && { departure }), ...(workers !== undefined && { workers }) };
}

export function roundRecord({ step, version, oldestVersion, examples, coverage: { leafCount } }: Round, nowMs: number): EventRecord {
  return { event: 'round', atMs: nowMs, step, version, oldestVersion, examples, leaves: leafCount };
}

export function shareRecord({ step, generation, source, subtree: { level, index }, version, computeMs, encodeMs }: Share, verdict: Verdict, draw: number | undefined, nowMs: number): EventRecord {
  const reason = verdict.kind === 'refused' || verdict.kind === 'held' ? verdict.reason : undefined;
  return { event: 'share', atMs: nowMs, step, generation, source, level, index, version, verdict: verdict.kind, ...(reason !== undefined && { reason }), ...(draw !== undefined && { draw }), ...(Number.isFinite(computeMs) && { computeMs, encodeMs }) };
}

/** What an action leaves in the log, to be written when it is performed; members after it, by `memberRecord`. */
export function actionRecords(action: Action, nowMs: number): EventRecord[] {
  const atMs = nowMs;
  switch (action.kind) {
    case 'incident': {
      const { kind, step, version, subtree: { level, index }, claims } = action.incident;
      return [{ event: 'incident', atMs, kind, step, version, level, index, claims: claims.map((claim) => ({ ...claim })) }];
    }
    case 'expel': {
      const { source, step, subtree: { level, index } } = action.liar;
      return [{ event: 'expel', atMs, source, step, level, index }];
    }
    case 'revoke':
      return [{ event: 'revoke', atMs, step: action.step, source: action.source }];
    case 'assign':
      return action.handedOut.map(({ source, subtree: { level, index } }) => ({ event: 'assign', atMs, step: action.step, purpose: action.purpose, source, level, index }));
    case 'recompute':
      return [{ event: 'assign', atMs, step: action.step, purpose: 'opinion', source: action.source, level: action.subtree.level, index: action.subtree.index }];
    case 'apply':
      return [{ event: 'update', atMs, step: action.step, version: action.version, shares: action.shares.map(usedShare) }];
    case 'applyShare':
      return [{ event: 'update', atMs, step: action.step, version: action.version, shares: [usedShare(action.share)] }];
    case 'close':
      return [{ event: 'close', atMs, step: action.step }];
    default:
      return [];
  }
}

function usedShare({ source, subtree: { level, index }, version }: Share): z.infer<typeof used> {
  return { source, level, index, version };
}

/** The same for the actions of `local`. */
export function periodRecords(action: PeriodAction, nowMs: number): EventRecord[] {
  switch (action.kind) {
    case 'deal':
      return [{ event: 'deal', atMs: nowMs, version: action.version, parts: action.parts.map(({ source, firstStep, steps }) => ({ source, firstStep, steps })) }];
    case 'applyPeriod':
      return [{ event: 'period', atMs: nowMs, version: action.version, sources: action.results.map(({ source }) => source), computeMs: action.results.map(({ computeMs }) => (Number.isFinite(computeMs) ? computeMs : 0)) }];
    default:
      return [];
  }
}
