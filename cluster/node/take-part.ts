// A node's part in one run after another: it dials, computes until the connection ends, and dials again when that may help.
import type { Clock } from '../net/clock.js';
import type { Ending } from '../net/ending.js';
import type { Dialled } from '../net/introduce.js';
import { keepDialling } from '../net/redial.js';
import { clusterError, type ClusterError } from '../protocol/errors.js';
import type { WelcomeMessage } from '../protocol/messages.js';
import type { NodeTools } from './computing.js';
import { JoinedRun, type JoinTools } from './joined-run.js';
import { Workshop } from './workshop.js';

export interface PartOptions extends Pick<JoinTools, 'data' | 'findColumns' | 'cache' | 'notice' | 'onProgress' | 'onShare'> {
  /** Opens one connection, up to the welcome. */
  readonly connect: () => Promise<Dialled>;
  /** Threads and kernels for one run in some arithmetic; undefined where this engine does not have it. */
  readonly prepare: (arithmetic: string) => NodeTools | undefined | Promise<NodeTools | undefined>;
  /** What this engine has, for messages. */
  readonly arithmetics: string;
  /** What is made of a run where it is not to compute shares here. @throws ClusterError for a run that it cannot be done with */
  readonly handOn?: ((welcome: WelcomeMessage, address: string) => Pick<JoinTools, 'openSession' | 'shareSlots'>) | undefined;
  /** Ends after the first run that came to its end. */
  readonly once: boolean;
  /** Since the last connection; without it it dials for ever. */
  readonly giveUpAfterMs?: number | undefined;
  /** From 0 up to 1. */
  readonly random: () => number;
  readonly clock: Clock;
  readonly signal: AbortSignal;
}

/**
 * Takes part until a run has come to its end (`once`), or for ever.
 * @throws ClusterError where dialling again cannot help, or it is time to give up; the signal's reason
 */
export async function takePart(options: PartOptions): Promise<void> {
  const { once, signal, notice, clock, random, giveUpAfterMs } = options;
  const workshop = new Workshop(options.prepare);
  const connect = async (welcomed: () => void): Promise<Ending> => {
    const dialled = await options.connect();
    welcomed();
    notice(`joined the run at ${dialled.connection.address}`);
    return serve(dialled, workshop, options);
  };
  const waits = (after: Ending | ClusterError, delayMs: number): void => {
    notice(`${sentenceOf(after)}; dialling again in ${(delayMs / 1000).toFixed(1)} s`);
  };
  try {
    for (;;) {
      const ending = await keepDialling(connect, { clock, random, signal, waits, giveUpAfterMs });
      signal.throwIfAborted();
      if (ending.how === 'failed') throw ending.error;
      if (ending.how === 'done') notice(ending.outcome === 'stopped' ? 'the run was stopped before its end; dialling again' : `the run has come to its end${once ? '' : '; waiting for the next'}`);
      if (ending.how !== 'done' || (once && ending.outcome === 'finished')) return; // a run that was stopped may be resumed
    }
  } finally {
    await workshop.close();
  }
}

/** One connection, to its end. */
async function serve({ connection, welcome, runId }: Dialled, workshop: Workshop, options: PartOptions): Promise<Ending> {
  const { signal, clock } = options;
  const tools = await admitted(welcome, connection.address, workshop, options).catch((error: unknown) => {
    connection.fail(error);
    throw error;
  });
  const run = new JoinedRun(welcome, connection, { ...options, ...tools, workshop, runId, now: () => clock.nowMs() });
  const leave = (): void => { void run.drain().then(() => connection.leave('stopped')); };
  signal.addEventListener('abort', leave);
  if (signal.aborted) leave();
  try {
    return await connection.serve((message) => run.handle(message));
  } finally {
    signal.removeEventListener('abort', leave);
    await run.close();
  }
}

/** What to compute a run with, if it can be here. */
async function admitted(welcome: WelcomeMessage, address: string, workshop: Workshop, { handOn, arithmetics }: PartOptions): Promise<NodeTools & Pick<JoinTools, 'openSession'>> {
  const handing = handOn?.(welcome, address);
  const tools = await workshop.toolsFor(welcome.arithmetic);
  if (tools === undefined) throw clusterError('ERR_OTHER_ARITHMETIC', { theirs: arithmetics, ours: welcome.arithmetic });
  return { ...tools, ...handing };
}

function sentenceOf(outcome: Ending | ClusterError): string {
  if (outcome instanceof Error) return outcome.message.replace(/\.$/, '');
  if (outcome.how === 'failed') return outcome.error.message.replace(/\.$/, '');
  return 'the connection broke';
}
