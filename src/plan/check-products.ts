// What the kernels of products touch: pack.ts, compress.ts, matmul.ts and tile.ts of the assembly, one function each here.
import { TILES } from '../kernels/tiles.js';
import { goesOverRows, inVectors, rowStep, type Footprint, type Surroundings } from './footprint.js';
import type { Instruction } from './plan.js';

type Of<Op extends Instruction['op']> = Extract<Instruction, { readonly op: Op }>;

/** Fewest rows for which compressing is tried: see binder.ts. */
const COMPRESS_MIN_ROWS = 8;

/** Floats of slack behind the values of a group, which a vector stored for the last of them may reach: compress.ts. */
const GROUP_SLACK_FLOATS = 8;

/** A [k,n] matrix, or its transpose, into panels: whole vectors of columns, k floats deep; over rows, k deep for each. */
export function packFootprint({ x, out, k, n, stride, transposed }: Of<'pack'>, around: Surroundings): Footprint {
  const columns = transposed ? k : n;
  if (stride < columns) around.refuse(`has rows of ${columns} floats every ${stride}`);
  const over = goesOverRows(out, around) ? 1 : 0;
  const packed = k * inVectors(n);
  const source = transposed
    ? { first: (n - 1) * stride + k, step: over * k }
    : { first: (k - 1) * stride + n, step: over * k * stride };
  return { reads: [{ field: 'x', tensor: x, ...source }], write: { field: 'out', tensor: out, first: packed, step: over * packed } };
}

/** The rows of a row tensor in groups of as many rows, or columns, as a tile has rows; enough for every tile. */
export function compressFootprint({ by, x, out, width }: Of<'compress'>, around: Surroundings): Footprint {
  const { rows, shards } = around.capacity;
  const lengths = TILES.filter((tile) => rows >= COMPRESS_MIN_ROWS && width >= tile.rows).map((tile) =>
    by === 'rows' ? Math.ceil(rows / tile.rows) * groupFloats(tile.rows, width, 1) : Math.ceil(width / tile.rows) * groupFloats(tile.rows, rows, shards),
  );
  return {
    reads: [{ field: 'x', tensor: x, first: width, step: rowStep(x, around), scope: 'rows' }],
    write: { field: 'out', tensor: out, first: 0, step: 0, whole: Math.max(0, ...lengths), scope: 'rows' },
  };
}

/** groupLength of compress.ts: a count a shard, then at most `entries` times `rows` values and an index. */
function groupFloats(rows: number, entries: number, shards: number): number {
  return inVectors(shards) + inVectors(entries * (rows + 1) + GROUP_SLACK_FLOATS);
}

/** A [m,k], or its transpose, times a packed [k,n]; over rows, m rows of A for each. */
export function matmulFootprint({ a, packed, groups, out, m, k, n, aStride, outStride, transposed, scope }: Of<'matmul'>, around: Surroundings): Footprint {
  const over = goesOverRows(out, around) ? 1 : 0;
  if (transposed && over === 1) around.refuse('takes the columns of the examples');
  if (groups !== undefined && (m !== 1 || scope !== 'rows')) around.refuse('uses compressed rows for other rows than these');
  checkStrides(transposed ? m : k, aStride, n, outStride, around);
  const source = transposed ? { first: (k - 1) * aStride + m, step: 0 } : { first: (m - 1) * aStride + k, step: over * m * aStride };
  const work = m * k * inVectors(n);
  return {
    reads: [
      { field: 'a', tensor: a, ...source },
      { field: 'packed', tensor: packed, first: k * inVectors(n), step: 0 },
      ...compressed(groups),
    ],
    write: { field: 'out', tensor: out, first: (m - 1) * outStride + inVectors(n), step: over * m * outStride },
    multiplyAdds: { first: work, step: over * work },
  };
}

/** A [rows][perRow, m] transposed times a packed [rows][perRow, n], summed over the rows. */
export function matmulFoldFootprint({ a, packed, groups, out, perRow, m, n, aStride, outStride, scope }: Of<'matmulFold'>, around: Surroundings): Footprint {
  if (goesOverRows(out, around)) around.refuse('sums the rows into a tensor of rows');
  if (groups !== undefined && (perRow !== 1 || scope !== 'fold')) around.refuse('uses compressed columns for other rows than these');
  checkStrides(m, aStride, n, outStride, around);
  const packedFloats = perRow * inVectors(n);
  const work = perRow * m * inVectors(n);
  return {
    reads: [
      { field: 'a', tensor: a, first: (perRow - 1) * aStride + m, step: perRow * aStride, scope: 'rows' },
      { field: 'packed', tensor: packed, first: packedFloats, step: packedFloats, scope: 'rows' },
      ...compressed(groups),
    ],
    write: { field: 'out', tensor: out, first: (m - 1) * outStride + inVectors(n), step: 0 },
    multiplyAdds: { first: work, step: work },
  };
}

/** What a product reads of the groups is what their compressing wrote: see CompressedTensors. */
function compressed(groups: number | undefined): Footprint['reads'] {
  return groups === undefined ? [] : [{ field: 'groups', tensor: groups, first: 0, step: 0, whole: 0, scope: 'rows' }];
}

/** Rows of the factor and of the result do not overlap. */
function checkStrides(aColumns: number, aStride: number, n: number, outStride: number, around: Surroundings): void {
  if (aStride < aColumns) around.refuse(`has rows of ${aColumns} floats of "a" every ${aStride}`);
  if (outStride < inVectors(n)) around.refuse(`has rows of ${inVectors(n)} floats of "out" every ${outStride}`);
}

/** Bytes [start, end) of the scratch. */
export interface Range {
  readonly start: number;
  readonly end: number;
}

interface Compressed {
  readonly instruction: Of<'compress'>;
  readonly range: Range;
}

/**
 * Compressed tensors hold counts and positions that products trust: they must be those that compressing wrote, of the same
 * rows, with nothing written over them since.
 */
export class CompressedTensors {
  readonly #whole = new Map<number, Compressed>();

  /** Notes what an instruction writes, before `use` is asked for it: a product must not write over its own groups. */
  wrote(instruction: Instruction, range: Range | undefined): void {
    if (range === undefined) return;
    for (const [tensor, { range: { start, end } }] of this.#whole) {
      if (start < range.end && range.start < end) this.#whole.delete(tensor);
    }
    if (instruction.op === 'compress') this.#whole.set(instruction.out, { instruction, range });
  }

  /** Refuses a product whose groups are not its own factor's. */
  use(instruction: Instruction, refuse: (problem: string) => never): void {
    if ((instruction.op !== 'matmul' && instruction.op !== 'matmulFold') || instruction.groups === undefined) return;
    const made = this.#whole.get(instruction.groups)?.instruction;
    if (made === undefined) refuse(`uses tensor ${instruction.groups} ("groups"), which is not compressed or was written over`);
    const [by, width] = instruction.op === 'matmul' ? ['rows', instruction.k] : ['columns', instruction.m];
    if (made.by !== by || made.width !== width || made.x !== instruction.a) {
      refuse(`uses tensor ${instruction.groups} ("groups"), which holds the ${made.by} of ${made.width} floats of tensor ${made.x}, for the ${by} of ${width} floats of tensor ${instruction.a}`);
    }
  }
}
