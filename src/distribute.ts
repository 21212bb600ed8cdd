// Puts a trainer together; the one module of src that knows the workers.
import '@tensorflow/tfjs-backend-cpu';
import * as tf from '@tensorflow/tfjs-core';
import type { LayersModel } from '@tensorflow/tfjs-layers';
import type { PoolOptions } from '../cluster/coordinator/cluster-pool.js';
import { LocalPool } from '../workers/pool.js';
import { codecsOf } from './codecs/choice.js';
import { Arena } from './kernels/arena.js';
import { chooseArithmetic, compileKernels, instantiateKernels, setEngineFlags, type Arithmetic } from './kernels/load.js';
import { chooseTile, TRIAL_SCRATCH_BYTES } from './kernels/tiles.js';
import { fromTfjs } from './optimizers/from-tfjs.js';
import type { Optimizer } from './optimizers/index.js';
import { fieldsOf } from './trace/model.js';
import type { Mode } from './train/mode.js';
import { ModelPlans } from './train/model-plans.js';
import { checkDistributeOptions, modeOf, outerOptimizerOf, workerCount, type DistributeOptions } from './train/options.js';
import type { Fault, WorkerPool } from './train/session.js';
import { TrainingState } from './train/state.js';
import { Trainer } from './train/trainer.js';

const DEFAULT_SEED = 1;

/**
 * Prepares a model for training on all cores: traces it, compiles it into plans and starts the workers. The model's
 * weights stay as they are.
 * @throws TensorflockError of kind `input` for options, layers, losses and metrics that are not covered, by name
 */
export async function distribute(model: LayersModel, options: DistributeOptions = {}): Promise<Trainer> {
  return distributeWith(model, options, []);
}

/** As `distribute`, with faults and deadlines for tests of recovery. */
export async function distributeWith(model: LayersModel, options: DistributeOptions, faults: readonly Fault[], liveness?: Liveness): Promise<Trainer> {
  const { kernels = 'auto', seed = DEFAULT_SEED, shardSize } = checkDistributeOptions(options);
  const mode = modeOf(options);
  await tf.ready();
  const engineFlags = options.engineFlags === true ? setEngineFlags() : [];
  const arithmetic = chooseArithmetic(kernels);
  const plans = new ModelPlans(model);
  const optimizer = options.optimizer ?? compiledOptimizer(model);
  const arena = new Arena();
  const state = new TrainingState(arena, plans, optimizer, mode);
  const module = compileKernels(arithmetic);
  const workers = workerCount(options.workers);
  const pool = await createPool(options, { workers, arithmetic, mode, plans, state, module }, liveness);
  return new Trainer({
    model, plans, state, module, optimizer, faults, pool,
    tile: tryTiles(module, arena),
    facts: { workers, arithmetic, engineFlags, seed, mode, ...(mode.kind === 'local' && { outer: outerOptimizerOf(options) }), ...(shardSize === undefined ? {} : { shardSize }) },
  });
}

/** How often coordinator and nodes say that they live, and the silence after which a node is lost, in milliseconds. */
export interface Liveness {
  readonly heartbeatMs: number;
  readonly silenceMs: number;
}

interface PoolParts {
  readonly workers: number;
  readonly arithmetic: Arithmetic;
  readonly mode: Mode;
  readonly plans: ModelPlans;
  readonly state: TrainingState;
  readonly module: WebAssembly.Module;
}

/** The threads of this machine, and with `serve` whoever joins. Updates need one thread, also where it computes nothing else. */
async function createPool(options: DistributeOptions, parts: PoolParts, liveness?: Liveness): Promise<WorkerPool> {
  const local = new LocalPool(Math.max(1, parts.workers));
  const { serve, metricsKey, eventLog } = options;
  if (serve === undefined && parts.mode.kind !== 'local') return local;
  const [{ serveNodes, LIVENESS }, { ClusterPool }] = await Promise.all([import('../cluster/serve.js'), import('../cluster/coordinator/cluster-pool.js')]);
  const pool = { ...poolOptions(options, parts), ...(liveness ?? LIVENESS) };
  if (serve === undefined) return new ClusterPool(local, pool); // periods are made of own steps also where nobody joins
  try {
    return await serveNodes(local, { ...pool, door: { ...options, address: serve }, metricsKey, eventLog, createInlinePool: async () => new (await import('../workers/inline-pool.js')).InlinePool(), shareBytes: parts.state.updatedFloats * 4 });
  } catch (error) {
    await local.close();
    throw error;
  }
}

function poolOptions(options: DistributeOptions, { workers, arithmetic, mode, plans, state, module }: PoolParts): Omit<PoolOptions, 'heartbeatMs' | 'silenceMs'> {
  const { outerMomentum } = state;
  return {
    arithmetic, usesLocal: workers > 0, kernels: instantiateKernels(module, state.arena.memory), parameters: state.parameters, parameterFloats: plans.layout.totalFloats,
    rules: { mode, quorum: options.quorum ?? (workers > 0 ? 0 : 1), backup: options.backup ?? false, auditProbability: options.audit ?? 0, checkShares: options.checkShares ?? false },
    ...(outerMomentum !== undefined && { outer: { optimizer: outerOptimizerOf(options), momentum: outerMomentum } }),
    codecs: codecsOf(options.codec), allocate: (name, byteLength) => state.arena.slot(name, byteLength),
    now: () => performance.now(), createPool: (count) => new LocalPool(count), weightsSha256: () => state.hashes().weightsSha256, notice: options.onNotice ?? (() => undefined), mayChaos: options.chaos === true,
  };
}

function tryTiles(module: WebAssembly.Module, arena: Arena): number {
  const mark = arena.mark();
  const scratch = arena.slot('the trial of tiles', TRIAL_SCRATCH_BYTES);
  arena.bytes(scratch, TRIAL_SCRATCH_BYTES).fill(0);
  const tile = chooseTile(instantiateKernels(module, arena.memory), scratch, () => performance.now());
  arena.release(mark);
  return tile;
}

/** A model that is not compiled can still predict; its optimizer is never used. */
function compiledOptimizer(model: LayersModel): Optimizer {
  const { optimizer_: compiled, optimizer } = fieldsOf(model) as { readonly optimizer_?: unknown; readonly optimizer?: unknown };
  return fromTfjs(compiled ?? optimizer ?? 'sgd');
}
