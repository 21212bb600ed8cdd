// Trouble on purpose, so that people can watch what a mode does about it.
import type { ChaosKind, NodeCard } from '../feed/records.js';
import { answered } from './controls.js';
import { button, element, holding, titled, write } from './dom.js';
import { nodeName } from './node-cards.js';
import type { RunStory } from './run-story.js';

export type Trouble = ChaosKind | 'heal';

const BUTTONS: readonly (readonly [Trouble, string])[] = [['freeze', 'Freeze'], ['slow', 'Slow'], ['drop', 'Drop'], ['heal', 'Heal']];
const DONE: Readonly<Record<Trouble, string>> = { freeze: 'is frozen', slow: 'is slowed', drop: 'was dropped', heal: 'is left alone again' };

export class ChaosPanel {
  readonly element: HTMLElement;
  readonly #choice = element('select');
  readonly #answer = element('p', 'answer');
  readonly #buttons: readonly HTMLButtonElement[];
  #send: ((kind: Trouble, member: number) => Promise<number>) | undefined;
  #offered = '';
  #isAllowed = false;

  constructor() {
    this.#answer.setAttribute('role', 'status');
    this.#buttons = BUTTONS.map(([kind, text]) => button('', text, () => { void this.#trouble(kind); }));
    this.element = titled('section', 'panel', 'h2', 'Chaos',
      element('p', 'count', 'Freeze a node, slow it down or cut its connection, and watch what the run makes of it.'),
      holding('label', 'choice', 'node ', this.#choice), holding('div', 'buttons', ...this.#buttons), this.#answer);
    this.element.hidden = true;
    this.#offer([]);
  }

  set(send: ((kind: Trouble, member: number) => Promise<number>) | undefined): void {
    this.#send = send;
    this.#show();
  }

  draw({ run, nodes }: RunStory): void {
    this.#isAllowed = run?.mayChaos === true;
    this.#show();
    const others = (nodes?.nodes ?? []).filter(({ kind }) => kind !== 'local');
    if (others.map(nodeName).join() !== this.#offered) this.#offer(others);
  }

  #show(): void {
    this.element.hidden = this.#send === undefined || !this.#isAllowed;
  }

  /** What was chosen stays so while it is there. */
  #offer(nodes: readonly NodeCard[]): void {
    this.#offered = nodes.map(nodeName).join();
    const chosen = this.#choice.value;
    this.#choice.replaceChildren(...nodes.map((node) => new Option(nodeName(node), String(node.member))));
    if (nodes.some(({ member }) => String(member) === chosen)) this.#choice.value = chosen;
    if (nodes.length === 0) this.#choice.append(new Option('no node has joined', ''));
    for (const one of [this.#choice, ...this.#buttons]) one.disabled = nodes.length === 0;
  }

  async #trouble(kind: Trouble): Promise<void> {
    const { value, selectedOptions } = this.#choice;
    const name = selectedOptions[0]!.text;
    write(this.#answer, 'Asking…');
    await answered(this.#answer, this.#send!(kind, Number(value)), () => `${name} ${DONE[kind]}.`);
  }
}
