// A training of three parameters whose every addition is float32, so that another order of additions gives other bytes.
import { leavesOf, type TreeNode } from '../../src/plan/tree.js';

export const PARAMETERS = 3;
export const RATE = 0.05;

export function initialParameters(): Float32Array {
  return Float32Array.of(0.7, -1.3, 2.1);
}

/** The gradient that a leaf adds to a step: any function of parameters, step and leaf whose sums round. */
export function leafGradient(parameters: Float32Array, step: number, leaf: number): Float32Array {
  return parameters.map((value, i) => Math.fround(value / (leaf + 1.7)) + Math.fround(((step * 7 + leaf * 13 + i * 5) % 23) / 9 - 1.1));
}

/** The sum of a subtree's leaves as the design words it: node i is child 2i plus child 2i + 1, a child alone goes up unchanged. */
export function subtreeSum(parameters: Float32Array, step: number, { level, index }: TreeNode, leafCount: number): Float32Array {
  if (level === 0) return leafGradient(parameters, step, index);
  const left = subtreeSum(parameters, step, { level: level - 1, index: 2 * index }, leafCount);
  const right = { level: level - 1, index: 2 * index + 1 };
  const { start, end } = leavesOf(right, leafCount);
  return start < end ? add(left, subtreeSum(parameters, step, right, leafCount)) : left;
}

export function add(left: Float32Array, right: Float32Array): Float32Array {
  return left.map((value, i) => value + right[i]!);
}

/** Gradient descent with the mean of a sum over so many examples. */
export function descend(parameters: Float32Array, sum: Float32Array, examples: number, rate = RATE): Float32Array {
  return parameters.map((value, i) => value - Math.fround(rate * Math.fround(sum[i]! / examples)));
}

/** The parameters after `steps` steps of one worker. */
export function trainAlone(steps: number, examples: number, shardExamples: number): Float32Array {
  const leafCount = Math.ceil(examples / shardExamples);
  const root = { level: Math.ceil(Math.log2(leafCount)), index: 0 };
  let parameters = initialParameters();
  for (let step = 0; step < steps; step++) parameters = descend(parameters, subtreeSum(parameters, step, root, leafCount), examples);
  return parameters;
}

/** The bits of floats, as text: equal for equal bits only. */
export function bitsOf(values: Float32Array): string {
  return [...new Uint32Array(values.buffer, values.byteOffset, values.length)].map((word) => word.toString(16).padStart(8, '0')).join(' ');
}

/** The same floats with the last bit of one of them changed. */
export function withOneBitFlipped(values: Float32Array): Float32Array {
  const flipped = Float32Array.from(values);
  new Uint32Array(flipped.buffer)[1]! ^= 1;
  return flipped;
}

/** A generator of numbers from [0, 1) that repeats itself for the same seed (mulberry32). */
export function seededRandom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
