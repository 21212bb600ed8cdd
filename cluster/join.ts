// A node or relay, put together: it dials, takes part in one run after another, and dials again when a connection breaks.
import { coordinatorShareSlots } from './coordinator/leaf-groups.js';
import { keyedLink, type GivenLink } from './keyed-link.js';
import { ColumnCache, defaultColumnFolder } from './data/column-cache.js';
import { formatAddress } from './net/address.js';
import { systemClock } from './net/clock.js';
import { dial } from './net/dial.js';
import type { Ending } from './net/ending.js';
import { keepDialling } from './net/redial.js';
import type { NodeTools } from './node/computing.js';
import { JoinedRun, type JoinTools } from './node/joined-run.js';
import { Workshop } from './node/workshop.js';
import { checkRelayed } from './relay/hall.js';
import { openRelay, type RelayDoor } from './relay/open-relay.js';
import { clusterError, type ClusterError } from './protocol/errors.js';
import { drawIdentitySecret, identityOf } from './protocol/identity.js';
import type { WelcomeMessage } from './protocol/messages.js';
import type { DataWay } from './protocol/run-description.js';

export interface JoinOptions extends GivenLink, Pick<JoinTools, 'notice' | 'onProgress'> {
  readonly softwareVersion: string;
  /** Threads and kernels for one run in some arithmetic; undefined where this engine does not have it. */
  readonly prepare: (arithmetic: string) => NodeTools | undefined;
  /** What this engine has, for messages. */
  readonly arithmetics: string;
  /** Whether to keep the columns (the default), or be sent the rows of each assignment. */
  readonly data?: DataWay;
  /** Hands the work on to nodes that join here, as a relay; `workers` threads of this machine compute too. */
  readonly relay?: { readonly door: RelayDoor; readonly workers: number } | undefined;
  /** Ends after the first run that came to its end. */
  readonly once: boolean;
  /** Since the last connection; without it it dials for ever. */
  readonly giveUpAfterMs?: number | undefined;
  readonly random: () => number;
  readonly signal: AbortSignal;
}

/**
 * Takes part in the runs behind a link until one has come to its end (`once`), or for ever.
 * @throws ClusterError where dialling again cannot help, or it is time to give up; the signal's reason
 */
export async function joinRuns(options: JoinOptions): Promise<void> {
  const { environment, once, signal, notice, insecure = false } = options;
  const link = await keyedLink(options);
  if (insecure) notice(`--insecure: nobody proves to be the coordinator at ${formatAddress(link)}, and it asks nobody for a key`);
  const identity = identityOf(drawIdentitySecret());
  const cache = new ColumnCache(defaultColumnFolder(environment), { notice });
  const workshop = new Workshop(options.prepare);
  const now = (): number => performance.now();
  const relay = options.relay && (await openRelay(options.relay.door, { workers: options.relay.workers, notice, now }));
  /** What to compute a run with, if it can be here. */
  const admitted = async (welcome: WelcomeMessage, address: string): Promise<NodeTools & Pick<JoinTools, 'openSession'>> => {
    if (relay !== undefined) checkRelayed(welcome, address);
    const tools = await workshop.toolsFor(welcome.arithmetic);
    if (tools === undefined) throw clusterError('ERR_OTHER_ARITHMETIC', { theirs: options.arithmetics, ours: welcome.arithmetic });
    return relay === undefined ? tools : { ...tools, shareSlots: coordinatorShareSlots(welcome.mode, shardsOf(welcome)), openSession: relay.openSession };
  };
  const connect = async (welcomed: () => void): Promise<Ending> => {
    const { connection, welcome, runId } = await dial(link, { role: relay === undefined ? 'node' : 'relay', identity, softwareVersion: options.softwareVersion, insecure, signal });
    welcomed();
    notice(`joined the run at ${connection.address}`);
    const tools = await admitted(welcome, connection.address).catch((error: unknown) => {
      connection.fail(error);
      throw error;
    });
    const run = new JoinedRun(welcome, connection, { ...options, ...tools, data: options.data ?? 'columns', workshop, runId, cache, now });
    const leave = (): void => { void run.drain().then(() => connection.leave('stopped')); };
    signal.addEventListener('abort', leave);
    if (signal.aborted) leave();
    try {
      return await connection.serve((message) => run.handle(message));
    } finally {
      signal.removeEventListener('abort', leave);
      await run.close();
    }
  };
  const waits = (after: Ending | ClusterError, delayMs: number): void => {
    notice(`${sentenceOf(after)}; dialling again in ${(delayMs / 1000).toFixed(1)} s`);
  };
  try {
    for (;;) {
      const ending = await keepDialling(connect, { clock: systemClock, random: options.random, signal, waits, ...(options.giveUpAfterMs === undefined ? {} : { giveUpAfterMs: options.giveUpAfterMs }) });
      signal.throwIfAborted();
      if (ending.how === 'failed') throw ending.error;
      if (ending.how === 'done') notice(ending.outcome === 'stopped' ? 'the run was stopped before its end; dialling again' : `the run has come to its end${once ? '' : '; waiting for the next'}`);
      if (ending.how !== 'done' || (once && ending.outcome === 'finished')) return; // a run that was stopped may be resumed
    }
  } finally {
    await relay?.close();
    await workshop.close();
  }
}

/** Of a whole step. */
function shardsOf({ batchRows, exampleCount, shardSize }: WelcomeMessage): number {
  return Math.ceil(Math.min(batchRows, exampleCount) / shardSize);
}

function sentenceOf(outcome: Ending | ClusterError): string {
  if (outcome instanceof Error) return outcome.message.replace(/\.$/, '');
  if (outcome.how === 'failed') return outcome.error.message.replace(/\.$/, '');
  return 'the connection broke';
}
