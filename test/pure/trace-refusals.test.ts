import '@tensorflow/tfjs-backend-cpu';
import * as tf from '@tensorflow/tfjs-core';
import * as tfl from '@tensorflow/tfjs-layers';
import { beforeAll, describe, expect, test } from 'vitest';
import { compilePlan } from '../../src/plan/compile.js';
import type { LossOrMetric } from '../../src/trace/model.js';
import { tracePrediction } from '../../src/trace/trace.js';
import { around, compileAll, Custom, custom, sequential, traceAll } from './traced.js';

// What a trace cannot express is refused in a sentence that names the layer, and never ignored.

const { layers } = tfl;

beforeAll(async () => {
  await tf.setBackend('cpu');
  await tf.ready();
});

describe('random numbers', () => {
  test('of a layer are refused with its name', () => {
    expect(() => traceAll(custom((input) => tf.add(input, tf.randomNormal([4]))))).toThrow(/layer "mine" draws random numbers/);
    expect(() => traceAll(custom((input) => tf.mul(input, tf.randomUniform(input.shape))))).toThrow(/layer "mine" draws random numbers/);
    expect(() => traceAll(custom((input) => tf.dropout(input, 0.5)))).toThrow(/layer "mine" draws random numbers/);
  });

  test('of a loss are refused', () => {
    const model = sequential([layers.dense({ units: 2, inputShape: [3] })], (y, p) => tf.sum(tf.mul(tf.sub(p, y), tf.randomNormal([2])), 1));
    expect(() => traceAll(model)).toThrow(/the loss or a metric draws random numbers/);
  });

  test('of a layer that is not covered are refused with its name', () => {
    expect(() => traceAll(around(layers.alphaDropout({ rate: 0.5, name: 'alpha' })))).toThrow(expect.objectContaining({ code: 'ERR_TRACE_RANDOM', message: expect.stringContaining('"alpha"') as string }) as Error);
  });
});

describe('constants', () => {
  test('of several values that do not depend on the examples are part of the plan', () => {
    const captured = tf.tensor1d([1, 2, 3, 4]);
    const [training] = traceAll(custom((input) => tf.add(tf.mul(input, captured), tf.tensor1d([5, 6, 7, 8]))));
    const constants = training!.graph.values.map(({ origin }) => origin).filter((origin) => origin.kind === 'constant');
    expect(constants.map(({ values }) => [...values])).toEqual([[1, 2, 3, 4], [5, 6, 7, 8]]);
    expect(captured.isDisposed).toBe(false);
    captured.dispose();
  });

  test.each<[string, (input: tf.Tensor) => tf.Tensor]>([
    ['of several values that depend on the row count', (input) => tf.add(input, tf.tensor2d(Array.from({ length: input.shape[0]! }, (_, row) => [row])))],
    ['of one value that depends on the row count', (input) => tf.mul(input, 1 / input.shape[0]!)],
    ['in an attribute that depends on the row count', (input) => tf.clipByValue(input, 0, input.shape[0]!)],
    ['in a fill that depends on the row count', (input) => tf.add(input, tf.fill([4], input.shape[0]!))],
    ['chosen by the row count', (input) => tf.add(input, input.shape[0]! > 12 ? tf.square(input) : tf.square(tf.relu(input)))],
  ])('%s are refused with the layer', (_name, compute) => {
    expect(() => traceAll(custom(compute))).toThrow(expect.objectContaining({ code: 'ERR_TRACE_ROWS', message: expect.stringContaining('layer "mine"') as string }) as Error);
  });

  test('a choice of inputs by the row count is refused', () => {
    const choose = (input: tf.Tensor): tf.Tensor => {
      const [a, b] = [tf.relu(input), tf.relu(tf.neg(input))];
      return tf.add(a, tf.mul(b, input.shape[0]! > 12 ? a : b));
    };
    expect(() => traceAll(custom(choose))).toThrow(expect.objectContaining({ code: 'ERR_TRACE_ROWS' }) as Error);
  });

  test('an exception names the layer that throws it', () => {
    expect(() => traceAll(custom(() => { throw new Error('out of luck.'); }))).toThrow(/^layer "mine" cannot be applied .*: out of luck\.$/);
  });

  test('that differ from one trace to the next are refused', () => {
    let calls = 0;
    expect(() => traceAll(custom((input) => tf.add(input, tf.scalar(calls++))))).toThrow(expect.objectContaining({ code: 'ERR_TRACE_ROWS' }) as Error);
  });
});

test.each<[string, LossOrMetric]>([
  ['dataSync', (y, p) => tf.mul(tf.sum(tf.sub(p, y), 1), p.dataSync()[0]!)],
  ['arraySync', (y, p) => tf.mul(tf.sum(tf.sub(p, y), 1), (p.arraySync() as number[][]).length)],
])('%s of a traced tensor inside a loss is refused', (_name, loss) => {
  const model = sequential([layers.dense({ units: 2, inputShape: [3] })], loss);
  expect(() => traceAll(model)).toThrow(expect.objectContaining({ code: 'ERR_TRACE_READ', message: expect.stringContaining('reads the values of a tensor') as string }) as Error);
});

describe('layers that are not covered are refused by name', () => {
  const refusal = (layer: string, reason: RegExp): Error =>
    expect.objectContaining({ code: expect.stringMatching(/^ERR_UNSUPPORTED_(LAYER|KERNEL)$/) as string, message: expect.stringMatching(new RegExp(`layer "${layer}".*${reason.source}`)) as string }) as Error;

  test('a layer that updates a weight of its own while training, with that weight intact', () => {
    const layer = new Custom((input, scale) => {
      (layer.scale as unknown as { write(value: tf.Tensor): void }).write(tf.mul(scale, 2));
      return tf.mul(input, scale);
    });
    const model = around(layer);
    expect(() => compileAll(model)).toThrow(refusal('mine', /updates its weight "mine\/scale/));
    expect([...model.getLayer('mine').getWeights()[0]!.dataSync()]).toEqual([1, 1, 1, 1]);
  });

  test('batch normalisation, with its moving averages intact', () => {
    const model = around(layers.batchNormalization({ name: 'norm' }));
    expect(() => compileAll(model)).toThrow(refusal('norm', /(updates its weight|the kernel FusedBatchNorm)/));
    const moving = model.getLayer('norm').getWeights().slice(2).map((weight) => [...weight.dataSync()]);
    expect(moving).toEqual([[0, 0, 0, 0], [1, 1, 1, 1]]);
  });

  test.each<[string, () => tfl.layers.Layer[], RegExp]>([
    ['conv2d', () => [layers.conv2d({ name: 'it', filters: 2, kernelSize: 3, inputShape: [8, 8, 1] }), layers.flatten()], /the kernel FusedConv2D/],
    ['conv1d', () => [layers.conv1d({ name: 'it', filters: 2, kernelSize: 3, inputShape: [8, 1] }), layers.flatten()], /the kernel Conv2D/],
    ['maxPooling2d', () => [layers.maxPooling2d({ name: 'it', inputShape: [8, 8, 1] }), layers.flatten(), layers.dense({ units: 1 })], /the kernel MaxPool/],
    ['embedding', () => [layers.embedding({ name: 'it', inputDim: 5, outputDim: 2, inputLength: 3 }), layers.flatten()], /the kernel GatherV2/],
    ['embedding with maskZero', () => [layers.embedding({ name: 'it', inputDim: 5, outputDim: 2, inputLength: 3, maskZero: true })], /masks examples/],
    ['masking', () => [layers.masking({ name: 'it', inputShape: [3, 2] }), layers.dense({ units: 1 })], /masks examples/],
    ['simpleRNN', () => [layers.simpleRNN({ name: 'it', units: 2, inputShape: [3, 2], recurrentInitializer: 'zeros' })], /the kernel/],
    ['stateful lstm', () => [layers.lstm({ name: 'it', units: 2, stateful: true, recurrentInitializer: 'zeros', batchInputShape: [4, 3, 2] })], /keeps state/],
    ['a constraint of a kernel', () => [layers.dense({ name: 'it', units: 2, inputShape: [3], kernelConstraint: 'nonNeg' })], /kernelConstraint/],
    ['a constraint of a bias', () => [layers.dense({ name: 'it', units: 2, inputShape: [3], biasConstraint: 'unitNorm' })], /biasConstraint/],
    ['a constraint of a recurrent cell', () => [layers.simpleRNN({ name: 'it', units: 2, inputShape: [3, 2], recurrentInitializer: 'zeros', recurrentConstraint: 'nonNeg' })], /constraint/i],
    ['layerNormalization', () => [layers.layerNormalization({ name: 'it', inputShape: [4] }), layers.dense({ units: 2 })], /the kernel/],
  ])('%s', (_name, list, reason) => {
    expect(() => compileAll(sequential(list()))).toThrow(refusal('it', reason));
  });

  test('a constraint of a weight that a layer of ours adds', () => {
    const model = around(new Custom((input, scale) => tf.mul(input, scale), tfl.constraints.nonNeg()));
    expect(() => compileAll(model)).toThrow(refusal('mine', /constraint/));
  });

  test('a penalty on activations', () => {
    const dense = layers.dense({ name: 'it', units: 2 });
    const model = around(dense);
    (dense as unknown as { activityRegularizer: unknown }).activityRegularizer = tfl.regularizers.l2();
    expect(() => compileAll(model)).toThrow(refusal('it', /penalises its activations/));
  });

  test('in a nested model', () => {
    const inner = tfl.sequential({ layers: [layers.dense({ name: 'deep', units: 2, inputShape: [3], kernelConstraint: 'nonNeg' })] });
    expect(() => compileAll(sequential([inner]))).toThrow(refusal('deep', /kernelConstraint/));
  });

  test('a mask that all examples share', () => {
    expect(() => compileAll(around(layers.dropout({ name: 'it', rate: 0.5, noiseShape: [1, 4] })))).toThrow(refusal('it', /one dropout mask/));
  });

  test('of a kernel that appears only in the gradient, with the layer whose gradient it is', () => {
    // The gradient of concat is a split, and that of a slice a padding.
    const model = custom((input) => tf.concat([tf.slice(input, [0, 0], [-1, 2]), tf.slice(input, [0, 2], [-1, 2])], 1));
    expect(() => compileAll(model)).toThrow(refusal('mine', /the kernel (SplitV|PadV2)/));
  });
});

describe('what mixes examples in a way that plans cannot is refused', () => {
  test.each<[string, (input: tf.Tensor) => tf.Tensor]>([
    ['repeats the list of examples', (input) => tf.reshape(tf.tile(input, [2, 1]), [-1, 8])],
    ['a softmax over the examples', (input) => tf.mul(input, tf.reshape(tf.softmax(tf.sum(input, 1)), [-1, 1]))],
    ['a log-softmax over the examples', (input) => tf.mul(input, tf.reshape(tf.logSoftmax(tf.sum(input, 1)), [-1, 1]))],
    ['joins lists of examples', (input) => tf.reshape(tf.concat([input, tf.relu(input)], 0), [-1, 8])],
    ['joins lists of parts of examples', (input) => tf.reshape(tf.concat([tf.reshape(input, [-1, 2]), tf.relu(tf.reshape(input, [-1, 2]))], 0), [-1, 8])],
    ['takes the first examples', (input) => tf.add(input, tf.slice(input, [0, 0], [1, 4]))],
    ['a transposition', (input) => tf.transpose(input)],
    ['a product of examples', (input) => tf.matMul(tf.matMul(input, input, false, true), input)],
    ['the mean over the examples', (input) => tf.sub(input, tf.mean(input, 0, true))],
    ['the maximum over the examples', (input) => tf.sub(input, tf.max(input, 0, true))],
    ['the best example', (input) => tf.add(input, tf.cast(tf.argMax(input, 0), 'float32'))],
    ['reverses the examples', (input) => tf.reverse(input, 0)],
  ])('%s', (_name, compute) => {
    const model = tfl.sequential({ layers: [layers.dense({ units: 4, inputShape: [3] }), new Custom(compute)] });
    expect(() => {
      const traced = tracePrediction(model, [[3]]);
      compilePlan(traced, { slots: model.weights.map(({ shape }) => ({ name: '', shape: shape as number[], trainable: true, offset: 0, rows: 1, columns: shape.at(-1)!, stride: 4 })), updatedFloats: 0, totalFloats: 0 }, { rows: 4, shards: 1 });
    }).toThrow(expect.objectContaining({ code: expect.stringMatching(/^ERR_(UNSUPPORTED_KERNEL|TRACE_ROWS)$/) as string }) as Error);
  });
});
