import { listed, nearest, quoted } from '../data/words.js';
import { inputError, type TensorflockError } from '../errors.js';

/** What a number has to fulfil, and how a sentence says it. */
export interface Range {
  readonly holds: (value: number) => boolean;
  readonly words: string;
}

/** A rate that float32 can hold. */
export const NOT_NEGATIVE: Range = { holds: (value) => value >= 0 && isFloat32(value), words: 'a finite number of at least 0' };
export const POSITIVE: Range = {
  holds: (value) => Math.fround(value) > 0 && isFloat32(value),
  words: 'a finite number above 0',
};
/** The weight of the past in a moving average. */
export const DECAY: Range = { holds: (value) => value >= 0 && Math.fround(1 - value) > 0, words: 'at least 0 and below 1' };
/** Epsilon keeps 0 / 0 out of the updates of zero gradients; smaller ones vanish beside Adam's bias correction. */
export const EPSILON: Range = { holds: (value) => value >= 1e-30 && isFloat32(value), words: 'a finite number of at least 1e-30' };
export const STEPS: Range = { holds: (value) => Number.isSafeInteger(value) && value >= 1, words: 'a whole number of at least 1' };

function isFloat32(value: number): boolean {
  return Number.isFinite(Math.fround(value));
}

/** The value of an option if it lies in its range; `where` names the function, as in "optimizers.adam". */
export function checkedNumber(where: string, option: string, value: unknown, range: Range): number {
  if (typeof value === 'number' && range.holds(value)) return value;
  throw refusal(where, option, value, range.words);
}

export function checkedBoolean(where: string, option: string, value: unknown): boolean {
  if (typeof value === 'boolean') return value;
  throw refusal(where, option, value, 'true or false');
}

function refusal(where: string, option: string, value: unknown, wanted: string): TensorflockError {
  return inputError('ERR_OPTION', `${where}: ${option} is ${shown(value)}; give ${wanted}.`);
}

/** A value as a sentence can carry it. */
export function shown(value: unknown): string {
  if (typeof value === 'string') return quoted(value);
  return typeof value === 'object' && value !== null ? 'an object' : String(value);
}

/** Refuses anything but an object of known options: a misspelt one would be ignored otherwise. */
export function checkedOptions(where: string, options: unknown, known: readonly string[]): void {
  if (typeof options !== 'object' || options === null) {
    throw inputError('ERR_OPTION', `${where}: the options are ${shown(options)}; give an object with any of ${listed(known)}.`);
  }
  const unknown = Object.keys(options).find((name) => !known.includes(name));
  if (unknown === undefined) return;
  throw inputError(
    'ERR_OPTION',
    `${where}: there is no option ${quoted(unknown)}; the nearest is ${quoted(nearest(unknown, known) ?? '')} (of ${listed(known)}).`,
  );
}
