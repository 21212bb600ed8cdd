import type { TreeNode } from '../../src/plan/tree.js';
import { clusterError } from '../protocol/errors.js';
import type { MessageOf } from '../protocol/messages.js';
import { receiveShare } from '../rounds/receive.js';
import { examplesOf, heldSlots, type Run } from '../rounds/run.js';
import { NO_SLOT, type Share } from '../rounds/share.js';
import type { Attendance } from './attendance.js';
import type { LeafGroups } from './leaf-groups.js';
import type { ComputedOrder } from './local-shares.js';
import type { Sender, ShareInbox } from './share-inbox.js';
import type { ShareSlots } from './shares.js';

export interface ArrivalsOptions {
  readonly run: Run;
  readonly attendance: Attendance;
  readonly leaves: LeafGroups;
  readonly slots: ShareSlots;
  readonly inbox: ShareInbox;
  /** Slots that the local pool is computing into, or needs for an update. */
  readonly computing: () => Iterable<number>;
  /** A panel of a share came; with the share's slot, the last. */
  readonly came?: (slot: number | undefined) => void;
  /** For a share that has arrived; undefined where none is audited. */
  readonly draw: () => number | undefined;
}

/** A share in its slot, before anything is known of its numbers. */
type Arrived = Omit<Share, 'digest' | 'isFinite' | 'normPerExample'>;

/** Shares that arrive: into their slots, and into the rounds. */
export class Arrivals {
  constructor(private readonly options: ArrivalsOptions) {}

  /** A panel of a node's share. @throws ERR_SHARE */
  fromNode(sender: Sender, message: MessageOf<'share'>): void {
    const { leaves, inbox, computing, attendance } = this.options;
    const { generation, assignment, step, version, computeMs, encodeMs } = message;
    const source = sender.member;
    const subtree = leaves.toLeaves(message.subtree);
    if (subtree === undefined) throw clusterError('ERR_SHARE', { step, node: source, problem: 'its subtree was never handed out' });
    const slot = inbox.take(sender, message, () => this.freeSlots(computing())[0]);
    this.options.came?.(slot);
    if (slot === undefined) return;
    attendance.nodes.delivered(source, assignment);
    this.#count({ source, generation, step, version, subtree, slot, computeMs, encodeMs }, attendance.nowMs());
  }

  /** Told while the parameters are still those that were computed from. */
  fromLocal(orders: readonly ComputedOrder[]): void {
    const { run: { generation, version }, attendance } = this.options;
    const source = attendance.local!.number;
    for (const { step, subtree, slot, computeMs, doneMs } of orders) this.#count({ source, generation, step, version, subtree, slot, computeMs, encodeMs: 0 }, doneMs);
  }

  /** Slots that nobody uses, those taken left out. */
  freeSlots(taken: Iterable<number> = []): number[] {
    const { slots, run, inbox } = this.options;
    return slots.free(new Set([...heldSlots(run), ...inbox.filling, ...taken]));
  }

  /** @param nowMs run time at which it was there */
  #count(arrived: Arrived, nowMs: number): void {
    const { slots, run, attendance, draw } = this.options;
    const { slot, step, subtree } = arrived;
    let digest: string | undefined;
    const share: Share = {
      ...arrived,
      isFinite: slot === NO_SLOT || slots.isFinite(slot),
      normPerExample: slot === NO_SLOT || !run.settings.checkShares ? undefined : this.#normPerExample(slot, step, subtree),
      get digest() {
        return (digest ??= slots.digest(slot));
      },
    };
    const drawn = draw();
    attendance.chronicle.share(share, receiveShare(run, share, nowMs, drawn), drawn, nowMs);
  }

  #normPerExample(slot: number, step: number, subtree: TreeNode): number | undefined {
    const { slots, run } = this.options;
    const round = run.rounds.find((each) => each.step === step);
    return round === undefined ? undefined : slots.norm(slot) / examplesOf(round, subtree);
  }
}
