// MessagePack from outside: only what plain data needs. Extension types, which make dates, errors or regular expressions, and
// records, for which msgpackr compiles code, are refused before msgpackr sees a byte.
import { Unpackr } from 'msgpackr/unpack';

/** What a peer may make us keep. */
export interface PlainLimits {
  /** Lists and maps within each other. */
  readonly depth: number;
  /** Numbers, texts, lists, ... and keys, all together. */
  readonly values: number;
}

type Refuse = (problem: string) => never;

const unpackr = new Unpackr({ useRecords: false, mapsAsObjects: true });

/**
 * Numbers, texts, bytes, true, false and null, in lists and in maps with texts as keys. Bytes are views of `bytes`.
 * @param refuse called, with what is wrong and where, for everything else; must not return
 */
export function decodePlain(bytes: Uint8Array, limits: PlainLimits, refuse: Refuse): unknown {
  scan(bytes, limits, refuse);
  // msgpackr leaves a property on its source.
  return unpackr.unpack(new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength));
}

interface Open {
  readonly isMap: boolean;
  /** Values, and keys, that are still to come. */
  left: number;
}

/** Goes over the bytes once, without making anything of them. */
function scan(bytes: Uint8Array, limits: PlainLimits, refuse: Refuse): void {
  const open: Open[] = [];
  let position = 0;
  let values = 0;
  do {
    const top = open.at(-1);
    const isKey = top !== undefined && top.isMap && top.left % 2 === 0;
    if (top !== undefined) top.left--;
    const head = readHead(bytes, position, refuse);
    if (isKey && head.kind !== 'text') refuse(`has a key that is no text at byte ${position}`);
    if (++values > limits.values) refuse(`has more than ${limits.values} values`);
    position = head.end;
    if (position > bytes.length) refuse(`ends after ${bytes.length} bytes, within a value`);
    if (head.kind === 'list' || head.kind === 'map') open.push({ isMap: head.kind === 'map', left: head.count });
    if (open.length > limits.depth) refuse(`has more than ${limits.depth} lists and maps within each other`);
    while (open.at(-1)?.left === 0) open.pop();
  } while (open.length > 0);
  if (position < bytes.length) refuse(`has ${bytes.length - position} bytes behind its end`);
}

interface Head {
  readonly kind: 'list' | 'map' | 'text' | 'other';
  /** Of a list its values, of a map its keys and values. */
  readonly count: number;
  /** Where the next value begins. */
  readonly end: number;
}

/** Bytes behind the token of what has a fixed length, and is allowed: nil, false, true, floats, integers of up to 32 bits. */
const FIXED_BYTES: ReadonlyMap<number, number> = new Map([
  [0xc0, 0], [0xc2, 0], [0xc3, 0], [0xca, 4], [0xcb, 8], [0xcc, 1], [0xcd, 2], [0xce, 4], [0xd0, 1], [0xd1, 2], [0xd2, 4],
]);

/** What has its length behind the token, in so many bytes. */
const COUNTED: ReadonlyMap<number, readonly [Head['kind'], number]> = new Map([
  [0xc4, ['other', 1]], [0xc5, ['other', 2]], [0xc6, ['other', 4]], [0xd9, ['text', 1]], [0xda, ['text', 2]], [0xdb, ['text', 4]],
  [0xdc, ['list', 2]], [0xdd, ['list', 4]], [0xde, ['map', 2]], [0xdf, ['map', 4]],
]);

function readHead(bytes: Uint8Array, position: number, refuse: Refuse): Head {
  const token = bytes[position];
  const next = position + 1;
  if (token === undefined) return refuse(`ends after ${bytes.length} bytes, before its end`);
  if (token < 0x80 || token >= 0xe0) return { kind: 'other', count: 0, end: next };
  if (token < 0x90) return { kind: 'map', count: 2 * (token & 0x0f), end: next };
  if (token < 0xa0) return { kind: 'list', count: token & 0x0f, end: next };
  if (token < 0xc0) return { kind: 'text', count: 0, end: next + (token & 0x1f) };
  const fixed = FIXED_BYTES.get(token);
  if (fixed !== undefined) return { kind: 'other', count: 0, end: next + fixed };
  const [kind, lengthBytes] = COUNTED.get(token) ?? refuse(`has a value of type 0x${token.toString(16)} at byte ${position}, which is not allowed`);
  let count = 0;
  for (let at = next; at < next + lengthBytes; at++) count = count * 256 + (bytes[at] ?? 0);
  const end = next + lengthBytes;
  if (kind === 'list') return { kind, count, end };
  if (kind === 'map') return { kind, count: 2 * count, end };
  return { kind, count: 0, end: end + count };
}
