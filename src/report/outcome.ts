import type { Column, Dataset } from '../data/dataset.js';

/** What a model made of examples whose classes are known. */
export interface Outcome {
  /** `counts[actual][predicted]` examples. */
  readonly counts: readonly (readonly number[])[];
  /** The share of each class's examples that were found; NaN for a class without examples. */
  readonly classAccuracy: readonly number[];
  /** Wrong predictions, the least probability for the actual class first. */
  readonly mostWrong: readonly Mistake[];
}

export interface Mistake {
  /** The example's place in the data set, from 0. */
  readonly row: number;
  readonly actual: number;
  readonly predicted: number;
  /** What the model gave the class that it predicted. */
  readonly probability: number;
}

/** Beyond them targets are not taken for classes: nobody reads such a matrix. */
export const MOST_CLASSES = 40;

/**
 * Compares outputs [examples, classes], row-major, with the classes. Where two outputs are equal the first counts.
 * @param mistakeLimit how many of the wrong ones are kept
 */
export function classOutcome(outputs: ArrayLike<number>, classCount: number, actual: ArrayLike<number>, mistakeLimit: number): Outcome {
  const counts = Array.from({ length: classCount }, () => new Array<number>(classCount).fill(0));
  const mistakes: (Mistake & { readonly given: number })[] = [];
  for (let row = 0; row < actual.length; row++) {
    const at = row * classCount;
    const predicted = indexOfLargest(outputs, at, classCount);
    const label = actual[row]!;
    counts[label]![predicted]!++;
    if (predicted !== label) mistakes.push({ row, actual: label, predicted, probability: outputs[at + predicted]!, given: outputs[at + label]! });
  }
  mistakes.sort((a, b) => a.given - b.given || a.row - b.row);
  return {
    counts,
    classAccuracy: counts.map((row, label) => row[label]! / row.reduce((sum, count) => sum + count, 0)),
    mostWrong: mistakes.slice(0, mistakeLimit).map(({ row, actual: label, predicted, probability }) => ({ row, actual: label, predicted, probability })),
  };
}

/** The class of each example, from labels [N] or [N, 1] or from one-hot rows; undefined where the targets are not classes. */
export function classesOf({ y }: Pick<Dataset, 'y'>, classCount: number): number[] | undefined {
  const column = y[0];
  if (column === undefined || y.length !== 1 || classCount < 2 || classCount > MOST_CLASSES) return undefined;
  const { values, shape } = column;
  const width = shape.slice(1).reduce((product, size) => product * size, 1);
  if (width === classCount) return Array.from({ length: shape[0]! }, (_, row) => indexOfLargest(values, row * width, width));
  const isClass = (label: number): boolean => Number.isInteger(label) && label >= 0 && label < classCount;
  return width === 1 && values.every(isClass) ? Array.from(values) : undefined;
}

/** The pixels of an example where a column holds grey pictures in bytes, [N, height, width] or [N, height, width, 1]. */
export function pictureOf({ values, shape }: Column, row: number): { readonly pixels: Uint8Array; readonly width: number; readonly height: number } | undefined {
  const [, height, width, channels = 1] = shape;
  if (!(values instanceof Uint8Array) || shape.length < 3 || shape.length > 4 || channels !== 1) return undefined;
  const size = height! * width!;
  return { pixels: values.slice(row * size, (row + 1) * size), width: width!, height: height! };
}

export function indexOfLargest(values: ArrayLike<number>, start: number, length: number): number {
  let best = 0;
  for (let index = 1; index < length; index++) if (values[start + index]! > values[start + best]!) best = index;
  return best;
}
