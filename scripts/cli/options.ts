import { z } from 'zod';
import { CODEC_NAMES, codecsOf, formatCodecs, parseCodecChoice } from '../../src/codecs/choice.js';
import { inputError } from '../../src/errors.js';
import { BENCH_MODELS, BENCH_SIZES, DATA_CHOICES, DATASETS, FETCH_CHOICES, KERNEL_CHOICES, MODES, OPERATIONS, OPTIMIZERS, PEER_IDS, SCALING_PARTS, type Operation, type PeerId } from './choices.js';
import { MOST_OUTER_RATE, MOST_PERIOD, MOST_STALENESS } from '../../src/train/mode.js';
import { notOneOf } from './nearest.js';

const MOST_WORKERS = 64;
const MOST_QUORUM = 1_000;
const MOST_BENCH_BATCH = 60_000;
const MOST_SEED = 2 ** 32 - 1;

/** `--name` as a whole number within bounds. */
function whole(name: string, least: number, most = Number.MAX_SAFE_INTEGER) {
  const range = most === Number.MAX_SAFE_INTEGER ? `a whole number of at least ${least}` : `a whole number from ${least} to ${most}`;
  return z
    .string()
    .refine((text) => isWhole(text, least, most), { error: (issue) => `--${name} must be ${range}, not "${String(issue.input)}".` })
    .transform(Number);
}

/** `--name` as a whole number within bounds, or one word. */
function wholeOr<const W extends string>(name: string, word: W, least: number, most = Number.MAX_SAFE_INTEGER) {
  const range = most === Number.MAX_SAFE_INTEGER ? `of at least ${least}` : `from ${least} to ${most}`;
  return z
    .string()
    .refine((text) => text === word || isWhole(text, least, most), {
      error: (issue) => `--${name} must be "${word}" or a whole number ${range}, not "${String(issue.input)}".`,
    })
    .transform((text): number | W => (text === word ? word : Number(text)));
}

/** `--name` as one of several words; those the contract knows but this version lacks are refused by their own sentence. */
function oneOf<const C extends readonly string[]>(name: string, noun: string, choices: C, later: readonly string[] = []) {
  return z.string().transform((text, context): C[number] => {
    if (choices.includes(text)) return text as C[number];
    const message = later.includes(text)
      ? `--${name} ${text} is not available in this version; use --${name} ${choices[0]}.`
      : `--${name} ${notOneOf(text, noun, choices)}`;
    context.addIssue({ code: 'custom', message });
    return z.NEVER;
  });
}

const DECIMAL = /^\d*\.?\d+(e[+-]?\d+)?$/i;

function positiveNumber(name: string, most = Number.MAX_VALUE) {
  const range = most === Number.MAX_VALUE ? 'a number above 0, such as 0.001' : `a number above 0 and at most ${most}`;
  return z
    .string()
    .refine((text) => DECIMAL.test(text) && Number(text) > 0 && Number(text) <= most, { error: (issue) => `--${name} must be ${range}, not "${String(issue.input)}".` })
    .transform(Number);
}

/** From 0 on and below 1. */
function fraction(name: string) {
  return z
    .string()
    .refine((text) => DECIMAL.test(text) && Number(text) < 1, { error: (issue) => `--${name} must be a number from 0 on and below 1, not "${String(issue.input)}".` })
    .transform(Number);
}

/** A number from 0 to 1. */
function part(name: string) {
  return z
    .string()
    .refine((text) => /^\d*\.?\d+$/.test(text) && Number(text) <= 1, { error: (issue) => `--${name} must be a number from 0 to 1, such as 0.01, not "${String(issue.input)}".` })
    .transform(Number);
}

function isWhole(text: string, least: number, most: number): boolean {
  return /^\d+$/.test(text) && Number(text) >= least && Number(text) <= most;
}

const folder = (name: string) => z.string().min(1, { error: `--${name} needs the name of a folder.` });
const keyFile = z.string().min(1, { error: '--key-file needs the path of a file.' }).optional();
const tlsCert = z.string().min(1, { error: '--tls-cert needs the path of a PEM file.' }).optional();
const tlsKey = z.string().min(1, { error: '--tls-key needs the path of a PEM file.' }).optional();
const workers = wholeOr('workers', 'auto', 1, MOST_WORKERS).optional();
const kernels = oneOf('kernels', 'a build of the kernels', KERNEL_CHOICES, ['native']).optional();
const fetch = oneOf('fetch', 'a source', FETCH_CHOICES).default('mirrors');
const flag = z.boolean().default(false);

/** `all`, `none`, or some of the peers with commas between them. */
const peerList = z.string().transform((text, context): readonly PeerId[] | 'all' | 'none' => {
  if (text === 'all' || text === 'none') return text;
  const ids = text.split(',');
  const unknown = ids.find((id) => !(PEER_IDS as readonly string[]).includes(id));
  if (unknown === undefined) return ids as PeerId[];
  context.addIssue({ code: 'custom', message: `--peers ${notOneOf(unknown, 'a peer', ['all', 'none', ...PEER_IDS])}` });
  return z.NEVER;
});

/** Words of a list with commas between them, each once; `all` for every one. */
function listOf<const C extends readonly string[]>(name: string, noun: string, choices: C) {
  return z.string().transform((text, context): C[number][] => {
    if (text === 'all') return [...choices];
    const words = [...new Set(text.split(','))];
    const unknown = words.find((word) => !choices.includes(word));
    if (unknown === undefined) return words as C[number][];
    context.addIssue({ code: 'custom', message: `--${name} ${notOneOf(unknown, noun, ['all', ...choices])}` });
    return z.NEVER;
  });
}

/** Whole numbers with commas between them, each once, from the least on. */
function wholeList(name: string, most: number) {
  return z
    .string()
    .refine((text) => text.split(',').every((each) => isWhole(each, 1, most)), { error: (issue) => `--${name} must be whole numbers from 1 to ${most} with commas between them, such as 1,2,4, not "${String(issue.input)}".` })
    .transform((text) => [...new Set(text.split(',').map(Number))].sort((a, b) => a - b));
}

/** As elsewhere, and 0 where nodes compute, which the sentence for everybody else leaves out. */
const workersOrNone = z.string().transform((text, context): number | 'auto' => {
  const parsed = text === '0' ? { data: 0, error: undefined } : wholeOr('workers', 'auto', 1, MOST_WORKERS).safeParse(text);
  if (parsed.error === undefined) return parsed.data;
  context.addIssue({ code: 'custom', message: parsed.error.issues[0]!.message });
  return z.NEVER;
}).optional();

/** A codec for each direction, as one text for the same codecs. */
const codec = z.string().transform((text, context): string => {
  const choice = parseCodecChoice(text);
  if (choice !== undefined) return formatCodecs(codecsOf(choice));
  const sentence = text.includes('=') ? `must be toNode=<codec>,toCoordinator=<codec> of ${CODEC_NAMES.join(', ')}, without topk to nodes, not "${text}".` : notOneOf(text, 'a codec', CODEC_NAMES);
  context.addIssue({ code: 'custom', message: `--codec ${sentence}` });
  return z.NEVER;
}).optional();

const TRAIN_OPTIONS = z.strictObject({
  workers: workersOrNone,
  epochs: whole('epochs', 1).optional(),
  batchSize: wholeOr('batch-size', 'all', 1).optional(),
  shardSize: whole('shard-size', 1).optional(),
  optimizer: oneOf('optimizer', 'an optimizer', OPTIMIZERS).optional(),
  learningRate: positiveNumber('learning-rate').optional(),
  seed: whole('seed', 0, MOST_SEED).optional(),
  mode: oneOf('mode', 'a mode', MODES).optional(),
  staleness: whole('staleness', 0, MOST_STALENESS).optional(),
  period: whole('period', 1, MOST_PERIOD).optional(),
  outerLearningRate: positiveNumber('outer-learning-rate', MOST_OUTER_RATE).optional(),
  outerMomentum: fraction('outer-momentum').optional(),
  trainExamples: whole('train-examples', 1).optional(),
  testExamples: whole('test-examples', 1).optional(),
  kernels,
  checkpointEvery: whole('checkpoint-every', 1).optional(),
  earlyStopping: whole('early-stopping', 0).optional(),
  fetch,
  out: folder('out').optional(),
  overwrite: flag,
  resume: folder('resume').optional(),
  serve: z.union([z.literal(true), z.string().min(1, { error: '--serve needs [host:]port, such as 8080.' })]).optional(),
  host: z.array(z.string()).optional(),
  announce: flag,
  keyFile,
  metricsKeyFile: z.string().min(1, { error: '--metrics-key-file needs the path of a file.' }).optional(),
  eventLog: z.string().min(1, { error: '--event-log needs the path of a file.' }).optional(),
  quorum: whole('quorum', 0, MOST_QUORUM).optional(),
  backup: z.boolean().optional(),
  audit: part('audit').optional(),
  checkShares: z.boolean().optional(),
  chaos: flag,
  codec,
  tlsCert,
  tlsKey,
  insecure: flag,
  json: flag,
  quiet: flag,
});

const EVALUATE_OPTIONS = z.strictObject({
  workers,
  testExamples: whole('test-examples', 1).optional(),
  kernels,
  fetch,
  json: flag,
  quiet: flag,
});

const PREDICT_OPTIONS = z.strictObject({ workers, kernels, invert: flag, json: flag });

const BENCH_OPTIONS = z.strictObject({
  model: oneOf('model', 'a model', [...BENCH_MODELS, 'all'] as const).default('all'),
  rounds: whole('rounds', 1).default(5),
  seconds: positiveNumber('seconds').default(1),
  peers: peerList.optional(),
  node: z.array(z.string().min(1, { error: '--node needs the path of a Node.js program.' })).default([]),
  cluster: flag,
  scaling: z.preprocess((given) => (given === true ? SCALING_PARTS[0] : given), listOf('scaling', 'a part of a scaling report', SCALING_PARTS).optional()),
  sizes: listOf('sizes', 'a network', BENCH_SIZES).default([...BENCH_SIZES]),
  workerCounts: wholeList('worker-counts', MOST_WORKERS).optional(),
  batches: wholeList('batches', MOST_BENCH_BATCH).default([32, 128, 512, 2048]),
  accuracy: fraction('accuracy').default(0.85),
  out: folder('out').optional(),
  overwrite: flag,
  compare: z.array(z.string()).length(2, { error: '--compare needs two files, the bench.json of two reports: --compare before.json after.json.' }).transform(([before, after]) => [before!, after!] as const).optional(),
  data: folder('data').optional(),
  fetch,
  json: flag,
  quiet: flag,
});

const JOIN_OPTIONS = z.strictObject({
  workers: workersOrNone,
  once: flag,
  giveUpAfter: positiveNumber('give-up-after').optional(),
  data: oneOf('data', 'a way to come to the data', DATA_CHOICES).default('columns'),
  keyFile,
  insecure: flag,
  serve: z.string().min(1, { error: '--serve needs [host:]port, such as 8080.' }).optional(),
  host: z.array(z.string()).optional(),
  announce: flag,
  tlsCert,
  tlsKey,
  quiet: flag,
});

const REPORT_OPTIONS = z.strictObject({ out: z.string().default('comparison.html') });
const LESSON_OPTIONS = z.strictObject({
  dataset: oneOf('dataset', 'a data set', DATASETS).default('fashion-mnist'),
  seed: whole('seed', 0, MOST_SEED).default(1),
  quick: flag,
  fetch,
  out: folder('out').optional(),
  overwrite: flag,
  json: flag,
  quiet: flag,
});
const DOCTOR_OPTIONS = z.strictObject({
  size: oneOf('size', 'a network', BENCH_SIZES).default('mlp'),
  batch: whole('batch', 1, MOST_BENCH_BATCH / 4).optional(),
});
const REPLAY_OPTIONS = z.strictObject({ json: flag });
const OPERATE_OPTIONS = z.strictObject({ keyFile, insecure: flag });

/** The options of `train` as given; what was not given is undefined, so that a preset or a checkpoint can fill it. */
export type TrainOptions = z.output<typeof TRAIN_OPTIONS>;
export type EvaluateOptions = z.output<typeof EVALUATE_OPTIONS>;
export type PredictOptions = z.output<typeof PREDICT_OPTIONS>;
export type BenchOptions = z.output<typeof BENCH_OPTIONS>;
export type ReportOptions = z.output<typeof REPORT_OPTIONS>;
export type LessonOptions = z.output<typeof LESSON_OPTIONS>;
export type DoctorOptions = z.output<typeof DOCTOR_OPTIONS>;
export type ReplayOptions = z.output<typeof REPLAY_OPTIONS>;
export type JoinCommandOptions = z.output<typeof JOIN_OPTIONS>;
export type OperateOptions = z.output<typeof OPERATE_OPTIONS>;

type RawOptions = Readonly<Record<string, unknown>>;

/** @throws ERR_OPTION */
export function parseTrainOptions(raw: RawOptions): TrainOptions {
  const options = parse(TRAIN_OPTIONS, raw);
  refuseNoWorkers(options);
  if (options.serve === true && options.resume === undefined) {
    throw inputError('ERR_OPTION', '--serve needs [host:]port, such as 8080; only beside --resume it may stand alone.');
  }
  refuseWithoutServe(options, SERVED_OPTIONS, 'a run that others join');
  refuseHalfOfTls(options);
  refuseKeyOfInsecure(options);
  const foreign = options.resume === undefined ? MODE_OPTIONS.find(([name, , mode]) => options[name] !== undefined && mode !== options.mode) : undefined;
  if (foreign !== undefined) throw inputError('ERR_OPTION', `--${foreign[1]} is of the mode ${foreign[2]}; give --mode ${foreign[2]} too.`);
  return options;
}

/** Options that belong to one mode, which a resumed run has from its checkpoint. */
const MODE_OPTIONS = [
  ['staleness', 'staleness', 'stale'],
  ['period', 'period', 'local'],
  ['outerLearningRate', 'outer-learning-rate', 'local'],
  ['outerMomentum', 'outer-momentum', 'local'],
] as const satisfies readonly (readonly [keyof TrainOptions, string, (typeof MODES)[number]])[];

/** Options of `train` that mean nothing without --serve. */
const SERVED_OPTIONS = ['keyFile', 'host', 'announce', 'tlsCert', 'tlsKey', 'insecure', 'metricsKeyFile', 'eventLog', 'quorum', 'backup', 'audit', 'checkShares', 'chaos', 'codec'] as const satisfies readonly (keyof TrainOptions)[];

/** @throws ERR_OPTION */
export function parseJoinOptions(raw: RawOptions): JoinCommandOptions {
  const options = parse(JOIN_OPTIONS, raw);
  refuseNoWorkers(options);
  refuseWithoutServe(options, RELAY_OPTIONS, 'a relay');
  if (options.serve !== undefined && options.data === 'rows') throw inputError('ERR_OPTION', '--data rows keeps nothing of the data, which a relay hands on; leave out the one or --serve.');
  refuseHalfOfTls(options);
  refuseKeyOfInsecure(options);
  return options;
}

/** Options of `join` that mean nothing without --serve. */
const RELAY_OPTIONS = ['host', 'announce', 'tlsCert', 'tlsKey'] as const satisfies readonly (keyof JoinCommandOptions)[];

/** @throws ERR_OPTION */
export function parseOperateOptions(raw: RawOptions): OperateOptions {
  const options = parse(OPERATE_OPTIONS, raw);
  refuseKeyOfInsecure(options);
  return options;
}

/** @throws ERR_COMMAND */
export function parseOperation(text: string): Operation {
  const operation = OPERATIONS.find((each) => each === text);
  if (operation === undefined) throw inputError('ERR_COMMAND', `${notOneOf(text, 'a command to a run', OPERATIONS)}`);
  return operation;
}

function refuseNoWorkers({ workers: given, serve }: Pick<TrainOptions | JoinCommandOptions, 'workers' | 'serve'>): void {
  if (given === 0 && serve === undefined) throw inputError('ERR_OPTION', '--workers must be "auto" or a whole number from 1 to 64, not "0".');
}

function refuseWithoutServe<Name extends string>(options: { readonly [Key in Name]?: unknown } & { readonly serve?: unknown }, names: readonly Name[], whose: string): void {
  const alone = options.serve === undefined ? names.find((name) => options[name] !== undefined && options[name] !== false) : undefined;
  if (alone !== undefined) throw inputError('ERR_OPTION', `--${alone.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)} is for ${whose}; give --serve too.`);
}

function refuseHalfOfTls(options: Pick<TrainOptions, 'tlsCert' | 'tlsKey'>): void {
  if ((options.tlsCert === undefined) !== (options.tlsKey === undefined)) throw inputError('ERR_OPTION', '--tls-cert and --tls-key belong together; give both, or neither.');
}

function refuseKeyOfInsecure({ insecure, keyFile: given }: { readonly insecure: boolean; readonly keyFile?: string | undefined }): void {
  if (insecure && given !== undefined) throw inputError('ERR_OPTION', '--insecure asks for no key, and --key-file gives one; leave out the one or the other.');
}

export const parseReportOptions = (raw: RawOptions): ReportOptions => parse(REPORT_OPTIONS, raw);
export const parseLessonOptions = (raw: RawOptions): LessonOptions => parse(LESSON_OPTIONS, raw);
export const parseDoctorOptions = (raw: RawOptions): DoctorOptions => parse(DOCTOR_OPTIONS, raw);
export const parseReplayOptions = (raw: RawOptions): ReplayOptions => parse(REPLAY_OPTIONS, raw);
export const parseEvaluateOptions = (raw: RawOptions): EvaluateOptions => parse(EVALUATE_OPTIONS, raw);
export const parsePredictOptions = (raw: RawOptions): PredictOptions => parse(PREDICT_OPTIONS, raw);
/** @throws ERR_OPTION */
export function parseBenchOptions(raw: RawOptions): BenchOptions {
  const alone = SCALING_OPTIONS.find(([name]) => raw[name] !== undefined && raw['scaling'] === undefined);
  if (alone !== undefined) throw inputError('ERR_OPTION', `--${alone[1]} is for a scaling report; give --scaling too.`);
  return parse(BENCH_OPTIONS, raw);
}

/** Options of `bench` that mean nothing without --scaling. */
const SCALING_OPTIONS = [
  ['sizes', 'sizes'], ['workerCounts', 'worker-counts'], ['batches', 'batches'], ['accuracy', 'accuracy'], ['out', 'out'], ['overwrite', 'overwrite'],
] as const satisfies readonly (readonly [keyof BenchOptions, string])[];

/** @throws ERR_OPTION with the sentence of the first option that is wrong */
function parse<S extends z.ZodType>(schema: S, raw: RawOptions): z.output<S> {
  const parsed = schema.safeParse(raw);
  if (parsed.success) return parsed.data;
  throw inputError('ERR_OPTION', parsed.error.issues[0]?.message ?? 'an option is wrong; see --help.');
}
