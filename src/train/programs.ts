import { Arena } from '../kernels/arena.js';
import { scaleTable, splitScale } from '../kernels/scale.js';
import { FOLD_STACK_BYTES } from '../kernels/tiles.js';
import { columnType, valuesPerExample, type Column } from '../data/dataset.js';
import { flaggedTensors, foldRoom, MAX_FLAGS, type Areas, type BoundColumn, type PieceSize } from '../plan/bind.js';
import type { Capacity, Plan } from '../plan/plan.js';
import { scheduleStep } from '../plan/schedule.js';
import type { Penalties, Program } from './session.js';

/** Rows of its part of a piece that a worker computes in one go: their activations stay in its second-level cache. */
const PART_ROWS = 128;

/** Rows of a piece at least and at most: the workers meet twice a piece, and all of it is in memory at once. */
const PIECE_ROWS = { least: 256, most: 1_024 } as const;

/** Bytes that the rows and shards of a piece may take, where a smaller piece is possible. */
const PIECE_BYTES = 8 * 2 ** 20;

/** The capacity of plans for shards of so many rows and steps of at most `rows`. */
export function capacityFor(rows: number, shardRows: number): Capacity {
  const shards = Math.max(1, Math.floor(PART_ROWS / shardRows));
  const capacityRows = Math.min(shards * shardRows, Math.ceil(rows / shardRows) * shardRows);
  return { rows: capacityRows, shards: Math.ceil(capacityRows / shardRows) };
}

/** An aligned subtree of shards for all workers together, or the whole step. */
export function pieceSizeFor({ bytesPerRow, bytesPerShard }: Plan, rows: number, shardRows: number, leastRows: number): PieceSize {
  const wanted = Math.min(PIECE_ROWS.most, Math.max(PIECE_ROWS.least, leastRows));
  const affordable = Math.floor(PIECE_BYTES / (bytesPerRow * shardRows + bytesPerShard));
  const shards = 2 ** Math.floor(Math.log2(Math.max(1, Math.min(wanted / shardRows, affordable))));
  const all = Math.ceil(rows / shardRows);
  return { rows: Math.min(shards, all) * shardRows, shards: Math.min(shards, all) };
}

/** Examples of a run, in the arena. */
export interface PlacedData {
  readonly inputs: readonly BoundColumn[];
  readonly targets: readonly BoundColumn[];
  readonly examples: number;
}

/** Copies columns into the arena in their own type. */
export function placeColumns(arena: Arena, columns: readonly Column[], name: string): BoundColumn[] {
  return columns.map((column) => {
    const { values, shape, scale = 1 } = column;
    const bound = placeRoom(arena, { type: columnType(column), shape: shape.slice(1), scale }, values.length / valuesPerExample(column), name);
    arena.bytes(bound.address, values.byteLength).set(new Uint8Array(values.buffer, values.byteOffset, values.byteLength));
    return bound;
  });
}

/** What a column's examples look like. */
export interface ColumnForm {
  readonly type: 'uint8' | 'int32' | 'float32';
  /** Of one example. */
  readonly shape: readonly number[];
  readonly scale: number;
}

const KERNEL_TYPES = { uint8: { type: 'u8', byteLength: 1 }, int32: { type: 'i32', byteLength: 4 }, float32: { type: 'f32', byteLength: 4 } } as const;

/** A column in the arena whose examples come later. */
export function placeRoom(arena: Arena, { type: valueType, shape, scale }: ColumnForm, examples: number, name: string): BoundColumn {
  const exampleLength = shape.reduce((product, size) => product * size, 1);
  const { type, byteLength } = KERNEL_TYPES[valueType];
  const address = arena.slot(`the data of ${name}`, examples * exampleLength * byteLength);
  const { high, low, exact } = splitScale(scale);
  return { address, shape, exampleLength, type, scale, scaleHigh: high, scaleLow: low, table: type === 'u8' && !exact ? placeTable(arena, scale) : 0 };
}

function placeTable(arena: Arena, scale: number): number {
  const address = arena.slot('a table of scaled bytes', 256 * 4);
  arena.floats(address, 256).set(scaleTable(scale));
  return address;
}

export interface ProgramOptions {
  readonly name: string;
  readonly workers: number;
  readonly parameters: number;
  readonly data: PlacedData;
  readonly batchRows: number;
  readonly shardRows: number;
  /** Slots for sums: one for a step, more where shares of subtrees come from elsewhere. */
  readonly shareSlots?: number;
  /** Whether shares are read while they are summed: as many rows as can be are summed together then. */
  readonly isFollowed?: boolean;
  /** Of an order of the examples that another program has. */
  readonly indices?: number;
}

/** Gives a plan its areas for each worker. The order of the examples starts as their own. */
export function placeProgram(arena: Arena, plan: Plan, options: ProgramOptions): Program {
  const { workers, parameters, data, batchRows, shardRows, shareSlots = 1, isFollowed = false, name } = options;
  const pieceSize = pieceSizeFor(plan, Math.min(batchRows, data.examples), shardRows, isFollowed ? PIECE_ROWS.most : PART_ROWS * workers);
  const common = placeCommon(arena, plan, name, parameters, pieceSize);
  const areas = Array.from({ length: workers }, () => placeAreas(arena, plan, name, common, shardRows));
  const shareBytes = Math.ceil((plan.shareFloats * 4) / 64) * 64;
  const slots = shareSlots + sharesNeeded(data.examples, batchRows, shardRows, pieceSize.rows) - 1;
  // Between the gradients of two weights lie floats that no kernel writes: they are summed and normed with the rest, as zeros.
  const shares = arena.zeroSlot(`the gradients of ${name}`, slots * shareBytes);
  const indices = options.indices ?? arena.slot('the order of the examples', data.examples * 4);
  const predictions = plan.predictions.map(({ stride }) => arena.slot('the predictions', data.examples * stride * 4));
  return {
    plan, areas, shares, shareSlots, shareBytes, pieceSize, inputs: data.inputs, targets: data.targets, indices, examples: data.examples, batchRows, shardRows, predictions,
  };
}

/** The penalties' plan needs one set of areas: the last worker alone runs it. */
export function placePenalties(arena: Arena, plan: Plan, parameters: number): Penalties {
  const name = 'the penalties';
  const areas = placeAreas(arena, plan, name, placeCommon(arena, plan, name, parameters, { rows: 1, shards: 1 }), 1);
  const penalties = arena.zeroSlot('the gradients of the penalties', plan.penaltyFloats * 4); // weights without a penalty stay 0
  return { plan, areas: { ...areas, penalties } };
}

type CommonAreas = Omit<Areas, 'scratch' | 'penalties' | 'stack' | 'folds'>;

/** What is the same for all workers. */
function placeCommon(arena: Arena, plan: Plan, name: string, parameters: number, pieceSize: PieceSize): CommonAreas {
  const constants = arena.slot('constants', plan.constants.byteLength);
  arena.bytes(constants, plan.constants.byteLength).set(plan.constants);
  return {
    parameters,
    constants,
    pieceSize,
    shared: arena.slot(`the packed weights of ${name}`, plan.sharedBytes),
    flags: arena.slot('flags of the packed weights', flaggedTensors(plan).length * MAX_FLAGS * 4),
    pieceRows: arena.slot(`the rows of ${name}`, plan.bytesPerRow * pieceSize.rows),
    pieceShards: arena.slot(`the shards of ${name}`, plan.bytesPerShard * pieceSize.shards),
  };
}

function placeAreas(arena: Arena, plan: Plan, name: string, common: CommonAreas, shardRows: number): Areas {
  return {
    ...common,
    scratch: arena.slot(`the intermediate results of ${name}`, plan.scratchBytes),
    penalties: 0,
    stack: arena.slot('a stack of sums', FOLD_STACK_BYTES),
    folds: arena.slot('the sums of a part of a gradient', foldRoom(plan, common.pieceSize.rows, shardRows).byteLength),
  };
}

/** Shares on the stack, for whole steps and for the shorter last one. */
function sharesNeeded(examples: number, batchRows: number, shardRows: number, pieceRows: number): number {
  const steps = [Math.min(batchRows, examples), examples % batchRows].filter((rows) => rows > 0);
  return Math.max(...steps.map((rows) => scheduleStep(rows, shardRows, pieceRows).depth));
}
