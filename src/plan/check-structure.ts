// What a plan looks like, field by field. Which tensors fit which instruction is in check-instructions.ts.
import { BINARY_KERNELS, NORMALIZE_KERNELS, REDUCE_KERNELS, UNARY_KERNELS } from '../kernels/ops/names.js';
import type { PlanLimits } from './limits.js';
import type { Capacity, Home, Instruction, Plan, PlanTensor } from './plan.js';
import { bytes, fields, flag, four, integer, isObject, list, number, oneOf, type Reader } from './reader.js';
import { refusePlan } from './refuse.js';

/** Kernels take their numbers as 32-bit integers. */
const MAX_INTEGER = 2 ** 31 - 1;

const count = integer(0);
const size = integer(1, MAX_INTEGER);
const distance = integer(0, MAX_INTEGER);
const operand = count;
const blockStride = integer(1);
const finite = number('a finite number', Number.isFinite);
const anyNumber = number('a number', () => true);

const capacity = fields<Capacity>({ rows: size, shards: size });

const tensor = fields<PlanTensor>({
  scope: oneOf('once', 'rows', 'shards'),
  floats: count,
  stride: blockStride,
  home: fields<{ area: Home['area']; offset: number }>({ area: oneOf('scratch', 'parameters', 'constants', 'shared', 'pieceRows', 'pieceShards', 'share', 'penalties', 'predictions'), offset: count }),
});

type Of<Op extends Instruction['op']> = Extract<Instruction, { readonly op: Op }>;

const scope = oneOf<Instruction['scope']>('once', 'rows', 'shards', 'fold');
const layer = integer(-1, MAX_INTEGER);

/** One reader an instruction: a missing one does not compile, nor one that lacks a field or has one too many. */
const INSTRUCTIONS: { readonly [Op in Instruction['op']]: Reader<Of<Op>> } = {
  gather: fields<Of<'gather'>>({ scope, layer, op: oneOf('gather'), source: oneOf('input', 'target'), column: count, out: operand }),
  noise: fields<Of<'noise'>>({
    scope, layer, op: oneOf('noise'), distribution: oneOf('mask', 'normal'), noiseLayer: distance,
    rate: number('from 0 on and below 1', (rate) => rate >= 0 && rate < 1), mean: finite,
    deviation: number('a finite number from 0 on', (deviation) => deviation >= 0 && deviation < Infinity), out: operand,
  }),
  unary: fields<Of<'unary'>>({
    scope, layer, op: oneOf('unary'), name: oneOf(...Object.keys(UNARY_KERNELS)), x: operand, out: operand,
    parameters: list(number('a number', (parameter) => !Number.isNaN(parameter))), // a bound of a clip may be infinite
  }),
  binary: fields<Of<'binary'>>({ scope, layer, op: oneOf('binary'), name: oneOf(...BINARY_KERNELS), a: operand, aSplat: flag, b: operand, bSplat: flag, out: operand }),
  select: fields<Of<'select'>>({ scope, layer, op: oneOf('select'), c: operand, cSplat: flag, t: operand, tSplat: flag, e: operand, eSplat: flag, out: operand }),
  reduce: fields<Of<'reduce'>>({ scope, layer, op: oneOf('reduce'), name: oneOf(...REDUCE_KERNELS, ...NORMALIZE_KERNELS), x: operand, out: operand, groups: size, length: size }),
  copy: fields<Of<'copy'>>({
    scope, layer, op: oneOf('copy'), x: operand, out: operand, counts: four(size), from: four(distance), to: four(distance), fromOffset: distance, toOffset: distance,
  }),
  fill: fields<Of<'fill'>>({ scope, layer, op: oneOf('fill'), out: operand, value: anyNumber }), // a constant of a loss may be anything
  oneHot: fields<Of<'oneHot'>>({ scope, layer, op: oneOf('oneHot'), x: operand, out: operand, groups: size, depth: size, on: finite, off: finite }),
  compress: fields<Of<'compress'>>({ scope, layer, op: oneOf('compress'), x: operand, out: operand, width: size }),
  pack: fields<Of<'pack'>>({ scope, layer, op: oneOf('pack'), x: operand, out: operand, k: size, n: size, stride: size, transposed: flag }),
  matmul: fields<Of<'matmul'>>({
    scope, layer, op: oneOf('matmul'), a: operand, packed: operand, groups: operand, out: operand, m: size, k: size, n: size, aStride: size, outStride: size, transposed: flag,
  }, ['groups']),
  matmulFold: fields<Of<'matmulFold'>>({
    scope, layer, op: oneOf('matmulFold'), a: operand, column: count, packed: operand, out: operand, perRow: size, m: size, n: size, aStride: size, outStride: size,
  }, ['a', 'column']),
  sumRows: fields<Of<'sumRows'>>({ scope, layer, op: oneOf('sumRows'), x: operand, out: operand }),
  foldShards: fields<Of<'foldShards'>>({ scope, layer, op: oneOf('foldShards'), x: operand, out: operand, columns: size }),
};

const instruction: Reader<Instruction> = (value, reading) => {
  const op = isObject(value) ? value['op'] : undefined;
  if (typeof op !== 'string' || !Object.hasOwn(INSTRUCTIONS, op)) return reading.refuse('is no instruction');
  return INSTRUCTIONS[op as Instruction['op']](value, reading);
};

const plan = fields<Plan>({
  formatVersion: oneOf(1),
  capacity,
  tensors: list(tensor),
  shared: list(INSTRUCTIONS.pack),
  once: list(instruction),
  rows: list(instruction),
  folds: list(instruction),
  scratchBytes: count,
  sharedBytes: count,
  bytesPerRow: count,
  bytesPerShard: count,
  constants: bytes,
  shareFloats: count,
  sumsOffset: count,
  sumCount: count,
  predictions: list(fields<Plan['predictions'][number]>({ floats: count, stride: blockStride })),
  penaltyFloats: count,
  mixesRows: flag,
});

const LISTS = ['shared', 'once', 'rows', 'folds'];

/**
 * A copy of the value, which has the form of a plan.
 * @throws ERR_PLAN naming the first field that is missing, unknown or not what it must be
 */
export function parsePlan(value: unknown, limits: PlanLimits): Plan {
  if (isObject(value)) checkLengths(value, limits);
  const path: (string | number)[] = [];
  return plan(value, { path, refuse: (problem) => refusePlan(placeOf(path, value), problem) });
}

/** Before anything goes through the lists. */
function checkLengths(value: Record<string, unknown>, limits: PlanLimits): void {
  const lengthOf = (name: string): number => (Array.isArray(value[name]) ? value[name].length : 0);
  const tensors = lengthOf('tensors');
  if (tensors > limits.tensors) refusePlan('it', `has ${tensors} tensors, and at most ${limits.tensors} are allowed`);
  const instructions = LISTS.reduce((sum, name) => sum + lengthOf(name), lengthOf('predictions'));
  if (instructions > limits.instructions) refusePlan('it', `has ${instructions} instructions and predictions, and at most ${limits.instructions} are allowed`);
}

/** `rows[3] (matmul)`: how refusals name an instruction. */
export function placeOfInstruction(name: string, position: number, op: string): string {
  return `${name}[${position}] (${op})`;
}

function placeOf([name, position]: readonly (string | number)[], value: unknown): string {
  if (typeof position !== 'number') return 'it';
  const members = isObject(value) ? value[name!] : undefined;
  const member: unknown = Array.isArray(members) ? members[position] : undefined;
  const op = isObject(member) ? member['op'] : undefined;
  return typeof op === 'string' && Object.hasOwn(INSTRUCTIONS, op) ? placeOfInstruction(String(name), position, op) : `${name}[${position}]`;
}
