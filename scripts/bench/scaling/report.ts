// A scaling report as text, CSV, charts and one page; all from the same plain data.
import { lineChart, barChart, type Series } from '../../../src/report/charts.js';
import { htmlDocument, standaloneSvg, type Block, type Section } from '../../../src/report/document.js';
import { counted, wholeNumber } from '../../../src/report/format.js';
import { formatMachine, type MachineFacts } from '../machine.js';
import { aligned } from '../table.js';
import type { TimeToAccuracy } from './accuracy.js';
import { formatCalibration, percent } from './calibration.js';
import type { Scaling, ScalingFit, ScalingRow } from './measure.js';

/** What bench.json holds. */
export interface ScalingReport extends Scaling {
  readonly version: string;
  readonly machine: MachineFacts;
  readonly rounds: number;
  readonly secondsPerRun: number;
  readonly accuracies: readonly TimeToAccuracy[];
}

const TITLES: Readonly<Record<string, string>> = {
  workers: 'strong scaling: the same mini-batch divided among workers', weak: 'weak scaling: as many examples for each worker', batches: 'mini-batches',
  modes: 'modes', codecs: 'codecs, with a node on loopback', nodes: 'nodes of one worker on loopback, which share the cores of this machine', peers: 'other programs, to our best single worker',
};

const COLUMNS = ['model', 'contestant', 'examples/s', 'spread', 'speedup', 'efficiency'] as const;

function cellsOf({ model, name, median, spread, speedup, efficiency }: ScalingRow): string[] {
  return [model, name, wholeNumber(median), percent(spread), speedup?.toFixed(2) ?? '–', efficiency?.toFixed(2) ?? '–'];
}

export function formatScaling(report: Omit<ScalingReport, 'machine' | 'version'>): string {
  const parts = partsOf(report.rows).map(([part, rows]) => `${TITLES[part] ?? part}\n${aligned([COLUMNS, ...rows.map(cellsOf)], (column) => column < 2).join('\n')}`);
  const absent = report.absent.map(({ model, name, reason }) => `${model}: ${name}: ${reason}`);
  return [...parts, ...absent, ...report.fits.map(formatFit), ...report.accuracies.map(formatAccuracy), formatCalibration(report.calibration)].join('\n\n');
}

export function formatFit({ model, serialFraction, limit }: ScalingFit): string {
  const most = Number.isFinite(limit) ? `no number of workers gives more than ${limit.toFixed(1)} times one` : 'no limit shows yet';
  return `${model}: Amdahl's law fits a serial part of ${percent(serialFraction)}; ${most}`;
}

export function formatAccuracy({ model, workers, accuracy, epochs, seconds, wallSeconds }: TimeToAccuracy): string {
  const who = `${model}, ${workers === 1 ? '1 worker' : `${workers} workers`}: validation accuracy ${accuracy}`;
  return seconds === null ? `${who} was not reached` : `${who} after ${epochs} epochs, ${seconds.toFixed(1)} s of training and validation, ${wallSeconds.toFixed(1)} s from the command on`;
}

function partsOf(rows: readonly ScalingRow[]): [string, ScalingRow[]][] {
  return [...new Set(rows.map(({ part }) => part))].map((part) => [part, rows.filter((row) => row.part === part)]);
}

/** A line a run: what was measured, and every single speed. */
export function scalingCsv(rows: readonly ScalingRow[]): string {
  const head = 'part,model,name,workers,nodes,batchSize,engineFlags,label,run,examplesPerSecond';
  const lines = rows.flatMap((row) => row.runs.map((speed, index) => [row.part, row.model, row.name, row.workers, row.nodes, row.batchSize, row.engineFlags, row.label ?? '', index + 1, speed].map(csvCell).join(',')));
  return `${[head, ...lines].join('\n')}\n`;
}

function csvCell(value: string | number | boolean): string {
  const text = String(value);
  return /[",\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

/** Every file of a report by its name; the same report gives the same bytes. */
export async function scalingFiles(report: ScalingReport): Promise<Map<string, string>> {
  const charts = await chartsOf(report);
  return new Map([
    ['bench.json', `${JSON.stringify(report, null, 2)}\n`],
    ['bench.csv', scalingCsv(report.rows)],
    ...charts.map(({ name, svg }) => [`${name}.svg`, standaloneSvg(svg)] as const),
    ['index.html', scalingPage(report, charts)],
  ]);
}

interface Chart {
  readonly name: string;
  readonly caption: string;
  readonly svg: string;
}

async function chartsOf({ rows, fits }: ScalingReport): Promise<Chart[]> {
  const plain = rows.filter(({ label, engineFlags, nodes }) => label === null && engineFlags && nodes === 0);
  const strong = lines(plain.filter(({ part, speedup }) => part === 'workers' && speedup !== null), ({ workers, speedup }) => [workers, speedup!]);
  const most = Math.max(1, ...plain.map(({ workers }) => workers));
  const fitted = fits.map(({ model, serialFraction: s }): Series => ({ name: `${model}, fitted`, dashed: true, points: Array.from({ length: most }, (_, i) => [i + 1, 1 / (s + (1 - s) / (i + 1))]) }));
  const weak = lines(plain.filter(({ part, efficiency, workers }) => efficiency !== null && (part === 'weak' || (part === 'workers' && workers === 1))), ({ workers, efficiency }) => [workers, efficiency!]);
  const batches = lines(plain, ({ batchSize, median }) => [batchSize, median], ({ model, workers }) => `${model}, ${workers} w.`);
  const charts: Promise<Chart>[] = [];
  const add = (name: string, title: string, description: string, draw: (text: { title: string; description: string }) => Promise<string>): void => {
    charts.push(draw({ title, description }).then((svg) => ({ name, caption: `${title}. ${description}`, svg })));
  };
  if (strong.some(({ points }) => points.length > 1)) add('strong', 'Strong scaling', 'Speedup over the best single worker, the same mini-batch, and Amdahl’s law fitted.', (text) => lineChart([...strong, ...fitted], { ...text, x: 'workers', y: 'speedup' }));
  if (weak.some(({ points }) => points.length > 1)) add('weak', 'Weak scaling', 'Efficiency with as many examples for each worker.', (text) => lineChart(weak, { ...text, x: 'workers', y: 'efficiency' }));
  if (rows.some(({ part }) => part === 'batches')) add('batches', 'Mini-batches', 'Examples a second by the size of the mini-batch.', (text) => lineChart(batches, { ...text, x: 'examples a step', y: 'examples/s' }, { logX: true }));
  for (const part of ['modes', 'codecs', 'nodes']) {
    const of = rows.filter((row) => row.part === part);
    if (of.length > 0) add(part, TITLES[part]!.replace(/^./, (letter) => letter.toUpperCase()), 'Median examples a second.', (text) => barChart(of.map((row) => ({ name: `${row.model}: ${barName(row)}`, value: row.median })), { ...text, x: 'examples/s', y: '' }));
  }
  return Promise.all(charts);
}

/** What tells it from the other bars of its chart, in few letters. */
function barName({ part, label, workers, nodes }: ScalingRow): string {
  if (label !== null) return label;
  if (part === 'nodes') return nodes === 0 ? 'alone' : counted(nodes, 'node');
  return counted(workers, 'worker');
}

/** A series a group, its points in order. */
function lines(rows: readonly ScalingRow[], point: (row: ScalingRow) => [number, number], group: (row: ScalingRow) => string = ({ model }) => model): Series[] {
  return [...new Set(rows.map(group))].map((name) => ({ name, points: rows.filter((row) => group(row) === name).map(point).sort(([a], [b]) => a - b) }));
}

function scalingPage(report: ScalingReport, charts: readonly Chart[]): string {
  const { rows, fits, absent, accuracies, calibration, machine, rounds, secondsPerRun, version } = report;
  const sentences = [...fits.map(formatFit), ...accuracies.map(formatAccuracy), ...absent.map(({ model, name, reason }) => `${model}: ${name} was not measured: ${reason}`)];
  const paragraph = (text: string): Block => ({ kind: 'paragraph', text });
  const sections: Section[] = [
    { heading: 'Findings', blocks: [...sentences, ...formatCalibration(calibration).split('\n')].map(paragraph) },
    { heading: 'Charts', blocks: charts.map(({ svg, caption }): Block => ({ kind: 'figure', svg, caption })) },
    ...partsOf(rows).map(([part, of]): Section => ({ heading: (TITLES[part] ?? part).replace(/^./, (letter) => letter.toUpperCase()), blocks: [{ kind: 'table', columns: COLUMNS, rows: of.map(cellsOf) }] })),
    { heading: 'Method', blocks: METHOD.map(paragraph) },
  ];
  return htmlDocument({ title: 'tensorflock: scaling', lead: `${formatMachine(machine)}. tensorflock ${version}, ${rounds} rounds of ${secondsPerRun} s each.`, sections });
}

const METHOD = [
  'All contestants are started and warmed up, then take turns, one at a time, so that a slow moment of the machine meets them all. Before each run a fixed kernel is timed: its spread and drift say how much the machine itself changed.',
  'Timed are training steps with shuffling and gathering, from data in memory, without set-up. Shown is the median of the runs; the spread is the middle half of them as a part of it.',
  'The baseline of a speedup is the best single worker at the same mini-batch, with or without engine flags; in weak scaling that at the mini-batch of one worker. Efficiency is the speedup for each core that computes. The serial part is Amdahl’s, fitted by least squares on the times relative to the baseline.',
];
