import type { Kernels } from '../kernels/load.js';
import { keptValues, type Codec } from './codec.js';

/** No residual: address 0 is the kernels' own page. */
const NONE = 0;

/**
 * Encodes `values` float32 (1 or more) from an address of the arena into the `encodedBytes` at `to`, to the same bytes on every
 * engine and in both arithmetics. The areas must not overlap, and need no alignment.
 *
 * With a residual, as many float32 that begin as zeros and belong to one sender's tensor, what is encoded is values + residual,
 * and what the encoding lost of it becomes the new residual. Seide et al., 1-Bit Stochastic Gradient Descent, 2014; Stich et al.,
 * Sparsified SGD with Memory, 2018; Karimireddy et al., Error Feedback Fixes SignSGD, 2019. Without one, it is lost for good:
 * int8 and top-k need it to converge. float32 loses nothing and leaves it as it is.
 */
export function encode(kernels: Kernels, codec: Codec, from: number, values: number, to: number, residual = NONE): void {
  switch (codec.name) {
    case 'float32':
      kernels['copyFloats']!(from, values, to);
      break;
    case 'float16':
      kernels['encodeFloat16']!(from, values, to, residual);
      break;
    case 'bfloat16':
      kernels['encodeBfloat16']!(from, values, to, residual);
      break;
    case 'int8':
      kernels['encodeInt8']!(from, values, codec.blockValues, to, residual);
      break;
    case 'topk':
      kernels['encodeTopK']!(from, values, keptValues(codec.keptFraction, values), to, residual);
  }
}

/**
 * Decodes the `encodedBytes` at `from` into `values` float32 at `to`; whatever the bytes are, nothing else is written.
 *
 * @returns whether they are an encoding; if not, nothing was written
 */
export function decode(kernels: Kernels, codec: Codec, from: number, values: number, to: number): boolean {
  switch (codec.name) {
    case 'float32':
      kernels['copyFloats']!(from, values, to);
      return true;
    case 'float16':
      kernels['decodeFloat16']!(from, values, to);
      return true;
    case 'bfloat16':
      kernels['decodeBfloat16']!(from, values, to);
      return true;
    case 'int8':
      return kernels['decodeInt8']!(from, values, codec.blockValues, to) === 1;
    case 'topk':
      return kernels['decodeTopK']!(from, values, keptValues(codec.keptFraction, values), to) === 1;
  }
}
