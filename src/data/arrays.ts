import { inputError } from '../errors.js';
import { checkFinite, checkLabels, createDataset, valuesPerExample, withScale, type Column, type ColumnValues, type Dataset } from './dataset.js';

export type TypedArray =
  | Uint8Array | Uint8ClampedArray | Int8Array | Uint16Array | Int16Array | Uint32Array | Int32Array
  | Float32Array | Float64Array;

/** Numbers in arrays in arrays; the outermost counts the examples. */
export type NestedNumbers = readonly (number | NestedNumbers)[];

/** Row-major values with their shape, examples first. */
export interface ShapedValues {
  readonly values: TypedArray;
  readonly shape: readonly number[];
}

/** One column: shaped values, a typed array (one value for each example) or nested arrays. */
export type ColumnSource = ShapedValues | TypedArray | NestedNumbers;

export interface ArraysOptions {
  /** Multiplies every input when it is gathered; targets are never scaled. */
  readonly scale?: number;
  readonly name?: string;
  /** The words for labels 0, 1, ... (of one-hot targets: for their columns); labels outside them are refused. */
  readonly classNames?: readonly string[];
}

/**
 * A data set of arrays in memory. Bytes, Int32Array and Float32Array are used as they are, without a copy; other integers
 * become int32, other numbers float32. Several inputs or targets are lists of `{ values, shape }`.
 * @throws TensorflockError where values are missing, ragged, not finite, or do not fit their shape or type
 */
export function arrays(
  x: ColumnSource | readonly ShapedValues[],
  y: ColumnSource | readonly ShapedValues[],
  options: ArraysOptions = {},
): Dataset {
  const inputs = columnsOf(x, 'x').map((column) => withScale(column, options.scale));
  const targets = columnsOf(y, 'y');
  const { name = 'arrays', classNames } = options;
  if (classNames && valuesPerExample(targets[0]!) === 1) checkLabels(targets[0]!, classNames.length);
  return createDataset(name, inputs, targets, classNames);
}

function columnsOf(source: ColumnSource | readonly ShapedValues[], subject: string): Column[] {
  if (!isListOfColumns(source)) return [columnOf(source, subject)];
  return source.map((each, index) => columnOf(each, `${subject}[${index}]`));
}

function isListOfColumns(source: ColumnSource | readonly ShapedValues[]): source is readonly ShapedValues[] {
  const first: unknown = Array.isArray(source) ? source[0] : undefined;
  return typeof first === 'object' && first !== null && 'values' in first && 'shape' in first;
}

function columnOf(source: ColumnSource, subject: string): Column {
  const column = Array.isArray(source) ? nestedColumn(source, subject) : shapedColumn(source as ShapedValues, subject);
  checkFinite(column, subject);
  return column;
}

/** A typed array, one value for each example, or shaped values as a column. */
export function shapedColumn(source: ShapedValues | TypedArray, subject: string): Column {
  if (isTypedArray(source)) return shapedColumn({ values: source, shape: [source.length] }, subject);
  const { values, shape } = (source ?? {}) as Partial<ShapedValues>;
  if (!isTypedArray(values) || !Array.isArray(shape)) {
    throw inputError(
      'ERR_ARRAY_TYPE',
      `${subject} is neither nested arrays of numbers, nor a typed array of numbers, nor { values, shape }; give one of these`,
    );
  }
  checkShape(shape, values.length, subject);
  return { values: toColumnValues(values, values.length / shape[0]!, subject), shape: [...shape] };
}

function isTypedArray(value: unknown): value is TypedArray {
  if (!ArrayBuffer.isView(value)) return false;
  return !(value instanceof DataView || value instanceof BigInt64Array || value instanceof BigUint64Array);
}

function checkShape(shape: readonly number[], length: number, subject: string): void {
  if (shape.length === 0 || shape.some((size) => !Number.isInteger(size) || size < 1)) {
    throw inputError(
      'ERR_ARRAY_SHAPE',
      `${subject} has the shape [${shape.join(', ')}]; give whole numbers of 1 or more, the examples first`,
    );
  }
  const expected = shape.reduce((product, size) => product * size, 1);
  if (expected === length) return;
  throw inputError(
    'ERR_ARRAY_SHAPE',
    `${subject} has ${length} values, but its shape [${shape.join(', ')}] needs ${expected}; make them agree`,
  );
}

/** Keeps the three types of a column without a copy and widens or rounds the rest. */
function toColumnValues(values: TypedArray, rowLength: number, subject: string): ColumnValues {
  if (values instanceof Uint8Array || values instanceof Int32Array || values instanceof Float32Array) return values;
  if (values instanceof Uint8ClampedArray) return new Uint8Array(values.buffer, values.byteOffset, values.length);
  if (values instanceof Float64Array) return Float32Array.from(values);
  if (values instanceof Uint32Array) checkInt32(values, rowLength, subject);
  return Int32Array.from(values);
}

function checkInt32(values: Uint32Array, rowLength: number, subject: string): void {
  const index = values.findIndex((value) => value > 0x7fffffff);
  if (index < 0) return;
  throw inputError(
    'ERR_ARRAY_TYPE',
    `${subject} holds ${values[index]} in row ${Math.floor(index / rowLength)} (counted from 0), which int32 cannot hold; ` +
      'give these values as a Float32Array',
  );
}

function nestedColumn(source: NestedNumbers, subject: string): Column {
  const shape = nestedShape(source);
  const length = shape.reduce((product, size) => product * size, 1);
  checkShape(shape, length, subject);
  const values = new Float32Array(length);
  const rowLength = length / source.length;
  for (let row = 0; row < source.length; row++) {
    fill(values, row * rowLength, source[row], shape.slice(1), `row ${row} (counted from 0) of ${subject}`);
  }
  return { values, shape };
}

/** The shape that the first element of every level suggests; `fill` holds the others to it. */
function nestedShape(source: NestedNumbers): number[] {
  const first = source[0];
  return Array.isArray(first) ? [source.length, ...nestedShape(first)] : [source.length];
}

/** Copies one block of `shape`, refusing what is ragged or not a number. Index loops: `forEach` would skip holes. */
function fill(target: Float32Array, offset: number, source: unknown, shape: readonly number[], subject: string): void {
  const [size, ...inner] = shape;
  if (size === undefined) {
    target[offset] = numberAt(source, subject);
    return;
  }
  if (!Array.isArray(source) || source.length !== size) {
    throw inputError(
      'ERR_ARRAY_SHAPE',
      `${subject} holds ${describe(source)} where an array of ${size} belongs; make all rows alike`,
    );
  }
  const step = inner.reduce((product, each) => product * each, 1);
  for (let index = 0; index < size; index++) {
    if (inner.length === 0) target[offset + index] = numberAt(source[index], subject);
    else fill(target, offset + index * step, source[index], inner, subject);
  }
}

function numberAt(value: unknown, subject: string): number {
  if (typeof value === 'number') return value;
  throw inputError('ERR_ARRAY_TYPE', `${subject} holds ${describe(value)} where a number belongs; give numbers only`);
}

function describe(value: unknown): string {
  if (Array.isArray(value)) return `an array of ${value.length}`;
  if (typeof value === 'number') return `the number ${value}`;
  return typeof value === 'string' ? 'a string' : String(value);
}
