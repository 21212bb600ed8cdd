// Who computes: a card for each, with where its time goes.
import { counted, wholeNumber } from '../../src/report/format.js';
import type { NodeCard } from '../feed/records.js';
import { element, facts, holding, svgElement, titled, write } from './dom.js';
import { brief, percent } from './phrases.js';
import type { RunStory } from './run-story.js';

const PARTS = ['compute', 'encode', 'wire', 'wait'] as const;
/** Of the bar, in its own units. */
const BAR_WIDTH = 1_000;
const BAR_HEIGHT = 14;

export class NodeCards {
  readonly element: HTMLElement;
  readonly #count = element('p', 'count');
  readonly #list = element('ul', 'nodes');
  readonly #cards = new Map<number, Card>();

  constructor() {
    const legend = holding('p', 'legend', 'Where the time goes: ', ...PARTS.map((part) => holding('span', 'legend-item', element('span', `swatch swatch-${part}`), part)));
    this.element = titled('section', 'panel', 'h2', 'Nodes', this.#count, legend, this.#list);
  }

  draw({ nodes }: RunStory): void {
    const present = nodes?.nodes ?? [];
    write(this.#count, summary(present));
    for (const member of this.#cards.keys()) if (!present.some((node) => node.member === member)) this.#remove(member);
    for (const node of present) this.#cardOf(node).draw(node);
  }

  #cardOf(node: NodeCard): Card {
    const known = this.#cards.get(node.member);
    if (known !== undefined) return known;
    const made = new Card(nodeName(node));
    this.#cards.set(node.member, made);
    this.#list.append(made.element);
    return made;
  }

  #remove(member: number): void {
    this.#cards.get(member)!.element.remove();
    this.#cards.delete(member);
  }
}

class Card {
  readonly element: HTMLElement;
  readonly #state = element('p', 'node-state');
  readonly #workers = element('span');
  readonly #speed = element('span');
  readonly #shares = element('span');
  readonly #parts = PARTS.map((part) => svgElement('rect', { class: `part-${part}`, y: 0, height: BAR_HEIGHT, x: 0, width: 0 }));
  readonly #said = element('p', 'node-time');

  constructor(name: string) {
    const bar = svgElement('svg', { class: 'bar', viewBox: `0 0 ${BAR_WIDTH} ${BAR_HEIGHT}`, preserveAspectRatio: 'none', 'aria-hidden': 'true' });
    bar.append(...this.#parts);
    this.element = titled('li', 'node', 'h3', name, this.#state, facts('node-facts', [['workers', this.#workers], ['examples/s', this.#speed], ['shares', this.#shares]]), bar, this.#said);
  }

  draw({ state, workers, examplesPerSecond, shares, time, chaos }: NodeCard): void {
    write(this.#state, chaos === undefined ? state : `${state}, ${chaos === 'freeze' ? 'frozen' : 'slowed'} on purpose`);
    this.#state.dataset['state'] = chaos === undefined ? state : 'chaos';
    write(this.#workers, workers === 0 ? '–' : wholeNumber(workers));
    write(this.#speed, brief(Math.round(examplesPerSecond)));
    write(this.#shares, wholeNumber(shares));
    let x = 0;
    PARTS.forEach((part, index) => {
      const width = BAR_WIDTH * time[part];
      this.#parts[index]!.setAttribute('x', x.toFixed(1));
      this.#parts[index]!.setAttribute('width', width.toFixed(1));
      x += width;
    });
    write(this.#said, x === 0 ? 'nothing known of its time yet' : PARTS.map((part) => `${part} ${percent(time[part])}`).join(' · '));
  }
}

/** "coordinator" for its own workers, else "node 3". */
export function nodeName({ kind, member }: Pick<NodeCard, 'kind' | 'member'>): string {
  return kind === 'local' ? 'coordinator' : `${kind} ${member}`;
}

function summary(nodes: readonly NodeCard[]): string {
  if (nodes.length === 0) return 'Nobody computes yet.';
  const sum = (of: (node: NodeCard) => number): number => nodes.reduce((total, node) => total + of(node), 0);
  return `${counted(nodes.length, 'machine')} with ${counted(sum(({ workers }) => workers), 'worker')}, together ${wholeNumber(sum(({ examplesPerSecond }) => examplesPerSecond))} examples/s.`;
}
