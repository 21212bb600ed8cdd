import type { ClusterErrorCode } from '../protocol/errors.js';
import type { CoordinatorMessage, MessageOf } from '../protocol/messages.js';
import type { RowSource } from './row-source.js';

/** What the coordinator needs of a node's connection, after both sides have proved the key. */
export interface NodeChannel {
  /** Its number, given once. */
  readonly connection: number;
  readonly identity: string;
  readonly role: 'node' | 'relay';
  /** Of a node that keeps no columns: where its rows come from. */
  readonly rows?: RowSource | undefined;
  /** Resolves when the socket has taken the bytes, and when it closed: nobody waits for a node that is gone. */
  send(message: CoordinatorMessage): Promise<void>;
  /** Bytes that the node has not read yet. */
  readonly bufferedBytes: number;
  /** When bytes last came from it, whatever they were; monotonic, in ms. */
  readonly heardMs: number;
  close(code: ClusterErrorCode): void;
}

/** What nodes take part in, as their connections see it. */
export interface Participation {
  /** A node proved its key; it is counted in when it says that it is ready. @returns its number, or undefined where it may not come back */
  admit(channel: NodeChannel): number | undefined;
  /** A message of a node whose number is `member`. @throws ERR_SHARE */
  receive(member: number, connection: number, message: MessageOf<'ready' | 'share' | 'state'>): void;
  probed(member: number, connection: number): void;
  /** A node's connection ended. */
  gone(member: number, connection: number, departure: 'closed' | 'goodbye'): void;
}
