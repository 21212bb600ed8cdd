import { fileURLToPath } from 'node:url';
import { LINK, type Crew } from '../crew.js';
import type { BenchSize } from '../../cli/choices.js';
import { measure, type Contestant, type Row } from '../harness.js';
import type { Peers } from '../peers.js';
import { Calibrator, type Calibration } from './calibration.js';
import type { ScalingRun } from './plan.js';
import { fitAmdahl, median, spread, type AmdahlFit } from '../statistics.js';

const OURS = fileURLToPath(new URL('../ours.js', import.meta.url));
const WITH_NODES = fileURLToPath(new URL('../with-nodes.js', import.meta.url));
const TENSORFLOCK = fileURLToPath(new URL('../../tensorflock.js', import.meta.url));
const JOIN = [TENSORFLOCK, 'join', LINK, '--workers', '1', '--once', '--give-up-after', '60'];

/** A contestant with its figures, as it is written to files. */
export interface ScalingRow {
  readonly part: string;
  readonly model: string;
  readonly name: string;
  readonly workers: number;
  readonly nodes: number;
  readonly batchSize: number;
  readonly engineFlags: boolean;
  readonly label: string | null;
  /** Examples a second of each run, in order. */
  readonly runs: readonly number[];
  readonly median: number;
  /** Middle half of the runs, as a part of the median. */
  readonly spread: number;
  /** To the best single worker of the same model. */
  readonly speedup: number | null;
  /** The speedup for each core that computes. */
  readonly efficiency: number | null;
}

export interface ScalingFit extends AmdahlFit {
  readonly model: string;
}

export interface Scaling {
  readonly rows: readonly ScalingRow[];
  readonly absent: readonly { readonly model: string; readonly name: string; readonly reason: string }[];
  readonly fits: readonly ScalingFit[];
  readonly calibration: Calibration;
}

/** Other programs at a model, and which of them are not installed. */
export interface Others extends Peers {
  readonly model: BenchSize;
  readonly batchSize: number;
}

export interface ScalingOptions {
  readonly dataFolder: string;
  readonly others: readonly Others[];
  readonly rounds: number;
  readonly seconds: number;
  readonly onRound: (round: number) => void;
}

/** All of the runs in turns, a fixed kernel before each. */
export async function measureScaling(runs: readonly ScalingRun[], { dataFolder, others, rounds, seconds, onRound }: ScalingOptions): Promise<Scaling> {
  const calibrator = new Calibrator(() => performance.now());
  let shown = 0;
  const peers = others.flatMap(({ contestants }) => contestants);
  const rows = await measure([...runs.map((run) => contestantOf(run, dataFolder)), ...peers], {
    rounds, seconds,
    beforeRun: () => { calibrator.run(); },
    onRun: (_name, round) => {
      if (round > shown) onRound(round);
      shown = round;
    },
  });
  const own = summarize(runs, rows);
  const beside = othersBeside(others, rows.slice(runs.length), own.rows);
  return { ...own, rows: [...own.rows, ...beside.rows], absent: [...own.absent, ...beside.absent], calibration: calibrator.result };
}

export function contestantOf({ size, name, workers, nodes, batchSize, engineFlags, options }: ScalingRun, dataFolder: string): Contestant {
  const served = nodes === 0 ? options : { ...options, serve: '127.0.0.1:0' };
  const args = [
    OURS, '--model', size, '--data', dataFolder, '--batch', String(batchSize), '--workers', String(workers), '--nodes', String(nodes),
    '--options', JSON.stringify(served), ...(engineFlags ? ['--engine-flags'] : []),
  ];
  const command = process.execPath;
  const shown = `${size}: ${name}`;
  if (nodes === 0) return { name: shown, command, args, env: process.env };
  const crew: Crew = { main: { command, args }, helpers: Array.from({ length: nodes }, () => ({ command, args: JOIN })) };
  return { name: shown, command, args: [WITH_NODES, JSON.stringify(crew)], env: process.env };
}

/** Rows in the order of the runs, and what follows from them. */
export function summarize(runs: readonly ScalingRun[], measured: readonly Row[]): Omit<Scaling, 'calibration'> {
  const figures = runs.flatMap((run, index) => {
    const row = measured[index]!;
    return 'median' in row ? [{ run, speeds: row.answers.map(({ examplesPerSecond }) => examplesPerSecond) }] : [];
  });
  const rows = figures.map(({ run, speeds }): ScalingRow => {
    const { part, size, name, workers, nodes, batchSize, engineFlags, label } = run;
    const alone = figures.filter(({ run: other }) => isBase(other, run)).map((other) => median(other.speeds));
    const speedup = alone.length === 0 ? null : median(speeds) / Math.max(...alone);
    return { part, model: size, name, workers, nodes, batchSize, engineFlags, label, runs: speeds, median: median(speeds), spread: spread(speeds), speedup, efficiency: speedup === null ? null : speedup / (workers + nodes) };
  });
  const absent = runs.flatMap(({ size, name }, index) => {
    const row = measured[index]!;
    return 'failure' in row ? [{ model: size, name, reason: row.failure }] : [];
  });
  return { rows, absent, fits: fitsOf(rows) };
}

/** Other programs, to our best single worker at the same mini-batch; rows are in the order of the contestants. */
export function othersBeside(others: readonly Others[], measured: readonly Row[], own: readonly ScalingRow[]): Pick<Scaling, 'rows' | 'absent'> {
  const asked = others.flatMap(({ model, batchSize, contestants }) => contestants.map(({ name }) => ({ model, batchSize, name })));
  const rows = asked.flatMap(({ model, batchSize, name }, index): ScalingRow[] => {
    const row = measured[index]!;
    if ('failure' in row) return [];
    const speeds = row.answers.map(({ examplesPerSecond }) => examplesPerSecond);
    const alone = own.filter((each) => each.model === model && each.batchSize === batchSize && each.workers === 1 && each.nodes === 0 && each.label === null);
    const speedup = alone.length === 0 ? null : median(speeds) / Math.max(...alone.map((each) => each.median));
    return [{ part: 'peers', model, name, workers: row.ready.threads, nodes: 0, batchSize, engineFlags: false, label: name, runs: speeds, median: median(speeds), spread: spread(speeds), speedup, efficiency: null }];
  });
  const failed = asked.flatMap(({ model, name }, index) => {
    const row = measured[index]!;
    return 'failure' in row ? [{ model, name, reason: row.failure }] : [];
  });
  return { rows, absent: [...failed, ...others.flatMap(({ model, absent }) => absent.map((each) => ({ model, ...each })))] };
}

/** Whom a run is compared with: one worker at the same mini-batch; in a weak series at that of one worker, so that more examples a worker count for nothing. */
function isBase(other: ScalingRun, run: ScalingRun): boolean {
  const batchSize = run.part === 'weak' ? run.batchSize / run.workers : run.batchSize;
  return other.size === run.size && other.workers === 1 && other.nodes === 0 && other.batchSize === batchSize && other.label === null;
}

function fitsOf(rows: readonly ScalingRow[]): ScalingFit[] {
  return [...new Set(rows.map(({ model }) => model))].flatMap((model) => {
    const points = rows.flatMap(({ part, model: of, workers, speedup }) => (part === 'workers' && of === model && speedup !== null ? [{ workers, speedup }] : []));
    const fit = fitAmdahl(points);
    return fit === undefined ? [] : [{ model, ...fit }];
  });
}
