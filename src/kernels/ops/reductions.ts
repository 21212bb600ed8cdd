import { util } from '@tensorflow/tfjs-core';
import type { NormalizeName, ReduceName } from './names.js';
import { axesBeforeBlock, one, type Builder, type Call, type DType, type Op, type Spec, type Value } from './op.js';

interface Axes {
  /** Axes of an example's block (or of the whole value where it has no examples' axis). */
  readonly inner: readonly number[];
  readonly rows: boolean;
}

function parseAxes(axis: unknown, rank: number): number[] {
  const shape = new Array<number>(rank).fill(1);
  return util.parseAxisParam(axis as number | number[], shape).sort((a, b) => a - b);
}

/** Splits the axes of a traced value into that of the examples and those within a block. */
function splitAxes(x: Value, axis: unknown): Axes {
  if (x.lead === 0) return { inner: parseAxes(axis, x.dims.length), rows: false };
  // A value of `lead` entries an example keeps that axis in its block: reducing it reduces the examples as well.
  const shift = axesBeforeBlock(x);
  const axes = parseAxes(axis, x.dims.length + shift);
  return { inner: axes.map((a) => a - shift).filter((a) => a >= 0), rows: axes.includes(x.prefix) };
}

function reducedShape(x: Spec, attributes: Readonly<Record<string, unknown>>, axisName: string): number[] {
  const axes = util.parseAxisParam(attributes[axisName] as number | number[], [...x.shape]);
  if (attributes['keepDims'] === true) return x.shape.map((length, axis) => (axes.includes(axis) ? 1 : length));
  return x.shape.filter((_, axis) => !axes.includes(axis));
}

function lowerReduction(builder: Builder, call: Call, name: ReduceName, axisName: string): Value {
  const x = one(call.inputs, 'x');
  const { inner, rows } = splitAxes(x, call.attributes[axisName]);
  const keep = call.attributes['keepDims'] === true;
  if (rows && name !== 'sumLast') return builder.refuse('it mixes the examples of a mini-batch');
  const within = inner.length === 0 ? x : builder.reduce(name, x, inner, keep);
  return rows ? builder.sumRows(within, call.summed) : within;
}

function reduction(kernel: string, name: ReduceName, dtype?: DType, axisName = 'axis'): Op {
  return {
    kernel,
    infer: (inputs, attributes) => {
      const x = one(inputs, 'x');
      return { shape: reducedShape(x, attributes, axisName), dtype: dtype ?? x.dtype };
    },
    lower: (builder, call) => lowerReduction(builder, call, name, axisName),
  };
}

/** ArgMax and ArgMin: over one axis, the first of equals. */
function argReduction(kernel: string, name: ReduceName): Op {
  return {
    kernel,
    infer: (inputs, attributes) => ({ shape: reducedShape(one(inputs, 'x'), attributes, 'axis'), dtype: 'int32' }),
    lower: (builder, call) => lowerReduction(builder, call, name, 'axis'),
  };
}

function normalization(kernel: string, name: NormalizeName, input: string): Op {
  return {
    kernel,
    infer: (inputs) => one(inputs, input),
    lower: (builder, call) => {
      const x = one(call.inputs, input);
      const withinExample = x.lead === 0 || x.dims.length > (x.lead === 1 ? 0 : 1);
      return withinExample ? builder.normalizeLast(name, x) : builder.refuse('it mixes the examples of a mini-batch');
    },
  };
}

export const reductionOps: readonly Op[] = [
  reduction('Sum', 'sumLast'),
  reduction('Mean', 'meanLast', 'float32'),
  reduction('Max', 'maxLast', undefined, 'reductionIndices'),
  reduction('Min', 'minLast'),
  reduction('Prod', 'prodLast'),
  reduction('Any', 'anyLast', 'bool'),
  reduction('All', 'allLast', 'bool'),
  argReduction('ArgMax', 'argMaxLast'),
  argReduction('ArgMin', 'argMinLast'),
  normalization('Softmax', 'softmaxLast', 'logits'),
  normalization('LogSoftmax', 'logSoftmaxLast', 'logits'),
];
