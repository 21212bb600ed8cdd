// How the training goes: the curves of metrics, speed and learning rate, and their numbers as a table.
import { capitalized, wholeNumber } from '../../src/report/format.js';
import type { RunRecord } from '../feed/records.js';
import { Chart, type ChartLine } from './chart.js';
import { columnsOf, needsLog, type Along, type Line } from './curve-data.js';
import { element, holding, scrolling, table, titled } from './dom.js';
import { brief, clockTime, metric, metricName } from './phrases.js';
import { RATE, SPEED, type RunStory } from './run-story.js';

/** Rows of the table of epochs. */
const MOST_ROWS = 50;

/** A chart, and the names of the values that its lines are. */
interface Curve {
  readonly chart: Chart;
  /** Along the moments, and at the ends of epochs. */
  readonly names: readonly { readonly name: string; readonly of: 'moments' | 'epochs' }[];
  readonly log: 'asked' | 'where needed' | 'never';
}

export class Curves {
  readonly element: HTMLElement;
  readonly #charts = element('div', 'charts');
  readonly #numbers = element('div', 'epochs');
  readonly #logLoss = element('input');
  readonly #along: () => Along;
  #curves: readonly Curve[] = [];
  #of: string | undefined;

  /** @param changed called when the person wants to see it another way */
  constructor(changed: () => void) {
    const { fieldset, chosen } = alongSwitch(changed);
    this.#along = chosen;
    this.#logLoss.type = 'checkbox';
    this.#logLoss.addEventListener('change', changed);
    const details = holding('details', 'numbers', element('summary', '', 'The epochs as a table'), this.#numbers);
    this.element = titled('section', 'panel curves', 'h2', 'Curves', holding('div', 'switches', fieldset, holding('label', 'switch', this.#logLoss, ' loss on a log scale')), this.#charts, details);
    matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => { for (const { chart } of this.#curves) chart.recolour(); });
  }

  draw(story: RunStory): void {
    if (story.run === undefined) return;
    this.#prepare(story.run);
    const along = this.#along();
    for (const { chart, names, log } of this.#curves) {
      const columns = columnsOf(names.map(({ name, of }): Line => ({ name, points: story[of] })), along);
      const isLog = log === 'asked' ? this.#logLoss.checked && arePositive(columns.slice(1)) : log === 'where needed' && needsLog(columns.slice(1).flat());
      chart.draw({ columns, marks: story.events, along, isLog });
    }
    this.#numbers.replaceChildren(epochTable(story));
  }

  #prepare({ metrics, validationExamples }: RunRecord): void {
    const of = [...metrics, validationExamples > 0].join();
    if (of === this.#of) return;
    this.#of = of;
    this.#curves = [...metrics.map((name) => metricCurve(name, validationExamples > 0)), lone('Examples a second', SPEED, 'never'), lone('Learning rate', RATE, 'where needed')];
    this.#charts.replaceChildren(...this.#curves.map(({ chart }) => chart.element));
  }
}

function metricCurve(name: string, isValidated: boolean): Curve {
  const title = metricName(name);
  const training: ChartLine = { label: 'training', colour: '--training', hasDots: false };
  const validation: ChartLine = { label: 'validation', colour: '--validation', hasDots: true };
  return {
    chart: new Chart(capitalized(title), isValidated ? [training, validation] : [training], metric),
    names: [{ name, of: 'moments' as const }, { name: `val_${name}`, of: 'epochs' as const }].slice(0, isValidated ? 2 : 1),
    log: name === 'loss' ? 'asked' : 'never',
  };
}

function lone(title: string, name: string, log: Curve['log']): Curve {
  return { chart: new Chart(title, [{ label: 'now', colour: '--training', hasDots: false }], brief), names: [{ name, of: 'moments' }], log };
}

function alongSwitch(changed: () => void): { readonly fieldset: HTMLElement; readonly chosen: () => Along } {
  const [step, time] = [radio('step', changed), radio('time', changed)];
  step.checked = true;
  const fieldset = holding('fieldset', 'along', element('legend', '', 'Against'), holding('label', 'switch', step, ' steps'), holding('label', 'switch', time, ' time'));
  return { fieldset, chosen: () => (step.checked ? 'step' : 'time') };
}

function radio(value: Along, changed: () => void): HTMLInputElement {
  const made = element('input');
  Object.assign(made, { type: 'radio', name: 'along', value });
  made.addEventListener('change', changed);
  return made;
}

function arePositive(columns: readonly (readonly (number | null)[])[]): boolean {
  return columns.flat().every((value) => value === null || value > 0);
}

/** Newest first. */
function epochTable({ run, epochs }: RunStory): HTMLElement {
  const names = run!.metrics.flatMap((name) => (run!.validationExamples > 0 ? [name, `val_${name}`] : [name]));
  const rows = epochs.slice(-MOST_ROWS).reverse().map(({ step, atMs, values }) => [epochOf(step, run!), wholeNumber(step), clockTime(atMs), ...names.map((name) => metric(values[name]))]);
  return scrolling('Epochs', table('data', 'Means over epochs, the last one first', ['epoch', 'step', 'time', ...names.map(metricName)], rows));
}

function epochOf(step: number, { stepsPerEpoch }: RunRecord): string {
  return wholeNumber(step / stepsPerEpoch);
}
