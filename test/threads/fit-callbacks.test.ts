import * as tf from '@tensorflow/tfjs-core';
import * as tfl from '@tensorflow/tfjs-layers';
import { describe, expect, test } from 'vitest';
import { earlyStopping } from '../../src/index.js';
import type { Callback } from '../../src/train/callbacks.js';
import type { Logs } from '../../src/train/fit.js';
import { classification, mlp } from './models.js';
import { withTrainer } from './trainers.js';

const { x, y } = classification(75, 13, 5);
const weightsOf = (model: tfl.LayersModel): number[] => model.getWeights().flatMap((weight) => [...weight.dataSync()]);

/** Writes down every call, with its number. */
function recorder(calls: string[]): Callback {
  return {
    onTrainBegin: () => void calls.push('train begin'),
    onTrainEnd: () => void calls.push('train end'),
    onEpochBegin: (epoch) => void calls.push(`epoch ${epoch} begin`),
    onEpochEnd: (epoch) => void calls.push(`epoch ${epoch} end`),
    onBatchBegin: (batch) => void calls.push(`batch ${batch} begin`),
    onBatchEnd: (batch) => void calls.push(`batch ${batch} end`),
  };
}

describe('events', () => {
  const EPOCH = (epoch: number): string[] => [`epoch ${epoch} begin`, ...[0, 1].flatMap((batch) => [`batch ${batch} begin`, `batch ${batch} end`]), `epoch ${epoch} end`];

  test('come in the order of tfjs, each awaited', async () => {
    const [ours, theirs]: [string[], string[]] = [[], []];
    const [tx, ty] = [tf.tensor(x.values, [...x.shape]), tf.tensor(y.values, [...y.shape])];
    const slow: Callback = { onBatchEnd: () => new Promise((resolve) => { setImmediate(resolve); }) };
    await withTrainer(mlp(), {}, (trainer) => trainer.fit(x, y, { epochs: 2, batchSize: 40, callbacks: [slow, recorder(ours) as tfl.Callback] }));
    await mlp().fit(tx, ty, { epochs: 2, batchSize: 40, verbose: 0, callbacks: recorder(theirs) as tfl.CustomCallbackArgs });
    expect(ours).toEqual(['train begin', ...EPOCH(0), ...EPOCH(1), 'train end']);
    expect(ours).toEqual(theirs);
  });

  test('reach subclasses of tfjs, with the model and the parameters of the run', async () => {
    const calls: string[] = [];
    const model = mlp();
    class Mine extends tfl.Callback {
      override async onTrainBegin(logs?: tfl.Logs): Promise<void> {
        expect(logs).toEqual({});
      }
      override async onEpochEnd(epoch: number, logs?: tfl.Logs): Promise<void> {
        expect(this.model).toBe(model);
        expect(this.params).toMatchObject({ epochs: 2, batchSize: 32, steps: 3, samples: 75 });
        calls.push(`${epoch} ${Object.keys(logs!).join()}`);
      }
    }
    await withTrainer(model, {}, (trainer) => trainer.fit(x, y, { epochs: 2, callbacks: new Mine() }));
    expect(calls).toEqual(['0 loss,acc,accuracy', '1 loss,acc,accuracy']);
  });

  test('see the weights of the moment in the model before each epoch ends', async () => {
    const model = mlp();
    const seen: number[][] = [];
    await withTrainer(model, {}, async (trainer) => {
      await trainer.fit(x, y, { epochs: 3, shuffle: false, callbacks: { onEpochEnd: () => void seen.push(weightsOf(model)) } });
    });
    const epochByEpoch = mlp();
    await withTrainer(epochByEpoch, {}, async (trainer) => {
      for (const weights of seen) {
        await trainer.fit(x, y, { shuffle: false });
        expect(weights).toEqual(weightsOf(epochByEpoch));
      }
    });
    expect(seen).toHaveLength(3);
  });

  test('of a batch carry its loss, its number and its size, the shorter last one too', async () => {
    const logs: Logs[] = [];
    const history = await withTrainer(mlp(), {}, (trainer) => trainer.fit(x, y, { shuffle: false, callbacks: { onBatchEnd: (_batch: number, batchLogs?: Logs) => void logs.push(batchLogs!) } }));
    expect(logs.map(({ batch, size }) => [batch, size])).toEqual([[0, 32], [1, 32], [2, 11]]);
    // The first batch's loss is that of the untrained model on it.
    const first = { x: { values: x.values.slice(0, 32 * 13), shape: [32, 13] }, y: { values: y.values.slice(0, 32), shape: [32] } };
    const { loss, accuracy } = await withTrainer(mlp(), {}, (trainer) => trainer.evaluate(first.x, first.y));
    expect(logs[0]!['loss']).toBeCloseTo(loss, 6);
    expect(logs[0]!['accuracy']).toBe(accuracy);
    const mean = logs.reduce((sum, each) => sum + each['loss']! * each['size']!, 0) / 75;
    expect(history.history['loss']![0]).toBeCloseTo(mean, 6);
  });

  test('of batches change no bit', async () => {
    const hash = (callbacks: Callback): Promise<string> => withTrainer(mlp({ dropout: 0.3 }), {}, async (trainer) => {
      await trainer.fit(x, y, { epochs: 2, callbacks });
      return trainer.hashes().stateSha256;
    });
    expect(await hash({ onBatchEnd: () => undefined })).toBe(await hash({}));
  });
});

describe('model.stopTraining', () => {
  test('set in a batch ends the epoch after it, and the training', async () => {
    const model = mlp();
    const calls: string[] = [];
    const stop: Callback = { onBatchEnd: (batch) => { if (batch === 1) model.stopTraining = true; } };
    const history = await withTrainer(model, {}, (trainer) => trainer.fit(x, y, { epochs: 3, callbacks: [recorder(calls), stop] }));
    expect(calls.filter((call) => call.endsWith('end'))).toEqual(['batch 0 end', 'batch 1 end', 'epoch 0 end', 'train end']);
    expect(history.epoch).toEqual([0]);
  });

  test('set at the end of an epoch ends the training, and the next fit trains again', async () => {
    const model = mlp();
    const stop: Callback = { onEpochEnd: (epoch) => { if (epoch === 1) model.stopTraining = true; } };
    await withTrainer(model, {}, async (trainer) => {
      expect((await trainer.fit(x, y, { epochs: 5, callbacks: stop })).epoch).toEqual([0, 1]);
      expect((await trainer.fit(x, y, { epochs: 5 })).epoch).toEqual([0, 1, 2, 3, 4]);
    });
  });
});

describe('a callback that throws', () => {
  test.each(['onTrainBegin', 'onEpochBegin', 'onBatchBegin', 'onBatchEnd', 'onEpochEnd', 'onTrainEnd'] as const)('in %s reaches the caller, and the trainer goes on', async (event) => {
    const cause = new Error('no luck');
    const model = mlp();
    await withTrainer(model, {}, async (trainer) => {
      const failure = trainer.fit(x, y, { callbacks: { [event]: () => { throw cause; } } });
      await expect(failure).rejects.toMatchObject({ code: 'ERR_CALLBACK', kind: 'run', message: expect.stringContaining('no luck') as string, cause });
      expect((await trainer.fit(x, y)).epoch).toEqual([0]);
    });
  });

  test('between batches leaves weights, moments and the number of updates as they are after the last batch', async () => {
    const run = (throws: boolean) => withTrainer(mlp(), {}, async (trainer) => {
      const callbacks: Callback = { onBatchEnd: (batch) => { if (throws && batch === 0) throw new Error('enough'); } };
      const slice = (count: number) => [{ values: x.values.slice(0, count * 13), shape: [count, 13] }, { values: y.values.slice(0, count), shape: [count] }] as const;
      const first = trainer.fit(...slice(throws ? 75 : 32), { shuffle: false, callbacks });
      if (throws) await expect(first).rejects.toThrow('enough');
      else await first;
      await trainer.fit(x, y, { shuffle: false });
      return { hash: trainer.hashes().stateSha256, version: trainer.parts.state.version };
    });
    expect(await run(true)).toEqual(await run(false));
  });
});

describe('early stopping', () => {
  /** Puts values into the logs as though they had been measured. */
  const feed = (values: readonly number[]): Callback => ({ onEpochEnd: (epoch, logs) => { logs!['fed'] = values[epoch]!; } });

  test.each([
    [{ patience: 0 }, [5, 4, 4, 3], [0, 1, 2]],
    [{ patience: 2 }, [5, 4, 6, 6, 1], [0, 1, 2, 3]],
    [{ patience: 2 }, [5, 6, 4, 6, 3, 2], [0, 1, 2, 3, 4, 5]],
    [{ patience: 1, minDelta: 1 }, [5, 4.5, 1], [0, 1]],
    [{ patience: 1, mode: 'max' as const }, [1, 2, 3, 2, 9], [0, 1, 2, 3]],
    [{ patience: 1, baseline: 3 }, [5, 4], [0]],
    [{ patience: 1 }, [Number.NaN, 5, 4, 3], [0]],
    [{ patience: 2 }, [Infinity, 5, 4, 4, 4, 4], [0, 1, 2, 3, 4]],
  ])('with %j stops at the right epoch of %j', async (options, values, epochs) => {
    const history = await withTrainer(mlp(), {}, (trainer) => trainer.fit(x, y, { epochs: values.length, callbacks: [feed(values), earlyStopping({ monitor: 'fed', ...options })] }));
    expect(history.epoch).toEqual(epochs);
  });

  test('of tfjs stops too', async () => {
    const history = await withTrainer(mlp(), {}, (trainer) =>
      trainer.fit(x, y, { epochs: 6, callbacks: [feed([5, 4, 6, 6, 1, 1]), tfl.callbacks.earlyStopping({ monitor: 'fed', patience: 2 })] }));
    expect(history.epoch).toEqual([0, 1, 2, 3]);
  });

  test('puts the best weights back into model and trainer', async () => {
    const model = mlp();
    const seen: number[][] = [];
    const callbacks = [feed([5, 3, 4, 4]), earlyStopping({ monitor: 'fed', patience: 2, restoreBestWeights: true }), { onEpochEnd: () => void seen.push(weightsOf(model)) }];
    await withTrainer(model, {}, async (trainer) => {
      await trainer.fit(x, y, { epochs: 4, callbacks });
      expect(weightsOf(model)).toEqual(seen[1]);
      expect(weightsOf(model)).not.toEqual(seen[3]);
      const { weightsSha256 } = trainer.hashes();
      await trainer.evaluate(x, y); // reads the model again
      expect(trainer.hashes().weightsSha256).toBe(weightsSha256);
    });
  });

  test('begins anew in each fit', async () => {
    const callbacks = [feed([5, 4, 4]), earlyStopping({ monitor: 'fed', patience: 1 })];
    await withTrainer(mlp(), {}, async (trainer) => {
      for (let fit = 0; fit < 2; fit++) expect((await trainer.fit(x, y, { epochs: 3, callbacks })).epoch).toEqual([0, 1, 2]);
    });
  });

  test('refuses what the logs do not have, by name', async () => {
    await withTrainer(mlp(), {}, async (trainer) => {
      await expect(trainer.fit(x, y, { callbacks: earlyStopping() })).rejects.toMatchObject({ kind: 'input', message: expect.stringContaining('"val_loss"') as string });
    });
  });
});
