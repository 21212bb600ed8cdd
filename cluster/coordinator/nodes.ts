import type { TreeNode } from '../../src/plan/tree.js';
import type { ClusterErrorCode } from '../protocol/errors.js';
import { MAX_SETTLED } from '../protocol/limits.js';
import type { AssignMessage } from '../protocol/messages.js';
import type { NodeChannel } from './channel.js';
import type { ParametersVersion, SentParameters } from './sent-parameters.js';
import type { ShareFates } from './share-fates.js';

/** A node that takes part, as the coordinator sees it. */
interface Remote {
  readonly channel: NodeChannel;
  /** The parameters that it was sent last. */
  known: ParametersVersion | undefined;
}

/** What is sent to nodes: the parameters, and where they hold back what an encoding lost, what became of their shares. */
export interface SentToNodes {
  readonly parameters: SentParameters;
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

  /** @param behind is told when parameters are on their way to a member, and when they have left */
  constructor(private readonly sent: SentToNodes, private readonly behind: (member: number, isBehind: boolean) => void) {}

  add(member: number, channel: NodeChannel): void {
    this.#remotes.set(member, { channel, known: undefined });
  }

  remove(member: number): void {
    this.#remotes.delete(member);
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
    void this.#sendParameters(member, remote, { generation, version });
    const assignment = this.#nextAssignment++;
    this.sent.fates?.asked(member, step, assignment, subtrees);
    void remote.channel.send({ type: 'assign', generation, assignment, task: 'train', epoch, step, stepCount, version, subtrees });
  }

  #tellFates(member: number, { channel }: Remote, generation: number): void {
    const shares = this.sent.fates?.take(member) ?? [];
    for (let first = 0; first < shares.length; first += MAX_SETTLED) void channel.send({ type: 'settled', generation, shares: shares.slice(first, first + MAX_SETTLED) });
  }

  async #sendParameters(member: number, remote: Remote, now: ParametersVersion): Promise<void> {
    const { known, channel } = remote;
    if (known?.version === now.version && known.generation === now.generation) return;
    remote.known = now;
    this.behind(member, true);
    const parts = Array.from(this.sent.parameters.partsSince(known, now), (part) => channel.send({ type: 'parameters', generation: now.generation, scalars: NO_SCALARS, ...part }));
    await Promise.all(parts);
    if (this.#remotes.get(member) === remote) this.behind(member, false); // else it is back over another connection
  }
}
