import { cpus } from 'node:os';
import type { Dataset } from '../../src/data/dataset.js';
import { wholeNumber } from '../../src/report/format.js';
import { LEARNING_RATES } from './choices.js';
import type { Context } from './context.js';
import { EpochCollector } from './epochs.js';
import type { Library, Trainer } from './library.js';
import type { BenchOptions } from './options.js';
import { writeJsonLine } from './output.js';
import { buildPreset, PRESETS } from './presets.js';

const EXPERIMENTS = ['fashion-mnist-mlp', 'fashion-mnist-mlp-wide'] as const;
const WORKER_COUNTS = [1, 2] as const;
const SEED = 1;
const MEBIBYTE = 2 ** 20;

/** Who is measured: one experiment with one number of workers, and the speed of each run so far. */
interface Contestant {
  readonly experiment: string;
  readonly batchSize: number;
  readonly trainer: Trainer;
  readonly examplesPerSecond: number[];
}

/** `tensorflock bench`: examples per second of training steps, without set-up and validation. */
export async function runBench(options: BenchOptions, context: Context): Promise<number> {
  const notice = (sentence: string): unknown => context.stderr.write(`${sentence}\n`);
  const source = await context.dataSource();
  const [library, { train }] = await Promise.all([context.library(), source.load('fashion-mnist', { fetch: options.fetch, notice })]);
  const contestants: Contestant[] = [];
  try {
    for (const experiment of EXPERIMENTS) {
      for (const workers of WORKER_COUNTS) contestants.push(await createContestant(library, experiment, workers));
    }
    // The first epoch of each compiles, warms and is not counted.
    for (let run = 0; run <= options.runs; run++) {
      for (const contestant of contestants) {
        const speed = await measureEpoch(contestant, train, context);
        if (run > 0) contestant.examplesPerSecond.push(speed);
      }
    }
    show(contestants, options, context);
    return 0;
  } finally {
    for (const { trainer } of contestants) await trainer.close();
  }
}

async function createContestant(library: Library, experiment: (typeof EXPERIMENTS)[number], workers: number): Promise<Contestant> {
  const preset = PRESETS[experiment]!;
  const model = buildPreset(preset, library.layers);
  library.initialize(model, SEED);
  const optimizer = library.optimizer('adam', LEARNING_RATES.adam);
  const trainer = await library.distribute(model, { workers, seed: SEED, engineFlags: true, optimizer });
  return { experiment, batchSize: preset.batchSize, trainer, examplesPerSecond: [] };
}

async function measureEpoch({ trainer, batchSize }: Contestant, train: Dataset, context: Context): Promise<number> {
  const epochs = new EpochCollector(context.nowMs, () => undefined);
  await trainer.fit(train.x, train.y, { batchSize, epochs: 1, callbacks: [epochs.callback], onProgress: epochs.progress });
  return epochs.rows[0]?.examplesPerSecond ?? Number.NaN;
}

function show(contestants: readonly Contestant[], options: BenchOptions, context: Context): void {
  const machine = { cpu: cpus()[0]?.model.trim() ?? 'unknown', node: process.version, v8: process.versions.v8, residentMiB: Math.round(process.memoryUsage.rss() / MEBIBYTE) };
  const rows = contestants.map(({ experiment, batchSize, trainer, examplesPerSecond }) => {
    const { workers, arithmetic, tile, engineFlags } = trainer.facts;
    return { experiment, batchSize, workers, arithmetic, tile, engineFlags, ...spread(examplesPerSecond) };
  });
  if (options.json) {
    writeJsonLine(context.stdout, { event: 'machine', ...machine });
    for (const row of rows) writeJsonLine(context.stdout, { event: 'bench', ...row });
    return;
  }
  context.stdout.write(`${machine.cpu}, Node ${machine.node}, V8 ${machine.v8}, ${machine.residentMiB} MiB resident\n`);
  for (const row of rows) {
    const range = `${wholeNumber(row.least)} to ${wholeNumber(row.most)}`;
    const how = `${row.arithmetic}, tile ${row.tile}, ${row.engineFlags.join(' ') || 'no engine flags'}`;
    context.stdout.write(`${row.experiment.padEnd(24)}${row.workers} workers  ${wholeNumber(row.median).padStart(9)} examples/s  (${range})  ${how}\n`);
  }
}

/** The middle value (the mean of the middle two), and both ends. */
function spread(values: readonly number[]): { readonly median: number; readonly least: number; readonly most: number } {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length / 2;
  const median = (sorted[Math.ceil(middle) - 1]! + sorted[Math.floor(middle)]!) / 2;
  return { median, least: sorted[0]!, most: sorted.at(-1)! };
}
