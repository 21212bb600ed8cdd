// Where the run stands, at a glance: what it is, how far it has come, and its figures of now.
import { counted, wholeNumber } from '../../src/report/format.js';
import type { RunRecord, StateRecord } from '../feed/records.js';
import { element, facts, titled, write } from './dom.js';
import { brief, clockTime, metric, metricName } from './phrases.js';
import type { RunStory } from './run-story.js';

export type ConnectionState = 'connecting' | 'open' | 'broken' | 'over';

const CONNECTIONS: Readonly<Record<ConnectionState, string>> = {
  connecting: 'Connecting to the run.',
  open: '',
  broken: 'The connection broke: what you see is old. It is being dialled again.',
  over: 'The coordinator is gone: what you see is how the run ended.',
};

type State = StateRecord['state'] | 'ended';

const STATES: Readonly<Record<State, string>> = { running: 'running', paused: 'paused', waiting: 'waiting for nodes', finished: 'finished', stopped: 'stopped', ended: 'ended' };

export class Overview {
  readonly element: HTMLElement;
  readonly #connection = element('p', 'connection');
  readonly #state = element('span', 'state', 'no training yet');
  readonly #progress = element('progress');
  readonly #where = element('p', 'where-it-is');
  readonly #what = element('p', 'what-it-is');
  readonly #figures = element('div', 'figures');
  #values = new Map<string, HTMLElement>();
  #of: RunRecord | undefined;
  #isOver = false;

  constructor() {
    this.#connection.setAttribute('role', 'status');
    this.#progress.setAttribute('aria-label', 'steps made');
    this.element = titled('section', 'panel overview', 'h2', 'The run', this.#state, this.#connection, this.#what, this.#progress, this.#where, this.#figures);
  }

  connection(state: ConnectionState, sentence?: string): void {
    this.element.dataset['connection'] = state;
    this.#isOver = state === 'over';
    const own = CONNECTIONS[state];
    write(this.#connection, state === 'over' && sentence !== undefined ? sentence : [own, sentence].filter((text) => text !== undefined && text !== '').join(' '));
    this.#connection.hidden = this.#connection.textContent === '';
  }

  draw({ run, state, moment, epoch }: RunStory): void {
    if (run === undefined) return;
    if (run !== this.#of) this.#begin(run);
    const now = nowOf(state?.state ?? 'running', this.#isOver);
    write(this.#state, STATES[now]);
    this.#state.dataset['state'] = now;
    const steps = run.epochs * run.stepsPerEpoch;
    const at = [moment, epoch].reduce((last, one) => (one !== undefined && one.step >= (last?.step ?? 0) ? one : last), undefined);
    this.#progress.max = steps;
    this.#progress.value = Math.min(at?.step ?? 0, steps);
    write(this.#where, at === undefined ? 'The first step is being made.' : `Epoch ${at.epoch} of ${run.epochs}, step ${wholeNumber(at.step)} of ${wholeNumber(steps)}, after ${clockTime(at.atMs)}.`);
    for (const name of run.metrics) {
      this.#tell(name, metric(moment?.logs[name] ?? epoch?.logs[name]));
      this.#tell(`val_${name}`, metric(epoch?.logs[`val_${name}`]));
    }
    this.#tell('examples/s', brief(moment === undefined ? undefined : Math.round(moment.examplesPerSecond)));
    this.#tell('learning rate', brief(moment?.learningRate));
  }

  #begin(run: RunRecord): void {
    this.#of = run;
    write(this.#what, describe(run));
    const names = [...run.metrics.flatMap((name) => (run.validationExamples > 0 ? [name, `val_${name}`] : [name])), 'examples/s', 'learning rate'];
    this.#values = new Map(names.map((name) => [name, element('span', '', '–')]));
    this.#figures.replaceChildren(facts('figures-list', [...this.#values].map(([name, place]) => [metricName(name), place])));
  }

  #tell(name: string, text: string): void {
    const place = this.#values.get(name);
    if (place !== undefined) write(place, text);
  }
}

/** Whose end came before its last record makes no steps any more. */
function nowOf(told: StateRecord['state'], isOver: boolean): State {
  return isOver && !['finished', 'stopped'].includes(told) ? 'ended' : told;
}

function describe(run: RunRecord): string {
  const { training, parameterCount, examples, validationExamples, batchSize, epochs, optimizer, mode, arithmetic } = run;
  const data = validationExamples > 0 ? `${wholeNumber(examples)} training and ${wholeNumber(validationExamples)} validation examples` : `${wholeNumber(examples)} examples`;
  const one = `${wholeNumber(parameterCount)} parameters, ${data}, batch ${wholeNumber(batchSize)}, ${counted(epochs, 'epoch')}, ${optimizer}, mode ${mode}, ${arithmetic} arithmetic.`;
  return training > 1 ? `Training ${training}: ${one}` : one;
}
