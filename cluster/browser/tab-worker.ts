// The worker of a page that is its node: puts together what computes and what speaks. It alone in this folder imports `workers`.
import './no-eval.js'; // first
import { Arena } from '../../src/kernels/arena.js';
import { hasRelaxedSimd, instantiateKernels, type Arithmetic } from '../../src/kernels/instance.js';
import { chooseTile, TRIAL_SCRATCH_BYTES } from '../../src/kernels/tiles.js';
import { InlinePool } from '../../workers/inline-pool.js';
import { WebPool } from '../../workers/web-pool.js';
import type { NodeTools } from '../node/computing.js';
import type { TabOrder, TabReport } from './orders.js';
import { runTab } from './tab-node.js';
import { softwareVersion } from './version.js';

/** What is used of a worker's global scope. */
interface WorkerScope extends EventTarget {
  postMessage(report: TabReport): void;
  close(): void;
}

const scope = globalThis as unknown as WorkerScope;
const report = (about: TabReport): void => { scope.postMessage(about); };
const stop = new AbortController();

scope.addEventListener('message', (event) => {
  const order = (event as MessageEvent<TabOrder>).data;
  if (order.kind === 'stop') stop.abort(new Stopped());
  else void begin(order);
});

async function begin(order: Extract<TabOrder, { readonly kind: 'begin' }>): Promise<void> {
  try {
    await runTab({
      ...order, softwareVersion, report, signal: stop.signal,
      prepare: async (arithmetic) => (isAvailable(arithmetic) ? prepare(arithmetic, order) : undefined),
      arithmetics: hasRelaxedSimd() ? 'fma and portable' : 'portable',
    });
    report({ kind: 'ended' });
  } catch (error) {
    report({ kind: 'ended', ...(error instanceof Stopped ? {} : { error: (error as Error).message }) });
  }
  scope.close();
}

/** Somebody pressed the button, which is no fault. */
class Stopped extends Error {}

function isAvailable(arithmetic: string): arithmetic is Arithmetic {
  return arithmetic === 'portable' || (arithmetic === 'fma' && hasRelaxedSimd());
}

async function prepare(arithmetic: Arithmetic, { origin, workers, isIsolated }: { readonly origin: string; readonly workers: number; readonly isIsolated: boolean }): Promise<NodeTools> {
  const module = await compiled(`${origin}/${arithmetic}${isIsolated ? '' : '-unshared'}.wasm`);
  const arena = new Arena(undefined, isIsolated);
  const scratch = arena.slot('the trial of tiles', TRIAL_SCRATCH_BYTES);
  const tile = chooseTile(instantiateKernels(module, arena.memory), scratch, () => performance.now());
  const pool = isIsolated ? new WebPool(workers, () => new Worker(`${origin}/tab-thread.js`, { type: 'module' })) : new InlinePool(turn);
  return { pool, module, tile, isShared: isIsolated };
}

async function compiled(url: string): Promise<WebAssembly.Module> {
  const response = await fetch(url);
  if (!response.ok) throw new Error(`${url} answers with status ${response.status}; load the page again.`);
  return WebAssembly.compile(await response.arrayBuffer());
}

/** What came meanwhile is handled; a timer of 0 ms would wait for 4. */
function turn(): Promise<void> {
  return new Promise((resolve) => {
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = () => {
      port1.close();
      resolve();
    };
    port2.postMessage(undefined);
  });
}
