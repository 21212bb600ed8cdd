import { join } from 'node:path';
import type { DistributeOptions } from './library.js';
import type { TrainOptions } from './options.js';

/** Where a run that is kept leaves its events, if nothing else is said. */
const EVENTS_FILE = 'events.jsonl';

/**
 * Where the events of a served run go, and the key of its metrics.
 * @throws ERR_EVENT_LOG, ERR_KEY
 */
export async function watchingOptions({ out, resume, eventLog, metricsKeyFile }: TrainOptions): Promise<Pick<DistributeOptions, 'eventLog' | 'metricsKey'>> {
  if (eventLog !== undefined) {
    const { checkNamedLog } = await import('../../cluster/operations/log-file.js');
    await checkNamedLog(eventLog, resume === undefined);
  }
  const folder = out ?? resume;
  const path = eventLog ?? (folder === undefined ? undefined : join(folder, EVENTS_FILE));
  return { ...(path === undefined ? {} : { eventLog: path }), ...(metricsKeyFile === undefined ? {} : { metricsKey: await metricsKeyIn(metricsKeyFile) }) };
}

async function metricsKeyIn(path: string): Promise<string> {
  const [{ metricsKeyOf }, { formatKey }] = await Promise.all([import('../../cluster/net/run-keys.js'), import('../../cluster/protocol/keys.js')]);
  return formatKey(await metricsKeyOf(path));
}
