// One of several processes that fetch the same columns into the same cache folder at once: `node cache-process.js <folder> <rounds>`.
// It prints how many columns it did not find in the cache; it fails where one has wrong bytes.
import { setImmediate } from 'node:timers/promises';
import { ColumnCache } from '../../cluster/data/column-cache.js';
import { hashColumn } from '../../cluster/data/column-hash.js';
import { fetchColumns, resumeFromCache } from '../../cluster/data/fetch-columns.js';
import { FetchPlan } from '../../cluster/data/fetch-plan.js';
import { bytesColumn, CHUNK, chunkOf, Places } from '../pure/cluster-data.js';
import { hasher } from '../pure/protocol-samples.js';

const [, , folder, rounds] = process.argv;
const limits = { maxBytes: 8 * CHUNK, maxEntries: 100, minFreeBytes: 0 };
const notices: string[] = [];
let fetched = 0;
for (let round = 0; round < Number(rounds); round++) {
  // Three columns of two chunks each and a cache of eight: they push each other out, too.
  const { column, bytes } = bytesColumn(CHUNK + 5, round % 3);
  const cache = new ColumnCache(folder!, { limits, notice: (sentence) => notices.push(sentence) });
  const places = new Places();
  if (!(await cache.read(column, places.of(column)))) {
    fetched++;
    const plan = new FetchPlan([column], hasher);
    await resumeFromCache(plan, { cache, placeOf: places.of });
    await fetchColumns(plan, {
      cache, hashColumn, placeOf: places.of, nowMs: () => 0,
      request: async (message) => chunkOf(bytes, message),
      sleep: () => setImmediate(),
    });
  }
  if (Buffer.compare(places.of(column), bytes) !== 0) throw new Error(`round ${round} has wrong bytes`);
}
process.stdout.write(JSON.stringify({ fetched, notices }));
