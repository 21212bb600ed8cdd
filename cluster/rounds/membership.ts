// Who takes part: one numbered list. Numbers are given in the order of joining and never given again; a node that comes back
// with the identity it proved keeps its own.
import { inputError } from '../../src/errors.js';
import { UNKNOWN_PACE, type Pace } from './pace.js';

/** `local` is the coordinator's own pool, which is trusted; a relay is a node with others below it. */
export type MemberKind = 'local' | 'node' | 'relay';

/** In the order in which a member goes through them; fetching is left out by who has the data. */
export const STAGES = ['joined', 'probed', 'fetching', 'ready', 'left'] as const;
export type Stage = (typeof STAGES)[number];

/** Its connection ended, it said goodbye, it was silent, it was heard but delivered nothing, or it gave wrong bytes. */
export type Departure = 'closed' | 'goodbye' | 'silent' | 'stalled' | 'expelled';

export interface Member {
  readonly number: number;
  readonly identity: string;
  readonly kind: MemberKind;
  /** Number of the connection that speaks for it; what another one brings is not from this member any more. */
  connection: number;
  stage: Stage;
  departure: Departure | undefined;
  /** Run time at which it was last heard, in milliseconds. */
  heardMs: number;
  /** The turn of reading in which it was found silent. */
  suspectedTurn: number | undefined;
  /** First step that it is counted in. */
  countsFrom: number;
  pace: Pace;
  /** Run time of its latest share, in milliseconds. */
  lastShareMs: number;
  /** Step of its latest share, or of its probe. */
  lastStep: number;
  /** Times in a row that its shares were overdue. */
  overdue: number;
  /** The parameters that it was sent last have not left yet: newer ones would only wait behind them. */
  isBehind: boolean;
}

export interface Members {
  /** A member that was not heard for so long is suspected. */
  readonly silenceMs: number;
  readonly byNumber: Map<number, Member>;
  nextNumber: number;
  /** Turns of reading that ended so far. */
  turn: number;
}

/**
 * Turns that must end before a suspicion is judged: the one in which it arose was not whole, the next one is. After a stall
 * all deadlines fire before the heartbeats that wait in the sockets are read.
 */
export const TURNS_TO_JUDGE = 2;

/** As often may a member be overdue in a row before it is given up, though it is heard. */
const MOST_OVERDUE = 3;

/** As many members that left are remembered, so that they may come back to their number; an identity costs a stranger nothing. */
export const MOST_REMEMBERED = 4_096;

/**
 * @param nextNumber smaller ones were given before
 * @throws ERR_OPTION where a member would be suspected between two heartbeats that are on time
 */
export function createMembers({ silenceMs, heartbeatMs, nextNumber = 0 }: { readonly silenceMs: number; readonly heartbeatMs: number; readonly nextNumber?: number }): Members {
  if (!(silenceMs >= 2 * heartbeatMs)) {
    throw inputError('ERR_OPTION', `a node is suspected after ${String(silenceMs)} ms of silence, but sends a heartbeat only every ${String(heartbeatMs)} ms; wait for two of them at least.`);
  }
  return { silenceMs, byNumber: new Map(), nextNumber, turn: 0 };
}

/** Somebody proved an identity over a connection. */
export interface Arrival {
  readonly identity: string;
  readonly kind: MemberKind;
  readonly connection: number;
  /** That it was given before, in another list. */
  readonly number?: number | undefined;
}

export type Admission =
  | { readonly kind: 'joined'; readonly member: Member }
  /** It is known; where its old connection still stood, it is to be closed. What it owed over that one, others get. */
  | { readonly kind: 'rejoined'; readonly member: Member; readonly replaced: number | undefined }
  | { readonly kind: 'refused'; readonly reason: 'expelled' };

export function join(members: Members, { identity, kind, connection, number = members.nextNumber }: Arrival, nowMs: number): Admission {
  const known = [...members.byNumber.values()].find((member) => member.identity === identity);
  if (known?.departure === 'expelled') return { kind: 'refused', reason: 'expelled' };
  const fresh = { connection, stage: 'joined', departure: undefined, heardMs: nowMs, suspectedTurn: undefined, countsFrom: Infinity, overdue: 0, isBehind: false } as const;
  if (known !== undefined) {
    const replaced = known.stage === 'left' ? undefined : known.connection;
    return { kind: 'rejoined', member: Object.assign(known, fresh), replaced };
  }
  forgetOldest(members);
  const member: Member = { number, identity, kind, pace: UNKNOWN_PACE, lastShareMs: nowMs, lastStep: 0, ...fresh };
  insert(members, member);
  return { kind: 'joined', member };
}

/** In the order of the numbers. */
function insert(members: Members, member: Member): void {
  const { byNumber, nextNumber } = members;
  members.nextNumber = Math.max(nextNumber, member.number + 1);
  const later = [...byNumber.values()].filter(({ number }) => number > member.number);
  for (const each of later) byNumber.delete(each.number);
  for (const each of [member, ...later]) byNumber.set(each.number, each);
}

function forgetOldest(members: Members): void {
  const left = [...members.byNumber.values()].filter(({ stage }) => stage === 'left');
  for (const { number } of left.slice(0, Math.max(0, left.length + 1 - MOST_REMEMBERED))) members.byNumber.delete(number);
}

/** The member that a connection speaks for, unless another connection has taken its place or it has left. */
export function speaker(members: Members, number: number, connection: number): Member | undefined {
  const member = members.byNumber.get(number);
  return member !== undefined && member.connection === connection && member.stage !== 'left' ? member : undefined;
}

/** A whole message of the member was read, whatever it says. */
export function hear(member: Member, nowMs: number): void {
  member.heardMs = nowMs;
  member.suspectedTurn = undefined;
}

/** The member passed its probe, or fetches data. @returns whether that is a step forward */
export function reach(member: Member, stage: 'probed' | 'fetching'): boolean {
  if (STAGES.indexOf(stage) <= STAGES.indexOf(member.stage)) return false;
  member.stage = stage;
  return true;
}

/**
 * The member has the plan, its data and the parameters: from the step `countsFrom` it is counted in.
 * @param pace what its probe showed, where it is not known from earlier
 * @returns whether that is a step forward
 */
export function becomeReady(member: Member, countsFrom: number, pace: Pace = UNKNOWN_PACE): boolean {
  if (STAGES.indexOf(member.stage) >= STAGES.indexOf('ready')) return false;
  member.stage = 'ready';
  member.countsFrom = countsFrom;
  if (member.pace.speed === undefined) {
    member.pace = pace;
    member.lastStep = countsFrom;
  }
  return true;
}

export function leave(member: Member, departure: Departure): void {
  member.stage = 'left';
  member.departure = departure;
  member.suspectedTurn = undefined;
}

/** All that was there to read when the turn began has been read, and given to `hear`. */
export function endTurn(members: Members): void {
  members.turn++;
}

/** Its place in the list, in one word. */
export function stateOf(member: Member): Stage | 'suspected' {
  return member.suspectedTurn === undefined ? member.stage : 'suspected';
}

export type MemberAction =
  /** Found silent for too long: note it and read on. */
  | { readonly kind: 'suspect'; readonly member: number }
  /** Close its connection: it is not there, or does nothing. */
  | { readonly kind: 'lose'; readonly member: number; readonly departure: 'silent' | 'stalled' };

/** What the list asks for; nothing of it applies to the local pool, whose threads report their own deaths. */
export function memberAction(members: Members, nowMs: number): MemberAction | undefined {
  for (const member of present(members)) {
    if (member.kind === 'local') continue;
    if (member.overdue >= MOST_OVERDUE) return { kind: 'lose', member: member.number, departure: 'stalled' };
    if (isJudged(members, member.suspectedTurn)) return { kind: 'lose', member: member.number, departure: 'silent' };
    if (member.suspectedTurn === undefined && nowMs >= member.heardMs + members.silenceMs) return { kind: 'suspect', member: member.number };
  }
  return undefined;
}

/** Notes that what the list asked for was done. */
export function performMember(members: Members, action: MemberAction): void {
  const member = members.byNumber.get(action.member)!;
  if (action.kind === 'suspect') member.suspectedTurn = members.turn;
  else leave(member, action.departure);
}

/** Whether a whole turn of reading has ended since a suspicion arose. */
export function isJudged(members: Members, suspectedTurn: number | undefined): boolean {
  return suspectedTurn !== undefined && members.turn >= suspectedTurn + TURNS_TO_JUDGE;
}

/** When the next silence is long enough for a suspicion, in run time. */
export function nextSilenceMs(members: Members): number {
  let earliest = Infinity;
  for (const member of present(members)) {
    if (member.kind !== 'local' && member.suspectedTurn === undefined) earliest = Math.min(earliest, member.heardMs + members.silenceMs);
  }
  return earliest;
}

export function hasSuspects(members: Members): boolean {
  return present(members).some(({ suspectedTurn }) => suspectedTurn !== undefined);
}

/** Members that have not left, in the order of their numbers. */
export function present(members: Members): Member[] {
  return [...members.byNumber.values()].filter(({ stage }) => stage !== 'left');
}

/** Nodes that take assignments, relays among them: what a quorum counts. The local pool is not a node. */
export function readyNodes(members: Members): Member[] {
  return present(members).filter(({ kind, stage }) => kind !== 'local' && stage === 'ready');
}

/** The coordinator's own pool gives right bytes. */
export function isTrusted(members: Members, number: number): boolean {
  return members.byNumber.get(number)?.kind === 'local';
}

/**
 * Who gets work of a step: ready, not suspected, reading what it is sent, and counted in. A member counts from the first step that began after it was
 * ready, so that a step in progress never waits for a newcomer; only where nobody else is left, it helps at once.
 */
export function eligible(members: Members, step: number): Member[] {
  const ready = present(members).filter(({ stage, suspectedTurn, isBehind }) => stage === 'ready' && suspectedTurn === undefined && !isBehind);
  const counted = ready.filter(({ countsFrom }) => countsFrom <= step);
  return counted.length > 0 ? counted : ready;
}
