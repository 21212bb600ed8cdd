// Initial weights as a function of (initialiser, shape, seed, position of the weight) alone: float64 from +, -, *, / and
// square roots, which every engine rounds alike, then one rounding to float32. tfjs draws from other generators.
import { inputError } from '../errors.js';
import { cosineOfHalfTurns, logarithm } from './elementary.js';
import { philox, PURPOSE, randomKey, type Key } from './philox.js';

/** What an initialiser of tfjs-layers says of itself by `getClassName()` and `getConfig()`. */
export interface WeightInitializer {
  readonly className: string;
  readonly config: InitializerConfig;
}

/** The settings of all initialisers; each uses its own. `seed` is ignored. */
export interface InitializerConfig {
  readonly value?: number;
  readonly minval?: number;
  readonly maxval?: number;
  readonly mean?: number;
  readonly stddev?: number;
  readonly scale?: number;
  readonly mode?: 'fanIn' | 'fanOut' | 'fanAvg';
  readonly distribution?: 'normal' | 'uniform' | 'truncatedNormal';
  readonly gain?: number;
  readonly seed?: number | null;
}

type Floats = Float32Array | Float64Array;
type Shape = readonly number[];

/** The draws of one weight: element e is lane e % 4 of the counter (floor(e / 4), position of the weight, attempt, 0). */
interface Stream {
  readonly key: Key;
  readonly weightIndex: number;
}

interface Initializer {
  readonly fill: (out: Float32Array, config: InitializerConfig, shape: Shape, stream: Stream) => void;
  /** What is wrong with a shape, as the end of a sentence. */
  readonly reasonAgainst?: (shape: Shape) => string | undefined;
}

const LANES = 4;
const WORDS = 2 ** 32;
/** tfjs cuts its truncated normal here. */
const MAX_DEVIATIONS = 2;

const INITIALIZERS: ReadonlyMap<string, Initializer> = new Map<string, Initializer>([
  ['Zeros', { fill: (out) => { out.fill(0); } }],
  ['Ones', { fill: (out) => { out.fill(1); } }],
  ['Constant', { fill: (out, { value = 0 }) => { out.fill(value); } }],
  ['RandomUniform', { fill: (out, { minval = -0.05, maxval = 0.05 }, _, stream) => { fillUniform(out, minval, maxval, stream); } }],
  ['RandomNormal', { fill: (out, { mean = 0, stddev = 0.05 }, _, stream) => { fillNormal(out, mean, stddev, stream); } }],
  ['TruncatedNormal', { fill: (out, { mean = 0, stddev = 0.05 }, _, stream) => { fillTruncated(out, mean, stddev, stream); } }],
  ['VarianceScaling', { fill: fillByVariance }],
  ['Orthogonal', { fill: fillOrthogonal, reasonAgainst: (shape) => (shape.length < 2 ? 'needs two axes or more' : undefined) }],
  ['Identity', { fill: fillIdentity, reasonAgainst: (shape) => (isSquare(shape) ? undefined : 'needs a square matrix') }],
]);

/** Why an initialiser cannot draw a shape, as the end of a sentence that begins with its name; undefined where it can. */
export function reasonAgainst({ className }: WeightInitializer, shape: Shape): string | undefined {
  const initializer = INITIALIZERS.get(className);
  return initializer === undefined ? 'is not covered' : initializer.reasonAgainst?.(shape);
}

/**
 * Draws a weight of a shape, row-major. `weightIndex` (0 to 2^32 - 1) tells the weights of a model apart. Distributions and
 * formulas are those of tfjs-layers 4.22 (dist/initializers.js), and where these differ from Keras, tfjs is followed:
 * truncated normals, those of VarianceScaling 'normal' among them, are redrawn beyond two standard deviations without
 * dividing the deviation by 0.8796 first, so that their deviation is 0.8796 of the one asked for. A seed inside the
 * initialiser is ignored.
 * @throws ERR_INITIALIZER for a class that is not covered, and for a shape that the class refuses
 */
export function drawWeights(initializer: WeightInitializer, shape: Shape, seed: number, weightIndex: number): Float32Array {
  const reason = reasonAgainst(initializer, shape);
  if (reason !== undefined) {
    throw inputError('ERR_INITIALIZER', `initialiser "${initializer.className}" ${reason} (shape [${shape.join(', ')}]); use another one.`);
  }
  const out = new Float32Array(product(shape));
  const stream = { key: randomKey(seed, PURPOSE.weights), weightIndex };
  INITIALIZERS.get(initializer.className)!.fill(out, initializer.config, shape, stream);
  return out;
}

/** Uniform in [low, high). */
function fillUniform(out: Floats, low: number, high: number, { key, weightIndex }: Stream): void {
  for (let start = 0; start < out.length; start += LANES) {
    const words = philox([start / LANES, weightIndex, 0, 0], key);
    for (let lane = 0; lane < LANES; lane++) out[start + lane] = low + (words[lane]! / WORDS) * (high - low);
  }
}

function fillNormal(out: Floats, mean: number, deviation: number, stream: Stream): void {
  const block = new Float64Array(LANES);
  for (let start = 0; start < out.length; start += LANES) {
    drawNormals(block, start / LANES, 0, stream);
    for (let lane = 0; lane < LANES; lane++) out[start + lane] = mean + deviation * block[lane]!;
  }
}

/** An element beyond the cut takes its lane of the next attempt, so that no element depends on another. */
function fillTruncated(out: Floats, mean: number, deviation: number, stream: Stream): void {
  const block = new Float64Array(LANES);
  const isOpen = new Uint8Array(LANES);
  for (let start = 0; start < out.length; start += LANES) {
    let open = isOpen.fill(1).length;
    for (let attempt = 0; open > 0; attempt++) {
      drawNormals(block, start / LANES, attempt, stream);
      for (let lane = 0; lane < LANES; lane++) {
        const normal = block[lane]!;
        if (isOpen[lane] === 0 || Math.abs(normal) > MAX_DEVIATIONS) continue;
        out[start + lane] = mean + deviation * normal;
        isOpen[lane] = 0;
        open--;
      }
    }
  }
}

/**
 * Four standard normals of one counter by G. E. P. Box and M. E. Muller, "A note on the generation of random normal
 * deviates" (1958): words 0 and 1 make radii, words 2 and 3 angles; lanes 0 and 1 are sines, lanes 2 and 3 cosines.
 */
function drawNormals(out: Float64Array, block: number, attempt: number, { key, weightIndex }: Stream): void {
  const words = philox([block, weightIndex, attempt, 0], key);
  for (let pair = 0; pair < 2; pair++) {
    // Half a word's step off 0 and 1: the logarithm is finite, and no normal is exactly 0.
    const radius = Math.sqrt(-2 * logarithm((words[pair]! + 0.5) / WORDS));
    const halfTurns = (2 * (words[pair + 2]! + 0.5)) / WORDS;
    const signedRadius = halfTurns < 1 ? radius : -radius;
    const rest = halfTurns < 1 ? halfTurns : halfTurns - 1;
    out[pair] = signedRadius * cosineOfHalfTurns(Math.abs(rest - 0.5));
    out[pair + 2] = signedRadius * cosineOfHalfTurns(rest);
  }
}

/** Glorot, He and LeCun are this, with settings of their own. */
function fillByVariance(out: Float32Array, config: InitializerConfig, shape: Shape, stream: Stream): void {
  const { scale = 1, mode = 'fanIn', distribution = 'normal' } = config;
  const variance = scale / Math.max(1, fanOf(shape, mode));
  if (distribution === 'normal') {
    fillTruncated(out, 0, Math.sqrt(variance), stream);
    return;
  }
  // As in tfjs, whose check of the setting lets 'truncatedNormal' through and whose drawing takes it for 'uniform'.
  const limit = Math.sqrt(3 * variance);
  fillUniform(out, -limit, limit, stream);
}

function fanOf(shape: Shape, mode: 'fanIn' | 'fanOut' | 'fanAvg'): number {
  const { fanIn, fanOut } = fansOf(shape);
  if (mode === 'fanIn') return fanIn;
  return mode === 'fanOut' ? fanOut : (fanIn + fanOut) / 2;
}

/** Inputs and outputs of one unit; axes before the last two are the window of a convolution. */
function fansOf(shape: Shape): { fanIn: number; fanOut: number } {
  if (shape.length < 2 || shape.length > 5) {
    const fan = Math.sqrt(product(shape));
    return { fanIn: fan, fanOut: fan };
  }
  const window = product(shape.slice(0, -2));
  return { fanIn: shape.at(-2)! * window, fanOut: shape.at(-1)! * window };
}

/**
 * Orthonormal columns, or rows where there are more columns than rows: the Q of a normal matrix whose R has a positive
 * diagonal, which is one matrix, and what tfjs reaches by signs after Householder (F. Mezzadri, "How to generate random
 * matrices from the classical compact groups", 2007). Gram-Schmidt loses about cond(A) * 2^-53 of orthogonality: the
 * condition of a square normal matrix of n rows is about n, so that float32 does not see it.
 */
function fillOrthogonal(out: Float32Array, { gain = 1 }: InitializerConfig, shape: Shape, stream: Stream): void {
  const columnCount = shape.at(-1)!;
  const rowCount = product(shape.slice(0, -1));
  const [length, count] = [Math.max(rowCount, columnCount), Math.min(rowCount, columnCount)];
  const vectors = normalColumns(length, count, stream);
  orthonormalize(vectors);
  const [vectorStep, elementStep] = rowCount < columnCount ? [columnCount, 1] : [1, columnCount];
  vectors.forEach((vector, v) => {
    vector.forEach((value, i) => { out[v * vectorStep + i * elementStep] = gain * value; });
  });
}

/** The columns of a row-major matrix of normals. */
function normalColumns(length: number, count: number, stream: Stream): Float64Array[] {
  const matrix = new Float64Array(length * count);
  fillNormal(matrix, 0, 1, stream);
  return Array.from({ length: count }, (_, column) => Float64Array.from({ length }, (_, row) => matrix[row * count + column]!));
}

/** Modified Gram-Schmidt, in place. */
function orthonormalize(vectors: readonly Float64Array[]): void {
  vectors.forEach((vector, v) => {
    const norm = Math.sqrt(dot(vector, vector));
    for (let i = 0; i < vector.length; i++) vector[i] = vector[i]! / norm;
    for (const later of vectors.slice(v + 1)) {
      const share = dot(vector, later);
      for (let i = 0; i < later.length; i++) later[i] = later[i]! - share * vector[i]!;
    }
  });
}

function dot(a: Float64Array, b: Float64Array): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += a[i]! * b[i]!;
  return sum;
}

function fillIdentity(out: Float32Array, { gain = 1 }: InitializerConfig, shape: Shape): void {
  for (let i = 0; i < shape[0]!; i++) out[i * (shape[0]! + 1)] = gain;
}

function isSquare(shape: Shape): boolean {
  return shape.length === 2 && shape[0] === shape[1];
}

function product(numbers: readonly number[]): number {
  return numbers.reduce((result, number) => result * number, 1);
}
