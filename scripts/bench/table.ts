import { wholeNumber } from '../../src/report/format.js';
import type { MeasuredRow, Row } from './harness.js';

const LEFT_ALIGNED = new Set(['name', 'version', 'BLAS', 'flags']);

/** A speed that the rows are compared with, and its column's title. */
export interface Base {
  readonly title: string;
  /** Examples a second; undefined where nobody was measured. */
  readonly median: number | undefined;
}

/**
 * The rows as a text table, a line each, medians beside their ratio to each of the bases. Rows without a measurement
 * follow as sentences.
 */
export function formatTable(rows: readonly Row[], bases: readonly Base[]): string {
  const measuredBases = bases.filter(({ median }) => median !== undefined);
  const titles = ['name', 'version', 'threads', 'examples/s', 'min – max', ...measuredBases.map(({ title }) => title), 'loss', 'BLAS', 'flags'];
  const cells = rows.flatMap((row) => ('median' in row ? [toCells(row, measuredBases)] : []));
  const failures = rows.flatMap((row) => ('failure' in row ? [`${row.name}: ${row.failure}`] : []));
  return [...aligned([titles, ...cells], (column) => LEFT_ALIGNED.has(titles[column]!)), ...failures].join('\n');
}

function toCells({ name, ready, answers, median, min, max }: MeasuredRow, bases: readonly Base[]): string[] {
  return [
    name,
    ready.version,
    String(ready.threads),
    wholeNumber(median),
    `${wholeNumber(min)} – ${wholeNumber(max)}`,
    ...bases.map((base) => (median / base.median!).toFixed(2)),
    answers.at(-1)!.loss.toFixed(3),
    ready.blas,
    ready.flags,
  ];
}

/** Lines of cells as lines of text, each column as wide as its widest cell. */
export function aligned(lines: readonly (readonly string[])[], isLeft: (column: number) => boolean): string[] {
  const widths = lines[0]!.map((_, column) => Math.max(...lines.map((line) => line[column]!.length)));
  return lines.map((line) => line.map((cell, column) => (isLeft(column) ? cell.padEnd(widths[column]!) : cell.padStart(widths[column]!))).join('  ').trimEnd());
}
