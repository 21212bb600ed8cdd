// How the values of a tensor are written on the wire; docs/codecs.md has the bytes and the bounds.

/** How the values of a tensor are written. */
export type Codec =
  | { readonly name: 'float32' | 'float16' | 'bfloat16' }
  /** One scale for every `blockValues` values. */
  | { readonly name: 'int8'; readonly blockValues: number }
  /** The largest `keptFraction` of the values, above 0 and at most 1. */
  | { readonly name: 'topk'; readonly keptFraction: number };
export type CodecName = Codec['name'];

export const FLOAT32: Codec = { name: 'float32' };

/** Bytes of an encoding of so many values, 1 or more: known from the shape alone, so that any other length is refused unread. */
export function encodedBytes(codec: Codec, values: number): number {
  switch (codec.name) {
    case 'float32':
      return values * 4;
    case 'float16':
    case 'bfloat16':
      return values * 2;
    case 'int8':
      return Math.ceil(values / codec.blockValues) * 4 + values;
    case 'topk':
      return keptValues(codec.keptFraction, values) * 8;
  }
}

/** How many of so many values top-k keeps: at least one. */
export function keptValues(keptFraction: number, values: number): number {
  return Math.min(values, Math.max(1, Math.ceil(keptFraction * values)));
}
