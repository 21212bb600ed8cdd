import type { TreeNode } from '../../src/plan/tree.js';
import { PanelOrder } from '../panels.js';
import { clusterError } from '../protocol/errors.js';
import type { MessageOf } from '../protocol/messages.js';
import { NO_SLOT } from '../rounds/share.js';
import type { TensorCoding } from '../tensor-coding.js';
import type { ShareSlots } from './shares.js';

/** Which of a node's shares: a subtree of shards may be asked for more than once. */
export interface ShareName {
  readonly member: number;
  readonly assignment: number;
  readonly subtree: TreeNode;
}

/** Who sends: a node may be back over another connection, where it begins anew. */
export interface Sender {
  readonly member: number;
  readonly connection: number;
}

/** A share that is coming: of what, and how many of its floats are there. */
export interface ComingName extends Pick<MessageOf<'share'>, 'generation' | 'step' | 'version' | 'subtree' | 'sums'> {
  readonly slot: number;
  readonly floats: number;
}

/** A share of which some panels have come. */
interface Incoming extends ShareName {
  readonly generation: number;
  readonly step: number;
  readonly version: number;
  readonly sums: Float32Array;
  readonly order: PanelOrder;
  /** Undefined where none was free: what comes is looked at and left out. */
  readonly slot: number | undefined;
}

/** Shares that come over the wire, panel by panel into their slots; over each connection one at a time. */
export class ShareInbox {
  /** By connection. */
  readonly #incoming = new Map<number, Incoming>();
  /** By slot, of those that came whole. */
  readonly #names = new Map<number, ShareName>();

  constructor(private readonly slots: ShareSlots, private readonly coding: TensorCoding) {}

  /** Those that have begun to come into slots of their own. */
  *coming(): Iterable<ComingName> {
    for (const { generation, step, version, subtree, sums, slot, order: { taken } } of this.#incoming.values()) {
      if (slot !== undefined) yield { generation, step, version, subtree, sums, slot, floats: taken };
    }
  }

  /** Slots that are being filled. */
  get filling(): Iterable<number> {
    return [...this.#incoming.values()].flatMap(({ slot }) => slot ?? []);
  }

  /**
   * Takes a panel of a share. `freeSlot` finds a slot that nobody uses.
   * @returns the share's slot when it is whole, `NO_SLOT` where there was none, and undefined before
   * @throws ERR_SHARE
   */
  take({ member, connection }: Sender, message: MessageOf<'share'>, freeSlot: () => number | undefined): number | undefined {
    const incoming = this.#incoming.get(connection) ?? beginning(member, message, this.coding, freeSlot());
    const problem = this.#problem(incoming, message) ?? incoming.order.problem(message) ?? this.#decode(incoming, message);
    if (problem !== undefined) throw clusterError('ERR_SHARE', { step: message.step, node: member, problem });
    incoming.order.took(message);
    this.#incoming.set(connection, incoming);
    if (!incoming.order.isComplete) return undefined;
    this.#incoming.delete(connection);
    if (incoming.slot === undefined) return NO_SLOT;
    this.slots.writeSums(incoming.slot, message.sums);
    this.#names.set(incoming.slot, { member, assignment: message.assignment, subtree: message.subtree });
    return incoming.slot;
  }

  /** Those of shares in slots that came from nodes. */
  namesOf(shares: readonly { readonly slot: number; readonly source: number }[]): ShareName[] {
    return shares.flatMap(({ slot, source }) => {
      const name = this.#names.get(slot);
      return name?.member === source ? [name] : []; // else it is of an earlier share in that slot
    });
  }

  /** A connection has ended: what was begun over it does not come any more. */
  drop(connection: number): void {
    this.#incoming.delete(connection);
  }

  #problem({ assignment, subtree: { level, index }, step }: Incoming, message: MessageOf<'share'>): string | undefined {
    const { subtree, codec, sums } = message;
    if (message.assignment !== assignment || message.step !== step || subtree.level !== level || subtree.index !== index) return 'it comes before the one before it is whole';
    if (codec !== this.coding.codec.name) return `its codec is ${codec} and that of the run ${this.coding.codec.name}`;
    return sums.length === this.slots.sumCount ? undefined : `it has ${sums.length} sums and the plan ${this.slots.sumCount}`;
  }

  #decode({ slot }: Incoming, message: MessageOf<'share'>): string | undefined {
    const isWritten = slot === undefined || this.coding.decode(message.bytes, message, this.slots.address(slot));
    return isWritten ? undefined : `its ${message.bytes.byteLength} bytes are no encoding of ${message.valueCount} values`;
  }
}

function beginning(member: number, { assignment, subtree, generation, step, version, sums }: MessageOf<'share'>, { codec, values }: TensorCoding, slot: number | undefined): Incoming {
  return { member, assignment, subtree, generation, step, version, sums, order: new PanelOrder(codec, values), slot };
}
