import { sizeOf } from '../kernels/ops/op.js';

/** One weight in the arena: a matrix of its last axis, each row padded to four floats. */
export interface ParameterSlot {
  readonly name: string;
  readonly shape: readonly number[];
  readonly trainable: boolean;
  /** Byte offset of its first float within the parameters. */
  readonly offset: number;
  readonly rows: number;
  readonly columns: number;
  /** Floats from one row to the next, a multiple of 4. */
  readonly stride: number;
}

export interface ParameterLayout {
  readonly slots: readonly ParameterSlot[];
  /** Floats of the weights that are updated; they come first. */
  readonly updatedFloats: number;
  readonly totalFloats: number;
}

/** Slots start on a cache line, so that segments cut at multiples of 16 floats never share one. */
const SLOT_FLOATS = 16;

const roundUp = (value: number, multiple: number): number => Math.ceil(value / multiple) * multiple;

export interface WeightDescription {
  readonly name: string;
  readonly shape: readonly number[];
  readonly trainable: boolean;
  /** It has a gradient path, so that an optimizer updates it. */
  readonly updated: boolean;
}

/** Lays the weights out: those that are updated first, then the others, each group in model order. */
export function layoutParameters(weights: readonly WeightDescription[]): ParameterLayout {
  const slots = new Array<ParameterSlot>(weights.length);
  let floats = 0;
  const place = (updated: boolean): void => {
    weights.forEach((weight, index) => {
      if (weight.updated !== updated) return;
      const columns = weight.shape.at(-1) ?? 1;
      const rows = sizeOf(weight.shape) / columns;
      const stride = roundUp(columns, 4);
      slots[index] = { name: weight.name, shape: weight.shape, trainable: weight.trainable, offset: floats * 4, rows, columns, stride };
      floats = roundUp(floats + rows * stride, SLOT_FLOATS);
    });
  };
  place(true);
  const updatedFloats = floats;
  place(false);
  return { slots, updatedFloats, totalFloats: floats };
}

/** Copies a weight's values into its padded slot; `target` starts at the parameters. */
export function writeSlot(slot: ParameterSlot, values: ArrayLike<number>, target: Float32Array): void {
  for (let row = 0; row < slot.rows; row++) {
    const start = slot.offset / 4 + row * slot.stride;
    for (let column = 0; column < slot.columns; column++) target[start + column] = values[row * slot.columns + column]!;
  }
}

/** The inverse of `writeSlot`, into memory of its own. */
export function readSlot(slot: ParameterSlot, source: Float32Array): Float32Array {
  const values = new Float32Array(slot.rows * slot.columns);
  for (let row = 0; row < slot.rows; row++) {
    const start = slot.offset / 4 + row * slot.stride;
    values.set(source.subarray(start, start + slot.columns), row * slot.columns);
  }
  return values;
}
