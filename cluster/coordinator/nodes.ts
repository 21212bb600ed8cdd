import type { TreeNode } from '../../src/plan/tree.js';
import type { ClusterErrorCode } from '../protocol/errors.js';
import { MAX_SETTLED } from '../protocol/limits.js';
import type { AssignMessage, ParametersMessage, PauseMessage, ResumeMessage } from '../protocol/messages.js';
import type { NodeChannel } from './channel.js';
import type { ParametersVersion, SentParameters } from './sent-parameters.js';
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
  /** Its assignments by number, with their step and how many shares are still to come of each. */
  readonly owes: Map<number, { readonly step: number; shares: number }>;
}

/** What is sent to nodes: the parameters, and where they hold back what an encoding lost, what became of their shares. */
export interface SentToNodes {
  readonly parameters: Pick<SentParameters, 'partsSince'>;
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
    this.#remotes.set(member, { channel, known: undefined, heardMs: channel.heardMs, owes: new Map() });
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
    if (known?.version === now.version && known.generation === now.generation) return;
    for (const part of this.sent.parameters.partsSince(known, now)) yield { type: 'parameters', generation: now.generation, scalars: NO_SCALARS, ...part };
  }

  /** Rows are made when what is before them has left, so that they do not wait in memory. */
  async #send(member: number, remote: Remote, parameters: Iterable<ParametersMessage>, assign: AssignMessage): Promise<void> {
    const { channel } = remote;
    const leaving = Array.from(parameters, (part) => channel.send(part));
    const rows = channel.rows?.messagesFor(assign) ?? [];
    const isLong = leaving.length > 0 || rows.length > 0;
    if (isLong) this.behind(member, true);
    leaving.push(channel.send(assign));
    await Promise.all(leaving);
    for (const row of rows) await channel.send(row());
    if (isLong && this.#remotes.get(member) === remote) this.behind(member, false); // else it is back over another connection
  }
}
