import '@tensorflow/tfjs-backend-cpu';
import * as tf from '@tensorflow/tfjs-core';
import * as tfl from '@tensorflow/tfjs-layers';
import { describe, expect, test } from 'vitest';
import type { LossOrMetric } from '../../src/trace/model.js';
import type { ShapedValues } from '../../src/train/columns.js';
import { fixWeights, numbers } from './models.js';
import { withTrainer } from './trainers.js';

// Every metric, by its name in tfjs or as a function, gives the value that tfjs's own evaluate gives, under the same name.

const [EXAMPLES, FEATURES, CLASSES] = [37, 5, 3];
const x: ShapedValues = { values: numbers(EXAMPLES * FEATURES, 1), shape: [EXAMPLES, FEATURES] };
const LABELS = Float32Array.from({ length: EXAMPLES }, (_, row) => (row * row) % CLASSES);
const CLASS_INDICES: ShapedValues = { values: LABELS, shape: [EXAMPLES, 1] };
const ONE_HOT: ShapedValues = { values: Float32Array.from({ length: EXAMPLES * CLASSES }, (_, at) => Number(LABELS[Math.floor(at / CLASSES)] === at % CLASSES)), shape: [EXAMPLES, CLASSES] };
const BITS: ShapedValues = { values: Float32Array.from(LABELS, (label) => Number(label > 0)), shape: [EXAMPLES, 1] };

type Output = 'softmax of classes' | 'sigmoid of one';

type Metric = string | LossOrMetric;

function build(output: Output, loss: string, metric: Metric): tfl.LayersModel {
  const [units, activation] = output === 'softmax of classes' ? [CLASSES, 'softmax' as const] : [1, 'sigmoid' as const];
  const model = tfl.sequential({ layers: [tfl.layers.dense({ units, activation, inputShape: [FEATURES] })] });
  model.compile({ optimizer: 'sgd', loss, metrics: [metric] });
  return fixWeights(model);
}

const tensor = ({ values, shape }: ShapedValues): tf.Tensor => tf.tensor(values, [...shape]);

async function expectSame(output: Output, loss: string, metric: Metric, y: ShapedValues): Promise<void> {
  const model = build(output, loss, metric);
  const [, expected] = (model.evaluate(tensor(x), tensor(y)) as tf.Scalar[]).map((value) => value.dataSync()[0]!);
  await withTrainer(model, { shardSize: 4 }, async (trainer) => {
    const evaluation = await trainer.evaluate(x, y);
    const name = model.metricsNames.at(-1)!;
    expect(Object.keys(evaluation)).toContain(name);
    expect(Math.abs(evaluation[name]! - expected!), `${name}: ${evaluation[name]!} for ${expected!}`).toBeLessThanOrEqual(1e-6 + 1e-5 * Math.abs(expected!));
    expect(expected, 'a value that can be seen').not.toBe(0);
  });
}

describe('accuracy', () => {
  test.each([
    ['classes, as numbers', 'softmax of classes', 'sparseCategoricalCrossentropy', CLASS_INDICES],
    ['classes, one-hot', 'softmax of classes', 'categoricalCrossentropy', ONE_HOT],
    ['bits', 'sigmoid of one', 'binaryCrossentropy', BITS],
  ] as const)('by its short names is that of the loss: %s', async (_name, output, loss, y) => {
    await expectSame(output, loss, 'accuracy', y);
    await expectSame(output, loss, 'acc', y);
  });

  test.each([
    ['binaryAccuracy', 'sigmoid of one', 'meanSquaredError', BITS],
    ['categoricalAccuracy', 'softmax of classes', 'meanSquaredError', ONE_HOT],
  ] as const)('by the name %s, and as a function', async (metric, output, loss, y) => {
    await expectSame(output, loss, metric, y);
    await expectSame(output, loss, tfl.metrics[metric], y);
  });

  test('sparseCategoricalAccuracy as a function', async () => {
    await expectSame('softmax of classes', 'sparseCategoricalCrossentropy', tfl.metrics.sparseCategoricalAccuracy, CLASS_INDICES);
  });
});

test.each(['mse', 'MSE', 'mae', 'MAE', 'mape', 'MAPE', 'cosine', 'categoricalCrossentropy'])('%s by its name', async (metric) => {
  await expectSame('softmax of classes', 'meanSquaredError', metric, ONE_HOT);
});

test.each(['binaryCrossentropy', 'categoricalCrossentropy', 'cosineProximity', 'meanAbsoluteError', 'meanAbsolutePercentageError', 'meanSquaredError'] as const)('%s as a function', async (metric) => {
  await expectSame('softmax of classes', 'meanSquaredError', tfl.metrics[metric], ONE_HOT);
});

test('sparseCategoricalCrossentropy by its name', async () => {
  await expectSame('softmax of classes', 'sparseCategoricalCrossentropy', 'sparseCategoricalCrossentropy', CLASS_INDICES);
});

test.each(['precision', 'recall'] as const)('%s, which reduces over the examples itself, is refused by name', async (metric) => {
  const refused = withTrainer(build('sigmoid of one', 'binaryCrossentropy', tfl.metrics[metric]), {}, async () => undefined);
  await expect(refused).rejects.toMatchObject({ kind: 'input', message: expect.stringContaining(metric) as string });
});
