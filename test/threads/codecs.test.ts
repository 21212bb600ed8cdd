import * as tfl from '@tensorflow/tfjs-layers';
import { beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { encodedBytes, type Codec } from '../../src/codecs/codec.js';
import { decode, encode } from '../../src/codecs/coding.js';
import { datasets, initialize, optimizers, schedules, type Trainer } from '../../src/index.js';
import type { Arena } from '../../src/kernels/arena.js';
import { instantiateKernels, type Kernels } from '../../src/kernels/load.js';
import type { Optimizer } from '../../src/optimizers/index.js';
import { shuffledIndices } from '../../src/random/shuffle.js';
import { COMMAND, FIELD } from '../../src/train/control.js';
import { withTrainer } from './trainers.js';

// Training whose gradients go through a codec ends at the accuracy of float32. Two nodes compute half of each step; each encodes
// the sum of its gradients, with a residual of its own, and what arrives is added. On the way back the sum is encoded again.

const EPOCHS = 3;
const EXAMPLES = 51_200;
const BATCH = 256;
const SHARD = 32;
const NODES = 2;
/** A node's half is a subtree of 256 / 32 / 2 = 4 = 2 ** 2 shards. */
const LEVEL = 2;
/** Two runs of some two seconds each, where nothing else wants the machine. */
const TIMEOUT_MS = 180_000;
const STEPS = (EPOCHS * EXAMPLES) / BATCH;

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

/** The way of one tensor from a sender to a receiver. */
class Way {
  readonly #residual: number;
  readonly #encoding: number;

  constructor(arena: Arena, private readonly kernels: Kernels, private readonly codec: Codec, private readonly values: number) {
    this.#residual = arena.slot('a residual', values * 4);
    arena.floats(this.#residual, values).fill(0);
    this.#encoding = arena.slot('an encoding', encodedBytes(codec, values));
  }

  /** What arrives takes the tensor's place. */
  send(address: number): void {
    encode(this.kernels, this.codec, address, this.values, this.#encoding, this.#residual);
    if (!decode(this.kernels, this.codec, this.#encoding, this.values, address)) throw new Error(`${this.codec.name} was refused`);
  }
}

async function train(trainer: Trainer, codec: Codec): Promise<void> {
  const { state, model, plans } = trainer.parts;
  const { arena } = state;
  const examples = await trainer.examples(...firstExamples(images.train, EXAMPLES));
  await state.readModel(model);
  await trainer.withSession({ train: { examples, batchSize: BATCH, shareSlots: NODES } }, async ({ runner, control, session }) => {
    const { shares, shareBytes, indices } = session.train!;
    const kernels = instantiateKernels(session.module, session.memory);
    const floats = plans.layout.updatedFloats;
    const nodes = Array.from({ length: NODES }, () => new Way(arena, kernels, codec, floats));
    const back = new Way(arena, kernels, codec, floats);
    for (let step = 0; step < STEPS; step++) {
      const epochStep = step % (EXAMPLES / BATCH);
      if (epochStep === 0) {
        control.fields[FIELD.epochStep] = 0;
        control.fields[FIELD.firstStep] = step;
        shuffledIndices(EXAMPLES, trainer.facts.seed, step, arena.words(indices, EXAMPLES));
      }
      control.orders.writeShares({ step: epochStep, draw: step, shares: nodes.map((_, slot) => ({ level: LEVEL, index: slot, slot })) });
      await runner.run(COMMAND.shares);
      nodes.forEach((node, slot) => { node.send(shares + slot * shareBytes); });
      // Gradients, loss and metrics; only the former go through a codec.
      kernels['addInto']!(shares, shares + shareBytes, shareBytes / 4);
      back.send(shares);
      control.orders.writeUpdate({ rows: BATCH, result: 0, additions: [] });
      await runner.run(COMMAND.apply);
    }
    state.version = control.fields[FIELD.version]!;
  });
  state.writeModel(model);
}

async function accuracyAfterTraining(optimizer: Optimizer, codec: Codec): Promise<number> {
  return withTrainer(classifier(), { workers: 1, shardSize: SHARD, optimizer }, async (trainer) => {
    await train(trainer, codec);
    return (await trainer.evaluate(images.test))['accuracy']!;
  });
}

const falling = (rate: number) => schedules.cosine({ rate, steps: STEPS });
// What error feedback promises of top-k, it promises of plain descent: within so few steps Adam, whose variance sees a value once
// in twenty steps, is two points behind (docs/codecs.md).
const ADAM = optimizers.adam({ learningRate: falling(0.003) });
const DESCENT = optimizers.sgd({ learningRate: falling(0.2) });

describe.each<[string, Optimizer, readonly Codec[]]>([
  ['adam', ADAM, [{ name: 'float16' }, { name: 'bfloat16' }, { name: 'int8', blockValues: 256 }]],
  ['sgd', DESCENT, [{ name: 'topk', keptFraction: 0.05 }]],
])('gradients and their sums through a codec, %s', (_, optimizer, codecs) => {
  let expected: number | undefined;

  test.each(codecs)('%o: within half a point of the accuracy of float32', async (codec) => {
    expected ??= await accuracyAfterTraining(optimizer, { name: 'float32' });
    const accuracy = await accuracyAfterTraining(optimizer, codec);
    expect(accuracy).toBeGreaterThanOrEqual(expected - 0.005);
  }, TIMEOUT_MS);
});
