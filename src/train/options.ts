import { availableParallelism } from 'node:os';
import { z } from 'zod';
import { CODEC_NAMES, codecsOf, isLossless, type CodecChoice } from '../codecs/choice.js';
import { inputError } from '../errors.js';
import type { Optimizer } from '../optimizers/index.js';
import { DEFAULT_PERIOD, DEFAULT_STALENESS, MODES, MOST_OUTER_RATE, MOST_PERIOD, MOST_STALENESS, PLAIN_AVERAGING, type Mode, type OuterOptimizer } from './mode.js';

/** Options of `distribute`. */
export interface DistributeOptions {
  /** Threads, 1 to 64; 'auto' (default): one a core. */
  readonly workers?: number | 'auto' | undefined;
  /** Consecutive examples that are summed together; part of an experiment, as the batch size is. */
  readonly shardSize?: number | undefined;
  /** Of shuffles, dropout and noise: a whole number from 0; default 1. */
  readonly seed?: number | undefined;
  /** What is applied when (src/train/mode.ts has the formulas); default `sync`, which alone is exact. */
  readonly mode?: Mode['kind'] | undefined;
  /** Mode `stale`: versions that the parameters of a share may be old; default 1. */
  readonly staleness?: number | undefined;
  /** Mode `local`: steps of its own that a machine makes between two exchanges; default 16. */
  readonly period?: number | undefined;
  /** Mode `local`: rate and momentum of the update that joins the machines' results; default 1 and 0, plain averaging. */
  readonly outerLearningRate?: number | undefined;
  readonly outerMomentum?: number | undefined;
  readonly kernels?: 'auto' | 'fma' | 'portable' | undefined;
  /** Lets the library set V8 flags for this process: relaxed SIMD on Node 20, wider vectors on newer ones. */
  readonly engineFlags?: boolean | undefined;
  /** Instead of the one the model was compiled with. */
  readonly optimizer?: Optimizer | undefined;
  /** Lets machines join, at `[host:]port`; without host on loopback alone; true: where the run of `serveFrom` was served. Then `workers` may be 0. */
  readonly serve?: string | true | undefined;
  /** With `serve`: the folder of a run that was served before. Its keys, certificate and port are taken up again, so that its nodes come back. */
  readonly serveFrom?: string | undefined;
  /** With `serve`: the join key, 128 bits or more as base64url; default: drawn. */
  readonly joinKey?: string | undefined;
  /** With `serve`: the key of `/metrics`, of the same form; default: drawn. */
  readonly metricsKey?: string | undefined;
  /** With `serve`: a file to which everything that happens is appended, a line of JSON each. */
  readonly eventLog?: string | undefined;
  /** With `serve`: nodes that must take part for the training to begin and go on; default 0, and 1 with `workers: 0`. */
  readonly quorum?: number | undefined;
  /** With `serve`: near the end of a step idle nodes compute again what a slow one still owes; whoever is first counts. */
  readonly backup?: boolean | undefined;
  /** With `serve`, in exact runs: the part of the nodes' shares, 0 to 1, that are computed a second time and compared byte for byte; default 0. */
  readonly audit?: number | undefined;
  /** With `serve`: computes a share again whose gradient for each example is far longer or shorter than the latest ones'. */
  readonly checkShares?: boolean | undefined;
  /** With `serve`: who has the operator key may freeze, slow and drop nodes, for people to see what comes of it. */
  readonly chaos?: boolean | undefined;
  /**
   * With `serve`: how shares and parameters are written on the wire, in both directions or by direction; default float32. With any
   * other the result depends on who computed what.
   */
  readonly codec?: CodecChoice | undefined;
  /** With `serve`: further host names under which it may be addressed, besides every address and `localhost`. */
  readonly hosts?: readonly string[] | undefined;
  /** With `serve`: tells the network by mDNS where it is, never its key. */
  readonly announce?: boolean | undefined;
  /** With `serve`: nobody needs a key, and off loopback there is no TLS but with `tls`. */
  readonly insecure?: boolean | undefined;
  /** With `serve`: a certificate and its key in the place of one that signs itself; PEM texts. */
  readonly tls?: { readonly certificatePem: string; readonly privateKeyPem: string } | undefined;
  /** With `serve`: whom the links and what happens with nodes are told, a sentence or a block of lines. */
  readonly onNotice?: ((text: string) => void) | undefined;
}

export const MAX_WORKERS = 64;
export const MAX_QUORUM = 1_000;

const positive = z.number().int().positive();
const seed = z.number().int().nonnegative().max(Number.MAX_SAFE_INTEGER);

const codecName = z.enum(CODEC_NAMES);
const functionSchema = z.custom<() => void>((value) => typeof value === 'function', 'expected a function');

const distributeSchema = z.strictObject({
  workers: z.union([z.number().int().nonnegative().max(MAX_WORKERS), z.literal('auto')]).optional(),
  shardSize: positive.optional(),
  seed: seed.optional(),
  mode: z.enum(MODES).optional(),
  staleness: z.number().int().nonnegative().max(MOST_STALENESS).optional(),
  period: positive.max(MOST_PERIOD).optional(),
  outerLearningRate: z.number().positive().max(MOST_OUTER_RATE).optional(),
  outerMomentum: z.number().min(0).lt(1).optional(),
  kernels: z.enum(['auto', 'fma', 'portable']).optional(),
  engineFlags: z.boolean().optional(),
  optimizer: z.looseObject({ rule: z.string() }).optional(),
  serve: z.union([z.string().min(1), z.literal(true)]).optional(),
  serveFrom: z.string().min(1).optional(),
  joinKey: z.string().optional(),
  metricsKey: z.string().optional(),
  eventLog: z.string().min(1).optional(),
  quorum: z.number().int().nonnegative().max(MAX_QUORUM).optional(),
  backup: z.boolean().optional(),
  audit: z.number().min(0).max(1).optional(),
  checkShares: z.boolean().optional(),
  chaos: z.boolean().optional(),
  codec: z.union([codecName, z.strictObject({ toNode: codecName.exclude(['topk']).optional(), toCoordinator: codecName.optional() })], `expected one of ${CODEC_NAMES.join(', ')}, or { toNode, toCoordinator }, where toNode is not topk`).optional(),
  hosts: z.array(z.string()).optional(),
  announce: z.boolean().optional(),
  insecure: z.boolean().optional(),
  tls: z.strictObject({ certificatePem: z.string(), privateKeyPem: z.string() }).optional(),
  onNotice: functionSchema.optional(),
});

/** @throws ERR_OPTION naming the option, what it was and what it may be */
export function checkDistributeOptions(options: DistributeOptions): DistributeOptions {
  check('distribute', distributeSchema, options);
  if (options.workers === 0 && options.serve === undefined) throw inputError('ERR_OPTION', 'distribute: option "workers" is 0, and nobody else computes; use 1 or more, or serve nodes.');
  const alone = options.serve === undefined ? SERVED_OPTIONS.find((name) => options[name] !== undefined) : undefined;
  if (alone !== undefined) throw inputError('ERR_OPTION', `distribute: option "${alone}" is about nodes; give "serve" too.`);
  const foreign = (Object.keys(MODE_OPTIONS) as (keyof typeof MODE_OPTIONS)[]).find((name) => options[name] !== undefined && MODE_OPTIONS[name] !== (options.mode ?? 'sync'));
  if (foreign !== undefined) throw inputError('ERR_OPTION', `distribute: option "${foreign}" is of the mode "${MODE_OPTIONS[foreign]}", and the mode is "${options.mode ?? 'sync'}"; give mode: '${MODE_OPTIONS[foreign]}' or leave it out.`);
  const isExact = (options.mode ?? 'sync') === 'sync' && isLossless(codecsOf(options.codec));
  if ((options.audit ?? 0) > 0 && !isExact) {
    throw inputError('ERR_OPTION', 'distribute: option "audit" compares shares byte for byte, and only mode "sync" with codec "float32" gives the same bytes everywhere; leave it out, or use these.');
  }
  return options;
}

/** Options that belong to one mode, by name. */
export const MODE_OPTIONS = { staleness: 'stale', period: 'local', outerLearningRate: 'local', outerMomentum: 'local' } as const satisfies Partial<Record<keyof DistributeOptions, Mode['kind']>>;

/** The mode with its bound or period. */
export function modeOf({ mode = 'sync', staleness = DEFAULT_STALENESS, period = DEFAULT_PERIOD }: Pick<DistributeOptions, 'mode' | 'staleness' | 'period'>): Mode {
  if (mode === 'stale') return { kind: mode, staleness };
  return mode === 'local' ? { kind: mode, period } : { kind: mode };
}

export function outerOptimizerOf({ outerLearningRate, outerMomentum }: Pick<DistributeOptions, 'outerLearningRate' | 'outerMomentum'>): OuterOptimizer {
  return { rate: outerLearningRate ?? PLAIN_AVERAGING.rate, momentum: outerMomentum ?? PLAIN_AVERAGING.momentum };
}

/** Mean nothing where nobody joins. */
const SERVED_OPTIONS = ['serveFrom', 'joinKey', 'metricsKey', 'eventLog', 'quorum', 'backup', 'codec', 'audit', 'checkShares', 'chaos'] as const;

export function workerCount(workers: number | 'auto' = 'auto'): number {
  return workers === 'auto' ? Math.min(MAX_WORKERS, availableParallelism()) : workers;
}

/** Options of tfjs's fit that would change the result and are not covered. */
const REFUSED: ReadonlySet<string> = new Set(['sampleWeight', 'classWeight', 'stepsPerEpoch', 'validationSteps']);

const callback = z.custom<object>((value) => typeof value === 'object' && value !== null && !Array.isArray(value), 'expected an object');

const fitSchema = z.strictObject({
  batchSize: positive.optional(),
  epochs: positive.optional(),
  initialEpoch: z.number().int().nonnegative().optional(),
  shuffle: z.boolean().optional(),
  validationSplit: z.number().min(0).lt(1).optional(),
  validationData: z.unknown().optional(),
  callbacks: z.union([z.array(callback), callback], 'expected a callback or a list of them').optional(),
  classNames: z.array(z.string(), 'expected a list of words, one for each class').optional(),
  checkpoint: z.strictObject({ folder: z.string().min(1), everySteps: positive.optional(), record: z.unknown().optional() }).optional(),
  resumeFrom: z.custom((value) => Array.isArray((value as { readonly tensors?: unknown } | null)?.tensors), 'expected what readCheckpoint gives').optional(),
  onProgress: functionSchema.optional(),
  signal: z.instanceof(AbortSignal).optional(),
  verbose: z.unknown().optional(), // nothing is printed or yielded here, so these two change nothing
  yieldEvery: z.unknown().optional(),
});

export function checkFitOptions(options: object): void {
  const given = Object.entries(options).filter(([, value]) => value !== undefined);
  const refused = given.find(([name]) => REFUSED.has(name));
  if (refused !== undefined) throw inputError('ERR_OPTION', `fit: the option "${refused[0]}" is not covered; leave it out.`);
  check('fit', fitSchema, Object.fromEntries(given));
}

function check(place: string, schema: z.ZodType, options: object): void {
  const parsed = schema.safeParse(options);
  if (parsed.success) return;
  const issue = parsed.error.issues[0]!;
  const name = issue.path.join('.') || (issue.code === 'unrecognized_keys' ? issue.keys.join(', ') : '');
  const given = issue.path.reduce<unknown>((value, key) => (value as Record<PropertyKey, unknown>)[key], options);
  throw inputError('ERR_OPTION', `${place}: option "${name}" is ${issue.path.length > 0 ? String(given) : 'unknown'}: ${issue.message}.`);
}

/** Shard sizes of the default: small batches still feed several workers, large ones lose nothing to small chains. */
const SHARD_STEP = 8;
const SHARD_MAX = 32;

/** batch / 8, rounded up to a multiple of 8, between 8 and 32: a function of the batch alone. */
export function defaultShardSize(batchSize: number): number {
  return Math.min(SHARD_MAX, Math.max(SHARD_STEP, Math.ceil(batchSize / 8 / SHARD_STEP) * SHARD_STEP));
}

/** A sentence where some workers have no rows of a step, which are divided in groups of `unit` (all share the gradients' sums). */
export function idleNote(workers: number, batchSize: number, unit: number): string | undefined {
  const groups = Math.ceil(batchSize / unit);
  if (groups >= workers) return undefined;
  return `${workers - groups} of ${workers} workers idle for most of a step: a batch of ${batchSize} is divided in ${groups} groups of ${unit} examples; use a larger batch or fewer workers`;
}
