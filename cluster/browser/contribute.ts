// The part of the page with which a tab becomes a node: one button, and what comes of it.
import { hasRelaxedSimd, hasSimd } from '../../src/kernels/instance.js';
import { capitalized, wholeNumber } from '../../src/report/format.js';
import { element, facts, holding } from './dom.js';
import { lacksOf } from './lacks.js';
import type { TabOrder, TabReport } from './orders.js';
import { WakeLock } from './wake-lock.js';

/**
 * Puts the button and what belongs to it into an element.
 * @param key the join key; empty where the run asks for none
 */
export function mountContribute(place: HTMLElement, key: Uint8Array): void {
  const lacks = lacksOf({ isSecure: isSecureContext, isIsolated: crossOriginIsolated, hasSimd: hasSimd(), hasRelaxedSimd: hasRelaxedSimd(), hasWakeLock: 'wakeLock' in navigator, hasKey: key.byteLength > 0 });
  place.replaceChildren(...new Contribution(key).elements, list('contribute-lacks', lacks));
}

class Contribution {
  readonly #button = element('button', 'contribute-button', 'Contribute');
  readonly #workers = numberField(crossOriginIsolated ? navigator.hardwareConcurrency : 1);
  readonly #rows = element('input', 'contribute-rows');
  readonly #status = element('p', 'contribute-status', 'This tab takes no part.');
  readonly #facts = { workers: element('span', 'contribute-workers', '0'), shares: element('span', 'contribute-shares', '0'), examples: element('span', 'contribute-examples', '0') };
  readonly #wakeLock = new WakeLock();
  #worker: Worker | undefined;

  constructor(private readonly key: Uint8Array) {
    this.#button.type = 'button';
    this.#button.disabled = !hasSimd();
    this.#button.addEventListener('click', () => { if (this.#worker === undefined) this.#begin(); else this.#stop(); });
    this.#rows.type = 'checkbox';
    this.#status.setAttribute('role', 'status');
  }

  get elements(): HTMLElement[] {
    const { workers, shares, examples } = this.#facts;
    return [
      element('p', 'contribute-what', 'This tab can compute for the run, as every other node does: its shares count, and the result is the same to the last bit.'),
      labelled(this.#workers, 'workers'), labelled(this.#rows, 'keep no data in this tab: rows are sent with each step'),
      this.#button, this.#status, facts('contribute-facts', [['workers', workers], ['shares given', shares], ['examples', examples]]),
    ];
  }

  #begin(): void {
    const workers = Math.max(1, Math.min(Number(this.#workers.max), Math.floor(Number(this.#workers.value)) || 1));
    const worker = new Worker(new URL('tab-worker.js', import.meta.url), { type: 'module' });
    this.#worker = worker;
    worker.onmessage = ({ data }: MessageEvent<TabReport>) => { this.#told(data); };
    worker.onerror = ({ message }) => { this.#told({ kind: 'ended', error: message || 'The worker of this page could not be loaded; load the page again.' }); };
    worker.postMessage({ kind: 'begin', origin: location.origin, key: this.key, workers, isIsolated: crossOriginIsolated, data: this.#rows.checked ? 'rows' : 'columns' } satisfies TabOrder);
    this.#facts.workers.textContent = wholeNumber(workers);
    this.#button.textContent = 'Stop';
    this.#status.textContent = 'Joining the run.';
    for (const field of [this.#workers, this.#rows]) field.disabled = true;
    this.#wakeLock.hold();
  }

  #stop(): void {
    this.#button.disabled = true;
    this.#status.textContent = 'Leaving: what is being computed is sent first.';
    this.#worker?.postMessage({ kind: 'stop' } satisfies TabOrder);
  }

  #told(report: TabReport): void {
    switch (report.kind) {
      case 'notice': this.#status.textContent = sentence(report.sentence); return;
      case 'fetched': this.#status.textContent = `Fetching the data: ${Math.floor((100 * report.receivedBytes) / report.totalBytes)} %.`; return;
      case 'given':
        this.#facts.shares.textContent = wholeNumber(report.shares);
        this.#facts.examples.textContent = wholeNumber(report.examples);
        return;
      case 'ended': this.#ended(report.error);
    }
  }

  #ended(error: string | undefined): void {
    this.#worker?.terminate();
    this.#worker = undefined;
    this.#wakeLock.release();
    this.#button.textContent = 'Contribute';
    this.#button.disabled = false;
    for (const field of [this.#workers, this.#rows]) field.disabled = false;
    this.#facts.workers.textContent = '0';
    this.#status.textContent = error ?? 'This tab takes no part any more. Thank you.';
  }
}

/** Notices are written for a log. */
function sentence(notice: string): string {
  return `${capitalized(notice)}.`;
}

function numberField(most: number): HTMLInputElement {
  const field = element('input', 'contribute-workers-wanted');
  Object.assign(field, { type: 'number', min: '1', max: String(most), value: String(most) });
  return field;
}

function labelled(field: HTMLInputElement, text: string): HTMLElement {
  return holding('label', '', `${text} `, field);
}

function list(className: string, sentences: readonly string[]): HTMLElement {
  return holding('ul', className, ...sentences.map((text) => element('li', '', text)));
}
