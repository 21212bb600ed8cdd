// The columns that a chart draws, from the points of a run.
import type { CurvePoint } from './thinning.js';

/** What lies along the horizontal axis: steps, or seconds since the training began. */
export type Along = 'step' | 'time';

/** A column of positions and, for each line, one of values; null where a line has none. */
export type Columns = readonly [xs: number[], ...ys: (number | null)[][]];

/** One line: a value by its name, of points in order. */
export interface Line {
  readonly name: string;
  readonly points: readonly CurvePoint[];
}

export function positionOf({ step, atMs }: Pick<CurvePoint, 'step' | 'atMs'>, along: Along): number {
  return along === 'step' ? step : atMs / 1_000;
}

/** Lines whose points are at different positions, on all of these. */
export function columnsOf(lines: readonly Line[], along: Along): Columns {
  const xs = [...new Set(lines.flatMap(({ points }) => points.map((point) => positionOf(point, along))))].sort((a, b) => a - b);
  const rows = new Map(xs.map((x, row) => [x, row]));
  const ys = lines.map(({ name, points }) => {
    const column = new Array<number | null>(xs.length).fill(null);
    for (const point of points) column[rows.get(positionOf(point, along))!] = shown(point.values[name]);
    return column;
  });
  return [xs, ...ys];
}

/** Whether powers of ten show more than equal steps do: values above 0 of which the largest is far above the smallest. */
export function needsLog(values: readonly (number | null)[]): boolean {
  const known = values.filter((value) => value !== null);
  const least = Math.min(...known);
  return known.length > 1 && least > 0 && Math.max(...known) / least >= 20;
}

function shown(value: number | undefined): number | null {
  return value === undefined || value === null || !Number.isFinite(value) ? null : value;
}
