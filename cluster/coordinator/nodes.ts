import { createHash } from 'node:crypto';
import type { TreeNode } from '../../src/plan/tree.js';
import type { ClusterErrorCode } from '../protocol/errors.js';
import type { AssignMessage } from '../protocol/messages.js';
import type { NodeChannel } from './channel.js';

/** A node that takes part, as the coordinator sees it. */
interface Remote {
  readonly channel: NodeChannel;
  /** Version of the parameters that it was sent last; -1: none. */
  version: number;
}

/** The parameters as they lie in the arena. */
export interface ParametersView {
  readonly memory: WebAssembly.Memory;
  readonly address: number;
  readonly floats: number;
}

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
  /** The parameters of a version as they are sent: never written again, since sockets keep them until they are drained. */
  #sent: { readonly version: number; readonly bytes: Uint8Array; readonly sha256: string } | undefined;
  #nextAssignment = 1;

  /** @param behind is told when parameters are on their way to a member, and when they have left */
  constructor(private readonly parameters: ParametersView, private readonly behind: (member: number, isBehind: boolean) => void) {}

  add(member: number, channel: NodeChannel): void {
    this.#remotes.set(member, { channel, version: -1 });
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
    if (remote.version !== version) void this.#sendParameters(member, remote, generation, version);
    const assignment = this.#nextAssignment++;
    void remote.channel.send({ type: 'assign', generation, assignment, task: 'train', epoch, step, stepCount, version, subtrees });
  }

  async #sendParameters(member: number, remote: Remote, generation: number, version: number): Promise<void> {
    remote.version = version;
    const { bytes, sha256 } = this.#parametersOf(version);
    this.behind(member, true);
    await remote.channel.send({
      type: 'parameters', generation, version, kind: 'whole', codec: 'float32', scalars: new Float32Array(0), firstValue: 0, valueCount: bytes.byteLength / 4, sha256, bytes,
    });
    if (this.#remotes.get(member) === remote) this.behind(member, false); // else it is back over another connection
  }

  /** A copy for all nodes: the workers write the next version while sockets still send this one. */
  #parametersOf(version: number): { readonly bytes: Uint8Array; readonly sha256: string } {
    if (this.#sent?.version !== version) {
      const { memory, address, floats } = this.parameters;
      const bytes = new Uint8Array(memory.buffer).slice(address, address + floats * 4);
      this.#sent = { version, bytes, sha256: createHash('sha256').update(bytes).digest('hex') };
    }
    return this.#sent;
  }
}
