import { nearest } from '../../src/data/words.js';

/** `"adamm" is not an optimizer; did you mean adam (of sgd, momentum, …)?` */
export function notOneOf(typed: string, noun: string, known: readonly string[]): string {
  return `"${typed}" is not ${noun}; did you mean ${nearest(typed, known) ?? 'another'} (of ${known.join(', ')})?`;
}
