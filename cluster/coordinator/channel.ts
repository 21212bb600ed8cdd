import type { ImpedimentKind } from '../net/impediment.js';
import type { ClusterErrorCode } from '../protocol/errors.js';
import type { CoordinatorMessage } from '../protocol/messages.js';
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
  /** When bytes last came from it, whatever they were, or now where it is not listened to; monotonic, in ms. */
  readonly heardMs: number;
  /** What makes trouble for it, where a coordinator may. */
  readonly impediment?: ImpedimentKind | undefined;
  impede?(kind: ImpedimentKind | undefined): void;
  close(code: ClusterErrorCode): void;
}
