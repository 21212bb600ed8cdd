// What the page and the worker that is its node tell each other.
import type { DataWay } from '../protocol/run-description.js';

/** Page to worker. */
export type TabOrder =
  | {
    readonly kind: 'begin';
    /** Of the page, which is the coordinator's. */
    readonly origin: string;
    /** The join key; empty where the run asks for none. */
    readonly key: Uint8Array;
    /** Threads that share memory; more than 1 where the page is isolated. */
    readonly workers: number;
    readonly isIsolated: boolean;
    readonly data: DataWay;
  }
  /** What is being computed is sent, and then it leaves. */
  | { readonly kind: 'stop' };

/** Worker to page. */
export type TabReport =
  | { readonly kind: 'notice'; readonly sentence: string }
  /** Bytes of the data that have come. */
  | { readonly kind: 'fetched'; readonly receivedBytes: number; readonly totalBytes: number }
  /** Since it began. */
  | { readonly kind: 'given'; readonly shares: number; readonly examples: number }
  /** It takes no part any more; an error says why. */
  | { readonly kind: 'ended'; readonly error?: string };
