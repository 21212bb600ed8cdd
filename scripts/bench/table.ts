import type { MeasuredRow, Row } from './harness.js';

const COLUMNS = ['name', 'version', 'threads', 'examples/s', 'min – max', 'ratio', 'loss', 'BLAS', 'flags'] as const;
/** Numbers stand right, words left. */
const RIGHT_ALIGNED = new Set<string>(['threads', 'examples/s', 'min – max', 'ratio', 'loss']);

/**
 * The rows as a text table, a line each, medians beside their ratio to the row called `reference`. Rows without a measurement
 * follow as sentences.
 */
export function formatTable(rows: readonly Row[], reference: string): string {
  const base = rows.find((row) => row.name === reference);
  const baseMedian = base !== undefined && 'median' in base ? base.median : undefined;
  const cells = rows.flatMap((row) => ('median' in row ? [toCells(row, baseMedian)] : []));
  const widths = COLUMNS.map((title, i) => Math.max(title.length, ...cells.map((line) => line[i]!.length)));
  const lines = [[...COLUMNS], ...cells].map((line) => formatLine(line, widths));
  const failures = rows.flatMap((row) => ('failure' in row ? [`${row.name}: ${row.failure}`] : []));
  return [...lines, ...failures].join('\n');
}

function toCells({ name, ready, answers, median, min, max }: MeasuredRow, baseMedian: number | undefined): string[] {
  return [
    name,
    ready.version,
    String(ready.threads),
    formatCount(median),
    `${formatCount(min)} – ${formatCount(max)}`,
    baseMedian === undefined ? '' : (median / baseMedian).toFixed(2),
    answers.at(-1)!.loss.toFixed(3),
    ready.blas,
    ready.flags,
  ];
}

/** Whole numbers with thousands apart: 1,234,567. */
function formatCount(value: number): string {
  return Math.round(value).toLocaleString('en-US');
}

function formatLine(cells: readonly string[], widths: readonly number[]): string {
  const padded = cells.map((cell, i) => (RIGHT_ALIGNED.has(COLUMNS[i]!) ? cell.padStart(widths[i]!) : cell.padEnd(widths[i]!)));
  return padded.join('  ').trimEnd();
}
