import '@tensorflow/tfjs-backend-cpu';
import * as tf from '@tensorflow/tfjs-core';
import * as tfl from '@tensorflow/tfjs-layers';
import { beforeAll, describe, expect, test } from 'vitest';
import { OPS } from '../../src/kernels/ops/index.js';
import type { GraphValue } from '../../src/trace/graph.js';
import { layersOf, type LossOrMetric } from '../../src/trace/model.js';
import { tracePenalties, tracePrediction, traceTraining, type TracedModel } from '../../src/trace/trace.js';
import { ModelPlans } from '../../src/train/model-plans.js';
import { mlp } from '../threads/models.js';
import { around, compileAll, Custom, custom, nested, sequential, traceAll } from './traced.js';

const { layers } = tfl;

beforeAll(async () => {
  await tf.setBackend('cpu');
  await tf.ready();
});

/** tfjs's own state, and the values of the weights. */
function stateOf(model: tfl.LayersModel): object {
  const { numTensors, numBytes, numDataBuffers } = tf.memory();
  const { gradientDepth, kernelDepth, scopeStack } = tf.engine().state;
  return {
    memory: { numTensors, numBytes, numDataBuffers },
    backend: tf.getBackend(),
    backends: tf.engine().backendNames(),
    depths: { gradientDepth, kernelDepth, scopes: scopeStack.length },
    weights: model.weights.map((weight) => ({ disposed: weight.read().isDisposed, values: [...weight.read().dataSync()] })),
  };
}

type Fields = ReadonlyMap<string, PropertyDescriptor>;

/** Own properties of the model, its layers and their weights, and of Math. */
function fieldsOf(model: tfl.LayersModel): Fields {
  const owners: [string, object][] = [['Math', Math], ['model', model]];
  for (const layer of layersOf(model)) {
    owners.push([layer.name, layer]);
    layer.weights.forEach((weight, index) => { owners.push([`${layer.name}[${index}]`, weight]); });
  }
  return new Map(owners.flatMap(([name, owner]) =>
    Object.entries(Object.getOwnPropertyDescriptors(owner)).map(([field, descriptor]) => [`${name}.${field}`, descriptor] as const)));
}

/** Names of what is there only before, only after, or is another object or value after. */
function changes(before: Fields, after: Fields): string[] {
  return [...new Set([...before.keys(), ...after.keys()])].filter((name) => {
    const [was, is] = [before.get(name), after.get(name)];
    return was === undefined || is === undefined || !Object.is(was.value, is.value) || was.enumerable !== is.enumerable || was.writable !== is.writable;
  });
}

function expectNoTrace(model: tfl.LayersModel, body: () => void): void {
  const before = { state: stateOf(model), fields: fieldsOf(model) };
  body();
  expect(changes(before.fields, fieldsOf(model))).toEqual([]);
  expect(stateOf(model)).toEqual(before.state);
  // Layers still work, on the backend of the user.
  tf.tidy(() => {
    const inputs = model.inputs.map(({ shape }) => tf.ones([2, ...(shape.slice(1) as number[])]));
    model.predict(inputs.length === 1 ? inputs[0]! : inputs);
  });
}

const COVERED: [string, () => tfl.layers.Layer][] = [
  ['dense with penalties', () => layers.dense({ units: 4, kernelRegularizer: 'l1l2' })],
  ['reshape', () => layers.reshape({ targetShape: [4] })],
  ['reLU', () => layers.reLU()],
  ['reLU with a maximum', () => layers.reLU({ maxValue: 6 })],
  ['leakyReLU', () => layers.leakyReLU({ alpha: 0.1 })],
  ['elu', () => layers.elu()],
  ['prelu', () => layers.prelu()],
  ['softmax', () => layers.softmax()],
  ['dropout', () => layers.dropout({ rate: 0.3 })],
  ['dropout of rate 0', () => layers.dropout({ rate: 0 })],
  ['gaussianDropout', () => layers.gaussianDropout({ rate: 0.3 })],
  ['gaussianNoise', () => layers.gaussianNoise({ stddev: 0.3 })],
  ...(['linear', 'sigmoid', 'tanh', 'relu', 'relu6', 'elu', 'selu', 'softplus', 'softsign', 'softmax', 'hardSigmoid'] as const)
    .map((activation): [string, () => tfl.layers.Layer] => [`activation ${activation}`, () => layers.activation({ activation })]),
  ['a layer of ours', () => new Custom((input, scale) => tf.mul(input, scale))],
];

describe('a trace leaves no trace', () => {
  test.each(COVERED)('of %s', (_name, layer) => {
    const model = around(layer());
    expectNoTrace(model, () => { compileAll(model); });
  });

  test.each<[string, () => tfl.LayersModel]>([
    ['a kernel that is not covered', () => custom((input) => tf.cumsum(input, 1))],
    ['random numbers', () => custom((input) => tf.add(input, tf.randomNormal([4])))],
    ['an exception of a layer', () => custom((input) => {
      if (tf.getBackend() !== 'cpu') throw new Error('no');
      return input;
    })],
    ['an exception of a loss', () => sequential([layers.dense({ units: 1, inputShape: [2] })], () => { throw new Error('no'); })],
    ['an exception of a gradient', () => custom((input) => tf.customGrad((x) => ({ value: tf.relu(x as tf.Tensor), gradFunc: () => { throw new Error('no'); } }))(input))],
    ['batch normalisation', () => around(layers.batchNormalization())],
    ['a scalar loss', () => sequential([layers.dense({ units: 1, inputShape: [2] })], (y, p) => tf.mean(tf.squaredDifference(y, p)))],
  ])('where it ends in the middle: %s', (_name, build) => {
    const model = build();
    expectNoTrace(model, () => { expect(() => compileAll(model)).toThrow(); });
  });

  test('of a nested model that shares a layer', () => {
    const model = nested();
    expectNoTrace(model, () => { compileAll(model); });
  });

  test('of a model of rows of two axes', () => {
    const model = sequential([layers.dense({ units: 2, inputShape: [4, 3] }), layers.flatten(), layers.dense({ units: 2 })]);
    expectNoTrace(model, () => { compileAll(model); });
  });
});

describe('losses and metrics', () => {
  const dense = (): tfl.layers.Layer[] => [layers.dense({ units: 2, inputShape: [3] })];

  test('a scalar loss is refused with the fix', () => {
    const meanOfAll = (y: tf.Tensor, p: tf.Tensor): tf.Tensor => tf.mean(tf.squaredDifference(y, p));
    expect(() => traceAll(sequential(dense(), meanOfAll))).toThrow(/the loss "meanOfAll" returns shape \[\], not one value per example; leave out its last tf\.mean or tf\.sum/);
  });

  test('a scalar metric is refused with the fix', () => {
    const mostOfAll = (y: tf.Tensor, p: tf.Tensor): tf.Tensor => tf.max(tf.squaredDifference(y, p));
    expect(() => traceAll(sequential(dense(), 'meanSquaredError', [mostOfAll]))).toThrow(/the metric "mostOfAll" returns shape \[\], not one value per example; leave out its last/);
  });

  test('a loss that sums over the examples but keeps the outputs is refused', () => {
    expect(() => traceAll(sequential(dense(), (y, p) => tf.sum(tf.squaredDifference(y, p), 0)))).toThrow(expect.objectContaining({ code: 'ERR_SCALAR_LOSS' }) as Error);
  });

  test.each(['absoluteDifference', 'hingeLoss', 'huberLoss', 'logLoss', 'meanSquaredError', 'sigmoidCrossEntropy', 'softmaxCrossEntropy'] as const)(
    'tf.losses.%s is known and loses its reduction', (name) => {
      const [training, evaluation] = traceAll(sequential(dense(), tf.losses[name] as LossOrMetric, [tf.losses[name] as LossOrMetric]));
      expect(training!.sums).toHaveLength(2);
      expect(evaluation!.sums).toHaveLength(2);
      // Nothing but the last sum reduces the examples.
      const overRows = evaluation!.graph.values.filter(({ origin }, id) => origin.kind === 'kernel' && !evaluation!.sums.includes(id) && losesRows(evaluation!, id));
      expect(overRows).toEqual([]);
    },
  );

  test('more of them than there is room for are refused with both numbers', () => {
    const metrics = (count: number): LossOrMetric[] => Array.from({ length: count }, () => (y: tf.Tensor, p: tf.Tensor) => tf.sum(tf.sub(y, p), 1));
    expect(new ModelPlans(sequential(dense(), 'meanSquaredError', metrics(30))).sumNames).toHaveLength(31);
    expect(() => new ModelPlans(sequential(dense(), 'meanSquaredError', metrics(31)))).toThrow(/has 32 losses and metrics .*; at most 31 are covered/);
  });

  test('labels [N] never meet outputs [N, 1]', () => {
    const plans = new ModelPlans(sequential([layers.dense({ units: 1, inputShape: [3] })]));
    expect(plans.targets.map(({ shape }) => shape)).toEqual([[1]]);
    const target = traceTraining(sequential([layers.dense({ units: 1, inputShape: [3] })]), { inputs: [[3]], targets: [[1]] }).graph.values
      .find(({ origin }) => origin.kind === 'target');
    expect(target).toMatchObject({ lead: 1, dims: [1] });
  });

  test('a loss that makes them meet is refused, not broadcast to N x N', () => {
    const flat = (y: tf.Tensor, p: tf.Tensor): tf.Tensor => tf.squaredDifference(tf.reshape(y, [-1]), p);
    expect(() => traceAll(sequential([layers.dense({ units: 1, inputShape: [3] })], flat))).toThrow(expect.objectContaining({ code: expect.stringMatching(/^ERR_TRACE(_ROWS)?$/) as string }) as Error);
  });

  test('a model that is not compiled is refused for training and traced for prediction', () => {
    const model = tfl.sequential({ layers: dense() });
    expect(() => traceTraining(model, { inputs: [[3]], targets: [[2]] })).toThrow(/is not compiled; call model\.compile/);
    expect(tracePrediction(model, [[3]]).predictions).toHaveLength(1);
  });
});

/** Whether a kernel gives something without the examples' axis from something with it. */
function losesRows({ graph }: TracedModel, id: number): boolean {
  const { origin, lead } = graph.values[id]!;
  if (origin.kind !== 'kernel' || lead > 0) return false;
  return Object.values(origin.inputs).flat().some((input) => graph.values[input as number]!.lead > 0);
}

/** The values of one kernel. */
const kernels = ({ graph }: TracedModel, kernel: string): GraphValue[] =>
  graph.values.filter(({ origin }) => origin.kind === 'kernel' && origin.kernel === kernel);

describe('the row count is free', () => {
  test('in a dense layer on rows of two axes: seven entries an example where they become rows of the product', () => {
    const prediction = tracePrediction(tfl.sequential({ layers: [layers.dense({ units: 5, inputShape: [7, 3] })] }), [[7, 3]]);
    const input = prediction.graph.values.find(({ origin }) => origin.kind === 'input')!;
    expect(input).toMatchObject({ lead: 1, prefix: 0, dims: [7, 3] });
    const product = kernels(prediction, 'BatchMatMul')[0]!;
    // tfjs multiplies [1, N * 7, 3] by [1, 3, 5].
    expect(product).toMatchObject({ lead: 7, prefix: 1, dims: [7, 5] });
    expect(prediction.graph.values[prediction.predictions[0]!]).toMatchObject({ lead: 1, prefix: 0, dims: [7, 5] });
  });

  test('where an axis is as long as a traced row count', () => {
    // 11 and 13 are the row counts of the two traces.
    for (const units of [11, 13, 22]) {
      const prediction = tracePrediction(tfl.sequential({ layers: [layers.dense({ units, inputShape: [11] })] }), [[11]]);
      expect(prediction.graph.values[prediction.predictions[0]!]).toMatchObject({ lead: 1, prefix: 0, dims: [units] });
      const weight = prediction.graph.values.find(({ origin }) => origin.kind === 'weight')!;
      expect(weight).toMatchObject({ lead: 0, dims: [11, units] });
    }
  });
});

test('an inference trace has no fused kernel left, and each of its parts', () => {
  for (const activation of ['linear', 'relu', 'relu6', 'elu', 'sigmoid'] as const) {
    const prediction = tracePrediction(tfl.sequential({ layers: [layers.dense({ units: 2, inputShape: [3], activation })] }), [[3]]);
    const names = prediction.graph.values.flatMap(({ origin }) => (origin.kind === 'kernel' ? [origin.kernel] : []));
    expect(names.filter((name) => /fused/i.test(name))).toEqual([]);
    const wanted = { linear: [], relu: ['Relu'], relu6: ['Relu', 'Minimum'], elu: ['Elu'], sigmoid: ['Sigmoid'] }[activation];
    expect(names).toEqual(expect.arrayContaining(['BatchMatMul', 'Add', ...wanted]));
  }
});

test('every row of the table names a kernel of tfjs', () => {
  const names = new Set<unknown>(Object.values(tf));
  expect([...OPS.keys()].filter((name) => !names.has(name))).toEqual([]);
});

test('every kernel of a trace is in the table', () => {
  for (const traced of traceAll(mlp({ dropout: 0.5, regularizer: true }))) {
    for (const { origin } of traced.graph.values) if (origin.kind === 'kernel') expect(OPS.has(origin.kernel)).toBe(true);
  }
});

describe('gradients', () => {
  const gradientsOf = (model: tfl.LayersModel): boolean[] => traceAll(model)[0]!.gradients.map((id) => id >= 0);

  test('a weight without a path from the loss has none', () => {
    const model = custom((input) => input);
    expect(model.weights.map(({ originalName }) => originalName.replace(/^.*\//, ''))).toEqual(['kernel', 'bias', 'scale', 'kernel', 'bias']);
    expect(gradientsOf(model)).toEqual([true, true, false, true, true]);
    expect(new ModelPlans(model).updated).toEqual([true, true, false, true, true]);
  });

  test('a frozen layer has none, and lies behind what is updated', () => {
    const model = tfl.sequential({ layers: [layers.dense({ units: 4, inputShape: [3] }), layers.dense({ units: 2 })] });
    model.layers[0]!.trainable = false;
    model.compile({ optimizer: 'sgd', loss: 'meanSquaredError' });
    const plans = new ModelPlans(model);
    const byName = new Map(plans.layout.slots.map((slot, index) => [slot.shape.join('x'), { slot, updated: plans.updated[index] }]));
    expect(byName.get('4x2')).toMatchObject({ updated: true, slot: { offset: 0, trainable: true } });
    expect(byName.get('3x4')).toMatchObject({ updated: false, slot: { trainable: false } });
    expect(byName.get('3x4')!.slot.offset).toBeGreaterThanOrEqual(plans.layout.updatedFloats * 4);
  });

  test('a penalty alone is a path', () => {
    const model = sequential([
      layers.dense({ units: 2, inputShape: [3], kernelRegularizer: tfl.regularizers.l2() }),
    ], (y) => tf.sum(y, 1));
    expect(new ModelPlans(model).updated).toEqual([true, false]);
  });

  test('a model whose layers are all frozen is refused', () => {
    const model = tfl.sequential({ layers: [layers.dense({ units: 4, inputShape: [3] })] });
    model.layers[0]!.trainable = false;
    model.compile({ optimizer: 'sgd', loss: 'meanSquaredError' });
    expect(() => traceAll(model)).toThrow(expect.objectContaining({ code: 'ERR_NOTHING_TO_TRAIN' }) as Error);
  });

  test('a shared layer has one gradient, the sum of its uses', () => {
    const shared = layers.dense({ units: 3 });
    const input = tfl.input({ shape: [3] });
    const model = tfl.model({ inputs: input, outputs: shared.apply(shared.apply(input)) as tfl.SymbolicTensor });
    model.compile({ optimizer: 'sgd', loss: 'meanSquaredError' });
    const [training] = traceAll(model);
    expect(training!.gradients).toHaveLength(2);
    expect(training!.gradients.every((id) => id >= 0)).toBe(true);
    const { origin } = training!.graph.values[training!.gradients[0]!]!;
    expect(origin).toMatchObject({ kind: 'kernel', kernel: expect.stringMatching(/^Add(N)?$/) as string });
  });
});

test('the penalty of a layer that is used several times counts once', () => {
  const penaltyKernels = (uses: number): number => {
    const shared = layers.dense({ units: 3, kernelRegularizer: tfl.regularizers.l2() });
    const input = tfl.input({ shape: [3] });
    let output = input;
    for (let use = 0; use < uses; use++) output = shared.apply(output) as tfl.SymbolicTensor;
    const model = tfl.model({ inputs: input, outputs: output });
    model.compile({ optimizer: 'sgd', loss: 'meanSquaredError' });
    return tracePenalties(model)!.graph.values.length;
  };
  expect(penaltyKernels(3)).toBe(penaltyKernels(1));
});

test('two inputs and two outputs are traced in the order of the model', () => {
  const [left, right] = [tfl.input({ shape: [2] }), tfl.input({ shape: [3] })];
  const a = layers.dense({ units: 4 }).apply(left) as tfl.SymbolicTensor;
  const b = layers.dense({ units: 4 }).apply(right) as tfl.SymbolicTensor;
  const sum = layers.add().apply([a, b]) as tfl.SymbolicTensor;
  const model = tfl.model({ inputs: [left, right], outputs: [layers.dense({ units: 1 }).apply(sum) as tfl.SymbolicTensor, a] });
  model.compile({ optimizer: 'sgd', loss: ['meanSquaredError', 'meanAbsoluteError'] });
  const [training, , prediction] = traceAll(model);
  const dimsOf = (kind: 'input' | 'target'): (readonly number[])[] =>
    training!.graph.values.flatMap(({ origin, dims }) => (origin.kind === kind ? [{ index: origin.index, dims }] : []))
      .sort((x, y) => x.index - y.index).map(({ dims }) => dims);
  expect(dimsOf('input')).toEqual([[2], [3]]);
  expect(dimsOf('target')).toEqual([[1], [4]]);
  // The loss, then what each output has of it.
  expect(training!.sums).toHaveLength(3);
  expect(prediction!.predictions.map((id) => prediction!.graph.values[id]!.dims)).toEqual([[1], [4]]);
});

test('the layers that draw are numbered in model order, and a mask has the shape that noiseShape says', () => {
  const model = sequential([
    layers.dropout({ rate: 0.25, inputShape: [2, 3], noiseShape: [null, 1, 3] as never }),
    layers.gaussianNoise({ stddev: 0.5 }), layers.gaussianDropout({ rate: 0.2 }), layers.flatten(), layers.dense({ units: 2 }),
  ]);
  const [training, evaluation, prediction] = traceAll(model);
  const noises = (traced: TracedModel): unknown[] => traced.graph.values.flatMap(({ origin, dims }) => (origin.kind === 'noise' ? [{ ...origin.noise, dims }] : []));
  expect(noises(training!)).toEqual([
    { distribution: 'mask', rate: 0.25, mean: 0, deviation: 0, layer: 0, dims: [1, 3] },
    { distribution: 'normal', rate: 0, mean: 0, deviation: 0.5, layer: 1, dims: [2, 3] },
    // sqrt(0.2 / 0.8) = 0.5
    { distribution: 'normal', rate: 0, mean: 1, deviation: 0.5, layer: 2, dims: [2, 3] },
  ]);
  expect([...noises(evaluation!), ...noises(prediction!)]).toEqual([]);
});

test('a dropout layer that is used twice draws twice', () => {
  const dropout = layers.dropout({ rate: 0.5 });
  const input = tfl.input({ shape: [3] });
  const twice = dropout.apply(layers.dense({ units: 3 }).apply(dropout.apply(input))) as tfl.SymbolicTensor;
  const model = tfl.model({ inputs: input, outputs: layers.gaussianNoise({ stddev: 1 }).apply(twice) as tfl.SymbolicTensor });
  model.compile({ optimizer: 'sgd', loss: 'meanSquaredError' });
  const drawn = traceAll(model)[0]!.graph.values.flatMap(({ origin }) => (origin.kind === 'noise' ? [origin.noise.layer] : []));
  expect(drawn).toHaveLength(3);
  expect(new Set(drawn).size).toBe(3);
});

test.each<[string, () => tfl.LayersModel]>([
  ['an mlp', () => mlp({ dropout: 0.3, regularizer: true })],
  ['a nested model', nested],
  ['a model whose layers have no names', () => sequential([layers.dense({ units: 3, inputShape: [4] }), layers.reLU(), layers.dense({ units: 2 })])],
])('two equal models, made one after the other, have equal plans: %s', (_name, build) => {
  const first = build();
  expect(compileAll(build())).toBe(compileAll(first));
});
