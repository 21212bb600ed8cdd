import type { ClusterError } from '../protocol/errors.js';

/** What a request over http gets. */
export interface Answer {
  readonly status: number;
  readonly text: string;
  /** In the place of the text. */
  readonly body?: Uint8Array;
  readonly error?: ClusterError;
  /** Beside those that every answer has, or in their place. */
  readonly headers?: Readonly<Record<string, string>>;
}
