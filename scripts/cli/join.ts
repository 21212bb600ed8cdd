import { findCoordinator } from '../../cluster/find.js';
import { joinRuns, type JoinOptions } from '../../cluster/join.js';
import { givenKey } from '../../cluster/net/run-keys.js';
import type { NodeTools } from '../../cluster/node/computing.js';
import { Arena } from '../../src/kernels/arena.js';
import { compileKernels, hasRelaxedSimd, instantiateKernels, setEngineFlags, type Arithmetic } from '../../src/kernels/load.js';
import { chooseTile, TRIAL_SCRATCH_BYTES } from '../../src/kernels/tiles.js';
import { workerCount } from '../../src/train/options.js';
import { LocalPool } from '../../workers/pool.js';
import type { Context, EndingSignal } from './context.js';
import { INTERRUPTED_STATUS, onPress } from './interrupts.js';
import type { JoinCommandOptions } from './options.js';
import { givenTls } from './serving.js';
import { packageVersion } from './version.js';

/** `tensorflock join [link]`: computes for a run on another machine; resolves to the exit status. */
export async function runJoin(given: string | undefined, options: JoinCommandOptions, context: Context): Promise<number> {
  const link = given ?? (await foundLink(options, context));
  return link === undefined ? 0 : joinAt(link, options, context);
}

/** Undefined where the user has to choose, which they are then told. */
async function foundLink({ keyFile, insecure }: JoinCommandOptions, context: Context): Promise<string | undefined> {
  const key = await givenKey({ keyFile, environment: context.environment['TENSORFLOCK_KEY'] });
  const found = await findCoordinator({ hasKey: key !== undefined, insecure, notice: (sentence) => { context.stderr.write(`${sentence}\n`); } });
  if ('link' in found) return found.link;
  context.stdout.write(`${found.list}\n`);
  return undefined;
}

async function joinAt(link: string, options: JoinCommandOptions, context: Context): Promise<number> {
  const { once, giveUpAfter, data, keyFile, insecure } = options;
  setEngineFlags();
  const threads = workerCount(options.workers);
  const relay = await relayOf(options, threads);
  const stop = new AbortController();
  const unsubscribe = onPress(context, (signal, isFirst) => {
    if (isFirst) stop.abort(new Interruption(signal));
    else context.exit(INTERRUPTED_STATUS[signal]);
  });
  try {
    await joinRuns({
      link, keyFile, insecure, once, data, relay, signal: stop.signal, softwareVersion: packageVersion(), environment: context.environment as NodeJS.ProcessEnv,
      giveUpAfterMs: giveUpAfter === undefined ? undefined : giveUpAfter * 1000,
      prepare: (arithmetic) => (isAvailable(arithmetic) ? prepare(arithmetic, Math.max(1, threads)) : undefined),
      arithmetics: hasRelaxedSimd() ? 'fma and portable' : 'portable',
      random: () => crypto.getRandomValues(new Uint32Array(1))[0]! / 2 ** 32,
      notice: (sentence) => { context.stderr.write(`${sentence}\n`); },
    });
    return 0;
  } catch (error) {
    if (!(error instanceof Interruption)) throw error;
    context.stderr.write('left the run.\n');
    return error.signal === 'SIGTERM' ? 0 : INTERRUPTED_STATUS[error.signal];
  } finally {
    unsubscribe();
  }
}

/** What a relay is to be; undefined for a node. A probe needs one thread, also where nothing else is computed. */
async function relayOf({ serve, host: hosts = [], announce, insecure, ...options }: JoinCommandOptions, workers: number): Promise<JoinOptions['relay']> {
  return serve === undefined ? undefined : { door: { address: serve, hosts, announce, insecure, tls: await givenTls(options) }, workers };
}

/** Somebody pressed Ctrl-C, or whoever started the node takes it away, which is no fault. */
class Interruption extends Error {
  constructor(readonly signal: EndingSignal) {
    super(signal);
  }
}

function isAvailable(arithmetic: string): arithmetic is Arithmetic {
  return arithmetic === 'portable' || (arithmetic === 'fma' && hasRelaxedSimd());
}

function prepare(arithmetic: Arithmetic, threads: number): NodeTools {
  const module = compileKernels(arithmetic);
  const arena = new Arena();
  const scratch = arena.slot('the trial of tiles', TRIAL_SCRATCH_BYTES);
  const tile = chooseTile(instantiateKernels(module, arena.memory), scratch, () => performance.now());
  return { pool: new LocalPool(threads), module, tile };
}
