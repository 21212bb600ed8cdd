// What the kernels of products touch: pack.ts, compress.ts, matmul.ts and tile.ts of the assembly, one function each here.
import { TILES } from '../kernels/tiles.js';
import type { Range } from './check-areas.js';
import { chunkRowsFor } from './fold-room.js';
import { goesOverRows, inVectors, rowStep, type Footprint, type Surroundings } from './footprint.js';
import type { Instruction } from './plan.js';
import { COMPRESS_MIN_ROWS } from './zeros.js';

type Of<Op extends Instruction['op']> = Extract<Instruction, { readonly op: Op }>;

// Bytes of compress.ts: of a group's header, of a word of a row's mask, and of what is noted of a row that waits for its group.
const HEADER_BYTES = 32;
const MASK_WORD_BYTES = 8;
const WAITING_BYTES = 40;

/** A [k,n] matrix, or its transpose, into panels: whole vectors of columns, k floats deep; over rows, k deep for each. */
export function packFootprint({ x, out, k, n, stride, transposed }: Of<'pack'>, around: Surroundings): Footprint {
  const columns = transposed ? k : n;
  if (stride < columns) around.refuse(`has rows of ${columns} floats every ${stride}`);
  if (transposed && around.tensors[out]!.home.area === 'pieceRows') around.refuse('adds columns to what takes rows');
  const over = goesOverRows(out, around) ? 1 : 0;
  const packed = k * inVectors(n);
  if (around.tensors[out]!.home.area === 'pieceRows') checkPanels('out', out, packed, around);
  const source = transposed
    ? { first: (n - 1) * stride + k, step: over * k }
    : { first: (k - 1) * stride + n, step: over * k * stride };
  return { reads: [{ field: 'x', tensor: x, ...source }], write: { field: 'out', tensor: out, first: packed, step: over * packed } };
}

/** The rows of a row tensor in groups of as many rows as a tile has; enough for every tile. */
export function compressFootprint({ x, out, width }: Of<'compress'>, around: Surroundings): Footprint {
  const { rows } = around.capacity;
  const tiles = rows < COMPRESS_MIN_ROWS ? [] : TILES;
  return {
    reads: [{ field: 'x', tensor: x, first: width, step: rowStep(x, around), scope: 'rows' }],
    write: { field: 'out', tensor: out, first: 0, step: 0, whole: Math.max(0, ...tiles.map((tile) => compressedBytes(tile.rows, rows, width) / 4)), scope: 'rows' },
  };
}

/** Groups of rows, and behind them the masks of a group and of every row, and the rows' list. See compressRows. */
function compressedBytes(tileRows: number, rows: number, width: number): number {
  const groupBytes = HEADER_BYTES + Math.ceil((width * 4) / 16) * 16;
  const maskBytes = Math.ceil(width / 64) * MASK_WORD_BYTES;
  return Math.ceil(rows / tileRows) * groupBytes + maskBytes + rows * (maskBytes + WAITING_BYTES);
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

/**
 * A [rows][perRow, m] transposed times a packed [rows][perRow, n], summed over the rows. Into a share whole rows go: shares are
 * joined in rows of the result.
 */
export function matmulFoldFootprint(instruction: Of<'matmulFold'>, around: Surroundings): Footprint {
  const { a, column, packed, out, perRow, m, n, aStride, outStride, scope } = instruction;
  if (goesOverRows(out, around)) around.refuse('sums the rows into a tensor of rows');
  if ((a === undefined) === (column === undefined)) around.refuse('must have either "a" or "column"');
  checkStrides(a === undefined ? 1 : m, aStride, n, outStride, around);
  if (scope === 'fold') checkChunks(instruction, around);
  const packedFloats = perRow * inVectors(n);
  const work = perRow * m * inVectors(n);
  const common = {
    write: { field: 'out', tensor: out, first: scope === 'fold' ? m * outStride : (m - 1) * outStride + inVectors(n), step: 0 },
    multiplyAdds: { first: work, step: work },
  };
  if (scope === 'fold') checkPanels('packed', packed, packedFloats, around);
  const panels = { field: 'packed', tensor: packed, first: packedFloats, step: packedFloats, scope: 'rows' } as const;
  if (a !== undefined) return { ...common, reads: [{ field: 'a', tensor: a, first: (perRow - 1) * aStride + m, step: perRow * aStride, scope: 'rows' }, panels] };
  checkColumn(instruction, around);
  return { ...common, reads: [panels], moved: { first: common.write.first + packedFloats + m, step: packedFloats + m } };
}

/** What is packed for a fold lies block by block, which its reader counts by the panels and its writer by the rows. */
function checkPanels(field: string, tensor: number, floats: number, { tensors, refuse }: Surroundings): void {
  const { stride } = tensors[tensor]!;
  if (stride !== floats) refuse(`has panels of ${floats} floats a row in tensor ${tensor} ("${field}"), whose blocks have ${stride}`);
}

/** Rows of the result that are asked for at once have room to wait for their sibling: those of a sum are so all together. */
function checkChunks({ out, m, outStride }: Of<'matmulFold'>, { tensors, limits, refuse }: Surroundings): void {
  const isSum = tensors[out]!.home.offset >= limits.gradientFloats * 4;
  if (isSum && m > chunkRowsFor(outStride)) refuse(`sums a matrix of ${m} rows, which as a loss or metric may have ${chunkRowsFor(outStride)}`);
}

/** The columns of a data column, gathered for the product alone: one row an example. */
function checkColumn({ column, perRow, m, scope }: Of<'matmulFold'>, { limits: { inputs }, refuse }: Surroundings): void {
  const width = inputs[column!];
  if (scope !== 'fold') refuse('gathers data, and no fold does it');
  if (perRow !== 1) refuse(`gathers ${perRow} rows of each example`);
  if (width === undefined) refuse(`reads column ${column} of ${inputs.length} inputs`);
  if (width !== m) refuse(`reads examples of ${m} floats from input ${column}, whose examples have ${width}`);
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
  readonly #made = new Set<number>();

  /** Notes what an instruction writes, before `use` is asked for it: a product must not write over its own groups. */
  wrote(instruction: Instruction, range: Range | undefined, refuse: (problem: string) => never): void {
    if (range === undefined) return;
    for (const [tensor, { range: { start, end } }] of this.#whole) {
      if (start < range.end && range.start < end) this.#whole.delete(tensor);
    }
    if (instruction.op !== 'compress') return;
    // Compressing may find that it does not pay and leave the tensor as it was: that must not be of another one.
    if (this.#made.has(instruction.out)) refuse(`writes tensor ${instruction.out}, which holds other compressed rows`);
    this.#made.add(instruction.out);
    this.#whole.set(instruction.out, { instruction, range });
  }

  /** Refuses a product whose groups are not its own factor's. */
  use(instruction: Instruction, refuse: (problem: string) => never): void {
    if (instruction.op !== 'matmul' || instruction.groups === undefined) return;
    const { groups, a, k } = instruction;
    const made = this.#whole.get(groups)?.instruction;
    if (made === undefined) refuse(`uses tensor ${groups} ("groups"), which is not compressed or was written over`);
    if (made.width !== k || made.x !== a) {
      refuse(`uses tensor ${groups} ("groups"), which holds the rows of ${made.width} floats of tensor ${made.x}, for the rows of ${k} floats of tensor ${a}`);
    }
  }
}
