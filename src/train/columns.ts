import type * as tf from '@tensorflow/tfjs-core';
import { inputError } from '../errors.js';
import { checkFinite, checkLabels, type Column, type ColumnValues, type Dataset } from '../data/dataset.js';

/** Data as a user gives it: a tensor, values with a shape, a column or a list of them, or a whole data set. */
export type DataLike = tf.Tensor | ShapedValues | Dataset | readonly (tf.Tensor | ShapedValues)[];

export interface ShapedValues {
  readonly values: ColumnValues;
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

export function isDataset(data: DataLike | undefined): data is Dataset {
  return typeof data === 'object' && 'exampleCount' in data;
}

/**
 * Brings data to what the model expects, as tfjs does: [N] becomes [N, 1] where it must, and nothing else changes.
 * @throws ERR_DATA_SHAPE, ERR_DATA_VALUE (NaN or Infinity, with the row), ERR_DATA_LABEL
 */
export async function bringColumns(data: DataLike, role: 'x' | 'y', wishes: readonly ColumnWish[]): Promise<Column[]> {
  const given = isDataset(data) ? data[role] : Array.isArray(data) ? (data as readonly (tf.Tensor | ShapedValues)[]) : [data as tf.Tensor | ShapedValues];
  if (given.length !== wishes.length) {
    throw inputError('ERR_DATA_SHAPE', `${role} has ${given.length} columns and the model expects ${wishes.length}; give one for each of ${wishes.map(({ name }) => name).join(', ')}.`);
  }
  const columns = await Promise.all(given.map(toColumn));
  return columns.map((column, index) => bringColumn(column, role, wishes[index]!));
}

async function toColumn(data: tf.Tensor | ShapedValues): Promise<Column> {
  if ('values' in data) return data;
  const values = await data.data();
  return { values: values instanceof Uint8Array || values instanceof Int32Array ? values : Float32Array.from(values as Float32Array), shape: data.shape };
}

function bringColumn(column: Column, role: 'x' | 'y', wish: ColumnWish): Column {
  const shape = column.shape.slice(1);
  const wanted = wish.shape.join(', ');
  const fits = shape.join(', ') === wanted || [...shape, 1].join(', ') === wanted || (shape.at(-1) === 1 && shape.slice(0, -1).join(', ') === wanted);
  if (!fits || column.shape.length === 0) {
    throw inputError('ERR_DATA_SHAPE', `${role} has shape [${column.shape.join(', ')}] and the model expects [N, ${wanted}] for "${wish.name}"; reshape the data or change the model.`);
  }
  if (column.shape[0] === 0) throw inputError('ERR_DATA_EMPTY', `${role} has no examples; give at least one.`);
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
