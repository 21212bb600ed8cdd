import { inputError } from '../errors.js';
import { listed, quoted } from './words.js';

/** Where a cell stands, for sentences. Lines count from 1, the header's being the first of a plain file. */
export interface CellPlace {
  readonly file: string;
  readonly line: number;
  readonly column: string;
}

/** Class names may be given, found in the column, or absent where labels are plain numbers. */
export interface LabelValues {
  readonly values: Int32Array | Float32Array;
  readonly classNames?: readonly string[];
}

/** Collects the cells of a label column, row by row. */
export interface LabelReader {
  add(cell: string, place: CellPlace): void;
  finish(): LabelValues;
}

const DECIMAL = /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i;
const NOT_FINITE = /^[+-]?(nan|inf|infinity)$/i;
const FIRST_CAPACITY = 1024;
const ALL_WORDS_REMEDY = 'mend it, or give classNames to read all of them as words';

function cellError(place: CellPlace, what: string, remedy: string): Error {
  const where = `${quoted(place.file)}, line ${place.line}, column ${quoted(place.column)}`;
  return inputError('ERR_CSV_CELL', `${where}: ${what}; ${remedy}`);
}

function isNumber(cell: string): boolean {
  return DECIMAL.test(cell) || NOT_FINITE.test(cell);
}

/**
 * The number in a cell, in decimal notation.
 * @throws TensorflockError `ERR_CSV_CELL` for an empty cell, a word, NaN, or a number beyond float32
 */
export function numberInCell(cell: string, place: CellPlace): number {
  const text = cell.trim();
  if (text === '') throw cellError(place, 'the cell is empty', 'give a number or remove the row');
  if (!isNumber(text)) {
    const what = `the word ${quoted(text)} stands where a number belongs`;
    throw cellError(place, what, 'give a number or leave the column out of the features');
  }
  const value = DECIMAL.test(text) ? Number(text) : Number.NaN;
  if (Number.isFinite(Math.fround(value))) return value;
  throw cellError(place, `${quoted(text)} is not a finite float32 number`, 'mend the number or remove the row');
}

/** Numbers appended one by one; the store doubles when it is full. */
export class GrowingFloats {
  #values = new Float32Array(FIRST_CAPACITY);
  #length = 0;

  push(value: number): void {
    if (this.#length === this.#values.length) {
      const larger = new Float32Array(this.#length * 2);
      larger.set(this.#values);
      this.#values = larger;
    }
    this.#values[this.#length++] = value;
  }

  /** What was pushed, in an array of its exact length. */
  finish(): Float32Array {
    return this.#values.slice(0, this.#length);
  }
}

/**
 * A reader for a label column. Given class names decide: a cell is one of them, or (where the first cell is none of them) its
 * number. Without them the first cell decides: numbers stay numbers, words become classes in sorted order.
 */
export function labelReader(firstCell: string, classNames?: readonly string[]): LabelReader {
  if (classNames) return classNames.includes(firstCell) ? givenWords(classNames) : givenNumbers(classNames);
  return isNumber(firstCell.trim()) ? plainNumbers() : foundWords(firstCell);
}

function plainNumbers(): LabelReader {
  const labels = new GrowingFloats();
  return {
    add: (cell, place) => {
      if (cell.trim() !== '' && !isNumber(cell.trim())) {
        throw cellError(place, `the label ${quoted(cell)} is a word where the labels before are numbers`, ALL_WORDS_REMEDY);
      }
      labels.push(numberInCell(cell, place));
    },
    finish: () => ({ values: labels.finish() }),
  };
}

function foundWords(firstCell: string): LabelReader {
  const codes = new Map<string, number>();
  const labels = new GrowingFloats();
  return {
    add: (cell, place) => {
      if (cell.trim() === '') throw cellError(place, 'the label is empty', 'give a label or remove the row');
      if (isNumber(cell.trim())) {
        const what = `the label ${quoted(cell)} is a number where the first label, ${quoted(firstCell)}, is a word`;
        throw cellError(place, what, ALL_WORDS_REMEDY);
      }
      if (!codes.has(cell)) codes.set(cell, codes.size);
      labels.push(codes.get(cell)!);
    },
    finish: () => {
      const classNames = [...codes.keys()].sort();
      const rankOfCode = new Map(classNames.map((name, rank) => [codes.get(name)!, rank]));
      return { values: Int32Array.from(labels.finish(), (code) => rankOfCode.get(code)!), classNames };
    },
  };
}

function givenWords(classNames: readonly string[]): LabelReader {
  const indexOfName = new Map(classNames.map((name, index) => [name, index]));
  return givenClasses(classNames, (cell) => indexOfName.get(cell));
}

function givenNumbers(classNames: readonly string[]): LabelReader {
  return givenClasses(classNames, (cell) => {
    const label = DECIMAL.test(cell.trim()) ? Number(cell) : Number.NaN;
    return Number.isInteger(label) && label >= 0 && label < classNames.length ? label : undefined;
  });
}

function givenClasses(classNames: readonly string[], classOf: (cell: string) => number | undefined): LabelReader {
  const labels = new GrowingFloats();
  return {
    add: (cell, place) => {
      const label = classOf(cell);
      if (label === undefined) {
        const what = `the label ${quoted(cell)} is not one of the ${classNames.length} classNames (${listed(classNames)})`;
        throw cellError(place, what, 'mend it or add its name');
      }
      labels.push(label);
    },
    finish: () => ({ values: Int32Array.from(labels.finish()), classNames }),
  };
}
