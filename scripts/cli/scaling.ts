import { writeFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { duration } from '../../src/report/format.js';
import { formatMachine, loadWarning, machineFacts } from '../bench/machine.js';
import { timeToAccuracy, type TimeToAccuracy } from '../bench/scaling/accuracy.js';
import { compareScaling, formatChanges, readScaling } from '../bench/scaling/changes.js';
import type { Peers, Workload } from '../bench/peers.js';
import { measureScaling, type Others } from '../bench/scaling/measure.js';
import { defaultWorkerCounts, estimateSeconds, planScaling, presetBatch } from '../bench/scaling/plan.js';
import { formatScaling, scalingFiles, type ScalingReport } from '../bench/scaling/report.js';
import { BENCH_MODELS, type BenchModel, type BenchSize } from './choices.js';
import type { Context } from './context.js';
import { checkOut, createOut } from './folders.js';
import type { BenchOptions } from './options.js';
import { writeJsonLine } from './output.js';
import { packageVersion } from './version.js';

const NODE_COUNTS = [1, 2];

/** What is found only when it is asked for. */
interface Found {
  readonly folder: () => Promise<string>;
  readonly peers: (workload: Workload) => Peers;
}

/** `tensorflock bench --scaling`: how speed grows with workers, nodes and mini-batches, and what modes and codecs cost. */
export async function runScaling(options: BenchOptions, found: Found, context: Context): Promise<number> {
  if (options.out !== undefined) await checkOut(options.out, options.overwrite, 'bench');
  const machine = machineFacts(); // before the data set is read, which is load too
  const dataFolder = await found.folder();
  const notice = (sentence: string): void => { context.stderr.write(`${sentence}\n`); };
  const workerCounts = options.workerCounts ?? defaultWorkerCounts(availableParallelism());
  const runs = planScaling({ parts: options.scaling!, sizes: options.sizes, workerCounts, batches: options.batches, nodeCounts: NODE_COUNTS });
  const others = options.scaling!.includes('workers') ? options.sizes.filter(isBenchModel).map((model) => peersOf(model, dataFolder, found)) : [];
  const { rounds, seconds } = options;
  const warning = loadWarning(machine);
  if (warning !== undefined) notice(warning);
  const peerCount = others.flatMap(({ contestants }) => contestants).length;
  notice(`${runs.length + peerCount} contestants, ${rounds} rounds: about ${duration(estimateSeconds(runs, peerCount, options))}`);
  const scaling = await measureScaling(runs, { dataFolder, others, rounds, seconds, onRound: (round) => { notice(`round ${round} of ${rounds}`); } });
  const accuracies = options.scaling!.includes('accuracy') ? await accuraciesOf(options.sizes, workerCounts, options.accuracy, context) : [];
  const report: ScalingReport = { version: packageVersion(), machine, rounds, secondsPerRun: seconds, accuracies, ...scaling };
  if (options.out !== undefined) {
    const files = await scalingFiles(report);
    await createOut(options.out, options.overwrite, 'bench');
    for (const [name, text] of files) writeFileSync(join(options.out, name), text);
  }
  if (options.json) writeEvents(report, context);
  else context.stdout.write(`${formatMachine(machine)}\n\n${formatScaling(report)}\n${options.out === undefined ? '' : `\npage, charts, CSV and JSON in ${join(options.out, 'index.html')}\n`}`);
  return 0;
}

function isBenchModel(size: BenchSize): size is BenchModel {
  return (BENCH_MODELS as readonly string[]).includes(size);
}

function peersOf(model: BenchModel, dataFolder: string, { peers }: Found): Others {
  const batchSize = presetBatch(model);
  return { model, batchSize, ...peers({ model, batchSize, dataFolder }) };
}

async function accuraciesOf(sizes: readonly BenchSize[], workerCounts: readonly number[], accuracy: number, context: Context): Promise<TimeToAccuracy[]> {
  const all: TimeToAccuracy[] = [];
  for (const size of sizes) for (const workers of workerCounts) all.push(await timeToAccuracy(size, workers, accuracy, { ...context.environment }));
  return all;
}

function writeEvents({ machine, rows, absent, fits, accuracies, calibration }: ScalingReport, context: Context): void {
  const events = [
    { event: 'machine', ...machine }, ...rows.map((row) => ({ event: 'scaling', ...row })), ...absent.map((row) => ({ event: 'absent', ...row })),
    ...fits.map((fit) => ({ event: 'fit', ...fit })), ...accuracies.map((each) => ({ event: 'accuracy', ...each })), { event: 'calibration', ...calibration },
  ];
  for (const event of events) writeJsonLine(context.stdout, event);
}

/** `tensorflock bench --compare a.json b.json` */
export function runCompare(before: string, after: string, { json }: BenchOptions, context: Context): number {
  const changes = compareScaling(readScaling(before), readScaling(after));
  if (!json) context.stdout.write(`${after} to ${before}, examples a second\n${formatChanges(changes)}\n`);
  else for (const row of changes.rows) writeJsonLine(context.stdout, { event: 'change', ...row });
  return 0;
}
