import type { TopLevelSpec } from 'vega-lite';
import { escapeMarkup } from './document.js';

/** A named sequence of points (x, y), joined in the order given; one that is not finite breaks the line. */
export interface Series {
  readonly name: string;
  readonly points: readonly (readonly [x: number, y: number])[];
  /** A shade behind the line, such as the least and the most of several seeds. */
  readonly band?: readonly (readonly [x: number, low: number, high: number])[];
  readonly dashed?: boolean;
}

/** What a chart says in words: the title and the description are for screen readers, the others stand at the axes. */
export interface ChartText {
  readonly title: string;
  readonly description: string;
  readonly x: string;
  readonly y: string;
}

export interface LineOptions {
  readonly logX?: boolean;
  /** Leaves out what is not above 0. */
  readonly logY?: boolean;
  /** The place of the first series' colour among all, so that a series has the same one in several charts. Default 0. */
  readonly firstColour?: number;
}

/** How often values fell into bins of equal width between `from` and `to`. */
export interface Histogram {
  readonly name: string;
  readonly from: number;
  readonly to: number;
  readonly counts: readonly number[];
}

/** A function on a grid: `values[row][column]` is at (x[column], y[row]); both axes ascend in equal steps. */
export interface Surface {
  readonly x: readonly number[];
  readonly y: readonly number[];
  readonly values: readonly (readonly number[])[];
}

const WIDTH = 460;
const HEIGHT = 260;
// Readable on white and on black; told apart by the colour-blind as well (after Okabe and Ito).
const COLOURS = ['#3b8fd6', '#e0772b', '#2a9d78', '#c65fa0', '#b59a1f', '#7d79d9', '#d1495b', '#5a9bb0', '#8c8c8c', '#6aa32d'];
/** From low to high. */
const DEPTHS = ['#2f5f94', '#3e6c9f', '#4d79a9', '#5d87b3', '#6e95bd', '#80a3c6', '#93b1cf', '#a7bfd7', '#bbcede', '#cfdce6'];
const LONG_NAME = 22;
const OVERLAP = 1.04;
const SHADES = { low: '#3b8fd600', high: '#3b8fd6' };

type Row = Readonly<Record<string, string | number | boolean | null>>;

/** Lines with a legend where there are several, and their bands. */
export function lineChart(series: readonly Series[], text: ChartText, options: LineOptions = {}): Promise<string> {
  const { logX = false, logY = false, firstColour = 0 } = options;
  const colours = colour(series, COLOURS.slice(firstColour));
  const shown = (x: number, y: number): boolean => (!logX || x > 0) && (!logY || y > 0);
  const points = series.flatMap(({ name, points, dashed = false }) =>
    points.filter(([x, y]) => shown(x, y)).map(([x, y], order): Row => ({ name, x: finite(x), y: finite(y), order, dashed })),
  );
  const bands = series.flatMap(({ name, band = [] }) =>
    band.filter(([x, low]) => shown(x, low)).map(([x, low, high]): Row => ({ name, x: finite(x), low: finite(low), high: finite(high) })),
  );
  const scale = (log: boolean) => (log ? { type: 'log', nice: false } as const : { type: 'linear', zero: false, nice: false } as const);
  const scales = { x: scale(logX), y: { ...scale(logY), nice: true } };
  const whole = series.every(({ points }) => points.every(([x]) => Number.isInteger(x)));
  return draw({
    ...frame(text),
    layer: [
      {
        data: { values: bands },
        mark: { type: 'area', opacity: 0.2 },
        encoding: {
          x: { field: 'x', type: 'quantitative', scale: scales.x },
          y: { field: 'low', type: 'quantitative', scale: scales.y },
          y2: { field: 'high' },
          color: colours,
        },
      },
      {
        data: { values: points },
        mark: { type: 'line', point: points.length <= 60 * series.length ? { size: 14 } : false },
        encoding: {
          x: { field: 'x', type: 'quantitative', scale: scales.x, title: text.x, ...(whole ? { axis: { tickMinStep: 1 } } : {}) },
          y: { field: 'y', type: 'quantitative', scale: scales.y, title: text.y },
          order: { field: 'order', type: 'quantitative' },
          color: colours,
          strokeDash: { field: 'dashed', type: 'nominal', legend: null, scale: { domain: [false, true], range: [[1, 0], [5, 4]] } },
        },
      },
    ],
  });
}

/** Points of named groups, and lines between them, such as a border. */
export function scatterChart(groups: readonly Series[], text: ChartText, lines: readonly Series[] = []): Promise<string> {
  const rows = (series: readonly Series[]): Row[] => series.flatMap(({ name, points }) => points.map(([x, y], order): Row => ({ name, x: finite(x), y: finite(y), order })));
  const encoding = {
    x: { field: 'x', type: 'quantitative', scale: { zero: false }, title: text.x },
    y: { field: 'y', type: 'quantitative', scale: { zero: false }, title: text.y },
    color: colour([...groups, ...lines]),
  } as const;
  return draw({
    ...frame(text),
    layer: [
      { data: { values: rows(groups) }, mark: { type: 'point', filled: true, size: 24, opacity: 0.7 }, encoding },
      { data: { values: rows(lines) }, mark: { type: 'line', strokeWidth: 2 }, encoding: { ...encoding, order: { field: 'order', type: 'quantitative' } } },
    ],
  });
}

/** One shape behind another: densities, where the area under each is 1, or each as high as its part of the tallest bin, where narrow shapes stand beside wide ones. */
export function histogramChart(histograms: readonly Histogram[], text: ChartText, one: 'area' | 'tallest' = 'area'): Promise<string> {
  const values = histograms.flatMap(({ name, from, to, counts }) => {
    const width = (to - from) / counts.length;
    const unit = one === 'area' ? width * counts.reduce((sum, count) => sum + count, 0) : Math.max(...counts);
    return counts.map((count, bin): Row => ({ name, x: from + (bin + 0.5) * width, y: unit > 0 ? count / unit : 0 }));
  });
  return draw({
    ...frame(text),
    data: { values },
    mark: { type: 'area', interpolate: 'step', opacity: 0.3, line: { interpolate: 'step', strokeWidth: 1.5 } },
    encoding: {
      x: { field: 'x', type: 'quantitative', scale: { zero: false, nice: false }, title: text.x },
      y: { field: 'y', type: 'quantitative', stack: null, title: text.y },
      color: colour(histograms),
    },
  });
}

/** Horizontal bars in the order given, with their values to three significant digits: beside the bar, or right of 0 where it goes left. */
export function barChart(bars: readonly { readonly name: string; readonly value: number }[], text: ChartText): Promise<string> {
  const values = bars.map(({ name, value }): Row => ({ name, value: finite(value), right: finite(Math.max(value, 0)), label: Number.isFinite(value) ? String(Number(value.toPrecision(3))) : '–' }));
  const y = { field: 'name', type: 'nominal', sort: null, title: text.y } as const;
  const x = { field: 'value', type: 'quantitative', title: text.x } as const;
  return draw({
    ...frame(text),
    height: { step: 24 },
    data: { values },
    layer: [
      { mark: { type: 'bar', color: COLOURS[0]! }, encoding: { x, y } },
      { mark: { type: 'text', align: 'left', dx: 4 }, encoding: { x: { ...x, field: 'right' }, y, text: { field: 'label', type: 'nominal' } } },
    ],
  });
}

/** Counts as a heat map: rows are actual classes, columns predicted ones; the shade is a cell's share of its row. */
export function confusionChart(counts: readonly (readonly number[])[], classNames: readonly string[], text: Omit<ChartText, 'x' | 'y'>): Promise<string> {
  const values = counts.flatMap((row, actual) => {
    const total = row.reduce((sum, count) => sum + count, 0);
    return row.map((count, predicted): Row => ({
      actual: classNames[actual] ?? String(actual),
      predicted: classNames[predicted] ?? String(predicted),
      count,
      share: total > 0 ? count / total : 0,
    }));
  });
  const x = { field: 'predicted', type: 'nominal', sort: null, title: 'predicted', axis: { labelAngle: -45 } } as const;
  const y = { field: 'actual', type: 'nominal', sort: null, title: 'actual' } as const;
  return draw({
    ...frame({ ...text, x: 'predicted', y: 'actual' }),
    width: { step: 40 },
    height: { step: 32 },
    data: { values },
    layer: [
      {
        mark: { type: 'rect', stroke: '#8885' },
        encoding: { x, y, fill: { field: 'share', type: 'quantitative', scale: { domain: [0, 1], range: [SHADES.low, SHADES.high] }, legend: null } },
      },
      { mark: { type: 'text' }, encoding: { x, y, text: { field: 'count', type: 'quantitative' } } },
    ],
  });
}

/** A loss over two parameters as steps of shade (deeper is lower; logarithmic), whose borders are lines of equal loss, with paths on it. */
export function surfaceChart(surface: Surface, paths: readonly Series[], text: ChartText): Promise<string> {
  const least = Math.min(...surface.values.flat());
  const half = { x: ((surface.x[1] ?? 1) - (surface.x[0] ?? 0)) / 2, y: ((surface.y[1] ?? 1) - (surface.y[0] ?? 0)) / 2 };
  const cells = surface.values.flatMap((row, j) =>
    row.map((value, i): Row => {
      const [x, y] = [surface.x[i]!, surface.y[j]!];
      // A little wider than their distance: between two that only touch the ground would shine through.
      return { x: x - OVERLAP * half.x, x2: x + OVERLAP * half.x, y: y - OVERLAP * half.y, y2: y + OVERLAP * half.y, height: Math.log1p(value - least) };
    }),
  );
  const points = paths.flatMap(({ name, points }) => points.map(([x, y], order): Row => ({ name, x: finite(x), y: finite(y), order })));
  const scale = { zero: false, nice: false } as const;
  const axis = { grid: false } as const;
  return draw({
    ...frame(text),
    height: WIDTH * 0.75,
    layer: [
      {
        data: { values: cells },
        mark: { type: 'rect' },
        encoding: {
          x: { field: 'x', type: 'quantitative', scale, axis, title: text.x },
          x2: { field: 'x2' },
          y: { field: 'y', type: 'quantitative', scale, axis, title: text.y },
          y2: { field: 'y2' },
          fill: { field: 'height', type: 'quantitative', scale: { type: 'quantize', range: DEPTHS }, legend: null },
        },
      },
      {
        data: { values: points },
        mark: { type: 'line', point: { size: 12 }, strokeWidth: 1.5 },
        encoding: {
          x: { field: 'x', type: 'quantitative' },
          y: { field: 'y', type: 'quantitative' },
          order: { field: 'order', type: 'quantitative' },
          color: colour(paths, COLOURS.slice(1)),
        },
      },
    ],
  });
}

function frame({ title, description }: ChartText): { width: number; height: number; description: string } {
  return { width: WIDTH, height: HEIGHT, description: `${title}. ${description}` };
}

function colour(series: readonly { readonly name: string }[], range = COLOURS) {
  const domain = series.map(({ name }) => name);
  const legend = domain.length > 1 ? { orient: 'bottom' as const, columns: domain.some((name) => name.length > LONG_NAME) ? 1 : 3, title: null, labelLimit: 0, symbolOpacity: 1 } : null;
  return { field: 'name', type: 'nominal' as const, sort: null, legend, scale: { domain, range: domain.map((_, index) => range[index % range.length]!) } };
}

function finite(value: number): number | null {
  return Number.isFinite(value) ? value : null;
}

/** Both themes: nothing is painted behind, and what is written has the colour of the text around. */
async function draw(chart: TopLevelSpec): Promise<string> {
  // They take 0.2 s to load, which a run without a report need not pay.
  const [{ compile }, { parse, View }] = await Promise.all([import('vega-lite'), import('vega')]);
  const ink = 'currentColor';
  const spec: TopLevelSpec = {
    ...chart,
    background: 'transparent',
    padding: 4,
    config: {
      font: 'system-ui, sans-serif',
      view: { stroke: '#8886' },
      axis: { labelColor: ink, titleColor: ink, gridColor: '#8883', tickColor: '#8888', domainColor: '#8888', labelFontSize: 11, titleFontSize: 12, titleFontWeight: 'normal', labelLimit: 180 },
      legend: { labelColor: ink, titleColor: ink, labelFontSize: 11 },
      text: { color: ink, fontSize: 11 },
    },
  };
  const view = new View(parse(compile(spec).spec), { renderer: 'none' });
  try {
    return named(await view.toSVG(), chart.description ?? '');
  } finally {
    view.finalize();
  }
}

/** As wide as there is room, and one picture with one sentence for a screen reader. */
function named(svg: string, description: string): string {
  return svg.replace(/^<svg /, () => `<svg role="img" aria-label="${escapeMarkup(description)}" style="max-width:100%;height:auto" `);
}
