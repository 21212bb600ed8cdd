import { createHash } from 'node:crypto';
import * as tf from '@tensorflow/tfjs-core';
import * as tfl from '@tensorflow/tfjs-layers';
import { describe, expect, test } from 'vitest';
import { datasets, optimizers, type DistributeOptions, type FitOptions, type Optimizer, type Trainer } from '../../src/index.js';
import type { DataLike } from '../../src/train/columns.js';
import { checkpointContents } from '../../src/train/kept-run.js';
import { expectClose } from '../golden/close.js';
import { classification, fixWeights, mlp, numbers } from './models.js';
import { withTrainer } from './trainers.js';

const EXAMPLES = 75;
const { x, y } = classification(EXAMPLES, 13, 5);
const tensors = (): [tf.Tensor, tf.Tensor] => [tf.tensor(x.values, [...x.shape]), tf.tensor(y.values, [...y.shape])];

/** Of shared/conventions: a loss or an output of float32 against another float32 of the same. */
const OUTPUTS = { relative: 2e-5, absolute: 2e-6 };

const weightsOf = (model: tfl.LayersModel): number[] => model.getWeights().flatMap((weight) => [...weight.dataSync()]);

/** A regression on one input, `y = x`, with one weight: everything about it can be worked out by hand. */
function line(optimizer: string | tf.Optimizer = 'sgd', metrics: string[] = []): tfl.LayersModel {
  const model = tfl.sequential({ layers: [tfl.layers.dense({ units: 1, useBias: false, inputShape: [1] })] });
  model.compile({ optimizer, loss: 'meanSquaredError', metrics });
  model.setWeights([tf.tensor2d([[0]])]);
  return model;
}

const column = (...values: number[]) => ({ values: Float32Array.from(values), shape: [values.length, 1] });

describe('the history', () => {
  test('has the epochs and a list for each name of the logs, with the alias of accuracy', async () => {
    const history = await withTrainer(mlp(), {}, (trainer) => trainer.fit(x, y, { epochs: 3, validationData: [x, y] }));
    expect(history.epoch).toEqual([0, 1, 2]);
    expect(Object.keys(history.history).sort()).toEqual(['acc', 'accuracy', 'loss', 'val_acc', 'val_accuracy', 'val_loss']);
    for (const values of Object.values(history.history)) expect(values).toHaveLength(3);
    expect(history.history['accuracy']).toEqual(history.history['acc']);
    expect(history.history['val_accuracy']).toEqual(history.history['val_acc']);
  });

  test('names mse and mae as tfjs does, and they are means over the examples', async () => {
    const model = line('sgd', ['mse', 'mae']);
    const history = await withTrainer(model, {}, (trainer) => trainer.fit(column(1, 2, 4), column(1, 2, 4), { batchSize: 2, shuffle: false }));
    const theirs = await line('sgd', ['mse', 'mae']).fit(tf.tensor2d([1, 2, 4], [3, 1]), tf.tensor2d([1, 2, 4], [3, 1]), { batchSize: 2, shuffle: false, verbose: 0 });
    expect(Object.keys(history.history).sort()).toEqual(Object.keys(theirs.history).sort());
    // Batch 1 with w = 0: squares 1 and 4, gradient -(1 * 1 + 2 * 2) = -5, so w = 0.05. Batch 2: (4 - 0.2)^2 = 14.44.
    expect(history.history['loss']![0]).toBeCloseTo((1 + 4 + 14.44) / 3, 5);
    expect(history.history['mse']![0]).toBeCloseTo((1 + 4 + 14.44) / 3, 5);
    expect(history.history['mae']![0]).toBeCloseTo((1 + 2 + 3.8) / 3, 5);
  });

  test('begins at initialEpoch, and has nothing where that is behind the last', async () => {
    await withTrainer(mlp(), {}, async (trainer) => {
      expect((await trainer.fit(x, y, { initialEpoch: 2, epochs: 4 })).epoch).toEqual([2, 3]);
      expect(await trainer.fit(x, y, { initialEpoch: 4, epochs: 4 })).toEqual({ epoch: [], history: {} });
    });
  });

  test('of validationSplit is that of the last examples, which are not trained on', async () => {
    const part = (columns: typeof x, start: number, end: number) => {
      const width = columns.values.length / EXAMPLES;
      return { values: columns.values.slice(start * width, end * width), shape: [end - start, ...columns.shape.slice(1)] };
    };
    const split = await withTrainer(mlp(), {}, (trainer) => trainer.fit(x, y, { epochs: 2, validationSplit: 0.2 }));
    // 75 * 0.8 = 60
    const apart = await withTrainer(mlp(), {}, (trainer) => trainer.fit(part(x, 0, 60), part(y, 0, 60), { epochs: 2, validationData: [part(x, 60, 75), part(y, 60, 75)] }));
    expect(split).toEqual(apart);
  });
});

describe('defaults are those of tfjs', () => {
  const hashAfter = (options: FitOptions): Promise<string> =>
    withTrainer(mlp(), {}, async (trainer) => {
      await trainer.fit(x, y, options);
      return trainer.hashes().stateSha256;
    });

  test('batch 32, 1 epoch, shuffled', async () => {
    const [plain, spelled, unshuffled] = [await hashAfter({}), await hashAfter({ batchSize: 32, epochs: 1, shuffle: true }), await hashAfter({ shuffle: false })];
    expect(plain).toBe(spelled);
    expect(plain).not.toBe(unshuffled);
  });

  test('seed 0 is a seed like any other', async () => {
    const hashOf = (seed: number): Promise<string> =>
      withTrainer(mlp({ dropout: 0.5 }), { seed }, async (trainer) => {
        await trainer.fit(x, y);
        return trainer.hashes().weightsSha256;
      });
    const [zero, again, one] = [await hashOf(0), await hashOf(0), await hashOf(1)];
    expect(zero).toBe(again);
    expect(zero).not.toBe(one);
  });
});

describe('data', () => {
  const FORMS: readonly (readonly [string, () => [DataLike, DataLike | null]])[] = [
    ['tensors', tensors],
    ['tensors with labels [N, 1]', () => [tensors()[0], tf.tensor(y.values, [EXAMPLES, 1])]],
    ['int32 labels', () => [x, { values: Int32Array.from(y.values), shape: y.shape }]],
    ['byte labels', () => [x, { values: Uint8Array.from(y.values), shape: y.shape }]],
    ['float64 values', () => [{ values: Float64Array.from(x.values), shape: x.shape }, { values: Float64Array.from(y.values), shape: y.shape }]],
    ['16-bit labels', () => [x, { values: Uint16Array.from(y.values), shape: y.shape }]],
    ['lists of one', () => [[x], [y]]],
    ['a data set', () => [datasets.arrays(x, y), null]],
  ];

  test.each(FORMS)('as %s gives the same bits', async (_name, form) => {
    const train = (data: [DataLike, DataLike | null]) => withTrainer(mlp(), {}, async (trainer) => {
      await trainer.fit(...data, { epochs: 2, validationData: data[1] === null ? data[0] : [data[0], data[1]] });
      return { hash: trainer.hashes().stateSha256, evaluation: await trainer.evaluate(...data) };
    });
    expect(await train(form())).toEqual(await train([x, y]));
  });

  test('lists feed models of two inputs and two outputs', async () => {
    const inputs = [tfl.input({ shape: [3] }), tfl.input({ shape: [2] })];
    const joined = tfl.layers.concatenate().apply(inputs) as tfl.SymbolicTensor;
    const first = tfl.layers.dense({ units: 2, name: 'first' }).apply(joined) as tfl.SymbolicTensor;
    const second = tfl.layers.dense({ units: 1, name: 'second' }).apply(joined) as tfl.SymbolicTensor;
    const model = fixWeights(tfl.model({ inputs, outputs: [first, second] }));
    model.compile({ optimizer: tf.train.sgd(0.1), loss: 'meanSquaredError' });
    const shaped = (width: number, salt: number) => ({ values: numbers(10 * width, salt), shape: [10, width] });
    const [a, b, c, d] = [shaped(3, 1), shaped(2, 2), shaped(2, 3), shaped(1, 4)];
    const theirs = [a, b, c, d].map(({ values, shape }) => tf.tensor(values, shape));
    await withTrainer(model, {}, async (trainer) => {
      const history = await trainer.fit([a, b], [c, d], { batchSize: 4, shuffle: false, validationData: [[a, b], [c, d]] });
      expect(Object.keys(history.history)).toEqual(expect.arrayContaining(['loss', 'val_loss', 'first_loss', 'second_loss']));
      const expected = (model.predict(theirs.slice(0, 2)) as tf.Tensor[]).map((output) => [...output.dataSync()]);
      const got = await trainer.predictAll([a, b]);
      expect(got.map(({ shape }) => shape)).toEqual([[10, 2], [10, 1]]);
      got.forEach((output, index) => { expectClose([...output.dataSync()], expected[index]!, OUTPUTS, `output ${index}`); });
      // tfjs's list begins with the first output's loss, and then has what its metricsNames say.
      const [, ...losses] = (model.evaluate(theirs.slice(0, 2), theirs.slice(2)) as tf.Scalar[]).map((loss) => loss.dataSync()[0]!);
      expectClose(Object.values(await trainer.evaluate([a, b], [c, d])), losses, OUTPUTS, 'losses');
      await expect(trainer.predict([a, b])).rejects.toMatchObject({ code: 'ERR_MODEL_OUTPUTS' });
    });
  });
});

describe('the model after fit', () => {
  test('agrees with the trainer on predictions and evaluation, and no tensor is left behind', async () => {
    const model = mlp();
    const [tx, ty] = tensors();
    await withTrainer(model, {}, async (trainer) => {
      const before = tf.memory().numTensors;
      await trainer.fit(x, y, { epochs: 3, validationData: [tx, ty] });
      const evaluation = await trainer.evaluate(tx, ty);
      await trainer.gradients(tx, ty);
      expect(tf.memory().numTensors).toBe(before);
      const prediction = await trainer.predict(tx);
      expect(tf.memory().numTensors).toBe(before + 1);
      expect(prediction.shape).toEqual([EXAMPLES, 5]);
      expectClose(prediction.dataSync(), (model.predict(tx) as tf.Tensor).dataSync(), OUTPUTS, 'predictions');
      const [loss, accuracy] = (model.evaluate(tx, ty) as tf.Scalar[]).map((value) => value.dataSync()[0]!);
      expectClose([evaluation.loss], [loss!], OUTPUTS, 'loss');
      expect(evaluation['accuracy']).toBeCloseTo(accuracy!, 6);
      expect(evaluation['acc']).toBe(evaluation['accuracy']);
    });
  });

  test('keeps weights that distribute did not touch, and keeps them after close', async () => {
    const model = mlp();
    const before = weightsOf(model);
    const after = await withTrainer(model, {}, async (trainer) => {
      expect(weightsOf(model)).toEqual(before);
      await trainer.fit(x, y);
      return weightsOf(model);
    });
    expect(after).not.toEqual(before);
    expect(weightsOf(model)).toEqual(after);
  });
});

describe('what the arena held before', () => {
  /** Fills the places of later runs with numbers beyond all that a model has. */
  const litter = async (trainer: Trainer): Promise<void> => {
    tf.dispose(await trainer.predictAll({ values: new Float32Array(4_000 * 13).fill(1e30), shape: [4_000, 13] }));
  };

  const cases: readonly (readonly [string, () => tfl.LayersModel, Optimizer, DataLike])[] = [
    ['clipped by global norm', () => mlp(), optimizers.adam({ clipNorm: 0.5 }), y],
    ['with penalties', () => mlp({ regularizer: true }), optimizers.adagrad(), y],
    ['with a penalty on weights that its loss does not see', blind, optimizers.sgd({ clipNorm: 1 }), [y, y].map(({ values }) => ({ values, shape: [EXAMPLES, 1] }))],
  ];

  test.each(cases)('changes no bit of a fit %s', async (_name, build, optimizer, targets) => {
    const run = (littered: boolean) => withTrainer(build(), { optimizer }, async (trainer) => {
      if (littered) await litter(trainer);
      const { history } = await trainer.fit(x, targets, { epochs: 2 });
      if (littered) await litter(trainer);
      const { loss, gradients } = await trainer.gradients(x, targets);
      return { history, loss, gradients: [...gradients.values()], hashes: trainer.hashes() };
    });
    expect(await run(true)).toEqual(await run(false));
  });
});

/** Two outputs; the loss of the second does not look at it, so that nothing but penalties moves its weights. */
function blind(): tfl.LayersModel {
  const input = tfl.input({ shape: [13] });
  const kernelRegularizer = tfl.regularizers.l1l2({ l1: 0.1, l2: 0.1 });
  const outputs = ['seen', 'unseen'].map((name) => tfl.layers.dense({ name, units: 1, kernelRegularizer }).apply(input) as tfl.SymbolicTensor);
  const model = tfl.model({ inputs: input, outputs });
  model.compile({ optimizer: 'sgd', loss: [tfl.metrics.meanSquaredError, ignored] });
  return fixWeights(model);
}

describe('a second fit', () => {
  test.each(['sgd', 'momentum', 'adam', 'adagrad', 'rmsprop'] as const)('goes on with the state of %s', async (name) => {
    const run = (...epochs: number[]) => withTrainer(mlp(), { optimizer: optimizers[name]({ learningRate: 0.01 }) }, async (trainer) => {
      for (const count of epochs) await trainer.fit(x, y, { epochs: count, shuffle: false });
      return trainer.hashes().stateSha256;
    });
    expect(await run(2, 1)).toBe(await run(3));
  });

  test('uses weights that were set in between', async () => {
    const [trained, fresh] = [line(), line()];
    const target = column(1, 2);
    await withTrainer(trained, {}, async (trainer) => {
      await trainer.fit(target, target, { epochs: 3 });
      trained.setWeights([tf.tensor2d([[5]])]);
      expect((await trainer.evaluate(target, target)).loss).toBe((16 + 64) / 2); // (5 - 1)^2 (1, 2)^2
      trained.setWeights([tf.tensor2d([[0]])]);
      await trainer.fit(target, target);
    });
    await withTrainer(fresh, {}, (trainer) => trainer.fit(target, target));
    expect(weightsOf(trained)).toEqual(weightsOf(fresh));
  });
});

describe('gradient descent', () => {
  // y = x, w = 0, rate 0.01: a batch's gradient is 2 w mean(x^2) - 2 mean(x^2), so w' = w + 0.02 (1 - w) mean(x^2).
  const step = (w: number, ...batch: number[]): number => w + 0.02 * (1 - w) * (batch.reduce((sum, value) => sum + value * value, 0) / batch.length);

  test.each([
    ['batch', 4, () => step(0, 1, 2, 3, 4)],
    ['stochastic', 1, () => [1, 2, 3, 4].reduce((w, value) => step(w, value), 0)],
    ['mini-batch, the last one shorter,', 3, () => step(step(0, 1, 2, 3), 4)],
  ] as const)('%s takes the steps of the formula', async (_name, batchSize, expected) => {
    const model = line();
    const data = column(1, 2, 3, 4);
    await withTrainer(model, {}, (trainer) => trainer.fit(data, data, { batchSize, shuffle: false }));
    expect(weightsOf(model)[0]).toBeCloseTo(expected(), 6);
  });
});

/** A loss without a path from the output. */
const ignored = (target: tf.Tensor): tf.Tensor => tf.squeeze(tf.squaredDifference(target, 5), [1]);

describe('gradients', () => {
  const gradientsOf = (model: tfl.LayersModel, ...data: [DataLike, DataLike]) => withTrainer(model, {}, (trainer) => trainer.gradients(...data));

  test('are means over the examples by name in model order, and nothing is updated', async () => {
    const model = line();
    const { loss, gradients } = await gradientsOf(model, column(1, 2, 3), column(1, 2, 3));
    expect(loss).toBeCloseTo(14 / 3, 5);
    expect([...gradients]).toEqual([[model.weights[0]!.name, Float32Array.of(-28 / 3)]]);
    expect(weightsOf(model)).toEqual([0]);
  });

  test('include penalties', async () => {
    const model = tfl.sequential({ layers: [tfl.layers.dense({ units: 1, useBias: false, inputShape: [1], kernelRegularizer: tfl.regularizers.l2({ l2: 0.5 }) })] });
    model.compile({ optimizer: 'sgd', loss: 'meanSquaredError' });
    model.setWeights([tf.tensor2d([[3]])]);
    // (3 - 1)^2 + 0.5 * 9 = 8.5; 2 (3 - 1) + 0.5 * 2 * 3 = 7
    expect(await gradientsOf(model, column(1), column(1))).toMatchObject({ loss: 8.5, gradients: new Map([[model.weights[0]!.name, Float32Array.of(7)]]) });
  });

  test('of penalties are the same for every shard size, batch and number of workers', async () => {
    const build = (): tfl.LayersModel => {
      const model = tfl.sequential({ layers: [tfl.layers.dense({ units: 5, inputShape: [13], kernelRegularizer: tfl.regularizers.l1l2({ l1: 0.01, l2: 0.02 }), biasRegularizer: tfl.regularizers.l2({ l2: 0.3 }) })] });
      model.compile({ optimizer: 'sgd', loss: (target: tf.Tensor) => tf.sum(target, 1) }); // the penalties are all the slope there is
      return fixWeights(model);
    };
    const labels = { values: numbers(EXAMPLES * 5, 4), shape: [EXAMPLES, 5] };
    const bytes = async (options: DistributeOptions, examples: number): Promise<string[]> => {
      const part = (values: Float32Array, width: number) => ({ values: values.slice(0, examples * width), shape: [examples, width] });
      const { gradients } = await withTrainer(build(), options, (trainer) => trainer.gradients(part(x.values as Float32Array, 13), part(labels.values, 5)));
      return [...gradients.values()].map((gradient) => Buffer.from(gradient.buffer).toString('hex'));
    };
    const expected = await bytes({ workers: 1 }, 1);
    for (const [shardSize, workers, examples] of [[1, 1, 75], [3, 2, 75], [8, 3, 75], [75, 2, 75], [8, 2, 20]] as const) {
      expect(await bytes({ shardSize, workers }, examples), `shards of ${shardSize}, ${workers} workers, ${examples} examples`).toEqual(expected);
    }
    // d(l1 |w| + l2 w^2) = l1 sign(w) + 2 l2 w
    const [kernel] = build().getWeights();
    const slope = [...kernel!.dataSync()].map((w) => 0.01 * Math.sign(w) + 0.04 * w);
    expectClose([...new Float32Array(Uint8Array.from(Buffer.from(expected[0]!, 'hex')).buffer)], slope, OUTPUTS, 'kernel');
  });

  test('of penalties alone move a weight by the same rule at every step', async () => {
    const model = tfl.sequential({ layers: [tfl.layers.dense({ units: 1, useBias: false, inputShape: [1], kernelRegularizer: tfl.regularizers.l2({ l2: 0.5 }) })] });
    model.compile({ optimizer: tf.train.sgd(0.1), loss: ignored });
    model.setWeights([tf.tensor2d([[2]])]);
    await withTrainer(model, {}, async (trainer) => {
      await trainer.fit(column(1, 2, 3), column(1, 2, 3), { batchSize: 1 });
      expect(weightsOf(model)[0]).toBeCloseTo(2 * 0.9 ** 3, 6); // the slope is w: w - 0.1 w, three times
      const slope = async () => [...(await trainer.gradients(column(1), column(1))).gradients.values()][0]![0];
      expect([await slope(), await slope()]).toEqual([weightsOf(model)[0], weightsOf(model)[0]]);
    });
  });

  test('are those of the masks of step 0, whatever was trained before', async () => {
    await withTrainer(mlp({ dropout: 0.5 }), { optimizer: optimizers.sgd({ learningRate: 0 }) }, async (trainer) => {
      const before = await trainer.gradients(x, y);
      await trainer.fit(x, y, { epochs: 2 });
      expect(trainer.parts.state.version).toBe(6);
      expect(await trainer.gradients(x, y)).toEqual(before);
      // The masks are there: evaluation has none.
      expect((await trainer.evaluate(x, y)).loss).not.toBeCloseTo(before.loss, 3);
    });
  });

  test('of a weight without a path are zeros, and it is not updated', async () => {
    const input = tfl.input({ shape: [1] });
    const dead = tfl.layers.dense({ units: 1, useBias: false });
    const used = tfl.layers.dense({ units: 1, useBias: false });
    const outputs = [used, dead].map((layer) => layer.apply(input) as tfl.SymbolicTensor);
    const model = tfl.model({ inputs: input, outputs });
    model.compile({ optimizer: 'sgd', loss: [tfl.metrics.meanSquaredError, ignored] });
    model.setWeights([tf.tensor2d([[3]]), tf.tensor2d([[2]])]);
    const columns = [column(1), column(1)];
    await withTrainer(model, {}, async (trainer) => {
      const { gradients } = await trainer.gradients(column(1), columns);
      expect([...gradients.values()]).toEqual([Float32Array.of(4), Float32Array.of(0)]); // 2 (3 - 1)
      await trainer.fit(column(1), columns);
    });
    expect(used.getWeights()[0]!.dataSync()[0]).toBeCloseTo(3 - 0.01 * 4, 6);
    expect(dead.getWeights()[0]!.dataSync()[0]).toBe(2);
  });
});

test('the hash of the weights is over the trainable ones in model order, as little-endian float32', async () => {
  const model = tfl.sequential({ layers: [tfl.layers.dense({ units: 3, inputShape: [13], trainable: false }), tfl.layers.dense({ units: 7 }), tfl.layers.dense({ units: 5, activation: 'softmax' })] });
  model.compile({ optimizer: tf.train.momentum(0.01, 0.9), loss: 'sparseCategoricalCrossentropy' });
  fixWeights(model);
  await withTrainer(model, {}, async (trainer) => {
    await trainer.fit(x, y);
    const [trainable, all] = [createHash('sha256'), createHash('sha256')];
    const bytesOf = (values: ArrayLike<number>): Uint8Array => {
      const view = new DataView(new ArrayBuffer(values.length * 4));
      Array.from(values).forEach((value, at) => { view.setFloat32(at * 4, value, true); });
      return new Uint8Array(view.buffer);
    };
    // 3 x 7 + 7 and 7 x 5 + 5; the frozen layer has 13 x 3 + 3.
    for (const weight of model.trainableWeights) trainable.update(bytesOf(weight.read().dataSync()));
    expect(trainer.hashes().weightsSha256).toBe(trainable.digest('hex'));
    for (const weight of model.weights) all.update(bytesOf(weight.read().dataSync()));
    for (const { values } of stateTensors(trainer)) all.update(bytesOf(values));
    expect(trainer.hashes().stateSha256).toBe(all.digest('hex'));
  });
});

/** The optimizer's states as a checkpoint keeps them, after the weights. */
function stateTensors({ parts }: Trainer): readonly { readonly name: string; readonly values: Float32Array }[] {
  return checkpointContents(parts, {}).tensors.filter(({ name }) => !name.startsWith('weights/'));
}

test('a model that is not compiled can predict, and nothing else', async () => {
  const model = fixWeights(tfl.sequential({ layers: [tfl.layers.dense({ units: 3, inputShape: [13] })] }));
  await withTrainer(model, {}, async (trainer) => {
    const [tx] = tensors();
    expectClose((await trainer.predict(x)).dataSync(), (model.predict(tx) as tf.Tensor).dataSync(), OUTPUTS, 'predictions');
    for (const run of [() => trainer.fit(x, y), () => trainer.evaluate(x, y), () => trainer.gradients(x, y)]) {
      await expect(run()).rejects.toMatchObject({ kind: 'input', code: 'ERR_NOT_COMPILED' });
    }
  });
});
