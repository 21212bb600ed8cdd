// What the page shows of a run: it is told records and draws them.
import type { FeedRecord } from '../feed/records.js';
import { ChaosPanel, type Trouble } from './chaos-panel.js';
import { Controls, type Command } from './controls.js';
import { Curves } from './curves.js';
import { holding } from './dom.js';
import { HealthView } from './health-view.js';
import { NodeCards } from './node-cards.js';
import { OutcomeView } from './outcome-view.js';
import { Overview, type ConnectionState } from './overview.js';
import { Painter } from './painter.js';
import { RunStory } from './run-story.js';
import { Timeline } from './timeline.js';

export interface DashboardControls {
  /** Undefined for somebody who may only look. Resolves with the number of updates made by then, rejects with an Error whose message is a sentence. */
  readonly command?: ((command: Command) => Promise<number>) | undefined;
  /** Undefined for somebody who may only look; shown where the run's record allows it. */
  readonly chaos?: ((kind: Trouble, member: number) => Promise<number>) | undefined;
}

export class Dashboard {
  readonly #story = new RunStory();
  readonly #overview = new Overview();
  readonly #controls = new Controls();
  readonly #chaos = new ChaosPanel();
  readonly #parts: readonly { draw(story: RunStory): void }[];
  readonly #painter = new Painter(() => { for (const part of this.#parts) part.draw(this.#story); });

  /** @param place is filled with the parts of the dashboard, in sections */
  constructor(private readonly place: HTMLElement) {
    const curves = new Curves(() => { this.#painter.ask(); });
    const below = [curves, new NodeCards(), new Timeline(), new OutcomeView(), new HealthView()];
    this.#parts = [this.#overview, this.#controls, this.#chaos, ...below];
    place.classList.add('dashboard');
    place.replaceChildren(this.#overview.element, holding('div', 'steering', this.#controls.element, this.#chaos.element), ...below.map((part) => part.element));
    this.connection('connecting');
  }

  /** A record of the feed, in order. After a (re)connection the history comes again, beginning with `run`: everything shown is then replaced. */
  record(record: FeedRecord): void {
    this.#story.tell(record);
    this.#painter.ask();
  }

  /**
   * How the connection stands; where it is broken, what is seen is old.
   * @param sentence why it is not open
   */
  connection(state: ConnectionState, sentence?: string): void {
    this.place.dataset['connection'] = state;
    this.#overview.connection(state, sentence);
    this.#painter.ask();
  }

  controls({ command, chaos }: DashboardControls): void {
    this.#controls.set(command);
    this.#chaos.set(chaos);
  }
}
