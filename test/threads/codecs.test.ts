import * as tfl from '@tensorflow/tfjs-layers';
import { beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { CodecName } from '../../src/codecs/codec.js';
import { datasets, initialize, optimizers, schedules } from '../../src/index.js';
import type { Optimizer } from '../../src/optimizers/index.js';
import { trainTogether } from './in-process.js';

// Training whose shares and parameters go through a codec ends at the accuracy of float32: two nodes compute everything, so that
// every share and every update is encoded.

const EPOCHS = 3;
const EXAMPLES = 51_200;
const BATCH = 256;
const STEPS = (EPOCHS * EXAMPLES) / BATCH;
/** Two runs of some three seconds each, where nothing else wants the machine. */
const TIMEOUT_MS = 180_000;

type Images = Awaited<ReturnType<typeof datasets.fashionMnist>>;
let images: Images;
let missing: string | undefined;

beforeAll(async () => {
  await datasets.fashionMnist({ fetch: 'none' }).then((found) => { images = found; }, (error: Error) => { missing = error.message; });
});

beforeEach((context) => {
  if (missing !== undefined) context.skip(missing);
});

function classifier(): tfl.LayersModel {
  const model = tfl.sequential({
    layers: [
      tfl.layers.flatten({ inputShape: [28, 28] }),
      tfl.layers.dense({ units: 32, activation: 'relu' }),
      tfl.layers.dense({ units: 10, activation: 'softmax' }),
    ],
  });
  model.compile({ optimizer: 'sgd', loss: 'sparseCategoricalCrossentropy', metrics: ['accuracy'] });
  initialize(model, 1);
  return model;
}

/** The first examples of a data set. */
function firstExamples({ x, y }: Images['train'], count: number): [Images['train']['x'][0], Images['train']['y'][0]] {
  const first = (column: typeof x[0]): typeof x[0] => ({ ...column, values: column.values.subarray(0, (column.values.length / column.shape[0]!) * count), shape: [count, ...column.shape.slice(1)] });
  return [first(x[0]!), first(y[0]!)];
}

async function accuracyAfterTraining(optimizer: Optimizer, codec: CodecName): Promise<number> {
  const [x, y] = firstExamples(images.train, EXAMPLES);
  const { accuracy } = await trainTogether({
    model: classifier, optimizer, x, y, tests: { x: images.test.x[0]!, y: images.test.y[0]! }, batchSize: BATCH, epochs: EPOCHS, workers: 1, usesLocal: false,
    nodes: [{ workers: 1 }, { workers: 1 }], codec,
  });
  return accuracy;
}

const falling = (rate: number) => schedules.cosine({ rate, steps: STEPS });
// What error feedback promises of top-k, it promises of plain descent: within so few steps Adam, whose variance sees a value once
// in twenty steps, is two points behind (docs/codecs.md).
const ADAM = optimizers.adam({ learningRate: falling(0.003) });
const DESCENT = optimizers.sgd({ learningRate: falling(0.2) });

describe.each<[string, Optimizer, readonly CodecName[]]>([
  ['adam', ADAM, ['float16', 'bfloat16', 'int8']],
  ['sgd', DESCENT, ['topk']],
])('%s', (_, optimizer, codecs) => {
  let expected: number | undefined;

  test.each(codecs)('%s: within half a point of the accuracy of float32', async (codec) => {
    expected ??= await accuracyAfterTraining(optimizer, 'float32');
    const accuracy = await accuracyAfterTraining(optimizer, codec);
    expect(accuracy).toBeGreaterThanOrEqual(expected - 0.005);
  }, TIMEOUT_MS);
});
