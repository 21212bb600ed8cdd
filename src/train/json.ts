import { inputError } from '../errors.js';

export type JsonValue = null | boolean | number | string | readonly JsonValue[] | JsonObject;
export interface JsonObject {
  readonly [name: string]: JsonValue;
}

/** The only name of an object that stands for a number JSON has no literal for: `{"$number":"NaN"}`. */
const NUMBER_NAME = '$number';
const NUMBERS_WITHOUT_LITERAL: ReadonlyMap<JsonValue, number> = new Map([
  ['NaN', Number.NaN],
  ['Infinity', Number.POSITIVE_INFINITY],
  ['-Infinity', Number.NEGATIVE_INFINITY],
  ['-0', -0],
]);

/** Deeper values are refused, which ends the walk through an object that contains itself. */
const MAX_DEPTH = 100;

/**
 * The same value, checked to be plain JSON at run time, with NaN, the infinities and -0 replaced by `{"$number":...}`, so
 * that `JSON.parse(JSON.stringify(...))` and `decodeJson` give every float64 back exactly.
 * @throws ERR_CHECKPOINT_RECORD, with the place of the first value that JSON cannot hold.
 */
export function encodeJson(value: unknown, place: string, depth = 0): JsonValue {
  if (value === null || typeof value === 'boolean' || typeof value === 'string') return value;
  if (typeof value === 'number') return encodeNumber(value);
  if (depth > MAX_DEPTH) throw notJson(place, `nested deeper than ${String(MAX_DEPTH)} levels`);
  if (Array.isArray(value)) return Array.from(value, (item, index) => encodeJson(item, `${place}[${String(index)}]`, depth + 1));
  if (!isPlainObject(value)) throw notJson(place, describe(value));
  const entries = Object.entries(value);
  if (entries.length === 1 && entries[0]?.[0] === NUMBER_NAME) throw notJson(place, `an object of the reserved name ${NUMBER_NAME}`);
  return Object.fromEntries(entries.map(([name, item]) => [name, encodeJson(item, `${place}.${name}`, depth + 1)]));
}

/** The inverse of `encodeJson`, for what `JSON.parse` returned. */
export function decodeJson(value: unknown, place: string, depth = 0): JsonValue {
  if (value === null || typeof value === 'boolean' || typeof value === 'string' || typeof value === 'number') return value;
  if (depth > MAX_DEPTH) throw notJson(place, `nested deeper than ${String(MAX_DEPTH)} levels`);
  if (Array.isArray(value)) return value.map((item, index) => decodeJson(item, `${place}[${String(index)}]`, depth + 1));
  if (!isPlainObject(value)) throw notJson(place, describe(value));
  const entries = Object.entries(value);
  if (entries.length === 1 && entries[0]?.[0] === NUMBER_NAME) return decodeNumber(entries[0][1], place);
  return Object.fromEntries(entries.map(([name, item]) => [name, decodeJson(item, `${place}.${name}`, depth + 1)]));
}

export function isJsonObject(value: JsonValue): value is JsonObject {
  return isPlainObject(value);
}

function encodeNumber(value: number): JsonValue {
  if (Object.is(value, -0)) return { [NUMBER_NAME]: '-0' };
  return Number.isFinite(value) ? value : { [NUMBER_NAME]: String(value) };
}

function decodeNumber(name: unknown, place: string): number {
  const value = typeof name === 'string' ? NUMBERS_WITHOUT_LITERAL.get(name) : undefined;
  if (value === undefined) throw notJson(place, 'an unknown number');
  return value;
}

function isPlainObject(value: unknown): value is object {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return false;
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
}

function describe(value: unknown): string {
  if (typeof value !== 'object' || value === null) return typeof value;
  return `an object of class ${value.constructor.name}`;
}

function notJson(place: string, what: string): Error {
  return inputError('ERR_CHECKPOINT_RECORD', `${place} is ${what}; a checkpoint's record holds null, booleans, numbers, strings, arrays and plain objects alone.`);
}
