import type { MessageOf } from '../protocol/messages.js';
import type { Member } from '../rounds/membership.js';
import type { Attendance, NodeSize } from './attendance.js';
import type { NodeChannel } from './channel.js';
import type { Sender } from './share-inbox.js';

/** What a node brings to a run. */
export type Contribution = MessageOf<'share' | 'state'>;

/** What an executor makes of nodes, in its mode. */
export interface NodeTaking {
  /** A node takes assignments from now on, or says so again. */
  readonly ready: (member: Member, size: NodeSize) => void;
  /** @throws ERR_SHARE */
  readonly brought: (sender: Sender, message: Contribution) => void;
  /** A connection has ended: what was begun over it does not come any more. */
  readonly dropped: (connection: number) => void;
}

/** The nodes that a run has taken in, whatever its mode: they come, say something, and go. */
export class TakenNodes {
  constructor(private readonly attendance: Attendance, private readonly taking: NodeTaking) {}

  /** A node proved its key; it is counted in when it says that it is ready. @returns its number, or undefined where it may not come back */
  admit(channel: NodeChannel): number | undefined {
    return this.attendance.admit(channel);
  }

  /** Undefined for a member that is not there. */
  channelOf(member: number): NodeChannel | undefined {
    return this.attendance.nodes.channelOf(member);
  }

  probed(member: number, connection: number): void {
    this.attendance.probed(member, connection);
  }

  /** A message of a node whose number is `member`. @throws ERR_SHARE */
  receive(member: number, connection: number, message: MessageOf<'ready'> | Contribution): void {
    const known = this.attendance.hear(member, connection);
    if (known === undefined) return;
    if (message.type === 'ready') this.taking.ready(known, message);
    else this.taking.brought({ member, connection }, message);
    this.attendance.wake();
  }

  /** A node's connection ended. */
  gone(member: number, connection: number, departure: 'closed' | 'goodbye'): void {
    this.attendance.gone(member, connection, departure);
    this.taking.dropped(connection);
  }
}
