// Who watches a served run: its event log, and its metrics.
import type { RunObserver } from '../coordinator/observer.js';
import { EventLog } from './event-log.js';
import { checkEventLog, openEventLog } from './log-file.js';
import { RunMetrics, type MetricsSources } from './run-metrics.js';

export interface ObservedOptions {
  /** The file of the event log, if there is one. */
  readonly eventLog?: string | undefined;
  readonly arithmetic: string;
  /** For people. */
  readonly notice: (sentence: string) => void;
}

export interface Observed {
  readonly observers: readonly RunObserver[];
  readonly metrics: { readonly contentType: string; readonly text: () => Promise<string> };
  /** Writes what waits. */
  readonly close: () => Promise<void>;
}

/** @throws ERR_EVENT_LOG for a file that is no log */
export async function observeRun({ eventLog, arithmetic, notice }: ObservedOptions, sources: Pick<MetricsSources, 'status' | 'traffic'>): Promise<Observed> {
  if (eventLog !== undefined) await checkEventLog(eventLog);
  const log = eventLog === undefined ? undefined : new EventLog({ path: eventLog, open: openEventLog, notice });
  const metrics = new RunMetrics({ ...sources, arithmetic, missedEvents: () => log?.missed ?? 0 });
  return {
    observers: log === undefined ? [metrics] : [metrics, log],
    metrics: { contentType: metrics.contentType, text: () => metrics.text() },
    close: async () => { await log?.close(); },
  };
}
