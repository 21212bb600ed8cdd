// What happens inside the network: a card for each layer.
import { wholeNumber } from '../../src/report/format.js';
import type { LayerHealth, ValueCounts } from '../../src/report/network-health.js';
import type { HealthRecord } from '../feed/records.js';
import { element, facts, holding, scrolling, table, titled, write } from './dom.js';
import { binOf, histogramPicture } from './histogram-picture.js';
import { brief, percent, rough } from './phrases.js';
import type { RunStory } from './run-story.js';

const HISTOGRAMS = ['weights', 'gradients', 'activations'] as const;
/** Of units; from there on something is wrong with a layer. */
const MOST_DEAD = 0.4;
const MOST_SATURATED = 0.5;

export class HealthView {
  readonly element: HTMLElement;
  readonly #when = element('p', 'count');
  readonly #list = element('ul', 'layers');
  #cards: readonly LayerCard[] = [];
  #shown: HealthRecord | undefined;

  constructor() {
    this.element = titled('section', 'panel', 'h2', 'Network health', this.#when, this.#list);
  }

  draw({ health }: RunStory): void {
    this.element.hidden = health === undefined;
    if (health === undefined || health === this.#shown) return;
    this.#shown = health;
    write(this.#when, `After epoch ${wholeNumber(health.epoch)}, on ${wholeNumber(health.examples)} training examples.`);
    this.#prepare(health.layers);
    health.layers.forEach((layer, index) => { this.#cards[index]!.draw(layer); });
  }

  /** Cards of layers that were there before stay, and with them what somebody has opened. */
  #prepare(layers: readonly LayerHealth[]): void {
    if (layers.map(({ layer }) => layer).join() === this.#cards.map(({ layer }) => layer).join()) return;
    this.#cards = layers.map(({ layer }) => new LayerCard(layer));
    this.#list.replaceChildren(...this.#cards.map((card) => card.element));
  }
}

class LayerCard {
  readonly element: HTMLElement;
  readonly #figures = element('div');
  readonly #pictures = element('div', 'histograms');
  readonly #numbers = element('div');

  constructor(readonly layer: string) {
    const details = holding('details', 'numbers', element('summary', '', 'Histograms in numbers'), this.#numbers);
    this.element = titled('li', 'layer', 'h3', layer, this.#figures, this.#pictures, details);
  }

  draw(health: LayerHealth): void {
    const known = HISTOGRAMS.flatMap((name) => (health[name] === undefined ? [] : [[name, health[name]] as const]));
    this.#figures.replaceChildren(facts('layer-facts', figuresOf(health)));
    this.#pictures.replaceChildren(...known.map(([name, histogram]) => holding('div', `of-${name}`, element('span', 'histogram-name', name), histogramPicture(histogram, `${name} of ${this.layer}`), ends(histogram))));
    this.#numbers.replaceChildren(...known.map(([name, histogram]) => scrolling(`${name} of ${this.layer}`, countsTable(name, histogram))));
  }
}

function figuresOf({ gradientNorm, updateRatio, deadUnits, saturatedUnits, zeroActivations }: LayerHealth): (readonly [string, string | Node])[] {
  return [
    ...(gradientNorm === undefined ? [] : [['gradient norm', brief(gradientNorm)] as const]),
    ...(updateRatio === undefined ? [] : [['update to weights', brief(updateRatio)] as const]),
    ...(zeroActivations === undefined ? [] : [['outputs of 0, not drawn', percent(zeroActivations)] as const]),
    ...(deadUnits === undefined ? [] : [['dead ReLUs', share(deadUnits, MOST_DEAD)] as const]),
    ...(saturatedUnits === undefined ? [] : [['saturated sigmoids', share(saturatedUnits, MOST_SATURATED)] as const]),
  ];
}

/** Says so where it is too many. */
function share(fraction: number, most: number): Node {
  return fraction > most ? element('strong', 'warning', `⚠ ${percent(fraction)}, many`) : element('span', '', percent(fraction));
}

function ends({ from, to }: ValueCounts): HTMLElement {
  return holding('span', 'histogram-ends', element('span', '', rough(from)), element('span', '', rough(to)));
}

function countsTable(name: string, histogram: ValueCounts): HTMLElement {
  const rows = histogram.counts.map((count, index) => {
    const [low, high] = binOf(histogram, index);
    return [`${brief(low)} to ${brief(high)}`, wholeNumber(count)];
  });
  return table('data', name, ['value', 'count'], rows);
}
