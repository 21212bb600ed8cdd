// The names of classes as they travel to a page, and as a page takes them.
import { MOST_CLASSES } from '../../src/report/outcome.js';

/** Characters; longer ones are cut, as a matrix has no room for them. */
const LONGEST = 40;

/** What may be shown of names from anywhere: no more than a matrix has classes, none longer than there is room; '' for what is no text. */
export function shownNames(names: unknown): string[] {
  if (!Array.isArray(names)) return [];
  return names.slice(0, MOST_CLASSES).map((name: unknown) => (typeof name === 'string' ? cut(name.replace(/[\s\p{C}]+/gu, ' ').trim()) : ''));
}

/** The word for a class, or its number. */
export function nameOfClass(names: readonly string[], label: number): string {
  return names[label] || String(label);
}

function cut(name: string): string {
  const characters = Array.from(name);
  return characters.length <= LONGEST ? name : `${characters.slice(0, LONGEST - 1).join('')}…`;
}
