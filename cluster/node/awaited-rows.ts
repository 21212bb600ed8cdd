import { checkRows } from '../data/rows.js';
import type { AssignMessage, RowsMessage } from '../protocol/messages.js';
import { clusterError } from '../protocol/errors.js';
import type { ManifestColumn } from '../protocol/run-description.js';
import type { ArrivedRows } from './examples.js';

/** The rows of one assignment, as they come: one message for each content, in the order of the manifest. */
export class AwaitedRows {
  readonly #messages: RowsMessage[] = [];

  /** @param contents columns of different contents */
  constructor(readonly assign: AssignMessage, private readonly positions: Uint32Array, private readonly contents: readonly ManifestColumn[]) {}

  /**
   * Keeps a copy.
   * @returns all rows where these were the last
   * @throws ERR_MESSAGE for others than those that come next
   */
  take(message: RowsMessage): ArrivedRows | undefined {
    const { generation, assignment } = this.assign;
    if (message.assignment !== assignment || message.generation !== generation) {
      throw clusterError('ERR_MESSAGE', { type: 'rows', problem: `it is of the assignment ${message.assignment} where rows of ${assignment} are awaited` });
    }
    checkRows(message, this.contents[this.#messages.length]!, this.positions.length);
    this.#messages.push({ ...message, bytes: message.bytes.slice() });
    return this.#messages.length === this.contents.length ? { positions: this.positions, messages: this.#messages } : undefined;
  }
}
