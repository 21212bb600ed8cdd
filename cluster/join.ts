// A node or relay as a program, put together: where it dials, where its data are, and what it computes with.
import { coordinatorShareSlots } from './coordinator/leaf-groups.js';
import { keyedLink, type GivenLink } from './keyed-link.js';
import { ColumnCache, defaultColumnFolder } from './data/column-cache.js';
import { findColumns } from './data/find-data.js';
import { formatAddress } from './net/address.js';
import { systemClock } from './net/clock.js';
import { dial } from './net/dial.js';
import type { NodeTools } from './node/computing.js';
import type { JoinTools } from './node/joined-run.js';
import { takePart, type PartOptions } from './node/take-part.js';
import { checkRelayed } from './relay/hall.js';
import { openRelay, type RelayDoor } from './relay/open-relay.js';
import { drawIdentitySecret, identityOf } from './protocol/identity.js';
import type { WelcomeMessage } from './protocol/messages.js';
import type { DataWay } from './protocol/run-description.js';

export interface JoinOptions extends GivenLink, Pick<PartOptions, 'notice' | 'onProgress' | 'arithmetics' | 'once' | 'giveUpAfterMs' | 'random' | 'signal'> {
  readonly softwareVersion: string;
  /** Threads and kernels for one run in some arithmetic; undefined where this engine does not have it. */
  readonly prepare: (arithmetic: string) => NodeTools | undefined;
  /** Whether to keep the columns (the default), or be sent the rows of each assignment. */
  readonly data?: DataWay;
  /** Hands the work on to nodes that join here, as a relay; `workers` threads of this machine compute too. */
  readonly relay?: { readonly door: RelayDoor; readonly workers: number } | undefined;
}

/**
 * Takes part in the runs behind a link until one has come to its end (`once`), or for ever.
 * @throws ClusterError where dialling again cannot help, or it is time to give up; the signal's reason
 */
export async function joinRuns(options: JoinOptions): Promise<void> {
  const { environment, signal, notice, softwareVersion, insecure = false } = options;
  const link = await keyedLink(options);
  if (insecure) notice(`--insecure: nobody proves to be the coordinator at ${formatAddress(link)}, and it asks nobody for a key`);
  const identity = identityOf(drawIdentitySecret());
  const cache = new ColumnCache(defaultColumnFolder(environment), { notice });
  const relay = options.relay && (await openRelay(options.relay.door, { workers: options.relay.workers, notice, now: systemClock.nowMs }));
  const handOn = relay && ((welcome: WelcomeMessage, address: string): Pick<JoinTools, 'openSession' | 'shareSlots'> => {
    checkRelayed(welcome, address);
    return { shareSlots: coordinatorShareSlots(welcome.mode, shardsOf(welcome)), openSession: relay.openSession };
  });
  try {
    await takePart({
      ...options, handOn, cache, clock: systemClock, data: options.data ?? 'columns',
      connect: () => dial(link, { role: relay === undefined ? 'node' : 'relay', identity, softwareVersion, insecure, signal }),
      findColumns: (columns, placeOf) => findColumns(columns, { placeOf, cache, notice }),
    });
  } finally {
    await relay?.close();
  }
}

/** Of a whole step. */
function shardsOf({ batchRows, exampleCount, shardSize }: WelcomeMessage): number {
  return Math.ceil(Math.min(batchRows, exampleCount) / shardSize);
}
