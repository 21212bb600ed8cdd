// A chart of lines: what uPlot draws, a legend that tells numbers, and marks for what happened.
import uPlot from 'uplot';
import type { EventFeedRecord } from '../feed/records.js';
import { positionOf, type Along, type Columns } from './curve-data.js';
import { element, holding, titled, write } from './dom.js';
import { brief, clockTime } from './phrases.js';

const HEIGHT_PIXELS = 210;
const NARROWEST_PIXELS = 120;
/** Charts whose cursors go together. */
const ALL = 'run';
/** Of a line; more would hide it. */
const MOST_DOTS = 60;

/** One line of a chart, by the custom property of its colour. */
export interface ChartLine {
  readonly label: string;
  readonly colour: '--training' | '--validation';
  readonly hasDots: boolean;
}

export interface ChartPicture {
  readonly columns: Columns;
  readonly marks: readonly EventFeedRecord[];
  readonly along: Along;
  readonly isLog: boolean;
}

export class Chart {
  readonly element: HTMLElement;
  readonly #plot = element('div', 'plot');
  readonly #where = element('span', 'where');
  readonly #values: readonly HTMLElement[];
  #drawn: uPlot | undefined;
  #picture: ChartPicture | undefined;

  constructor(private readonly title: string, private readonly lines: readonly ChartLine[], private readonly format: (value: number) => string) {
    this.#values = lines.map(() => element('span', 'legend-value', '–'));
    const legend = lines.map(({ label, colour }, index) => holding('span', 'legend-item', element('span', `swatch swatch${colour}`), `${label} `, this.#values[index]!));
    this.#plot.setAttribute('role', 'img');
    this.element = titled('figure', 'chart', 'h3', title, holding('div', 'legend', ...legend, this.#where), this.#plot);
    new ResizeObserver(() => { this.#fit(); }).observe(this.#plot);
  }

  draw(picture: ChartPicture): void {
    const before = this.#picture;
    this.#picture = picture;
    if (before?.along !== picture.along || before.isLog !== picture.isLog) this.#forget();
    if (this.#drawn === undefined) this.#drawn = this.#make(picture);
    else this.#drawn.setData(picture.columns as uPlot.AlignedData);
    this.#tell(this.#drawn);
    const latest = this.lines.map(({ label }, index) => `${label} ${this.#values[index]!.textContent}`);
    this.#plot.setAttribute('aria-label', `${this.title} against ${picture.along === 'step' ? 'steps' : 'time'}; now ${latest.join(', ')}.`);
  }

  /** In the colours of now. */
  recolour(): void {
    this.#drawn?.redraw(false);
  }

  #make({ columns, along, isLog }: ChartPicture): uPlot {
    const ink = (): string => colourOf('--faint');
    const axis: uPlot.Axis = { stroke: ink, grid: { stroke: () => colourOf('--grid'), width: 1 }, ticks: { show: false }, font: '12px system-ui, sans-serif' };
    const made = new uPlot({
      width: this.#width, height: HEIGHT_PIXELS, legend: { show: false },
      cursor: { sync: { key: ALL }, drag: { x: false, y: false }, y: false, points: { size: 7 } },
      scales: { x: { time: false }, y: { distr: isLog ? 3 : 1 } },
      axes: [
        { ...axis, space: 48, size: 28, gap: 4, values: (_, splits) => splits.map((x) => placeText(x, along)) },
        { ...axis, size: 56, gap: 6, values: (_, splits) => splits.map((y) => (y === null ? '' : brief(y))) },
      ],
      series: [{}, ...this.lines.map(({ colour, hasDots }): uPlot.Series => ({
        stroke: () => colourOf(colour), width: 1.75, spanGaps: true, points: { show: hasDots && hasFew, size: 5, fill: () => colourOf(colour) },
      }))],
      hooks: { drawAxes: [(plot) => { this.#mark(plot); }], setCursor: [(plot) => { this.#tell(plot); }] },
    }, columns as uPlot.AlignedData, this.#plot);
    followFinger(made);
    return made;
  }

  get #width(): number {
    return Math.max(NARROWEST_PIXELS, this.#plot.clientWidth);
  }

  #fit(): void {
    if (this.#drawn !== undefined && this.#drawn.width !== this.#width) this.#drawn.setSize({ width: this.#width, height: HEIGHT_PIXELS });
  }

  #forget(): void {
    this.#drawn?.destroy();
    this.#drawn = undefined;
  }

  /** A line across for each event, which a triangle tells from the grid. */
  #mark({ ctx, bbox, valToPos }: uPlot): void {
    const { marks, along } = this.#picture!;
    ctx.save();
    for (const mark of marks) {
      const x = Math.round(valToPos(positionOf(mark, along), 'x', true));
      if (!(x >= bbox.left && x <= bbox.left + bbox.width)) continue;
      ctx.fillStyle = ctx.strokeStyle = colourOf(`--${mark.tone}`);
      ctx.setLineDash([4, 4]);
      ctx.globalAlpha = 0.55;
      ctx.beginPath();
      ctx.moveTo(x, bbox.top);
      ctx.lineTo(x, bbox.top + bbox.height);
      ctx.stroke();
      ctx.globalAlpha = 1;
      triangle(ctx, x, bbox.top, 5 * devicePixelRatio);
    }
    ctx.restore();
  }

  /** The values under the cursor, or the last ones. */
  #tell({ cursor, data }: uPlot): void {
    const row = cursor.idx ?? data[0].length - 1;
    this.#values.forEach((place, index) => {
      const value = lastKnown(data[index + 1]!, row);
      write(place, value === undefined ? '–' : this.format(value));
    });
    const x = data[0][row];
    write(this.#where, typeof cursor.idx === 'number' && x !== undefined ? `at ${placeText(x, this.#picture!.along)}` : '');
  }
}

/** uPlot follows a mouse alone. A finger that goes up or down scrolls the page: the style sheet leaves that to the browser. */
function followFinger(plot: uPlot): void {
  const follow = ({ pointerType, clientX }: PointerEvent): void => {
    if (pointerType === 'mouse') return;
    const { left, width } = plot.over.getBoundingClientRect();
    const part = Math.min(1, Math.max(0, (clientX - left) / width));
    for (const each of uPlot.sync(ALL).plots) each.setCursor({ left: part * each.over.clientWidth, top: 0 });
  };
  plot.over.addEventListener('pointerdown', follow);
  plot.over.addEventListener('pointermove', follow);
}

function hasFew({ data }: uPlot, line: number): boolean {
  return Array.from(data[line]!).filter((value) => typeof value === 'number').length <= MOST_DOTS;
}

function lastKnown(column: ArrayLike<number | null | undefined>, row: number): number | undefined {
  for (let at = row; at >= 0; at--) {
    const value = column[at];
    if (typeof value === 'number') return value;
  }
  return undefined;
}

function placeText(x: number, along: Along): string {
  return along === 'time' ? clockTime(1_000 * x) : x.toLocaleString('en-US', { maximumFractionDigits: 1 });
}

function colourOf(name: string): string {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}

function triangle(ctx: CanvasRenderingContext2D, x: number, y: number, size: number): void {
  ctx.beginPath();
  ctx.moveTo(x - size, y);
  ctx.lineTo(x + size, y);
  ctx.lineTo(x, y + size);
  ctx.fill();
}
