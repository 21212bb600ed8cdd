import type { Kernels } from '../kernels/load.js';
import { kernelOf } from './addresses.js';
import type { Piece } from './bindings.js';

/** Elements [first, first + count) of the examples of rows [row, row + rows) of the mini-batch, as rows `strideBytes` apart. */
export type Gather = (first: number, count: number, row: number, rows: number, to: number, strideBytes: number) => void;

/** Gathers a column's examples as float32, scaled. */
export function gatherer(kernels: Kernels, piece: Piece, source: 'input' | 'target', column: number): Gather {
  const [u8, table, i32, f32] = ['gatherU8', 'gatherU8Table', 'gatherI32', 'gatherF32'].map((name) => kernelOf(kernels, name));
  return (first, count, row, rows, to, strideBytes) => {
    const from = (source === 'input' ? piece.inputs : piece.targets)[column]!;
    const indices = piece.indices + row * 4;
    if (from.type === 'f32') f32!(from.address, from.exampleLength, first, count, indices, rows, to, strideBytes, from.scale);
    else if (from.type === 'i32') i32!(from.address, from.exampleLength, first, count, indices, rows, to, strideBytes, from.scale);
    else if (from.table !== 0) table!(from.address, from.exampleLength, first, count, indices, rows, to, strideBytes, from.table);
    else u8!(from.address, from.exampleLength, first, count, indices, rows, to, strideBytes, from.scaleHigh, from.scaleLow);
  };
}
