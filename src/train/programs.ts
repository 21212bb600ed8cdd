import { Arena } from '../kernels/arena.js';
import { scaleTable, splitScale } from '../kernels/scale.js';
import { FOLD_STACK_BYTES } from '../kernels/tiles.js';
import type { Column } from '../data/dataset.js';
import { MAX_FLAGS, type Areas, type BoundColumn } from '../plan/bind.js';
import type { Capacity, Plan } from '../plan/plan.js';
import { scheduleStep } from '../plan/schedule.js';
import type { Penalties, Program } from './session.js';

/** Rows that a piece has at most: its activations stay in the second-level cache, and its subtree is folded in one go. */
const PIECE_ROWS = 128;

/** The capacity of plans for shards of so many rows and steps of at most `rows`. */
export function capacityFor(rows: number, shardRows: number): Capacity {
  const shards = Math.max(1, 2 ** Math.floor(Math.log2(Math.max(1, PIECE_ROWS / shardRows))));
  const rowsPerPiece = Math.min(shards * shardRows, Math.ceil(rows / shardRows) * shardRows);
  return { rows: rowsPerPiece, shards: Math.ceil(rowsPerPiece / shardRows) };
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
    const { values, scale = 1 } = column;
    const address = arena.slot(`the data of ${name}`, values.byteLength);
    arena.bytes(address, values.byteLength).set(new Uint8Array(values.buffer, values.byteOffset, values.byteLength));
    const type = values instanceof Uint8Array ? 'u8' : values instanceof Int32Array ? 'i32' : 'f32';
    const { high, low, exact } = splitScale(scale);
    return { address, type, scale, scaleHigh: high, scaleLow: low, table: type === 'u8' && !exact ? placeTable(arena, scale) : 0 };
  });
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
}

/** Gives a plan its areas for each worker. The order of the examples starts as their own. */
export function placeProgram(arena: Arena, plan: Plan, options: ProgramOptions): Program {
  const { workers, data, batchRows, shardRows, name } = options;
  const common = { parameters: options.parameters, constants: placeConstants(arena, plan), ...placeShared(arena, plan, name) };
  const areas = Array.from({ length: workers }, () => placeAreas(arena, plan, name, common));
  const shareBytes = Math.ceil((plan.shareFloats * 4) / 64) * 64;
  const depths = sharesNeeded(data.examples, batchRows, shardRows, workers, plan.capacity.rows);
  const shares = depths.map((depth) => (plan.shareFloats === 0 ? 0 : placeShares(arena, name, depth * shareBytes)));
  const indices = arena.slot('the order of the examples', data.examples * 4);
  const predictions = plan.predictions.map(({ stride }) => arena.slot('the predictions', data.examples * stride * 4));
  return { plan, areas, shares, shareBytes, inputs: data.inputs, targets: data.targets, indices, examples: data.examples, batchRows, shardRows, predictions };
}

/** Between the gradients of two weights lie floats that no kernel writes: they are summed and normed with the rest, as zeros. */
function placeShares(arena: Arena, name: string, byteLength: number): number {
  const address = arena.slot(`the gradients of ${name}`, byteLength);
  arena.bytes(address, byteLength).fill(0);
  return address;
}

/** The penalties' plan needs one set of areas: the last worker alone runs it. */
export function placePenalties(arena: Arena, plan: Plan, parameters: number): Penalties {
  const common = { parameters, constants: placeConstants(arena, plan), ...placeShared(arena, plan, 'the penalties') };
  const areas = placeAreas(arena, plan, 'the penalties', common);
  const penalties = arena.slot('the gradients of the penalties', plan.penaltyFloats * 4);
  arena.floats(penalties, plan.penaltyFloats).fill(0); // weights without a penalty stay 0
  return { plan, areas: { ...areas, penalties } };
}

function placeConstants(arena: Arena, plan: Plan): number {
  const address = arena.slot('constants', plan.constants.byteLength);
  arena.bytes(address, plan.constants.byteLength).set(plan.constants);
  return address;
}

/** What the workers make together, once for all of them. */
function placeShared(arena: Arena, plan: Plan, name: string): Pick<Areas, 'shared' | 'sharedFlags'> {
  return {
    shared: arena.slot(`the packed weights of ${name}`, plan.sharedBytes),
    sharedFlags: arena.slot('flags of the packed weights', plan.shared.length * MAX_FLAGS * 4),
  };
}

function placeAreas(arena: Arena, plan: Plan, name: string, common: Pick<Areas, 'parameters' | 'constants' | 'shared' | 'sharedFlags'>): Areas {
  const scratch = arena.slot(`the intermediate results of ${name}`, plan.scratchBytes);
  const stack = arena.slot('a stack of sums', FOLD_STACK_BYTES);
  return { ...common, scratch, penalties: 0, stack };
}

/** Shares on each worker's stack, for whole steps and for the shorter last one. */
function sharesNeeded(examples: number, batchRows: number, shardRows: number, workers: number, maxRows: number): number[] {
  const steps = [Math.min(batchRows, examples), examples % batchRows].filter((rows) => rows > 0);
  const schedules = steps.map((rows) => scheduleStep(rows, shardRows, workers, maxRows));
  return Array.from({ length: workers }, (_, worker) => Math.max(1, ...schedules.map(({ depths }) => depths[worker]!)));
}
