// What the lessons share: a trainer that is closed again, blocks of the page, random numbers, and images as rows of numbers. Nothing of
// the mathematics is here.
import { spawn } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import * as tf from '@tensorflow/tfjs-core';
import type * as tfl from '@tensorflow/tfjs-layers';
import { distribute, initialize, type Dataset, type DistributeOptions, type Trainer } from 'tensorflock';
import type { Histogram, LineOptions, Series, Surface } from '../../src/report/charts.js';
import { histogramOf, norm } from '../../src/report/health.js';
import type { LessonBlock, LessonSection } from '../../src/report/lesson.js';
import type { Picture } from '../../src/report/pictures.js';
import { philox, PURPOSE, randomKey } from '../../src/random/philox.js';

export type { Findings, Lesson, LessonContext } from '../../src/report/lesson.js';
export type { Series } from '../../src/report/charts.js';

export const section = (heading: string, ...blocks: readonly LessonBlock[]): LessonSection => ({ heading, blocks });
export const text = (words: string): LessonBlock => ({ kind: 'paragraph', text: words });
export const formula = (latex: string): LessonBlock => ({ kind: 'formula', latex });
export const table = (columns: readonly string[], rows: readonly (readonly (string | number)[])[]): LessonBlock => ({ kind: 'table', columns, rows });

/** The name of the plot's file, what stands above and at the axes, and a sentence below. */
export interface Look {
  readonly file: string;
  readonly title: string;
  readonly x: string;
  readonly y: string;
  readonly caption: string;
}

type LookOfPicture = Omit<Look, 'x' | 'y'>;

export const lines = (look: Look, series: readonly Series[], options: LineOptions = {}): LessonBlock => ({ kind: 'plot', ...look, plot: { kind: 'lines', series, options } });
export const scatter = (look: Look, groups: readonly Series[], borders: readonly Series[] = []): LessonBlock => ({ kind: 'plot', ...look, plot: { kind: 'scatter', groups, lines: borders } });
export const bars = (look: LookOfPicture & { readonly x: string }, values: readonly { readonly name: string; readonly value: number }[]): LessonBlock => ({ kind: 'plot', ...look, y: '', plot: { kind: 'bars', bars: values } });
export const histograms = (look: Look, shapes: readonly Histogram[]): LessonBlock => ({ kind: 'plot', ...look, plot: { kind: 'histogram', histograms: shapes } });
export const surface = (look: Look, heights: Surface, paths: readonly Series[]): LessonBlock => ({ kind: 'plot', ...look, plot: { kind: 'surface', surface: heights, paths } });
export const confusion = (look: LookOfPicture, counts: readonly (readonly number[])[], classNames: readonly string[]): LessonBlock => ({ kind: 'plot', ...look, x: '', y: '', plot: { kind: 'confusion', counts, classNames } });
export const numbers = (look: LookOfPicture, rows: readonly (readonly number[])[]): LessonBlock => ({ kind: 'plot', ...look, x: '', y: '', plot: { kind: 'numbers', rows } });
export const pictures = (look: LookOfPicture, all: readonly Picture[], columns = 5): LessonBlock => ({ kind: 'plot', ...look, x: '', y: '', plot: { kind: 'pictures', pictures: all, columns } });

export { histogramOf, norm };

/** What `body` makes of a trainer for the model, which is closed afterwards. */
export async function withTrainer<T>(model: tfl.LayersModel, options: DistributeOptions, body: (trainer: Trainer) => Promise<T>): Promise<T> {
  const trainer = await distribute(model, options);
  try {
    return await body(trainer);
  } finally {
    await trainer.close();
  }
}

/** Compiles a model whose targets are class numbers and draws its weights. */
export function classifier(model: tfl.LayersModel, seed: number): tfl.LayersModel {
  model.compile({ optimizer: 'adam', loss: 'sparseCategoricalCrossentropy', metrics: ['accuracy'] });
  initialize(model, seed);
  return model;
}

/** Sets all weights of a model, kernels as rows of [inputs][units]. */
export function setWeights(model: tfl.LayersModel, weights: readonly (readonly number[] | readonly (readonly number[])[])[]): void {
  tf.tidy(() => { model.setWeights(weights.map((values) => tf.tensor(values as number[][]))); });
}

/** The numbers of a tensor, which is disposed. */
export function valuesOf(tensor: tf.Tensor): number[] {
  const values = Array.from(tensor.dataSync<'float32'>());
  tensor.dispose();
  return values;
}

/** A process of its own that computes for the run behind a join link, as another machine would. It ends when it is told to, at once. */
export function startNode(link: string): { readonly kill: () => void } {
  const program = fileURLToPath(new URL('../../scripts/tensorflock.js', import.meta.url));
  const child = spawn(process.execPath, [program, 'join', link, '--workers', '1', '--give-up-after', '20'], { stdio: 'ignore' });
  return { kill: () => { child.kill('SIGKILL'); } };
}

/** The promise's result, or an error after so many seconds. */
export async function within<T>(seconds: number, promise: Promise<T>, otherwise: string): Promise<T> {
  const ended = new AbortController();
  const late = sleep(seconds * 1000, undefined, { signal: ended.signal }).then(() => { throw new Error(`${otherwise} in ${seconds} s`); });
  late.catch(() => undefined);
  try {
    return await Promise.race([promise, late]);
  } finally {
    ended.abort();
  }
}

/** A number for people: three significant digits. */
export const short = (value: number): string => (value !== 0 && (Math.abs(value) < 1e-3 || Math.abs(value) >= 1e5) ? value.toExponential(1) : String(Number(value.toPrecision(3))));

export const mean = (values: ArrayLike<number>): number => sum(values, (value) => value) / values.length;
/** The root of the mean square distance from the mean. */
export const spread = (values: ArrayLike<number>): number => {
  const centre = mean(values);
  return Math.sqrt(sum(values, (value) => (value - centre) ** 2) / values.length);
};

function sum(values: ArrayLike<number>, of: (value: number) => number): number {
  let total = 0;
  for (let index = 0; index < values.length; index++) total += of(values[index]!);
  return total;
}

/** `count` numbers from `from` to `to` in equal steps. */
export const steps = (from: number, to: number, count: number): number[] => Array.from({ length: count }, (_, index) => from + ((to - from) * index) / (count - 1));

/** A sequence of random numbers that its seed decides. */
export class Random {
  #drawn = 0;

  constructor(private readonly seed: number) {}

  /** Above 0 and below 1. */
  uniform(): number {
    const [word] = philox([this.#drawn++, 0, 0, 0], randomKey(this.seed, PURPOSE.lessons));
    return (word! >>> 0) / 2 ** 32 + 2 ** -33;
  }

  /** Mean 0, variance 1 (Box and Muller, 1958). */
  normal(): number {
    return Math.sqrt(-2 * Math.log(this.uniform())) * Math.cos(2 * Math.PI * this.uniform());
  }

  /** From 0 to below `bound`. */
  index(bound: number): number {
    return Math.floor(this.uniform() * bound);
  }
}

/** The first `count` examples. */
export function first(dataset: Dataset, count: number): Dataset {
  return rowsOf(dataset, Array.from({ length: Math.min(count, dataset.exampleCount) }, (_, row) => row));
}

/** The first `count` examples of each of some classes, in the order of the data set. */
export function ofClasses(dataset: Dataset, classes: readonly number[], count: number): Dataset {
  const seen = new Map(classes.map((label) => [label, 0]));
  const labels = Array.from(dataset.y[0]!.values);
  const rows = labels.flatMap((label, row) => {
    const before = seen.get(label);
    if (before === undefined || before >= count) return [];
    seen.set(label, before + 1);
    return [row];
  });
  return rowsOf(dataset, rows);
}

function rowsOf(dataset: Dataset, rows: readonly number[]): Dataset {
  const [x, y] = [dataset.x[0]!, dataset.y[0]!];
  const size = x.values.length / dataset.exampleCount;
  const [values, labels] = [new Uint8Array(rows.length * size), new Uint8Array(rows.length)];
  rows.forEach((row, index) => {
    values.set(x.values.subarray(row * size, (row + 1) * size), index * size);
    labels[index] = y.values[row]!;
  });
  return { ...dataset, x: [{ ...x, values, shape: [rows.length, ...x.shape.slice(1)] }], y: [{ values: labels, shape: [rows.length] }], exampleCount: rows.length };
}

/** The pixels of an example, 0 (black) to 1 (white), row by row. */
export function pixels(dataset: Dataset, example: number): number[] {
  return Array.from(bytes(dataset, example), (byte) => byte / 255);
}

/** The same as they are stored, 0 to 255. */
export function bytes(dataset: Dataset, example: number): Uint8Array {
  const { values, shape } = dataset.x[0]!;
  const size = values.length / shape[0]!;
  return Uint8Array.from(values.subarray(example * size, (example + 1) * size));
}

export const label = (dataset: Dataset, example: number): number => dataset.y[0]!.values[example]!;
export const className = (dataset: Dataset, of: number): string => dataset.classNames?.[of] ?? String(of);

/** An example as a picture. */
export const picture = (dataset: Dataset, example: number, caption: string, wrong = false): Picture => ({ pixels: bytes(dataset, example), width: 28, height: 28, caption, wrong });

/** Numbers as a grey picture: the least is black, the most white. */
export function greyPicture(values: ArrayLike<number>, width: number, caption: string): Picture {
  const all = Array.from(values);
  const [least, most] = [Math.min(...all), Math.max(...all)];
  return { pixels: Uint8Array.from(all, (value) => Math.round((255 * (value - least)) / (most - least || 1))), width, height: all.length / width, caption };
}
