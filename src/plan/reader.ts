// Readers of data from outside: each takes an unknown value and gives back a copy of its type, or refuses it. A schema library
// says the same, but takes ten milliseconds to warm up for plans, which a session's start would pay.

/** The way to the value being read, and what to do with a bad one. */
export interface Reading {
  readonly path: (string | number)[];
  /** @param problem 'has 0 as "k", which must be ...' */
  readonly refuse: (problem: string) => never;
}

export type Reader<T> = (value: unknown, reading: Reading) => T;

/** Refuses the value at the path. */
function mustBe(expected: string, value: unknown, reading: Reading): never {
  const field = fieldOf(reading.path);
  const given = value === undefined ? 'no' : `${shown(value)} as`;
  return reading.refuse(field === '' ? `must be ${expected}` : `has ${given} "${field}", which must be ${expected}`);
}

/** The last name of the path, and positions in it: `counts[2]`; nothing for a member of a list, which the refusal names. */
function fieldOf(path: readonly (string | number)[]): string {
  const start = path.findLastIndex((part) => typeof part === 'string');
  if (start === 0 && path.length > 1) return '';
  return path.slice(start).map((part) => (typeof part === 'number' ? `[${part}]` : part)).join('');
}

export function integer(min: number, max = Number.MAX_SAFE_INTEGER): Reader<number> {
  return (value, reading) => (Number.isSafeInteger(value) && (value as number) >= min && (value as number) <= max
    ? (value as number)
    : mustBe(`a whole number from ${min} to ${max}`, value, reading));
}

/** A number for which `holds`. */
export function number(expected: string, holds: (value: number) => boolean): Reader<number> {
  return (value, reading) => (typeof value === 'number' && holds(value) ? value : mustBe(expected, value, reading));
}

export const flag: Reader<boolean> = (value, reading) => (typeof value === 'boolean' ? value : mustBe('true or false', value, reading));

export const bytes: Reader<Uint8Array> = (value, reading) => (value instanceof Uint8Array ? value : mustBe('bytes', value, reading));

export function oneOf<T extends string | number>(...values: readonly T[]): Reader<T> {
  const known: ReadonlySet<unknown> = new Set(values);
  return (value, reading) => (known.has(value) ? (value as T) : mustBe(`one of ${values.join(', ')}`, value, reading));
}

export function list<T>(read: Reader<T>): Reader<T[]> {
  return (value, reading) => (Array.isArray(value)
    ? Array.from(value as unknown[], (member, position) => readAt(position, read, member, reading))
    : mustBe('a list', value, reading));
}

/** A list of four. */
export function four<T>(read: Reader<T>): Reader<readonly [T, T, T, T]> {
  const all = list(read);
  return (value, reading) => (Array.isArray(value) && value.length === 4 ? (all(value, reading) as [T, T, T, T]) : mustBe('a list of four', value, reading));
}

/** An object with these fields and no others; those named as optional may be left out. */
export function fields<T extends object>(readers: { readonly [Name in keyof T]-?: Reader<T[Name]> }, optional: readonly (keyof T & string)[] = []): Reader<T> {
  const entries = Object.entries(readers) as [string, Reader<unknown>][];
  return (value, reading) => {
    if (!isObject(value)) return mustBe('an object', value, reading);
    const unknown = Object.keys(value).find((name) => !Object.hasOwn(readers, name));
    if (unknown !== undefined) reading.refuse(`has the unknown field ${shown(unknown)}`);
    const copy: Record<string, unknown> = {};
    for (const [name, read] of entries) {
      const given = Object.hasOwn(value, name) ? value[name] : undefined;
      if (given !== undefined || !optional.includes(name as keyof T & string)) copy[name] = readAt(name, read, given, reading);
    }
    return copy as T;
  };
}

function readAt<T>(part: string | number, read: Reader<T>, value: unknown, reading: Reading): T {
  reading.path.push(part);
  const copy = read(value, reading);
  reading.path.pop();
  return copy;
}

export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

const SHOWN_CHARACTERS = 40;

/** Numbers and short words as they are; of the rest, what kind of thing it is. */
export function shown(value: unknown): string {
  if (typeof value === 'string') return JSON.stringify(value.length <= SHOWN_CHARACTERS ? value : `${value.slice(0, SHOWN_CHARACTERS)}…`);
  if (typeof value === 'number' || typeof value === 'boolean' || value === null) return Object.is(value, -0) ? '-0' : String(value);
  return Array.isArray(value) ? 'a list' : typeof value === 'object' ? 'an object' : `a ${typeof value}`;
}
