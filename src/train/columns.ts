import * as tf from '@tensorflow/tfjs-core';
import { shapedColumn, type TypedArray } from '../data/arrays.js';
import { checkFinite, checkLabels, withScale, type Column, type Dataset } from '../data/dataset.js';
import { inputError } from '../errors.js';

/** Data as a user gives it: a tensor, values with a shape, a column or a list of them, or a whole data set. */
export type DataLike = tf.Tensor | ShapedValues | Dataset | readonly (tf.Tensor | ShapedValues)[];

export interface ShapedValues {
  readonly values: TypedArray;
  readonly shape: readonly number[];
  readonly scale?: number;
}

/** What the model expects of a column: the shape of one example, and how many classes a label may name. */
export interface ColumnWish {
  readonly name: string;
  readonly shape: readonly number[];
  /** For labels of a sparse cross-entropy. */
  readonly classCount?: number;
}

export function isDataset(data: DataLike | null | undefined): data is Dataset {
  return typeof data === 'object' && data !== null && 'exampleCount' in data;
}

/**
 * Brings data to what the model expects, as tfjs does: [N] becomes [N, 1] where it must, and nothing else changes.
 * @throws ERR_DATA_SHAPE, ERR_DATA_EMPTY; ERR_ARRAY_TYPE or ERR_ARRAY_SHAPE where values do not make a column;
 * ERR_NOT_FINITE (NaN or an infinity) and ERR_LABEL_RANGE, with the row
 */
export async function bringColumns(data: DataLike, role: 'x' | 'y', wishes: readonly ColumnWish[]): Promise<Column[]> {
  const given = isDataset(data) ? data[role] : Array.isArray(data) ? (data as readonly (tf.Tensor | ShapedValues)[]) : [data as tf.Tensor | ShapedValues];
  if (given.length !== wishes.length) {
    throw inputError('ERR_DATA_SHAPE', `${role} has ${given.length} columns and the model expects ${wishes.length}; give one for each of ${wishes.map(({ name }) => name).join(', ')}.`);
  }
  const columns = await Promise.all(given.map((each) => toColumn(each, role)));
  return columns.map((column, index) => bringColumn(column, role, wishes[index]!));
}

async function toColumn(data: tf.Tensor | ShapedValues, role: 'x' | 'y'): Promise<Column> {
  const shape: unknown = (data as Partial<ShapedValues> | null)?.shape;
  if (Array.isArray(shape) && shape[0] === 0) throw inputError('ERR_DATA_EMPTY', `${role} has no examples; give at least one.`);
  if (!(data instanceof tf.Tensor)) return withScale(shapedColumn(data, role), data.scale);
  if (data.dtype === 'string' || data.dtype === 'complex64') {
    throw inputError('ERR_ARRAY_TYPE', `${role} is a tensor of type ${data.dtype}; give one of numbers.`);
  }
  return { values: await data.data<'float32' | 'int32' | 'bool'>(), shape: data.shape };
}

function bringColumn(column: Column, role: 'x' | 'y', wish: ColumnWish): Column {
  const shape = column.shape.slice(1);
  const wanted = wish.shape.join(', ');
  const fits = shape.join(', ') === wanted || [...shape, 1].join(', ') === wanted || (shape.at(-1) === 1 && shape.slice(0, -1).join(', ') === wanted);
  if (!fits || column.shape.length === 0) {
    throw inputError('ERR_DATA_SHAPE', `${role} has shape [${column.shape.join(', ')}] and the model expects [N, ${wanted}] for "${wish.name}"; reshape the data or change the model.`);
  }
  checkFinite(column, role);
  if (wish.classCount !== undefined) checkLabels(column, wish.classCount);
  return column;
}

/** @throws ERR_DATA_COUNT where the columns have different numbers of examples */
export function exampleCountOf(columns: readonly Column[]): number {
  const counts = [...new Set(columns.map(({ shape }) => shape[0]!))];
  if (counts.length > 1) throw inputError('ERR_DATA_COUNT', `x and y have ${counts.join(' and ')} examples; give as many of each.`);
  return counts[0]!;
}

/** Examples [start, end) of each column, as views. */
export function sliceColumns(columns: readonly Column[], start: number, end: number): Column[] {
  return columns.map((column) => {
    const perExample = column.shape.slice(1).reduce((product, length) => product * length, 1);
    return { ...column, values: column.values.subarray(start * perExample, end * perExample), shape: [end - start, ...column.shape.slice(1)] };
  });
}
