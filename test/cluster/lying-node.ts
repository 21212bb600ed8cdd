// `tensorflock` whose node lies: it flips a bit of the largest number of each of its shares.
import { TensorCoding } from '../../cluster/tensor-coding.js';

/** The highest bit of its mantissa. */
function flipBit({ buffer, byteOffset, byteLength }: Uint8Array): void {
  const floats = new Float32Array(buffer, byteOffset, byteLength / 4);
  const largest = floats.reduce((found, value, index) => (Math.abs(value) > Math.abs(floats[found]!) ? index : found), 0);
  const words = new Uint32Array(buffer, byteOffset, byteLength / 4);
  words[largest] = words[largest]! ^ 0x40_0000;
}

const { value: honest } = Object.getOwnPropertyDescriptor(TensorCoding.prototype, 'encode') as { readonly value: TensorCoding['encode'] };
Object.defineProperty(TensorCoding.prototype, 'encode', {
  value(this: TensorCoding, ...args: Parameters<TensorCoding['encode']>): Uint8Array {
    const bytes = honest.apply(this, args);
    if (args[1].firstValue === 0) flipBit(bytes);
    return bytes;
  },
});
await import('../../scripts/tensorflock.js');
