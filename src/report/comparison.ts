import { lineChart } from './charts.js';
import { htmlDocument, type Block, type Cell } from './document.js';
import { series } from './run-pictures.js';
import type { Report } from './run.js';

/** A run under the name by which it was asked for. */
export interface NamedReport {
  readonly name: string;
  readonly report: Report;
}

const CURVES = [
  { heading: 'Validation accuracy', field: 'valAccuracy' },
  { heading: 'Validation loss', field: 'valLoss' },
  { heading: 'Training accuracy', field: 'accuracy' },
  { heading: 'Training loss', field: 'loss' },
] as const;

/** One page with several runs side by side: where their options differ, their results, and their curves in one chart each. */
export async function comparisonPage(runs: readonly NamedReport[]): Promise<string> {
  const curves = await Promise.all(CURVES.map(async ({ heading, field }) => ({ heading, blocks: await curve(runs, heading, field) })));
  return htmlDocument({
    title: `tensorflock: ${runs.length} runs`,
    lead: runs.map(({ name }) => name).join(', '),
    sections: [
      { heading: 'Where they differ', blocks: [differences(runs)] },
      { heading: 'Results', blocks: [table(runs, runs.map(({ report }) => report.result ?? {}), () => true)] },
      ...curves.filter(({ blocks }) => blocks.length > 0),
    ],
  });
}

async function curve(runs: readonly NamedReport[], heading: string, field: string): Promise<Block[]> {
  const lines = runs.map(({ name, report }) => ({ ...series(name, report.epochs, field), dashed: false })).filter(({ points }) => points.length > 0);
  if (lines.length === 0) return [];
  const svg = await lineChart(lines, { title: heading, description: `${heading} of each epoch of ${lines.map(({ name }) => name).join(', ')}.`, x: 'epoch', y: heading.toLowerCase() });
  return [{ kind: 'figure', svg, caption: `${heading} after each epoch.` }];
}

function differences(runs: readonly NamedReport[]): Block {
  const options = runs.map(({ report }) => ({ experiment: report.facts.experiment, workers: report.facts.workers, ...report.options, ...report.machine }));
  const block = table(runs, options, (values) => new Set(values).size > 1);
  return block.kind === 'table' && block.rows.length === 0 ? { kind: 'paragraph', text: 'They have the same options, on machines and with versions alike.' } : block;
}

/** A row for each field whose values, one a run, are wanted. */
function table(runs: readonly NamedReport[], columns: readonly object[], wanted: (values: readonly Cell[]) => boolean): Block {
  const fields = [...new Set(columns.flatMap((column) => Object.keys(column)))];
  const rows = fields.map((field) => [field, ...columns.map((column) => cell((column as Readonly<Record<string, unknown>>)[field]))]);
  return { kind: 'table', columns: ['', ...runs.map(({ name }) => name)], rows: rows.filter(([, ...values]) => wanted(values)) };
}

function cell(value: unknown): Cell {
  return typeof value === 'number' || value === null || value === undefined ? value ?? null : String(value);
}
