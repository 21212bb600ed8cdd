import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import * as tf from '@tensorflow/tfjs-core';
import '@tensorflow/tfjs-backend-cpu';
import { sequential, layers } from '@tensorflow/tfjs-layers';
import { encode } from 'fast-png';
import { describe, expect, test } from 'vitest';
import type { Columns } from '../../scripts/cli/library.js';
import { runEvaluate } from '../../scripts/cli/evaluate.js';
import { parseEvaluateOptions, parsePredictOptions, parseTrainOptions } from '../../scripts/cli/options.js';
import { runPredict } from '../../scripts/cli/predict.js';
import { restoreWeights } from '../../scripts/cli/restore.js';
import { readRows } from '../../scripts/cli/rows.js';
import { runTrain } from '../../scripts/cli/train.js';
import type { CheckpointContents } from '../../src/train/checkpoint.js';
import type { JsonObject } from '../../src/train/json.js';
import { temporaryFolder } from './command.js';
import { fakeRun, HASHES, type FakeRun } from './fakes.js';

/** Fakes around the checkpoint of a run that tested on 3 examples, with portable kernels. */
async function keptRun(): Promise<FakeRun> {
  return fakeRun({ record: (await trainedRun()).trainer.fits[0]!.checkpoint!.record });
}

async function trainedRun(): Promise<FakeRun> {
  const first = fakeRun();
  await runTrain(undefined, parseTrainOptions({ out: join(temporaryFolder(), 'run'), seed: '4', testExamples: '3' }), first.context);
  return first;
}

/** The same, with a trainer that answers with the given rows and notes what it was asked. */
async function predictingRun(answers: readonly (readonly number[])[]): Promise<{ readonly run: FakeRun; readonly asked: Columns[] }> {
  const run = await keptRun();
  const asked: Columns[] = [];
  run.trainer.predict = async (x) => {
    asked.push(x);
    return tf.tensor2d(answers.map((row) => [...row]));
  };
  return { run, asked };
}

describe('evaluate', () => {
  test('prints the loss and accuracy on as many examples as the run tested on', async () => {
    const run = await keptRun();
    expect(await runEvaluate('run', parseEvaluateOptions({}), run.context)).toBe(0);
    expect(run.context.out).toEqual(['test accuracy 0.2500, test loss 0.750, on 3 examples\n']);
    expect(run.restored).toEqual([9]);
    // The arithmetic of the run, not `auto`, which might be another here.
    expect(run.distributed).toEqual([{ workers: 'auto', seed: 4, kernels: 'fma', engineFlags: true, shardSize: 8 }]);
    expect(run.trainer.closed).toBe(true);
  });

  test('with --json is one result line', async () => {
    const run = await keptRun();
    await runEvaluate('run', parseEvaluateOptions({ json: true, testExamples: '2', workers: '1' }), run.context);
    expect(JSON.parse(run.context.out.join(''))).toEqual({
      event: 'result', testLoss: 0.75, testAccuracy: 0.25, examples: 2, weightsSha256: HASHES.weightsSha256, arithmetic: 'fma', workers: 2,
    });
  });
});

describe('predict', () => {
  test('a model of several inputs is refused, as a file holds one', async () => {
    const { record } = (await trainedRun()).trainer.fits[0]!.checkpoint!;
    const twice = JSON.parse(JSON.stringify(record).replace(/"inputScales":\[[^\]]*\]/, '"inputScales":[1,1]')) as JsonObject;
    await expect(runPredict('run', 'rows.csv', parsePredictOptions({}), fakeRun({ record: twice }).context))
      .rejects.toThrow('the model in run has 2 inputs and a file holds one; use trainer.predict of the library.');
  });

  const rowsFile = (text: string): string => {
    const file = join(temporaryFolder(), 'rows.csv');
    writeFileSync(file, text);
    return file;
  };

  test('gives a line for each row, with the likeliest class, from inputs scaled as in training', async () => {
    const { run, asked } = await predictingRun([[0.25, 0.75], [0.5, 0.5]]);
    const dataSource = async () => ({ ...(await run.context.dataSource()), readRows });
    await runPredict('run', rowsFile('1,2\n3,4\n'), parsePredictOptions({}), { ...run.context, dataSource });
    expect(run.context.out.join('')).toBe('{"row":0,"class":1,"name":"Trouser","output":[0.25,0.75]}\n{"row":1,"class":0,"name":"T-shirt/top","output":[0.5,0.5]}\n');
    expect(run.restored).toEqual([9]);
    expect(asked).toEqual([[{ values: Float32Array.of(1, 2, 3, 4), shape: [2, 2], scale: 1 / 255 }]]);
  });

  test('takes a line of CSV with as many numbers as a picture has pixels for that picture', async () => {
    const { run, asked } = await predictingRun([[0.25, 0.75]]);
    const dataSource = async () => ({ ...(await run.context.dataSource()), readRows });
    await runPredict('run', rowsFile(Array.from({ length: 784 }, (_, pixel) => pixel % 256).join()), parsePredictOptions({}), { ...run.context, dataSource });
    expect(asked[0]![0]).toMatchObject({ shape: [1, 28, 28] });
    expect(asked[0]![0]!.values[783]).toBe(15); // 783 = 3 * 256 + 15
  });

  test('gives no class for outputs that are not shares of 1', async () => {
    const { run } = await predictingRun([[-1, 2]]);
    const dataSource = async () => ({ ...(await run.context.dataSource()), readRows });
    await runPredict('run', rowsFile('1,2'), parsePredictOptions({}), { ...run.context, dataSource });
    expect(run.context.out).toEqual(['{"row":0,"output":[-1,2]}\n']);
  });

  const pictureFile = (picture: Parameters<typeof encode>[0]): string => {
    const file = join(temporaryFolder(), 'picture.png');
    writeFileSync(file, encode(picture));
    return file;
  };

  test('reads PNG as one example of grey bytes', async () => {
    expect(await readRows(pictureFile({ data: Uint8Array.of(0, 7, 200, 255, 1, 2), width: 3, height: 2, channels: 1, depth: 8 }))).toEqual({
      values: Uint8Array.of(0, 7, 200, 255, 1, 2), shape: [1, 2, 3],
    });
    // Luma of red is 0.299 * 255 = 76.2, of green 0.587 * 255 = 149.7; half of white over black is 128.
    const colours = Uint8Array.of(255, 0, 0, 255, 0, 255, 0, 255, 255, 255, 255, 128);
    expect((await readRows(pictureFile({ data: colours, width: 3, height: 1, channels: 4, depth: 8 }))).values).toEqual(Uint8Array.of(76, 150, 128));
    // 16 bits: 65535 is white; 0x8080 is 128 of 255.
    expect((await readRows(pictureFile({ data: Uint16Array.of(65535, 0x8080), width: 2, height: 1, channels: 1, depth: 16 }))).values).toEqual(Uint8Array.of(255, 128));
    // One bit, ten wide: a row is two bytes, 1010_0000 and 01.
    expect((await readRows(pictureFile({ data: Uint8Array.of(0b10100000, 0b01000000), width: 10, height: 1, channels: 1, depth: 1 }))).values).toEqual(
      Uint8Array.of(255, 0, 255, 0, 0, 0, 0, 0, 0, 255),
    );
  });

  test('refuses a broken PNG by name', async () => {
    const file = join(temporaryFolder(), 'broken.png');
    writeFileSync(file, Uint8Array.of(0x89, 0x50, 0x4e, 0x47, 1, 2, 3));
    await expect(readRows(file)).rejects.toMatchObject({ code: 'ERR_PNG', message: expect.stringContaining('broken.png') });
  });

  test('says of a PNG whose pixels are damaged what is wrong, without the colon at which the decoder breaks off', async () => {
    const chunk = (type: string, data: Uint8Array): Buffer => {
      const named = Buffer.concat([Buffer.from(type, 'latin1'), data]);
      const [length, sum] = [Buffer.alloc(4), Buffer.alloc(4)];
      length.writeUInt32BE(data.length);
      sum.writeUInt32BE(crc32(named));
      return Buffer.concat([length, named, sum]);
    };
    const header = Uint8Array.of(0, 0, 0, 1, 0, 0, 0, 1, 8, 0, 0, 0, 0); // 1x1, 8 bits of grey
    const file = join(temporaryFolder(), 'damaged.png');
    writeFileSync(file, Buffer.concat([Uint8Array.of(0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a), chunk('IHDR', header), chunk('IDAT', new Uint8Array(6)), chunk('IEND', new Uint8Array(0))]));
    await expect(readRows(file)).rejects.toMatchObject({ code: 'ERR_PNG', message: expect.stringMatching(/damaged\.png" is not readable as PNG \([^)]*\w\); save it anew\.$/) as string });
  });

  test('says of a picture that is no PNG, and of other bytes, what would be read', async () => {
    const file = join(temporaryFolder(), 'photo.jpg');
    writeFileSync(file, Uint8Array.of(0xff, 0xd8, 0xff, 0xe0, 0, 16, 0x4a, 0x46));
    await expect(readRows(file)).rejects.toThrow(/photo\.jpg" is neither a PNG picture, an IDX file nor CSV text; save a picture as PNG\.$/);
  });

  test('says that a folder is no file', async () => {
    await expect(readRows(temporaryFolder())).rejects.toMatchObject({ code: 'ERR_FILE_UNREADABLE', message: expect.stringMatching(/is a folder; name a file in it$/) as string });
  });

  test('names the class of a preset, and inverts a picture only', async () => {
    const { run, asked } = await predictingRun([[0, 0, 0, 0, 0, 0, 0, 0, 0, 1]]);
    const context = { ...run.context, dataSource: async () => ({ ...(await run.context.dataSource()), readRows }) };
    await runPredict('run', pictureFile({ data: Uint8Array.of(0, 55), width: 2, height: 1, channels: 1, depth: 8 }), parsePredictOptions({ invert: true }), context);
    expect(JSON.parse(run.context.out.join(''))).toMatchObject({ class: 9, name: 'Ankle boot' });
    expect(asked[0]![0]!.values).toEqual(Uint8Array.of(255, 200));
    await expect(runPredict('run', rowsFile('1,2'), parsePredictOptions({ invert: true }), context)).rejects.toThrow('--invert is for pictures');
  });

  test('reads CSV with a line of names, and IDX', async () => {
    expect(await readRows(rowsFile('width,height\n1,2\n\n3,4.5'))).toEqual({ values: Float32Array.of(1, 2, 3, 4.5), shape: [2, 2] });
    const file = join(temporaryFolder(), 'images');
    writeFileSync(file, Uint8Array.of(0, 0, 8, 2, 0, 0, 0, 1, 0, 0, 0, 3, 7, 8, 9));
    expect(await readRows(file)).toMatchObject({ values: Uint8Array.of(7, 8, 9), shape: [1, 3] });
  });

  test.each([
    ['1,2\n3', 'line 2: the row has 1 fields where the first has 2'],
    ['a,b\n1,2\n3,x', 'line 3, column "b": the word "x" stands where a number belongs'],
    ['1,2\n3,', 'line 2, column "2": the cell is empty'],
    ['a,b\n', 'has no rows of numbers'],
    ['', 'is empty (0 bytes)'],
  ])('refuses the file %j', async (text, sentence) => {
    await expect(readRows(rowsFile(text))).rejects.toMatchObject({ kind: 'input', message: expect.stringContaining(sentence) as string });
  });
});

describe('the weights of a checkpoint', () => {
  const checkpoint = (...shapes: number[][]): CheckpointContents => ({
    step: 1,
    tensors: [],
    record: {},
    model: { topology: {}, weights: shapes.map((shape, index) => ({ name: `w${index}`, shape, values: new Float32Array(shape.reduce((a, b) => a * b, 1)).fill(index + 1) })) },
  });
  const model = () => sequential({ layers: [layers.dense({ units: 2, inputShape: [3] })] });

  test('become those of a model of the same layers', () => {
    const restored = model();
    const before = tf.memory().numTensors;
    restoreWeights(restored, checkpoint([3, 2], [2]));
    expect(restored.getWeights().map((weight) => [...weight.dataSync()])).toEqual([[1, 1, 1, 1, 1, 1], [2, 2]]);
    expect(tf.memory().numTensors).toBe(before);
  });

  test('are refused by another model', () => {
    expect(() => restoreWeights(model(), checkpoint([2, 3], [2]))).toThrow('the checkpoint has weights of 2x3, 2 and the model has 3x2, 2');
  });
});
