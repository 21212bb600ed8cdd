// What happened, as a list; the curves have a mark for each.
import { wholeNumber } from '../../src/report/format.js';
import type { EventFeedRecord } from '../feed/records.js';
import { element, holding, scrolling, titled } from './dom.js';
import { clockTime } from './phrases.js';
import type { RunStory } from './run-story.js';

const SIGNS = { good: '✓', neutral: '•', bad: '✗' } as const;

export class Timeline {
  readonly element: HTMLElement;
  readonly #list = element('ol', 'events');
  readonly #nothing = element('p', 'count', 'Nothing has happened yet.');
  #shown: EventFeedRecord | undefined;

  constructor() {
    const place = scrolling('Events', this.#list);
    place.classList.add('events-place');
    this.element = titled('section', 'panel', 'h2', 'What happened', this.#nothing, place);
  }

  /** Newest first. */
  draw({ events }: RunStory): void {
    const last = events.at(-1);
    if (last === this.#shown) return;
    this.#shown = last;
    this.#nothing.hidden = events.length > 0;
    this.#list.replaceChildren(...events.toReversed().map(line));
  }
}

function line({ atMs, step, tone, sentence }: EventFeedRecord): HTMLElement {
  const sign = element('span', `sign tone-${tone}`, SIGNS[tone]);
  sign.setAttribute('aria-label', tone);
  sign.setAttribute('role', 'img');
  return holding('li', '', sign, holding('span', 'what', sentence), holding('span', 'when', `${clockTime(atMs)}, step ${wholeNumber(step)}`));
}
