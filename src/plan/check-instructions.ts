// What each kernel touches, read off its code in src/kernels/assembly and its call in binder.ts.
import { NORMALIZE_KERNELS, UNARY_KERNELS, type UnaryName } from '../kernels/ops/names.js';
import { compressFootprint, matmulFoldFootprint, matmulFootprint, packFootprint } from './check-products.js';
import { goesOverRows, inVectors, rowStep, type Footprint, type Surroundings, type Touch } from './footprint.js';
import type { Four, Instruction } from './plan.js';

type Of<Op extends Instruction['op']> = Extract<Instruction, { readonly op: Op }>;

const NORMALIZES: ReadonlySet<string> = new Set(NORMALIZE_KERNELS);

/** The floats that an instruction touches; refuses numbers that do not fit each other. */
export function footprintOf(instruction: Instruction, around: Surroundings): Footprint {
  switch (instruction.op) {
    case 'gather': return gather(instruction, around);
    case 'noise': return { reads: [], write: { ...blocks(instruction.out, around), scope: 'rows' } };
    case 'unary': return unary(instruction, around);
    case 'binary': return elementwise([['a', instruction.a, instruction.aSplat], ['b', instruction.b, instruction.bSplat]], instruction.out, around);
    case 'select': return select(instruction, around);
    case 'reduce': return reduce(instruction, around);
    case 'copy': return copy(instruction, around);
    case 'fill': return { reads: [], write: wholeBlocks('out', instruction.out, instruction.out, around) };
    case 'oneHot': return oneHot(instruction, around);
    case 'compress': return compressFootprint(instruction, around);
    case 'pack': return packFootprint(instruction, around);
    case 'matmul': return matmulFootprint(instruction, around);
    case 'matmulFold': return matmulFoldFootprint(instruction, around);
    case 'sumRows': return sumRows(instruction, around);
    case 'foldShards': return foldShards(instruction, around);
  }
}

/** A result whose rows are written in whole vectors, as many as its floats need. */
function blocks(out: number, around: Surroundings): Touch {
  return { field: 'out', tensor: out, first: inVectors(around.tensors[out]!.floats), step: rowStep(out, around) };
}

/** Blocks of the length that the result's have, pads included, without gaps between the rows. */
function wholeBlocks(field: string, tensor: number, out: number, around: Surroundings): Touch {
  const { stride } = around.tensors[out]!;
  return { field, tensor, first: stride, step: goesOverRows(out, around) ? stride : 0 };
}

/** Examples of a column become rows. */
function gather({ source, column, out }: Of<'gather'>, around: Surroundings): Footprint {
  const columns = source === 'input' ? around.limits.inputs : around.limits.targets;
  const { floats } = around.tensors[out]!;
  const width = columns[column];
  if (width === undefined) around.refuse(`reads column ${column} of ${columns.length} ${source}s`);
  // The place of an example is its index times this length.
  if (width !== floats) around.refuse(`reads examples of ${floats} floats from ${source} ${column}, whose examples have ${width}`);
  return { reads: [], write: { ...blocks(out, around), scope: 'rows' } };
}

function unary({ name, x, out, parameters }: Of<'unary'>, around: Surroundings): Footprint {
  const expected = UNARY_KERNELS[name as UnaryName];
  if (parameters.length !== expected) around.refuse(`has ${parameters.length} parameters for "${name}", which takes ${expected}`);
  return { reads: [wholeBlocks('x', x, out, around)], write: wholeBlocks('out', out, out, around) };
}

/** Operands with a block of the result's floats in whole vectors, or with one float for all of it. */
function elementwise(operands: readonly (readonly [field: string, tensor: number, splat: boolean])[], out: number, around: Surroundings): Footprint {
  const over = goesOverRows(out, around);
  const { floats } = around.tensors[out]!;
  return {
    reads: operands.map(([field, tensor, splat]) => ({ field, tensor, first: splat ? 1 : inVectors(floats), step: over ? rowStep(tensor, around) : 0 })),
    write: blocks(out, around),
  };
}

function select({ c, cSplat, t, tSplat, e, eSplat, out }: Of<'select'>, around: Surroundings): Footprint {
  return elementwise([['c', c, cSplat], ['t', t, tSplat], ['e', e, eSplat]], out, around);
}

/** The mean divides its result in whole vectors. */
function reduce({ name, x, out, groups, length }: Of<'reduce'>, around: Surroundings): Footprint {
  const over = goesOverRows(out, around);
  const result = NORMALIZES.has(name) ? groups * length : name === 'meanLast' ? inVectors(groups) : groups;
  return {
    reads: [{ field: 'x', tensor: x, first: groups * length, step: over ? around.tensors[x]!.stride : 0 }],
    write: { field: 'out', tensor: out, first: result, step: rowStep(out, around) },
  };
}

/** Every float by itself, those between them are left alone. */
function copy({ x, out, counts, from, to, fromOffset, toOffset }: Of<'copy'>, around: Surroundings): Footprint {
  const over = goesOverRows(out, around);
  const reach = (strides: Four): number => strides.reduce((sum, stride, axis) => sum + stride * (counts[axis]! - 1), 1);
  const moved = 2 * counts.reduce((product, length) => product * length, 1);
  return {
    reads: [{ field: 'x', tensor: x, first: fromOffset + reach(from), step: over ? rowStep(x, around) : 0 }],
    write: { field: 'out', tensor: out, first: toOffset + reach(to), step: rowStep(out, around) },
    moved: { first: moved, step: over ? moved : 0 },
  };
}

function oneHot({ x, out, groups, depth }: Of<'oneHot'>, around: Surroundings): Footprint {
  const over = goesOverRows(out, around);
  return {
    reads: [{ field: 'x', tensor: x, first: groups, step: over ? rowStep(x, around) : 0 }],
    write: { field: 'out', tensor: out, first: inVectors(groups * depth), step: rowStep(out, around) },
  };
}

/** All rows of the call into one block, pads included. */
function sumRows({ x, out }: Of<'sumRows'>, around: Surroundings): Footprint {
  const { stride } = around.tensors[x]!;
  if (goesOverRows(out, around)) around.refuse('sums the rows into a tensor of rows');
  return {
    reads: [{ field: 'x', tensor: x, first: stride, step: stride, scope: 'rows' }],
    write: { field: 'out', tensor: out, first: stride, step: 0 },
  };
}

/** All shards into one block, all of which is asked for, in rows of `columns` that are then padded with zeros. */
function foldShards({ x, out, columns }: Of<'foldShards'>, around: Surroundings): Footprint {
  const { stride } = around.tensors[out]!;
  if (stride % inVectors(columns) !== 0) around.refuse(`has rows of ${columns} columns in blocks of ${stride} floats`);
  return {
    reads: [{ field: 'x', tensor: x, first: stride, step: 0, scope: 'shards' }],
    write: { field: 'out', tensor: out, first: stride, step: 0 },
    moved: { first: stride * (around.capacity.shards + 1), step: 0 },
  };
}
