import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import { tensorflock, temporaryFolder } from './command.js';

// Bad input that an experiment file brings: one sentence on standard error, nothing on standard output, status 2, nothing written.

const DOOR = new URL('../../src/index.js', import.meta.url).href;

/** Parts of an experiment as JavaScript; what is left out is right. */
interface Parts {
  readonly layers?: string;
  readonly loss?: string;
  readonly optimizer?: string;
  readonly metrics?: string;
  /** One data set, for training and testing. */
  readonly data?: string;
  readonly more?: string;
}

const DENSE = 'tfl.layers.dense({ units: 3, inputShape: [2], activation: "softmax" })';
const ROWS = 'datasets.arrays([[0, 1], [1, 0], [0, 2]], [0, 1, 2])';

/** Beside the compiled tests, where tfjs can be found. */
function experimentFile({ layers = DENSE, loss = '"sparseCategoricalCrossentropy"', optimizer = '"sgd"', metrics = '[]', data = ROWS, more = '' }: Parts): string {
  const folder = fileURLToPath(new URL('./experiments/', import.meta.url));
  mkdirSync(folder, { recursive: true });
  const file = join(folder, 'bad.mjs');
  writeFileSync(file, `
    import * as tf from '@tensorflow/tfjs-core';
    import * as tfl from '@tensorflow/tfjs-layers';
    import { datasets, defineExperiment } from ${JSON.stringify(DOOR)};
    export default defineExperiment({
      model: () => tfl.sequential({ layers: [${layers}] }),
      data: async () => { const rows = await ${data}; return { train: rows, test: rows }; },
      loss: ${loss}, optimizer: ${optimizer}, metrics: ${metrics}, batchSize: 2, epochs: 1, weights: 'keep', ${more}
    });`);
  return file;
}

function expectRefusal(parts: Parts, sentence: RegExp): void {
  const out = join(temporaryFolder(), 'run');
  const { status, stdout, stderr } = tensorflock('train', experimentFile(parts), '--workers', '1', '--json', '--out', out);
  expect(stderr).toMatch(sentence);
  expect(stderr.trimEnd().split('\n')).toHaveLength(1);
  expect(stdout).toBe('');
  expect(status).toBe(2);
  expect(existsSync(out)).toBe(false);
}

test('the experiment that each of these spoils is a good one', () => {
  expect(tensorflock('train', experimentFile({}), '--workers', '1', '--json')).toMatchObject({ status: 0, stderr: '' });
});

describe('a model', () => {
  test.each<[string, Parts, RegExp]>([
    ['with an unknown loss', { loss: '"meanSquaredEror"' }, /^the model of .*bad\.mjs cannot be made \(Unknown loss meanSquaredEror\); correct it and run again\.$/m],
    ['with an unknown optimizer', { optimizer: '"adm"' }, /^the model of .*bad\.mjs cannot be made \(Unknown Optimizer adm\); correct it and run again\.$/m],
    ['with an unknown metric', { metrics: '["accurracy"]' }, /cannot be made \(Unknown metric accurracy\)/],
    ['with an unknown layer', { layers: 'tfl.layers.dens({ units: 3 })' }, /cannot be made \(tfl\.layers\.dens is not a function, line 6\)/],
    ['with an unknown activation', { layers: 'tfl.layers.dense({ units: 3, inputShape: [2], activation: "rleu" })' }, /cannot be made \(Unknown activation: rleu/],
    ['with an optimizer that is not covered', { optimizer: '"adamax"' }, /^the optimizer "Adamax" of tfjs is not covered; the nearest is "adam"/],
    ['with a layer that is not covered', { layers: `${DENSE}, tfl.layers.layerNormalization({ name: "norm" })` }, /^layer "norm" needs the kernel \w+: this kernel is not covered; use another layer or operation\.$/m],
    ['with a constraint', { layers: 'tfl.layers.dense({ name: "one", units: 3, inputShape: [2], kernelConstraint: "nonNeg" })' }, /^layer "one" \(Dense\) has a kernelConstraint, which is not covered/],
    ['with a scalar loss', { loss: '(y, p) => tf.mean(tf.squaredDifference(y, p))', data: 'datasets.arrays([[0, 1]], [[0, 1, 0]])' }, /^the loss "\w+" returns shape \[\], not one value per example; leave out its last tf\.mean or tf\.sum/],
    ['without a loss', { loss: 'undefined' }, /is not compiled; call model\.compile, or give the experiment a loss/],
    ['that fails to build', { layers: '(() => { throw new Error("out of luck."); })()' }, /cannot be made \(out of luck, line 6\)/],
    [
      'too big for the arena',
      // A GiB of weights that nobody reads, Adam's two moments and the snapshot of all three.
      { layers: 'tfl.layers.dense({ units: 2 ** 14, inputShape: [2 ** 14], useBias: false, kernelInitializer: "zeros" })', loss: '"meanSquaredError"', optimizer: '"adam"', data: 'datasets.arrays([[0]], [[0]])' },
      /needs [\d,]{13} bytes and the arena has [\d,]+ left; use a smaller model/,
    ],
  ])('%s is refused', (_name, parts, sentence) => expectRefusal(parts, sentence));
});

describe('data', () => {
  const csv = (text: string, options = '{ label: "kind" }'): Parts => {
    const file = join(temporaryFolder(), 'rows.csv');
    writeFileSync(file, text);
    return { data: `datasets.csv(${JSON.stringify(file)}, ${options})` };
  };
  const IMAGES = Uint8Array.of(0, 0, 8, 2, 0, 0, 0, 3, 0, 0, 0, 2, 1, 2, 3, 4, 5, 6);
  const idx = (images: Uint8Array | undefined): Parts => {
    const folder = temporaryFolder();
    if (images !== undefined) writeFileSync(join(folder, 'images'), images);
    writeFileSync(join(folder, 'labels'), Uint8Array.of(0, 0, 8, 1, 0, 0, 0, 3, 0, 1, 2));
    return { data: `datasets.idx(${JSON.stringify(join(folder, 'images'))}, ${JSON.stringify(join(folder, 'labels'))})` };
  };

  test('the files that each of these spoils are good ones', () => {
    for (const parts of [csv('a,b,kind\n1,2,x\n3,4,y\n5,6,z\n'), idx(IMAGES), idx(gzipSync(IMAGES))]) {
      expect(tensorflock('train', experimentFile(parts), '--workers', '1', '--json')).toMatchObject({ status: 0, stderr: '' });
    }
  });

  test.each<[string, () => Parts, RegExp]>([
    ['of a missing file', () => idx(undefined), /images" does not exist/],
    ['of an empty file', () => idx(new Uint8Array(0)), /images" is empty \(0 bytes\)/],
    ['of a truncated file', () => idx(IMAGES.subarray(0, 16)), /images" .*16 bytes/],
    ['of a truncated gzip file', () => idx(gzipSync(IMAGES).subarray(0, 20)), /the gzip file ".*images" of 20 bytes is damaged or cut short/],
    ['of a file that is not IDX', () => idx(Buffer.from('hello, world')), /images" .*not IDX|images" is no/],
    ['of CSV without the column', () => csv('a,b\n1,2\n'), /^".*rows\.csv" has no column "kind", the nearest is "a"; its columns are/],
    ['of CSV with a word where a number belongs', () => csv('a,b,kind\n1,2,x\n3,four,y\n'), /rows\.csv", line 3, column "b": the word "four" stands where a number belongs/],
    ['of ragged CSV', () => csv('a,b,kind\n1,2,x\n3,4\n'), /rows\.csv", line 3/],
    ['with labels outside the classes', () => ({ data: 'datasets.arrays([[0, 1], [1, 0]], [0, 3])' }), /the label 3 in row 1 \(counted from 0\) is outside the classes 0 to 2/],
    ['of other shapes than the model', () => ({ data: 'datasets.arrays([[0, 1, 2]], [0])' }), /x has shape \[1, 3\] and the model expects \[N, 2\]/],
    ['with NaN', () => ({ data: 'datasets.arrays([[0, 1], [NaN, 0]], [0, 1])' }), /holds NaN, an infinity or a value beyond float32 in row 1/],
    ['with an infinity', () => ({ data: 'datasets.arrays([[Infinity, 1], [1, 0]], [0, 1])' }), /holds NaN, an infinity or a value beyond float32 in row 0/],
    ['with ragged rows', () => ({ data: 'datasets.arrays([[0, 1], [1]], [0, 1])' }), /^row 1 \(counted from 0\) of x holds an array of 1 where an array of 2 belongs; make all rows alike$/m],
    ['without examples', () => ({ data: 'datasets.arrays([], [])' }), /^x has the shape \[0\]; give whole numbers of 1 or more, the examples first$/m],
    ['that cannot be had', () => ({ data: 'Promise.reject(new Error("the cellar is flooded"))' }), /^the data of .*bad\.mjs cannot be made \(the cellar is flooded, line 7\); correct it/],
  ])('%s is refused', (_name, parts, sentence) => expectRefusal(parts(), sentence));

  test('of another form than an experiment gives is refused', () => {
    expectRefusal({ more: 'data: () => [1, 2, 3],' }, /^data of .*bad\.mjs does not give { train, test }, two data sets; make them with/);
  });
});

describe('numbers of the experiment', () => {
  test.each([['batchSize', 0], ['batchSize', -3], ['batchSize', 1.5], ['shardSize', 0], ['shardSize', 2.5], ['epochs', 0], ['epochs', 1.5]])('%s %d is refused by name', (name, value) => {
    expectRefusal({ more: `${name}: ${value},` }, new RegExp(`^${name} of .*bad\\.mjs is ${value}; give a whole number of at least 1\\.$`, 'm'));
  });
});
