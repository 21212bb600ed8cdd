import { basename } from 'node:path';
import { inputError } from '../errors.js';
import {
  checkFinite, checkLabels, createDataset, withScale, type Column, type ColumnValues, type Dataset,
} from './dataset.js';
import { readDecodedFile } from './files.js';
import { quoted } from './words.js';

export interface IdxOptions {
  /** Multiplies the inputs when they are gathered. Default: 1 / 255 for bytes of three axes or more (images), else none. */
  readonly scale?: number;
  readonly name?: string;
  /** The words for labels 0, 1, …; labels outside them are refused. */
  readonly classNames?: readonly string[];
}

interface IdxType {
  readonly name: string;
  readonly bytesPerValue: number;
  readonly decode: (view: DataView, count: number) => ColumnValues;
}

/** Type codes of the third byte, after the format's description at yann.lecun.com/exdb/mnist; values are big-endian. */
const IDX_TYPES: ReadonlyMap<number, IdxType> = new Map([
  [0x08, { name: 'uint8', bytesPerValue: 1, decode: (view, count) => new Uint8Array(view.buffer, view.byteOffset, count) }],
  [0x09, { name: 'int8', bytesPerValue: 1, decode: (view, count) => int32Of(count, (index) => view.getInt8(index)) }],
  [0x0b, { name: 'int16', bytesPerValue: 2, decode: (view, count) => int32Of(count, (index) => view.getInt16(index * 2)) }],
  [0x0c, { name: 'int32', bytesPerValue: 4, decode: (view, count) => int32Of(count, (index) => view.getInt32(index * 4)) }],
  [0x0d, { name: 'float32', bytesPerValue: 4, decode: (view, count) => float32Of(count, (index) => view.getFloat32(index * 4)) }],
  [0x0e, { name: 'float64', bytesPerValue: 8, decode: (view, count) => float32Of(count, (index) => view.getFloat64(index * 8)) }],
] satisfies [number, IdxType][]);

function int32Of(count: number, read: (index: number) => number): Int32Array {
  const values = new Int32Array(count);
  for (let index = 0; index < count; index++) values[index] = read(index);
  return values;
}

function float32Of(count: number, read: (index: number) => number): Float32Array {
  const values = new Float32Array(count);
  for (let index = 0; index < count; index++) values[index] = read(index);
  return values;
}

/**
 * A data set of two IDX files, plain or gzip: inputs, and a target for each.
 * @throws TensorflockError where a file is missing, empty, not IDX, too short or too long, or the two differ in examples
 */
export async function idx(images: string, labels: string, options: IdxOptions = {}): Promise<Dataset> {
  // One after the other, so that of two faults the same is told each time; labels take no time beside images.
  const x = await readIdx(images);
  const y = await readIdx(labels);
  if (x.shape[0] !== y.shape[0]) {
    throw inputError(
      'ERR_EXAMPLE_COUNT',
      `${quoted(images)} has ${x.shape[0]} examples and ${quoted(labels)} has ${y.shape[0]}; give two files of the same examples`,
    );
  }
  if (options.classNames) checkLabels(y, options.classNames.length);
  const scaled = withScale(x, options.scale ?? imageScale(x));
  return createDataset(options.name ?? basename(images), [scaled], [y], options.classNames);
}

function imageScale(column: Column): number | undefined {
  return column.values instanceof Uint8Array && column.shape.length >= 3 ? 1 / 255 : undefined;
}

async function readIdx(file: string): Promise<Column> {
  const column = decodeIdx(await readDecodedFile(file), file);
  checkFinite(column, quoted(file));
  return column;
}

/**
 * The column in the (inflated) bytes of an IDX file; bytes stay a view of `bytes`, the other types are converted to int32 and
 * float32. `file` names it in errors.
 * @throws TensorflockError `ERR_IDX_FORMAT` or `ERR_IDX_LENGTH`
 */
export function decodeIdx(bytes: Uint8Array, file: string): Column {
  const { type, shape, headerLength } = decodeHeader(bytes, file);
  const count = shape.reduce((product, size) => product * size, 1);
  checkLength(bytes.length, headerLength + count * type.bytesPerValue, `${type.name} of ${shape.join(' x ')}`, file);
  return { values: type.decode(new DataView(bytes.buffer, bytes.byteOffset + headerLength), count), shape };
}

function decodeHeader(bytes: Uint8Array, file: string): { type: IdxType; shape: number[]; headerLength: number } {
  const type = IDX_TYPES.get(bytes[2] ?? 0);
  const axisCount = bytes[3] ?? 0;
  if (bytes[0] !== 0 || bytes[1] !== 0 || !type || axisCount === 0) throw magicError(bytes, file);
  const headerLength = 4 + 4 * axisCount;
  if (bytes.length < headerLength) checkLength(bytes.length, headerLength, `a header of ${axisCount} axes`, file);
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  const shape = Array.from({ length: axisCount }, (_, axis) => view.getUint32(4 + 4 * axis));
  if (shape.includes(0)) {
    throw inputError(
      'ERR_IDX_FORMAT',
      `${quoted(file)} has the shape ${shape.join(' x ')} and so no values; give a file with examples`,
    );
  }
  return { type, shape, headerLength };
}

function magicError(bytes: Uint8Array, file: string): Error {
  const found = Array.from(bytes.subarray(0, 4), (byte) => byte.toString(16).padStart(2, '0')).join(' ');
  return inputError(
    'ERR_IDX_FORMAT',
    `${quoted(file)} is not an IDX file: it begins with the bytes ${found || '(none)'} where 00 00, ` +
      'a type of 08, 09, 0b, 0c, 0d or 0e and the number of axes belong; give an IDX file, plain or gzip',
  );
}

function checkLength(found: number, expected: number, what: string, file: string): void {
  if (found === expected) return;
  const fault = found < expected ? 'it is cut short; fetch it again' : 'it has bytes after its end; remove them';
  throw inputError('ERR_IDX_LENGTH', `${quoted(file)} has ${found} bytes where ${what} needs ${expected}: ${fault}`);
}
