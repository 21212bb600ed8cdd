import { inputError } from '../errors.js';
import { startSha256 } from '../sha256.js';

export type ColumnValues = Uint8Array | Int32Array | Float32Array;

/**
 * One input or target: `shape[0]` examples of `shape.slice(1)`, row-major, in its own type. Values stay as they are; `scale`
 * multiplies them when a mini-batch is gathered.
 */
export interface Column {
  readonly values: ColumnValues;
  readonly shape: readonly number[];
  readonly scale?: number;
}

/** Inputs and targets of the same examples. `classNames[i]` is the word for label i, where labels are classes. */
export interface Dataset {
  readonly name: string;
  readonly x: readonly Column[];
  readonly y: readonly Column[];
  readonly exampleCount: number;
  readonly classNames?: readonly string[];
}

export interface DatasetSplit {
  readonly train: Dataset;
  readonly test: Dataset;
}

/**
 * A data set of the given columns, which are neither copied nor changed.
 * @throws TensorflockError `ERR_EXAMPLE_COUNT` where two columns have different numbers of examples
 */
export function createDataset(
  name: string,
  x: readonly Column[],
  y: readonly Column[],
  classNames?: readonly string[],
): Dataset {
  const counts = [...x, ...y].map((column) => column.shape[0] ?? 0);
  const exampleCount = counts[0] ?? 0;
  const other = counts.find((count) => count !== exampleCount);
  if (other !== undefined) {
    throw inputError(
      'ERR_EXAMPLE_COUNT',
      `${name} has columns of ${exampleCount} and of ${other} examples; give every input and target one row for each example`,
    );
  }
  return { name, x, y, exampleCount, ...(classNames && { classNames }) };
}

/** A copy of `column` that carries a scale, or the column itself where there is none to carry. */
export function withScale(column: Column, scale: number | undefined): Column {
  if (scale === undefined) return column;
  if (!Number.isFinite(scale) || scale === 0) {
    throw inputError('ERR_SCALE', `the scale is ${scale}; give a finite number other than 0, such as 1 / 255`);
  }
  return { ...column, scale };
}

/** The values of one example of a column. */
export function valuesPerExample(column: Column): number {
  return column.shape.slice(1).reduce((product, size) => product * size, 1);
}

/**
 * The first `count` examples, as views: nothing is copied.
 * @throws TensorflockError `ERR_TAKE` unless `count` is a whole number from 1 to the examples there are
 */
export function take(dataset: Dataset, count: number): Dataset {
  if (!Number.isInteger(count) || count < 1 || count > dataset.exampleCount) {
    throw inputError(
      'ERR_TAKE',
      `${count} examples of ${dataset.name} were asked for; give a whole number from 1 to ${dataset.exampleCount}`,
    );
  }
  const first = (column: Column): Column => ({
    ...column,
    values: column.values.subarray(0, count * valuesPerExample(column)),
    shape: [count, ...column.shape.slice(1)],
  });
  return { ...dataset, x: dataset.x.map(first), y: dataset.y.map(first), exampleCount: count };
}

/** The name under which a column's type enters its hash. */
export function columnType(column: Column): 'uint8' | 'int32' | 'float32' {
  if (column.values instanceof Uint8Array) return 'uint8';
  return column.values instanceof Int32Array ? 'int32' : 'float32';
}

/** Node hashes less than 2 GiB in one call. */
const HASH_PART_BYTES = 2 ** 30;

/** SHA-256, in hex, of a column's type, shape and bytes (little-endian). The scale is not part of it: the bytes are the same. */
export function columnSha256(column: Column): string {
  const { buffer, byteOffset, byteLength } = column.values;
  const hash = startSha256().update(`${columnType(column)}[${column.shape.join(',')}]\n`);
  for (let start = 0; start < byteLength; start += HASH_PART_BYTES) {
    hash.update(new Uint8Array(buffer, byteOffset + start, Math.min(HASH_PART_BYTES, byteLength - start)));
  }
  return hash.digest();
}

/** SHA-256, in hex, of what a model sees of a data set: every column's hash, scale and role, in order. Names do not count. */
export function datasetSha256({ x, y }: Pick<Dataset, 'x' | 'y'>): string {
  const hash = startSha256();
  for (const [role, columns] of [['x', x], ['y', y]] as const) {
    for (const column of columns) hash.update(`${role} ${columnSha256(column)} ${column.scale ?? 1}\n`);
  }
  return hash.digest();
}

/** The first row (counted from 0) that holds NaN or an infinity. */
export function findNonFinite(column: Column): number | undefined {
  const { values } = column;
  if (!(values instanceof Float32Array)) return undefined;
  const index = values.findIndex((value) => !Number.isFinite(value));
  return index < 0 ? undefined : Math.floor(index / valuesPerExample(column));
}

/**
 * Refuses a column with NaN or infinities. `subject` begins the sentence: a file's or an argument's name.
 * @throws TensorflockError `ERR_NOT_FINITE`, naming the row
 */
export function checkFinite(column: Column, subject: string): void {
  const row = findNonFinite(column);
  if (row === undefined) return;
  throw inputError(
    'ERR_NOT_FINITE',
    `${subject} holds NaN, an infinity or a value beyond float32 in row ${row} (counted from 0); mend or remove that row`,
  );
}

/**
 * Refuses labels that are not classes 0 to `classCount` - 1.
 * @throws TensorflockError `ERR_LABEL_RANGE`, naming the first such row
 */
export function checkLabels(column: Column, classCount: number): void {
  const isClass = (label: number): boolean => Number.isInteger(label) && label >= 0 && label < classCount;
  const index = column.values.findIndex((label: number) => !isClass(label));
  if (index < 0) return;
  const row = Math.floor(index / valuesPerExample(column));
  throw inputError(
    'ERR_LABEL_RANGE',
    `the label ${column.values[index]} in row ${row} (counted from 0) is outside the classes 0 to ${classCount - 1}; ` +
      'mend the label or give the model an output for each class',
  );
}
