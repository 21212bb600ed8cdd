// Tells whoever watches, and remembers for those who come later.
import type { ToNode } from '../net/connection.js';
import { nodeHasher } from '../net/hasher.js';
import { MAX_FEED_RECORDS } from '../protocol/limits.js';
import type { FeedMessage } from '../protocol/messages.js';
import { FeedHistory } from './history.js';
import type { FeedRecord } from './records.js';

/** One who watches. */
export type ViewerConnection = Pick<ToNode, 'send' | 'trySend' | 'bufferedBytes'>;

interface Viewer {
  readonly connection: ViewerConnection;
  /** Something was not sent, because it does not read: everything is told again when it has read what waits. */
  isBehind: boolean;
}

export class Feed {
  readonly #history = new FeedHistory();
  readonly #viewers = new Set<Viewer>();

  get isWatched(): boolean {
    return this.#viewers.size > 0;
  }

  publish(record: FeedRecord): void {
    this.#history.add(record);
    if (this.#viewers.size === 0) return;
    const message = messageOf([record]);
    for (const viewer of this.#viewers) {
      if (viewer.isBehind) this.#catchUp(viewer);
      else if (viewer.connection.trySend(message) === undefined) viewer.isBehind = true;
    }
  }

  /** @returns what ends it */
  watch(connection: ViewerConnection): () => void {
    const viewer = { connection, isBehind: false };
    this.#viewers.add(viewer);
    this.#tellAll(viewer);
    return () => { this.#viewers.delete(viewer); };
  }

  #catchUp(viewer: Viewer): void {
    if (viewer.connection.bufferedBytes > 0) return;
    viewer.isBehind = false;
    this.#tellAll(viewer);
  }

  #tellAll({ connection }: Viewer): void {
    const records = this.#history.records();
    for (let first = 0; first < records.length; first += MAX_FEED_RECORDS) void connection.send(messageOf(records.slice(first, first + MAX_FEED_RECORDS)));
  }
}

function messageOf(records: readonly FeedRecord[]): FeedMessage {
  const bytes = new TextEncoder().encode(JSON.stringify(records));
  return { type: 'feed', recordCount: records.length, sha256: nodeHasher.sha256(bytes), bytes };
}
