// What is said of those who were refused: a few sentences at once, and then their number, so that strangers fill no log.
import type { ClusterError } from '../protocol/errors.js';
import type { Clock } from './clock.js';
import { TokenBucket } from './rate.js';

const SENTENCES = { perSecond: 0.2, burst: 20 } as const;
const SUMMARY_MS = 60_000;

export class RefusalLog {
  readonly #bucket: TokenBucket;
  #unsaid = 0;
  #cancel: (() => void) | undefined;

  constructor(private readonly clock: Clock, private readonly notice: (sentence: string) => void) {
    this.#bucket = new TokenBucket(SENTENCES, clock.nowMs());
  }

  note(error: ClusterError): void {
    if (this.#bucket.take(this.clock.nowMs())) return this.notice(error.message);
    this.#unsaid += 1;
    this.#cancel ??= this.clock.after(SUMMARY_MS, () => { this.#summarize(); });
  }

  /** Says what is still unsaid. */
  close(): void {
    this.#cancel?.();
    this.#summarize();
  }

  #summarize(): void {
    this.#cancel = undefined;
    if (this.#unsaid > 0) this.notice(`${this.#unsaid} more connections were refused.`);
    this.#unsaid = 0;
  }
}
