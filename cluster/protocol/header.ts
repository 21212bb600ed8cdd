// The msgpack header of a frame. Of msgpack it uses maps with texts as keys, lists, texts, booleans, and numbers that float64
// holds exactly. Its bytes are walked once before msgpackr reads them, because msgpackr allocates a list for the length that it
// claims; what the walk lets through has neither binary, extension nor 64-bit types.
import { Packr } from 'msgpackr/pack';
import { Unpackr } from 'msgpackr/unpack';
import { clusterError } from './errors.js';

export interface HeaderLimits {
  /** Maps and lists within each other; 1 is a flat map. */
  readonly maxDepth: number;
  /** In all maps together. */
  readonly maxKeys: number;
  /** In one list. */
  readonly maxItems: number;
  /** Of one text, in UTF-8. */
  readonly maxTextBytes: number;
}

export type Field = string | number | boolean | readonly Field[] | Fields;
export interface Fields {
  readonly [name: string]: Field;
}

// Imported from /pack and /unpack, msgpackr is JavaScript alone and looks for no native part.
const packr = new Packr({ useRecords: false, variableMapSize: true });
const unpackr = new Unpackr({ useRecords: false, mapsAsObjects: true });

export function encodeHeader(fields: Fields): Uint8Array {
  return packr.pack(fields);
}

/** @throws ERR_FRAME for bytes that are no such header, ERR_TOO_LARGE for more than the limits allow */
export function decodeHeader(bytes: Uint8Array, limits: HeaderLimits): unknown {
  const walk = new Walk(bytes, limits);
  walk.value(0);
  if (walk.position !== bytes.byteLength) throw walk.broken(`the header ends at byte ${walk.position}`);
  const header = unpack(bytes, walk);
  // A key that stands twice in its map is there once afterwards.
  if (keysIn(header) !== walk.keys) throw walk.broken('a key stands twice in the header');
  return header;
}

function unpack(bytes: Uint8Array, walk: Walk): unknown {
  try {
    return unpackr.unpack(bytes) as unknown;
  } catch (cause) {
    throw walk.broken('the header is no msgpack', cause);
  }
}

function keysIn(value: unknown): number {
  if (typeof value !== 'object' || value === null) return 0;
  const values: unknown[] = Object.values(value);
  return values.reduce<number>((count, item) => count + keysIn(item), Array.isArray(value) ? 0 : values.length);
}

/** Bytes after the first one of numbers and booleans, by that one. */
const SCALAR_BYTES: ReadonlyMap<number, number> = new Map([
  [0xc2, 0], [0xc3, 0], // false, true
  [0xca, 4], [0xcb, 8], // float32, float64
  [0xcc, 1], [0xcd, 2], [0xce, 4], // uint8, uint16, uint32
  [0xd0, 1], [0xd1, 2], [0xd2, 4], // int8, int16, int32
]);

/** One pass over a value, which allocates nothing. */
class Walk {
  position = 0;
  keys = 0;
  readonly #view: DataView;

  constructor(private readonly bytes: Uint8Array, private readonly limits: HeaderLimits) {
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  value(depth: number): void {
    const first = this.#number(1);
    const scalarBytes = first <= 0x7f || first >= 0xe0 ? 0 : SCALAR_BYTES.get(first);
    if (scalarBytes !== undefined) return this.#skip(scalarBytes);
    if (isText(first)) return this.#text(first);
    if (depth >= this.limits.maxDepth) throw this.#tooMany('The nesting of a header', depth + 1, 'levels', this.limits.maxDepth);
    if (isMap(first)) return this.#map(first, depth);
    if (isList(first)) return this.#list(first, depth);
    throw this.broken(`byte ${this.position - 1} of the header begins a value of type 0x${first.toString(16)}, which is not allowed`);
  }

  broken(problem: string, cause?: unknown): Error {
    return clusterError('ERR_FRAME', { byteLength: this.bytes.byteLength, problem }, { cause });
  }

  #map(first: number, depth: number): void {
    const count = this.#length(first, 0x80, 0x0f, 0xde - 1);
    this.keys += count;
    if (this.keys > this.limits.maxKeys) throw this.#tooMany('A header', this.keys, 'keys', this.limits.maxKeys);
    for (let entry = 0; entry < count; entry++) {
      const key = this.#number(1);
      if (!isText(key)) throw this.broken(`byte ${this.position - 1} of the header begins a key that is no text`);
      this.#text(key);
      this.value(depth + 1);
    }
  }

  #list(first: number, depth: number): void {
    const count = this.#length(first, 0x90, 0x0f, 0xdc - 1);
    if (count > this.limits.maxItems) throw this.#tooMany('A list of a header', count, 'items', this.limits.maxItems);
    for (let item = 0; item < count; item++) this.value(depth + 1);
  }

  #text(first: number): void {
    const byteLength = this.#length(first, 0xa0, 0x1f, 0xd9);
    if (byteLength > this.limits.maxTextBytes) throw this.#tooMany('A text of a header', byteLength, 'bytes', this.limits.maxTextBytes);
    this.#skip(byteLength);
  }

  /** A length within the first byte, or in the 1, 2 or 4 bytes after it; `oneByte` is what announces one. */
  #length(first: number, fixed: number, mask: number, oneByte: number): number {
    return (first & ~mask) === fixed ? first & mask : this.#number(2 ** (first - oneByte));
  }

  #number(byteLength: number): number {
    const at = this.position;
    this.#skip(byteLength);
    if (byteLength === 1) return this.#view.getUint8(at);
    return byteLength === 2 ? this.#view.getUint16(at) : this.#view.getUint32(at);
  }

  #skip(byteLength: number): void {
    if (this.position + byteLength > this.bytes.byteLength) throw this.broken('the header ends within a value');
    this.position += byteLength;
  }

  #tooMany(what: string, size: number, unit: string, limit: number): Error {
    return clusterError('ERR_TOO_LARGE', { what, size, unit, limit });
  }
}

const isText = (first: number): boolean => (first & 0xe0) === 0xa0 || (first >= 0xd9 && first <= 0xdb);
const isList = (first: number): boolean => (first & 0xf0) === 0x90 || first === 0xdc || first === 0xdd;
const isMap = (first: number): boolean => (first & 0xf0) === 0x80 || first === 0xde || first === 0xdf;
