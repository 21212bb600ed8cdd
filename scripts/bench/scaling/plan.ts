// What is measured for a scaling report: every row a contestant, decided before anything runs.
import { CODEC_NAMES } from '../../../src/codecs/choice.js';
import { MODES, type BenchSize, type ScalingPart } from '../../cli/choices.js';
import { PRESETS } from '../../cli/presets.js';

/** One contestant. */
export interface ScalingRun {
  readonly part: ScalingPart | 'weak';
  readonly size: BenchSize;
  readonly name: string;
  readonly workers: number;
  /** Of one worker each, on loopback, besides `workers`. */
  readonly nodes: number;
  readonly batchSize: number;
  readonly engineFlags: boolean;
  /** Its mode or codec, where that is what a part is about. */
  readonly label: string | null;
  /** Further options of `distribute`. */
  readonly options: Readonly<Record<string, unknown>>;
}

export interface ScalingChoice {
  readonly parts: readonly ScalingPart[];
  readonly sizes: readonly BenchSize[];
  readonly workerCounts: readonly number[];
  readonly batches: readonly number[];
  readonly nodeCounts: readonly number[];
}

/** Steps of its own between two exchanges: an epoch of the largest batches has not many. */
const PERIOD = 8;
const NODE_BATCH = 2_048;
const START_SECONDS = 2.5;
const NODE_START_SECONDS = 4;
const PEER_START_SECONDS = 4;
const BETWEEN_SECONDS = 0.25;

/** 1, 2, 4 … and all of the cores. */
export function defaultWorkerCounts(cores: number): number[] {
  const counts: number[] = [];
  for (let count = 1; count < cores; count *= 2) counts.push(count);
  return [...counts, cores];
}

/** The contestants, those of one worker first: they are what the others are compared with. */
export function planScaling(choice: ScalingChoice): ScalingRun[] {
  const runs = choice.sizes.flatMap((size) => choice.parts.flatMap((part) => RUNS[part](size, choice)));
  return runs.filter(({ name, size }, index) => runs.findIndex((other) => other.name === name && other.size === size) === index);
}

const RUNS: Readonly<Record<ScalingPart, (size: BenchSize, choice: ScalingChoice) => ScalingRun[]>> = {
  workers: (size, { workerCounts }) => [...strong(size, workerCounts), ...weak(size, workerCounts)],
  batches: (size, { batches, workerCounts }) => batches.flatMap((batchSize) => both(workerCounts).map((workers) => run(size, 'batches', { workers, batchSize }))),
  modes: (size, { workerCounts }) => [
    run(size, 'modes', {}),
    ...MODES.map((mode) => run(size, 'modes', { workers: most(workerCounts), options: mode === 'local' ? { mode, period: PERIOD } : { mode }, label: mode })),
  ],
  codecs: (size) => [
    run(size, 'codecs', { batchSize: NODE_BATCH }),
    ...CODEC_NAMES.map((codec) => run(size, 'codecs', { nodes: 1, batchSize: NODE_BATCH, options: { codec: codec === 'topk' ? { toNode: 'bfloat16', toCoordinator: codec } : codec }, label: codec })),
  ],
  nodes: (size, { nodeCounts }) => [0, ...nodeCounts].map((nodes) => run(size, 'nodes', { nodes, batchSize: NODE_BATCH })),
  accuracy: () => [], // trained to its end, see accuracy.ts
};

/** The same mini-batch, divided among more; one worker also without engine flags, since the better of the two is the baseline. */
function strong(size: BenchSize, workerCounts: readonly number[]): ScalingRun[] {
  const counts = workerCounts.includes(1) ? workerCounts : [1, ...workerCounts];
  return [...counts.map((workers) => run(size, 'workers', { workers })), run(size, 'workers', { engineFlags: false })];
}

/** As many examples for each worker. */
function weak(size: BenchSize, workerCounts: readonly number[]): ScalingRun[] {
  return workerCounts.filter((workers) => workers > 1).map((workers) => run(size, 'weak', { workers, batchSize: presetBatch(size) * workers }));
}

interface Parts {
  readonly workers?: number;
  readonly nodes?: number;
  readonly batchSize?: number;
  readonly engineFlags?: boolean;
  readonly options?: Readonly<Record<string, unknown>>;
  readonly label?: string;
}

function run(size: BenchSize, part: ScalingRun['part'], { workers = 1, nodes = 0, batchSize = presetBatch(size), engineFlags = true, options = {}, label }: Parts): ScalingRun {
  const who = [`${workers} worker${workers === 1 ? '' : 's'}`, ...(nodes === 0 ? [] : [`${nodes} node${nodes === 1 ? '' : 's'}`])].join(' and ');
  const name = [who, `batch ${batchSize}`, ...(label === undefined ? [] : [label]), ...(engineFlags ? [] : ['no flags'])].join(', ');
  return { part, size, name, workers, nodes, batchSize, engineFlags, label: label ?? null, options };
}

/** Workers alone, at some mini-batch. */
export function plainRun(size: BenchSize, workers: number, batchSize: number): ScalingRun {
  return run(size, 'batches', { workers, batchSize });
}

export function presetBatch(size: BenchSize): number {
  return PRESETS[`fashion-mnist-${size}`]!.batchSize;
}

function most(counts: readonly number[]): number {
  return Math.max(...counts);
}

function both(counts: readonly number[]): number[] {
  return [...new Set([1, most(counts)])];
}

/** Seconds that the measuring will take, start-up and warm-up of every contestant included. */
export function estimateSeconds(runs: readonly ScalingRun[], peers: number, { rounds, seconds }: { readonly rounds: number; readonly seconds: number }): number {
  const starts = runs.reduce((sum, { nodes }) => sum + START_SECONDS + (nodes > 0 ? NODE_START_SECONDS : 0), peers * PEER_START_SECONDS);
  return starts + (runs.length + peers) * rounds * (seconds + BETWEEN_SECONDS);
}
