import * as tf from '@tensorflow/tfjs-core';
import * as tfl from '@tensorflow/tfjs-layers';
import { describe, expect, test } from 'vitest';
import { distribute } from '../../src/index.js';
import { listAfter, README } from './documents.js';

const { layers } = tfl;
type Output = tfl.SymbolicTensor;
type Layer = tfl.layers.Layer;

const EXAMPLES = 8;
const CLASSES = 3;
const VECTOR = [6];
const SERIES = [4, 3];
const IMAGE = [6, 6, 1];

/** One use of a layer: the shape of an example, and how it is applied. */
interface Use {
  readonly shape: number[];
  readonly apply: (input: Output) => Output;
}

const use = (layer: Layer, shape = VECTOR): Use => ({ shape, apply: (input) => layer.apply(input) as Output });
const merge = (layer: Layer): Use => ({
  shape: VECTOR,
  apply: (input) => layer.apply([layers.dense({ units: 4 }).apply(input), layers.dense({ units: 4 }).apply(input)] as Output[]) as Output,
});

const COVERED: Readonly<Record<string, () => Use>> = {
  Activation: () => use(layers.activation({ activation: 'tanh' })),
  Add: () => merge(layers.add()),
  Average: () => merge(layers.average()),
  Dense: () => use(layers.dense({ units: 4 })),
  Dropout: () => use(layers.dropout({ rate: 0.3 })),
  ELU: () => use(layers.elu()),
  Flatten: () => use(layers.flatten(), SERIES),
  GaussianDropout: () => use(layers.gaussianDropout({ rate: 0.3 })),
  GaussianNoise: () => use(layers.gaussianNoise({ stddev: 0.3 })),
  GlobalAveragePooling1D: () => use(layers.globalAveragePooling1d(), SERIES),
  GlobalMaxPooling1D: () => use(layers.globalMaxPooling1d(), SERIES),
  InputLayer: () => ({ shape: VECTOR, apply: (input) => input }),
  LeakyReLU: () => use(layers.leakyReLU()),
  Maximum: () => merge(layers.maximum()),
  Minimum: () => merge(layers.minimum()),
  Multiply: () => merge(layers.multiply()),
  PReLU: () => use(layers.prelu()),
  Permute: () => use(layers.permute({ dims: [2, 1] }), SERIES),
  ReLU: () => use(layers.reLU()),
  RepeatVector: () => use(layers.repeatVector({ n: 3 })),
  Reshape: () => use(layers.reshape({ targetShape: [2, 3] })),
  Softmax: () => use(layers.softmax()),
  ThresholdedReLU: () => use(layers.thresholdedReLU({ theta: 0.2 })),
};

const REFUSED: Readonly<Record<string, () => Use>> = {
  AlphaDropout: () => use(layers.alphaDropout({ rate: 0.3 })),
  BatchNormalization: () => use(layers.batchNormalization()),
  Conv1D: () => use(layers.conv1d({ filters: 2, kernelSize: 3 }), SERIES),
  Conv2D: () => use(layers.conv2d({ filters: 2, kernelSize: 3 }), IMAGE),
  Dot: () => merge(layers.dot({ axes: -1 })),
  Embedding: () => use(layers.embedding({ inputDim: 3, outputDim: 2 }), [4]),
  LayerNormalization: () => use(layers.layerNormalization()),
  Masking: () => use(layers.masking(), SERIES),
  MaxPooling2D: () => use(layers.maxPooling2d({ poolSize: 2 }), IMAGE),
  TimeDistributed: () => use(layers.timeDistributed({ layer: layers.dense({ units: 2 }) }), SERIES),
};

/** Numbers from 0 to 1 that repeat themselves after 17. */
const numbers = (count: number): Float32Array => Float32Array.from({ length: count }, (_, index) => ((index * 5) % 17) / 17);

function inputs(shape: readonly number[]): { values: Float32Array; shape: number[] } {
  const perExample = shape.reduce((product, length) => product * length, 1);
  return { values: numbers(EXAMPLES * perExample), shape: [EXAMPLES, ...shape] };
}

const LABELS = Float32Array.from({ length: EXAMPLES }, (_, example) => example % CLASSES);
const CLASS_INDICES = { values: LABELS, shape: [EXAMPLES, 1] };
const ONE_HOT = { values: Float32Array.from({ length: EXAMPLES * CLASSES }, (_, index) => (LABELS[Math.floor(index / CLASSES)] === index % CLASSES ? 1 : 0)), shape: [EXAMPLES, CLASSES] };

function classifier({ shape, apply }: Use, loss = 'sparseCategoricalCrossentropy'): tfl.LayersModel {
  const input = tfl.input({ shape });
  const applied = apply(input);
  const flat = applied.shape.length > 2 ? (layers.flatten().apply(applied) as Output) : applied;
  const model = tfl.model({ inputs: input, outputs: layers.dense({ units: CLASSES, activation: 'softmax' }).apply(flat) as Output });
  model.compile({ optimizer: 'sgd', loss });
  return model;
}

const flatValues = async (tensor: tf.Tensor): Promise<number[]> => [...(await tensor.data<'float32'>())];

/** Trains two steps, then predicts with both. */
async function agreesWithTfjs(each: Use): Promise<void> {
  const model = classifier(each);
  const trainer = await distribute(model, { workers: 1 });
  try {
    const x = inputs(each.shape);
    await trainer.fit(x, CLASS_INDICES, { batchSize: EXAMPLES / 2 });
    const ours = await flatValues(await trainer.predict(x));
    const theirs = await flatValues(model.predict(tf.tensor(x.values, x.shape)) as tf.Tensor);
    ours.forEach((value, index) => { expect(value).toBeCloseTo(theirs[index]!, 6); });
  } finally {
    await trainer.close();
  }
}

describe('layers', () => {
  test('the list of the README is tested whole', () => {
    expect(listAfter(README, 'Layers')).toEqual(Object.keys(COVERED));
    expect(listAfter(README, 'Refused, with the layer and the kernel named')).toEqual(Object.keys(REFUSED));
  });

  test.each(Object.keys(COVERED))('%s trains, and predicts as tfjs does', async (name) => agreesWithTfjs(COVERED[name]!()));

  test.each(Object.keys(REFUSED))('%s is refused by name', async (name) => {
    const refusal = { code: expect.stringMatching(/^ERR_(UNSUPPORTED_KERNEL|UNSUPPORTED_LAYER|TRACE_RANDOM)$/) as string, message: expect.stringContaining(`_${name}`) as string };
    await expect(distribute(classifier(REFUSED[name]!()), { workers: 1 })).rejects.toMatchObject(refusal);
  });
});

test.each(listAfter(README, 'Activations'))('the activation %s trains, and predicts as tfjs does', async (activation) => {
  await agreesWithTfjs(use(layers.activation({ activation: activation as 'relu' })));
});

test.each(listAfter(README, 'Losses'))('the loss %s is that of tfjs', async (loss) => {
  const model = classifier(use(layers.dense({ units: 4 })), loss);
  const trainer = await distribute(model, { workers: 1 });
  try {
    const [x, y] = [inputs(VECTOR), loss.startsWith('sparse') ? CLASS_INDICES : ONE_HOT];
    const theirs = model.evaluate(tf.tensor(x.values, x.shape), tf.tensor(y.values, y.shape)) as tf.Scalar;
    const [expected] = await flatValues(theirs);
    const { loss: ours } = await trainer.evaluate(x, y);
    expect(Math.abs(ours - expected!)).toBeLessThanOrEqual(1e-6 + 1e-5 * Math.abs(expected!));
  } finally {
    await trainer.close();
  }
});
