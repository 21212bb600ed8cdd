// What the network makes of validation examples: pictures with its answers, and who is taken for whom.
import { counted, wholeNumber } from '../../src/report/format.js';
import { nameOfClass } from '../feed/class-names.js';
import type { GridPicture, OutcomeRecord } from '../feed/records.js';
import { accuracyOf, rowFractions, worstMistakes } from './confusion.js';
import { element, holding, scrolling, table, titled, write } from './dom.js';
import { percent } from './phrases.js';
import type { RunStory } from './run-story.js';

const MOST_MISTAKES = 3;

export class OutcomeView {
  readonly element: HTMLElement;
  readonly #when = element('p', 'count');
  readonly #mistakes = element('p', 'count');
  readonly #matrix = element('div');
  readonly #pictures = element('ul', 'pictures');
  readonly #gridPart = titled('section', 'predictions', 'h3', 'Predictions', this.#pictures);
  #shown: OutcomeRecord | undefined;

  constructor() {
    const matrixPart = titled('section', 'matrix', 'h3', 'Confusion matrix', this.#matrix, this.#mistakes);
    this.element = titled('section', 'panel', 'h2', 'Validation examples', this.#when, holding('div', 'outcome', this.#gridPart, matrixPart));
  }

  draw({ run, outcome }: RunStory): void {
    this.element.hidden = outcome === undefined;
    if (outcome === undefined || outcome === this.#shown) return;
    this.#shown = outcome;
    const { epoch, examples, confusion, pictures } = outcome;
    const names = confusion.map((_, label) => nameOfClass(run?.classNames ?? [], label));
    write(this.#when, `After epoch ${wholeNumber(epoch)}: ${percentRight(confusion)} of ${counted(examples, 'example')} are right.`);
    write(this.#mistakes, mistakesSentence(confusion, names));
    this.#matrix.replaceChildren(scrolling('Confusion matrix', matrix(confusion, names)));
    this.#gridPart.hidden = pictures.length === 0;
    this.#pictures.replaceChildren(...pictures.map((picture) => prediction(picture, outcome, names)));
  }
}

function percentRight(confusion: readonly (readonly number[])[]): string {
  const accuracy = accuracyOf(confusion);
  return Number.isNaN(accuracy) ? 'none' : `${(100 * accuracy).toFixed(1)} %`;
}

function mistakesSentence(confusion: readonly (readonly number[])[], names: readonly string[]): string {
  const worst = worstMistakes(confusion, MOST_MISTAKES);
  if (worst.length === 0) return 'None is taken for another.';
  return `Most often: ${worst.map(({ actual, predicted, count }) => `${names[actual]!} taken for ${names[predicted]!} (${wholeNumber(count)})`).join(', ')}.`;
}

/** A wrong one has a cross, a thick frame and the true class. */
function prediction({ pixels, actual, predicted, probability }: GridPicture, { width, height }: OutcomeRecord, names: readonly string[]): HTMLElement {
  const isWrong = actual !== predicted;
  const canvas = element('canvas');
  Object.assign(canvas, { width, height });
  canvas.setAttribute('aria-hidden', 'true');
  canvas.getContext('2d')!.putImageData(greyImage(pixels, width, height), 0, 0);
  const said = isWrong ? `✗ ${names[predicted]!}, is ${names[actual]!}` : names[predicted]!;
  return holding('li', isWrong ? 'wrong' : 'right', canvas, element('span', 'said', said), element('span', 'probability', percent(probability)));
}

function greyImage(base64: string, width: number, height: number): ImageData {
  const image = new ImageData(width, height);
  const grey = atob(base64);
  for (let pixel = 0; pixel < width * height; pixel++) {
    image.data.fill(grey.charCodeAt(pixel), 4 * pixel, 4 * pixel + 3);
    image.data[4 * pixel + 3] = 255;
  }
  return image;
}

/** Rows are what an example is, columns what it is taken for; the deeper a cell, the more of its row. */
function matrix(confusion: readonly (readonly number[])[], names: readonly string[]): HTMLTableElement {
  const rows = confusion.map((row, actual) => [names[actual]!, ...row.map(wholeNumber)]);
  const made = table('confusion', 'Rows: what it is. Columns: what it is taken for.', ['', ...names], rows);
  confusion.forEach((row, actual) => {
    rowFractions(row).forEach((fraction, predicted) => {
      const cell = made.tBodies[0]!.rows[actual]!.cells[predicted + 1]!;
      cell.className = actual === predicted ? 'hit' : row[predicted]! > 0 ? 'miss' : 'none';
      cell.style.setProperty('--heat', fraction.toFixed(3));
    });
  });
  return made;
}
