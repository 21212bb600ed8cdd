// What a node makes of a run that it has joined: it computes shares itself (node-session.ts), or hands them on (cluster/relay).
import type { MessageOf, ReadyMessage, WelcomeMessage } from '../protocol/messages.js';
import type { SendToCoordinator } from './share-sender.js';
import type { Prepared } from './workshop.js';

/** Messages of a run over one connection, one after the other; the next when the promise has settled. */
export interface RunSession {
  parameters(message: MessageOf<'parameters'>): Promise<void>;
  assign(message: MessageOf<'assign'>): void | Promise<void>;
  rows(message: MessageOf<'rows'>): Promise<void>;
  cancel(message: MessageOf<'cancel'>): void;
  settled(message: MessageOf<'settled'>): void;
  /** What others are to be told too. */
  told?(message: MessageOf<'pause' | 'resume' | 'done'>): void | Promise<void>;
  /** Lets what is being computed be sent, and begins nothing else. */
  drain(): Promise<void>;
  /** The connection has ended. @throws what the session failed with */
  close(): Promise<void>;
}

/** The connection to whoever hands out the work, for a node that has everything to compute with. */
export interface Upward {
  readonly welcome: WelcomeMessage;
  readonly prepared: Prepared;
  readonly send: SendToCoordinator;
  /** Ends the connection for an error. */
  readonly failed: (error: unknown) => void;
  /** Says what there is to compute with; again whenever that changes. */
  readonly ready: (size: Pick<ReadyMessage, 'workers' | 'nodes'>) => void;
}

export type OpenSession = (upward: Upward) => RunSession;
