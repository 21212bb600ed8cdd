import type { TreeNode } from '../../src/plan/tree.js';
import type { ClusterErrorCode } from '../protocol/errors.js';
import { MAX_SETTLED } from '../protocol/limits.js';
import type { AssignMessage, ParametersMessage, PauseMessage, ResumeMessage } from '../protocol/messages.js';
import type { NodeChannel } from './channel.js';
import type { LeavingParts, ParametersPart, ParametersVersion, SentParameters } from './sent-parameters.js';
import type { ShareFates } from './share-fates.js';

/** As many assignments one message cancels; a node that owes more is gone before long. */
const MOST_CANCELLED = 256;

/** A node that takes part, as the coordinator sees it. */
interface Remote {
  readonly channel: NodeChannel;
  /** The parameters that it was sent last. */
  known: ParametersVersion | undefined;
  /** Its `heardMs` when it was last asked for. */
  heardMs: number;
  /** A version that leaves while it is made, and what of it is still on its way to the socket. */
  ahead: { readonly of: ParametersVersion; readonly parts: LeavingParts; readonly leaving: Promise<void>[] } | undefined;
  /** Parameters or rows are on their way. */
  isBehind: boolean;
  /** Its assignments by number, with their step and how many shares are still to come of each. */
  readonly owes: Map<number, { readonly step: number; shares: number }>;
}

/** What is sent to nodes: the parameters, and where they hold back what an encoding lost, what became of their shares. */
export interface SentToNodes {
  readonly parameters: Pick<SentParameters, 'partsSince'> & Partial<Pick<SentParameters, 'ahead' | 'forgetAhead' | 'lend'>>;
  readonly fates: ShareFates | undefined;
}

/** A node makes no updates of the coordinator's. */
const NO_SCALARS = new Float32Array(0);

/** Work for one node: one step's subtrees, from parameters of `version`. */
export interface NodeWork extends Pick<AssignMessage, 'generation' | 'epoch' | 'step' | 'version'> {
  /** Mode `local`: steps to make one after the other. */
  readonly stepCount?: number;
  /** Subtrees of shards. */
  readonly subtrees: readonly TreeNode[];
}

/** The way out to the nodes, by member number: parameters where they lack them, and assignments. */
export class Nodes {
  readonly #remotes = new Map<number, Remote>();
  #nextAssignment = 1;

  /** @param behind is told when parameters or rows are on their way to a member, and when they have left */
  constructor(private readonly sent: SentToNodes, private readonly behind: (member: number, isBehind: boolean) => void) {}

  add(member: number, channel: NodeChannel): void {
    this.#remotes.set(member, { channel, known: undefined, ahead: undefined, isBehind: false, heardMs: channel.heardMs, owes: new Map() });
  }

  remove(member: number): void {
    this.#remotes.delete(member);
  }

  tell(member: number, message: PauseMessage | ResumeMessage): void {
    void this.#remotes.get(member)?.channel.send(message);
  }

  /** Members from whom anything came since this was last asked. */
  heard(): number[] {
    const heard: number[] = [];
    for (const [member, remote] of this.#remotes) {
      if (remote.channel.heardMs > remote.heardMs) heard.push(member);
      remote.heardMs = remote.channel.heardMs;
    }
    return heard;
  }

  /** Undefined for a member that is not there. */
  channelOf(member: number): NodeChannel | undefined {
    return this.#remotes.get(member)?.channel;
  }

  /** Closes a node's connection with its reason. */
  close(member: number, code: ClusterErrorCode): void {
    this.#remotes.get(member)?.channel.close(code);
  }

  /** A node that is gone meanwhile gets nothing. */
  assign(member: number, { generation, epoch, step, stepCount = 1, version, subtrees }: NodeWork): void {
    const remote = this.#remotes.get(member);
    if (remote === undefined) return;
    this.#tellFates(member, remote, generation);
    const parameters = this.#parametersFor(remote, { generation, version });
    const assignment = this.#nextAssignment++;
    this.sent.fates?.asked(member, step, assignment, subtrees);
    remote.owes.set(assignment, { step, shares: subtrees.length });
    void this.#send(member, remote, parameters, { type: 'assign', generation, assignment, task: 'train', epoch, step, stepCount, version, subtrees });
  }

  /** The first floats of the next version, which is being made; not to a node for which others are still leaving. */
  sendAhead(members: Iterable<number>, next: ParametersVersion, floats: number): void {
    for (const member of members) {
      const remote = this.#remotes.get(member);
      if (remote === undefined || remote.isBehind) continue;
      const ahead = isSame(remote.ahead?.of, next) ? remote.ahead! : this.#begunAhead(next);
      if (ahead === undefined) return;
      remote.ahead = ahead;
      for (const part of ahead.parts.upTo(floats)) ahead.leaving.push(this.#sendPart(remote, messageOf(part, next)));
    }
  }

  #begunAhead(of: ParametersVersion): Remote['ahead'] {
    const parts = this.sent.parameters.ahead?.(of);
    return parts && { of, parts, leaving: [] };
  }

  /** What was sent ahead is not the next version: who got any of it needs all again. */
  takeBackAhead(): void {
    this.sent.parameters.forgetAhead?.();
    for (const remote of this.#remotes.values()) {
      if (remote.ahead === undefined) continue;
      remote.ahead = undefined;
      remote.known = undefined;
    }
  }

  /** A share of an assignment came, or all that its steps came to. */
  delivered(member: number, assignment: number): void {
    const owes = this.#remotes.get(member)?.owes;
    const owed = owes?.get(assignment);
    if (owed === undefined) return;
    owed.shares--;
    if (owed.shares <= 0) owes!.delete(assignment);
  }

  /** Nobody wants any more what is owed of steps that are over: whoever has not begun with it leaves it out. */
  cancel(generation: number, isOver: (step: number) => boolean): void {
    for (const { channel, owes } of this.#remotes.values()) {
      const assignments = [...owes].filter(([, { step }]) => isOver(step)).map(([assignment]) => assignment);
      for (const assignment of assignments) owes.delete(assignment);
      if (assignments.length > 0) void channel.send({ type: 'cancel', generation, assignments: assignments.slice(-MOST_CANCELLED) });
    }
  }

  #tellFates(member: number, { channel }: Remote, generation: number): void {
    const shares = this.sent.fates?.take(member) ?? [];
    for (let first = 0; first < shares.length; first += MAX_SETTLED) void channel.send({ type: 'settled', generation, shares: shares.slice(first, first + MAX_SETTLED) });
  }

  /** What a node lacks of them. */
  *#parametersFor(remote: Remote, now: ParametersVersion): Iterable<ParametersMessage> {
    const { known } = remote;
    remote.known = now;
    if (isSame(known, now)) return;
    const { ahead } = remote;
    remote.ahead = undefined;
    const parts = ahead !== undefined && isSame(ahead.of, now) ? ahead.parts.upTo(Infinity) : this.sent.parameters.partsSince(known, now);
    for (const part of parts) yield messageOf(part, now);
  }

  /** Rows are made when what is before them has left, so that they do not wait in memory. */
  async #send(member: number, remote: Remote, parameters: Iterable<ParametersMessage>, assign: AssignMessage): Promise<void> {
    const { channel } = remote;
    const ahead = remote.ahead?.leaving ?? [];
    const leaving = [...ahead, ...Array.from(parameters, (part) => this.#sendPart(remote, part))];
    const rows = channel.rows?.messagesFor(assign) ?? [];
    const isLong = leaving.length > 0 || rows.length > 0;
    if (isLong) this.#setBehind(member, remote, true);
    leaving.push(channel.send(assign));
    await Promise.all(leaving);
    for (const row of rows) await channel.send(row());
    if (isLong) this.#setBehind(member, remote, false);
  }

  #sendPart({ channel }: Remote, part: ParametersMessage): Promise<void> {
    const sent = channel.send(part);
    this.sent.parameters.lend?.(part, sent);
    return sent;
  }

  #setBehind(member: number, remote: Remote, isBehind: boolean): void {
    remote.isBehind = isBehind;
    if (this.#remotes.get(member) === remote) this.behind(member, isBehind); // else it is back over another connection
  }
}

function messageOf(part: ParametersPart, { generation }: ParametersVersion): ParametersMessage {
  return { type: 'parameters', generation, scalars: NO_SCALARS, ...part };
}

function isSame(one: ParametersVersion | undefined, other: ParametersVersion): boolean {
  return one?.version === other.version && one.generation === other.generation;
}
