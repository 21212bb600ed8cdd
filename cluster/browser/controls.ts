// The buttons of an operator, and what came of them. Stopping asks once more.
import { wholeNumber } from '../../src/report/format.js';
import { button, element, holding, titled, write } from './dom.js';
import type { RunStory } from './run-story.js';

export type Command = 'pause' | 'resume' | 'checkpoint' | 'stop';

const DONE: Readonly<Record<Command, string>> = { pause: 'Paused', resume: 'Resumed', checkpoint: 'Checkpoint kept', stop: 'Stopped' };
const DOING: Readonly<Record<Command, string>> = { pause: 'Pausing…', resume: 'Resuming…', checkpoint: 'Keeping a checkpoint…', stop: 'Stopping…' };

export class Controls {
  readonly element: HTMLElement;
  readonly #answer = element('p', 'answer');
  readonly #row: HTMLElement;
  readonly #question: HTMLElement;
  readonly #stop = button('danger', 'Stop…', () => { this.#ask(true); });
  readonly #keep = button('', 'Keep it running', () => { this.#ask(false); });
  #send: ((command: Command) => Promise<number>) | undefined;
  #hasRun = false;

  constructor() {
    this.#answer.setAttribute('role', 'status');
    const simple = (command: Command, text: string): HTMLButtonElement => button('', text, () => { void this.#command(command); });
    this.#row = holding('div', 'buttons', simple('pause', 'Pause'), simple('resume', 'Resume'), simple('checkpoint', 'Checkpoint now'), this.#stop);
    const sure = button('danger', 'Stop the run', () => { this.#ask(false); void this.#command('stop'); });
    this.#question = holding('div', 'buttons question', element('p', '', 'Stop the run for everybody? The steps made so far are kept.'), sure, this.#keep);
    this.#question.hidden = true;
    this.#question.setAttribute('role', 'group');
    this.#question.setAttribute('aria-label', 'Stop the run?');
    this.#question.addEventListener('keydown', ({ key }) => { if (key === 'Escape') this.#ask(false); });
    this.element = titled('section', 'panel', 'h2', 'Steer', this.#row, this.#question, this.#answer);
    this.element.hidden = true;
  }

  set(send: ((command: Command) => Promise<number>) | undefined): void {
    this.#send = send;
    this.#show();
  }

  draw({ run }: RunStory): void {
    this.#hasRun = run !== undefined;
    this.#show();
  }

  /** Not before there is a run: what is told of it then would move the buttons away under a press. */
  #show(): void {
    this.element.hidden = this.#send === undefined || !this.#hasRun;
  }

  /** The keyboard goes where the next press is, and back. */
  #ask(isAsked: boolean): void {
    this.#row.hidden = isAsked;
    this.#question.hidden = !isAsked;
    (isAsked ? this.#keep : this.#stop).focus();
  }

  async #command(command: Command): Promise<void> {
    write(this.#answer, DOING[command]);
    await answered(this.#answer, this.#send!(command), (step) => `${DONE[command]} after ${wholeNumber(step)} updates.`);
  }
}

/** Shows what came of it, be it an error. */
export async function answered(place: HTMLElement, asked: Promise<number>, sentence: (step: number) => string): Promise<void> {
  try {
    const step = await asked;
    place.classList.remove('failed');
    write(place, sentence(step));
  } catch (error) {
    place.classList.add('failed');
    write(place, (error as Error).message);
  }
}
