// A tab as a node, within a worker of the page: timers of a page that nobody looks at are slow, and a page must not stand still.
import type { NodeTools } from '../node/computing.js';
import { takePart } from '../node/take-part.js';
import { drawIdentitySecret, identityOf } from '../protocol/identity.js';
import { distinctColumns } from '../data/columns.js';
import type { TabOrder, TabReport } from './orders.js';
import { pageClock } from './page-clock.js';
import { dialFromPage } from './page-dial.js';

export interface TabOptions extends Omit<Extract<TabOrder, { readonly kind: 'begin' }>, 'kind' | 'workers' | 'isIsolated'> {
  /** At most 32 characters. */
  readonly softwareVersion: string;
  /** Threads and kernels of an arithmetic; undefined where this engine does not have it. */
  readonly prepare: (arithmetic: string) => Promise<NodeTools | undefined>;
  readonly arithmetics: string;
  readonly report: (report: TabReport) => void;
  readonly signal: AbortSignal;
}

/** Between two reports of what was given. */
const REPORT_MS = 250;

/** Takes part in one run after another until the signal ends it. @throws ClusterError where dialling again cannot help */
export async function runTab({ origin, key, data, softwareVersion, prepare, arithmetics, report, signal }: TabOptions): Promise<void> {
  const identity = identityOf(drawIdentitySecret());
  const given = countGiven(report);
  await takePart({
    prepare, arithmetics, data, signal, clock: pageClock, once: false,
    connect: () => dialFromPage({ origin, key, role: 'node', identity, softwareVersion, signal }),
    findColumns: (columns) => Promise.resolve({ found: [], missing: distinctColumns(columns) }),
    random: () => crypto.getRandomValues(new Uint32Array(1))[0]! / 2 ** 32,
    notice: (sentence) => { report({ kind: 'notice', sentence }); },
    onProgress: (progress) => { report({ kind: 'fetched', ...progress }); },
    onShare: given,
  });
}

/** Many shares may leave in a moment, and one report is enough for them. */
function countGiven(report: (report: TabReport) => void): (examples: number) => void {
  let [shares, total, isTold] = [0, 0, true];
  return (examples) => {
    shares++;
    total += examples;
    if (!isTold) return;
    isTold = false;
    pageClock.after(REPORT_MS, () => {
      isTold = true;
      report({ kind: 'given', shares, examples: total });
    });
  };
}
