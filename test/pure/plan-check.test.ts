import '@tensorflow/tfjs-backend-cpu';
import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, describe, expect, test } from 'vitest';
import { BINARY_KERNELS, NORMALIZE_KERNELS, REDUCE_KERNELS, UNARY_KERNELS } from '../../src/kernels/ops/names.js';
import { compileKernels, createMemory, instantiateKernels } from '../../src/kernels/load.js';
import { TILES } from '../../src/kernels/tiles.js';
import { checkPlan } from '../../src/plan/check.js';
import type { Instruction } from '../../src/plan/plan.js';
import { TensorflockError } from '../../src/errors.js';
import { ARITHMETICS } from './arena.js';
import { PlanArena } from './plan-arena.js';
import { at, Spoilt } from './plan-by-hand.js';
import { casesOf, PLAN_MODELS } from './plan-models.js';

beforeAll(async () => { await tf.ready(); });

const CAPACITY = { rows: 16, shards: 2 };

describe.each(PLAN_MODELS)('compiled plans of %s', (_name, build) => {
  test('pass unchanged', () => {
    for (const capacity of [CAPACITY, { rows: 15, shards: 3 }, { rows: 1, shards: 1 }, { rows: 256, shards: 8 }]) {
      for (const { plan, limits } of casesOf(build(), capacity)) expect(checkPlan(plan, limits)).toEqual(plan);
    }
  });

  test.each(ARITHMETICS)('touch nothing but their areas (%s)', (arithmetic) => {
    const arena = new PlanArena(arithmetic);
    casesOf(build(), { rows: 15, shards: 3 }).forEach(({ kind, plan, limits }, index) => {
      // Several goes, whole or not, and blocks of 80 rows.
      for (const rows of [15, 13, 1, 173]) {
        const tile = TILES[(index + rows) % TILES.length]!.id;
        const { strayWrites, results } = arena.run(plan, limits, { rows, tile });
        expect(strayWrites, `${kind}, ${rows} rows`).toEqual([]);
        // What lies outside decides nothing, so it is not read.
        expect(arena.run(plan, limits, { rows, tile, outsideBits: 0x3f800000 }).results, `${kind}, ${rows} rows`).toBe(results);
      }
    });
  });
});

test('every kind of instruction is in some of these plans', () => {
  const known: Record<Instruction['op'], true> = {
    gather: true, noise: true, unary: true, binary: true, select: true, reduce: true, copy: true, fill: true, oneHot: true,
    compress: true, pack: true, matmul: true, matmulFold: true, sumRows: true, foldShards: true,
  };
  const plans = PLAN_MODELS.flatMap(([, build]) => casesOf(build(), CAPACITY).map(({ plan }) => plan));
  const used = new Set(plans.flatMap(({ shared, once, rows, folds }) => [...shared, ...once, ...rows, ...folds].map(({ op }) => op)));
  expect([...used].sort()).toEqual(Object.keys(known).sort());
});

test('every kernel that a plan may name is in both builds', () => {
  const names = [...Object.keys(UNARY_KERNELS), ...BINARY_KERNELS, ...REDUCE_KERNELS, ...NORMALIZE_KERNELS];
  for (const arithmetic of ARITHMETICS) {
    const kernels = instantiateKernels(compileKernels(arithmetic), createMemory(2));
    expect(names.filter((name) => typeof kernels[name] !== 'function')).toEqual([]);
  }
});

/** A plan by hand, spoilt in one place, and the sentence that says so. */
type Rule = readonly [sentence: string, spoil: (spoilt: Spoilt) => void];

const without = (object: object, name: string): void => { Reflect.deleteProperty(object, name); };
const set = (object: object, name: PropertyKey, value: unknown): void => { Reflect.set(object, name, value); };

const FORM: readonly Rule[] = [
  ['it has no "scratchBytes", which must be a whole number from 0', ({ plan }) => { without(plan, 'scratchBytes'); }],
  ['it has 2 as "formatVersion", which must be one of 1', ({ plan }) => { set(plan, 'formatVersion', 2); }],
  ['it has the unknown field "code"', ({ plan }) => { set(plan, 'code', 'x'); }],
  ['it has an object as "rows", which must be a list', ({ plan }) => { set(plan, 'rows', {}); }],
  ['it has a list as "constants", which must be bytes', ({ plan }) => { set(plan, 'constants', [0]); }],
  ['it has 1 as "mixesRows", which must be true or false', ({ plan }) => { set(plan, 'mixesRows', 1); }],
  ['it has 0 as "rows", which must be a whole number from 1', ({ plan }) => { plan.capacity.rows = 0; }],
  ['tensors[6] has -16 as "offset", which must be a whole number from 0', (s) => { s.tensor('x').home.offset = -16; }],
  ['tensors[6] has "heap" as "area", which must be one of scratch, parameters', (s) => { set(s.tensor('x').home, 'area', 'heap'); }],
  ['tensors[6] has 7.5 as "stride", which must be a whole number', (s) => { s.tensor('x').stride = 7.5; }],
  ['tensors[6] has "fold" as "scope", which must be one of once, rows, shards', (s) => { set(s.tensor('x'), 'scope', 'fold'); }],
  ['tensors[6] must be an object', ({ plan }) => { set(plan.tensors, at('x'), null); }],
  ['rows[0] is no instruction', ({ plan }) => { set(plan.rows, 0, 'gather'); }],
  ['rows[0] is no instruction', ({ plan }) => { set(plan.rows[0]!, 'op', 'constructor'); }],
  ['rows[0] (gather) has the unknown field "address"', ({ plan }) => { set(plan.rows[0]!, 'address', 0); }],
  ['rows[0] (gather) has "output" as "source", which must be one of input, target', (s) => { set(s.step('gather'), 'source', 'output'); }],
  ['rows[0] (gather) has -2 as "layer", which must be a whole number from -1', (s) => { s.step('gather').layer = -2; }],
  ['shared[0] (fill) has the unknown field "value"', ({ plan }) => { set(plan.shared, 0, plan.once[0]!); }],
  ['rows[4] (binary) has "addInto" as "name", which must be one of add, sub', (s) => { set(s.step('binary', 'sum'), 'name', 'addInto'); }],
  ['rows[5] (unary) has "sgd" as "name", which must be one of abs, neg', (s) => { s.step('unary').name = 'sgd'; }],
  ['rows[8] (reduce) has "toString" as "name", which must be one of sumLast', (s) => { set(s.step('reduce'), 'name', 'toString'); }],
  ['rows[4] (binary) has 1 as "aSplat", which must be true or false', (s) => { set(s.step('binary', 'sum'), 'aSplat', 1); }],
  ['rows[6] (noise) has 1 as "rate", which must be from 0 on and below 1', (s) => { s.step('noise').rate = 1; }],
  ['rows[6] (noise) has -1 as "deviation", which must be a finite number from 0 on', (s) => { s.step('noise').deviation = -1; }],
  ['rows[6] (noise) has Infinity as "mean", which must be a finite number', (s) => { s.step('noise').mean = Infinity; }],
  ['rows[5] (unary) has NaN as "parameters[1]", which must be a number', (s) => { s.step('unary').parameters[1] = NaN; }],
  ['rows[9] (oneHot) has NaN as "on", which must be a finite number', (s) => { s.step('oneHot').on = NaN; }],
  ['once[0] (fill) has "1" as "value", which must be a number', (s) => { set(s.step('fill'), 'value', '1'); }],
  ['rows[3] (matmul) has 2147483648 as "m", which must be a whole number from 1 to 2147483647', (s) => { s.step('matmul').m = 2 ** 31; }],
  ['rows[3] (matmul) has 0 as "k", which must be a whole number from 1', (s) => { s.step('matmul').k = 0; }],
  ['rows[3] (matmul) has null as "groups", which must be a whole number', (s) => { set(s.step('matmul'), 'groups', null); }],
  ['rows[15] (copy) has a list as "counts", which must be a list of four', (s) => { set(s.step('copy'), 'counts', [1, 1, 5]); }],
  ['rows[15] (copy) has -1 as "to[3]", which must be a whole number from 0', (s) => { s.step('copy').to[3] = -1; }],
  ['it has 26 tensors, and at most 25 are allowed', ({ limits }) => { limits.tensors = 25; }],
  ['it has 24 instructions and predictions, and at most 23 are allowed', ({ limits }) => { limits.instructions = 23; }],
];

const SIZES: readonly Rule[] = [
  ['it is for 16 rows at a time, and at most 15 are allowed', ({ limits }) => { limits.capacityRows = 15; }],
  ['it is for 16 rows in 2 shards at a time, and shards have 4 rows', ({ limits }) => { limits.shardRows = 4; }],
  ['it is for 16 rows in 1 shards at a time, and shards have 8 rows', ({ plan }) => { plan.capacity.shards = 1; }],
  ['it has its sums behind 48 floats of gradients, of which there are 64', ({ plan }) => { plan.sumsOffset = 48; }],
  ['it has shares of 76 floats, which must be 72', ({ plan }) => { plan.shareFloats = 76; }],
  ['it has shares of 72 floats, which must be 76', ({ plan }) => { plan.sumCount = 3; }],
  ['it has penalties of 4 floats, which must be 0', ({ plan }) => { plan.penaltyFloats = 4; }],
  ['it computes examples, and there are none', ({ limits }) => { limits.kind = 'penalties'; }],
  ['it is for 16 rows at a time, and there are none', ({ plan, limits }) => { limits.kind = 'penalties'; plan.rows = []; plan.folds = []; plan.predictions = []; }],
  ['predictions[0] has 5 floats in blocks of 4', ({ plan }) => { plan.predictions[0]!.stride = 4; }],
  ['predictions[0] has blocks of 9 floats, which is no multiple of 4', ({ plan }) => { plan.predictions[0]!.stride = 9; }],
  // 6,192 of scratch, 192 shared, 8 rows of 80 and a shard of 32 bytes of a piece, 32 of constants, 288 of a share, and 16 rows of 32
  // bytes of predictions.
  ['it needs 7696 bytes, and at most 7695 are allowed', ({ limits }) => { limits.areaBytes = 7695; }],
  ['bytes, and at most 2147483648 are allowed', ({ plan }) => { plan.scratchBytes = 2 ** 31; }],
  ['bytes, and at most 2147483648 are allowed', ({ plan }) => { plan.predictions.push({ floats: 1, stride: 2 ** 26 }); }],
  // 6 x 8 for the product and as much for the gradient, of each row.
  ['it costs 96 multiply-adds a row, and at most 95 are allowed', ({ limits }) => { limits.multiplyAddsPerRow = 95; }],
  ['floats read and written a row, and at most 99 are allowed', ({ limits }) => { limits.floatsPerRow = 99; }],
  ['floats read and written a row, and at most 1073741824 are allowed', (s) => { s.step('copy').counts = [1000, 1000, 1000, 5]; }],
];

const TENSORS: readonly Rule[] = [
  ['tensors[6] has 9 floats in blocks of 8', (s) => { s.tensor('x').floats = 9; }],
  ['tensors[6] has blocks of 6 floats, which is no multiple of 4', (s) => { s.tensor('x').stride = 6; }],
  ['tensors[6] begins at byte 8, which is no multiple of 16', (s) => { s.tensor('x').home.offset = 8; }],
  ['tensors[20] ends at byte 6016 of the scratch, which has 6000', (s) => { s.tensor('mean').home.offset += 16; }],
  ['tensors[20] ends at byte 6000 of the scratch, which has 5999', ({ plan }) => { plan.scratchBytes -= 1; }],
  ['tensors[0] ends at byte 208 of the parameters, which has 160', (s) => { s.tensor('weights').home.offset = 16; s.limits.parameterFloats = 40; }],
  ['tensors[2] ends at byte 32 of the constants, which has 31', ({ plan }) => { plan.constants = plan.constants.subarray(1); }],
  ['tensors[3] ends at byte 192 of the shared, which has 191', ({ plan }) => { plan.sharedBytes = 191; }],
  ['tensors[24] ends at byte 304 of the share, which has 288', (s) => { s.tensor('nothing').home.offset = 288; }],
  ['tensors[24] ends at byte 288 of the penalties, which has 0', (s) => { s.tensor('nothing').home.area = 'penalties'; }],
  ['tensors[0] lies in the parameters and has the scope "rows"', (s) => { s.tensor('weights').scope = 'rows'; }],
  ['tensors[2] lies in the constants and has the scope "rows"', (s) => { s.tensor('constant').scope = 'rows'; }],
  ['tensors[3] lies in the shared and has the scope "shards"', (s) => { s.tensor('packedWeights').scope = 'shards'; }],
  ['tensors[23] lies in the share and has the scope "rows"', (s) => { s.tensor('loss').scope = 'rows'; }],
  ['tensors[23] lies in the penalties and has the scope "shards"', (s) => { s.tensor('loss').home.area = 'penalties'; }],
  ['tensors[25] lies in the predictions and has the scope "once"', (s) => { s.tensor('prediction').scope = 'once'; }],
  ['tensors[25] has 5 floats in blocks of 8, and prediction 1 has not', (s) => { s.tensor('prediction').home.offset = 1; }],
  ['tensors[25] has 4 floats in blocks of 8, and prediction 0 has not', (s) => { s.tensor('prediction').floats = 4; }],
  ['tensors[25] has 5 floats in blocks of 12, and prediction 0 has not', (s) => { s.tensor('prediction').stride = 12; }],
];

const SCOPES: readonly Rule[] = [
  ['rows[5] (unary) names tensor 26 as "x", of 26', (s) => { s.step('unary').x = 26; }],
  ['rows[5] (unary) has the scope "once", which runs elsewhere', (s) => { s.step('unary').scope = 'once'; }],
  ['once[0] (fill) has the scope "rows", which runs elsewhere', (s) => { s.step('fill').scope = 'rows'; }],
  ['once[0] (fill) runs once, and its result is of the scope "rows"', (s) => { s.step('fill').out = at('mean'); }],
  ['rows[5] (unary) goes over all rows, and its result is of the scope "shards"', (s) => { s.step('unary').out = at('shardSums'); }],
  ['rows[16] (sumRows) goes shard by shard, and its result is one for all', (s) => { s.plan.rows.push({ ...s.step('sumRows', 'shardSums'), out: at('minus') }); }],
  ['folds[4] (unary) cannot sum into a share', (s) => { s.plan.folds.push({ ...s.step('unary'), scope: 'fold' }); }],
  ['rows[5] (unary) has the scope "fold", which runs elsewhere', (s) => { s.step('unary').scope = 'fold'; }],
  ['rows[16] (foldShards) sums all shards, and has the scope "shards"', (s) => { s.plan.rows.push({ ...s.step('foldShards'), scope: 'shards', out: at('shardSums') }); }],
  ['folds[3] (foldShards) has the scope "shards", which runs elsewhere', (s) => { s.step('foldShards').scope = 'shards'; }],
  ['rows[2] (compress) must go over all rows, and has the scope "shards"', (s) => { s.step('compress').scope = 'shards'; }],
  ['rows[0] (gather) has tensor 18 ("out") of the scope "shards"', (s) => { Object.assign(s.step('gather'), { scope: 'shards', out: at('shardSums') }); s.limits.inputs = [5]; }],
  ['rows[6] (noise) has tensor 18 ("out") of the scope "shards"', (s) => { Object.assign(s.step('noise'), { scope: 'shards', out: at('shardSums') }); }],
  ['rows[2] (compress) has tensor 0 ("x") of the scope "once"', (s) => { s.step('compress').x = at('weights'); }],
  ['folds[0] (sumRows) has tensor 1 ("x") of the scope "once"', (s) => { s.step('sumRows', 'loss').x = at('bias'); }],
  ['folds[2] (matmulFold) has tensor 0 ("a") of the scope "once"', (s) => { s.step('matmulFold').a = at('weights'); }],
  ['folds[2] (matmulFold) has tensor 1 ("packed") of the scope "once"', (s) => { s.step('matmulFold').packed = at('bias'); }],
  ['folds[3] (foldShards) has tensor 14 ("x") of the scope "rows"', (s) => { s.step('foldShards').x = at('softmax'); }],
  ['rows[12] (unary) has tensor 14 ("x") of the scope "rows"', ({ plan }) => { plan.rows[12] = { scope: 'shards', layer: 0, op: 'unary', name: 'abs', x: at('softmax'), out: at('shardSums'), parameters: [] }; }],
  ['once[1] (binary) has tensor 6 ("a") of the scope "rows"', (s) => { s.step('binary', 'scaled').a = at('x'); }],
  ['rows[13] (binary) goes over all rows, and has tensor 18 ("b") for each shard', (s) => { s.step('binary', 'centred').scope = 'rows'; }],
  ['rows[3] (matmul) takes the columns of the examples', (s) => { s.step('matmul').transposed = true; }],
  ['folds[0] (sumRows) sums the rows into a tensor of rows', (s) => { s.step('sumRows', 'loss').out = at('mean'); }],
  ['folds[2] (matmulFold) sums the rows into a tensor of rows', (s) => { s.step('matmulFold').out = at('product'); }],
];

const AREAS: readonly Rule[] = [
  ['once[0] (fill) writes the parameters', (s) => { s.step('fill').out = at('bias'); }],
  ['once[0] (fill) writes the constants', (s) => { s.step('fill').out = at('constant'); }],
  ['once[0] (fill) writes the shared', (s) => { s.step('fill').out = at('packedWeights'); }],
  ['once[0] (fill) writes the share', (s) => { s.step('fill').out = at('nothing'); }],
  ['shared[0] (pack) writes the scratch', (s) => { s.step('pack').out = at('scaled'); }],
  ['shared[0] (pack) reads the constants', (s) => { s.step('pack').x = at('constant'); }],
  ['rows[12] (sumRows) writes the share', (s) => { s.step('sumRows', 'shardSums').out = at('biasGradient'); }],
  ['folds[0] (sumRows) writes the pieceShards', (s) => { s.step('sumRows', 'loss').out = at('shardSums'); }],
  ['rows[13] (binary) reads the share', (s) => { s.step('binary', 'centred').b = at('biasGradient'); }],
  ['rows[16] (unary) reads the predictions', ({ plan }) => { plan.rows.push({ scope: 'rows', layer: 0, op: 'unary', name: 'abs', x: at('prediction'), out: at('sum'), parameters: [] }); }],
  ['rows[4] (unary) reads tensor 10 ("x") before anything is written there', (s) => { s.postpone('sum'); }],
];

/** The floats of an operand, for each kernel. */
const RANGES: readonly Rule[] = [
  ['rows[0] (gather) reads column 1 of 1 inputs', (s) => { s.step('gather').column = 1; }],
  ['rows[0] (gather) reads examples of 6 floats from input 0, whose examples have 5', ({ limits }) => { limits.inputs = [5]; }],
  ['rows[5] (unary) has 1 parameters for "clip", which takes 2', (s) => { s.step('unary').parameters.pop(); }],
  ['rows[5] (unary) reads 8 floats of tensor 7 ("x"), in blocks of 4', (s) => { s.step('unary').x = at('label'); }],
  ['rows[4] (binary) reads 8 floats of tensor 7 ("a"), in blocks of 4', (s) => { s.step('binary', 'sum').a = at('label'); }],
  ['rows[4] (binary) reads 8 floats of tensor 4 ("b"), in blocks of 4', (s) => { s.step('binary', 'sum').b = at('minus'); }],
  ['rows[7] (select) reads 8 floats of tensor 7 ("c"), in blocks of 4', (s) => { s.step('select').c = at('label'); }],
  ['rows[7] (select) reads 8 floats of tensor 7 ("t"), in blocks of 4', (s) => { s.step('select').t = at('label'); }],
  ['rows[7] (select) reads 8 floats of tensor 4 ("e"), in blocks of 4', (s) => { Object.assign(s.step('select'), { e: at('minus'), eSplat: false }); }],
  ['rows[8] (reduce) reads 9 floats of tensor 13 ("x"), in blocks of 8', (s) => { s.step('reduce').length = 9; }],
  // The kernel goes to the next of 16 rows after a block of 8, whatever the scope: 15 x 8 + 5.
  ['rows[8] (reduce) reads 125 floats of tensor 5 ("x"), in blocks of 8', (s) => { Object.assign(s.step('reduce'), { x: at('scaled'), length: 5 }); }],
  ['rows[8] (reduce) writes 5 floats of tensor 20 ("out"), in blocks of 4', (s) => { s.step('reduce').out = at('mean'); }],
  ['rows[10] (reduce) writes 5 floats of tensor 16 ("out"), in blocks of 4', (s) => { Object.assign(s.step('reduce', 'rowLoss'), { groups: 5, length: 1 }); }],
  // A mean is divided in whole vectors.
  ['rows[14] (reduce) writes 8 floats of tensor 20 ("out"), in blocks of 4', (s) => { Object.assign(s.step('reduce', 'mean'), { groups: 5, length: 1 }); }],
  ['rows[15] (copy) reads 9 floats of tensor 19 ("x"), in blocks of 8', (s) => { s.step('copy').fromOffset = 4; }],
  ['rows[15] (copy) reads 9 floats of tensor 19 ("x"), in blocks of 8', (s) => { s.step('copy').from[3] = 2; }],
  ['rows[15] (copy) reads 13 floats of tensor 19 ("x"), in blocks of 8', (s) => { Object.assign(s.step('copy'), { counts: [2, 1, 1, 5], from: [8, 0, 0, 1] }); }],
  ['rows[15] (copy) writes 9 floats of tensor 25 ("out"), in blocks of 8', (s) => { s.step('copy').toOffset = 4; }],
  ['rows[15] (copy) writes 9 floats of tensor 25 ("out"), in blocks of 8', (s) => { s.step('copy').to[3] = 2; }],
  ['rows[9] (oneHot) reads 5 floats of tensor 7 ("x"), in blocks of 4', (s) => { Object.assign(s.step('oneHot'), { groups: 5, depth: 1 }); }],
  ['rows[9] (oneHot) writes 12 floats of tensor 15 ("out"), in blocks of 8', (s) => { s.step('oneHot').depth = 9; }],
  ['folds[0] (sumRows) writes 8 floats of tensor 23 ("out"), in blocks of 4', (s) => { s.step('sumRows', 'loss').x = at('x'); }],
  ['folds[3] (foldShards) reads 12 floats of tensor 18 ("x"), in blocks of 8', (s) => { Object.assign(s.step('foldShards'), { columns: 4 }); s.tensor('biasGradient').stride = 12; }],
  ['folds[3] (foldShards) has rows of 9 columns in blocks of 8 floats', (s) => { s.step('foldShards').columns = 9; }],
];

const PRODUCTS: readonly Rule[] = [
  ['shared[0] (pack) has rows of 9 floats every 8', (s) => { s.step('pack').n = 9; }],
  ['shared[0] (pack) has rows of 9 floats every 8', (s) => { Object.assign(s.step('pack'), { transposed: true, k: 9, n: 4 }); }],
  ['shared[0] (pack) reads 53 floats of tensor 0 ("x"), in blocks of 48', (s) => { s.step('pack').k = 7; }],
  ['shared[0] (pack) reads 53 floats of tensor 0 ("x"), in blocks of 48', (s) => { Object.assign(s.step('pack'), { transposed: true, k: 5, n: 7 }); }],
  // A last column of panels is written whole.
  ['shared[0] (pack) writes 56 floats of tensor 3 ("out"), in blocks of 48', (s) => { Object.assign(s.step('pack'), { k: 7, n: 5, stride: 7 }); }],
  ['rows[11] (pack) has panels of 16 floats a row in tensor 17 ("out"), whose blocks have 8', (s) => { Object.assign(s.step('pack', 'packedSoftmax'), { k: 2, n: 4, stride: 4 }); s.step('pack', 'packedSoftmax').n = 5; s.step('pack', 'packedSoftmax').stride = 5; s.tensor('softmax').stride = 12; s.tensor('softmax').home.offset = 0; }],
  ['rows[2] (compress) reads 9 floats of tensor 6 ("x"), in blocks of 8', (s) => { s.step('compress').width = 9; s.tensor('rowGroups').stride = 24; s.tensor('rowGroups').home.offset = 0; }],
  ['rows[2] (compress) writes 322 floats of tensor 8 ("out"), which has 320', (s) => { s.tensor('rowGroups').stride = 20; }],
  ['rows[3] (matmul) has rows of 6 floats of "a" every 5', (s) => { s.step('matmul').aStride = 5; }],
  ['rows[3] (matmul) has rows of 8 floats of "out" every 7', (s) => { s.step('matmul').outStride = 7; }],
  ['rows[3] (matmul) reads 9 floats of tensor 6 ("a"), in blocks of 8', (s) => { s.step('matmul').aStride = 9; }],
  ['rows[3] (matmul) reads 56 floats of tensor 3 ("packed"), in blocks of 48', (s) => { s.step('matmul').k = 7; }],
  ['rows[3] (matmul) reads 72 floats of tensor 3 ("packed"), in blocks of 48', (s) => { Object.assign(s.step('matmul'), { n: 9, outStride: 12 }); }],
  ['rows[3] (matmul) writes 9 floats of tensor 9 ("out"), in blocks of 8', (s) => { s.step('matmul').outStride = 9; }],
  ['rows[3] (matmul) reads 16 floats of tensor 6 ("a"), in blocks of 8', (s) => { without(s.step('matmul'), 'groups'); s.step('matmul').m = 2; }],
  ['folds[2] (matmulFold) has rows of 9 floats of "a" every 8', (s) => { s.step('matmulFold').m = 9; }],
  ['folds[2] (matmulFold) reads 9 floats of tensor 6 ("a"), in blocks of 8', (s) => { s.step('matmulFold').aStride = 9; }],
  ['folds[2] (matmulFold) has panels of 12 floats a row in tensor 17 ("packed"), whose blocks have 8', (s) => { Object.assign(s.step('matmulFold'), { n: 9, outStride: 12 }); }],
  ['folds[2] (matmulFold) writes 54 floats of tensor 21 ("out"), in blocks of 48', (s) => { s.step('matmulFold').outStride = 9; }],
];

/** Groups are counts and positions that a product trusts. */
const GROUPS: readonly Rule[] = [
  ['rows[3] (matmul) uses compressed rows for other rows than these', (s) => { s.step('matmul').m = 2; }],
  ['rows[3] (matmul) uses compressed rows for other rows than these', (s) => { s.step('matmul').scope = 'shards'; }],
  ['rows[3] (matmul) uses tensor 6 ("groups"), which is not compressed or was written over', (s) => { s.step('matmul').groups = at('x'); }],
  ['rows[3] (matmul) uses tensor 8 ("groups"), which holds the rows of 6 floats of tensor 6, for the rows of 5 floats of tensor 6', (s) => { s.step('matmul').k = 5; }],
  ['rows[4] (binary) reads tensor 8 ("a"), which holds compressed rows', (s) => { s.step('binary', 'sum').a = at('rowGroups'); }],
  ['rows[4] (binary) writes tensor 8, which holds compressed rows', (s) => { s.step('binary', 'sum').out = at('rowGroups'); }],
  // Written over by another tensor in the same bytes: before the product, and by the product itself.
  ['rows[3] (matmul) uses tensor 8 ("groups"), which is not compressed or was written over', (s) => { s.tensor('product').home.offset = s.tensor('rowGroups').home.offset; }],
];

/** What workers do together: rows of a piece, folds of any of its columns. */
const PIECES: readonly Rule[] = [
  ['tensors[6] ends at byte 80 of the pieceRows, which has 79', (s) => { s.plan.bytesPerRow = 79; s.tensor('packedSoftmax').home.offset = 0; s.tensor('x').home.offset = 48; }],
  ['tensors[18] ends at byte 32 of the pieceShards, which has 16', ({ plan }) => { plan.bytesPerShard = 16; }],
  ['tensors[6] lies in the pieceRows and has the scope "shards"', (s) => { s.tensor('x').scope = 'shards'; }],
  ['tensors[18] lies in the pieceShards and has the scope "rows"', (s) => { s.tensor('shardSums').scope = 'rows'; }],
  ['tensors[16] begins at byte 16 of the pieceRows, where tensor 6 is', (s) => { s.tensor('rowLoss').home.offset = 16; }],
  ['tensors[22] begins at byte 176 of the share, where tensor 21 is', (s) => { s.tensor('biasGradient').home.offset = 176; }],
  ['folds[0] (sumRows) reads the scratch', (s) => { s.step('sumRows', 'loss').x = at('mean'); }],
  ['folds[2] (matmulFold) reads the scratch', (s) => { s.step('matmulFold').a = at('product'); }],
  ['rows[5] (unary) writes the share', (s) => { Object.assign(s.tensor('clipped'), { scope: 'shards' }); Object.assign(s.step('unary'), { scope: 'shards', x: at('bias'), out: at('biasGradient') }); }],
  ['rows[16] (unary) reads tensor 17 ("x"), which holds panels of all workers', (s) => { s.plan.rows.push({ ...s.step('unary'), x: at('packedSoftmax') }); }],
  ['rows[16] (unary) writes tensor 17, which holds panels of all workers', (s) => { s.plan.rows.push({ ...s.step('unary'), out: at('packedSoftmax') }); }],
  ['rows[11] (pack) adds columns to what takes rows', (s) => { Object.assign(s.step('pack', 'packedSoftmax'), { transposed: true }); }],
  ['folds[2] (matmulFold) must have either "a" or "column"', (s) => { without(s.step('matmulFold'), 'a'); }],
  ['folds[2] (matmulFold) must have either "a" or "column"', (s) => { s.step('matmulFold').column = 0; }],
  ['folds[2] (matmulFold) reads column 1 of 1 inputs', (s) => { without(s.step('matmulFold'), 'a'); s.step('matmulFold').column = 1; }],
  ['folds[2] (matmulFold) reads examples of 5 floats from input 0, whose examples have 6', (s) => { without(s.step('matmulFold'), 'a'); Object.assign(s.step('matmulFold'), { column: 0, m: 5 }); }],
  ['folds[2] (matmulFold) gathers 2 rows of each example', (s) => { without(s.step('matmulFold'), 'a'); Object.assign(s.step('matmulFold'), { column: 0, perRow: 2, n: 4 }); Object.assign(s.step('pack', 'packedSoftmax'), { k: 2, n: 4, stride: 4 }); }],
  ['rows[16] (matmulFold) gathers data, and no fold does it', (s) => { s.plan.rows.push({ ...s.step('matmulFold'), scope: 'shards', out: at('shardSums'), column: 0 }); without(s.plan.rows.at(-1)!, 'a'); }],
  ['rows[3] (compress) writes tensor 8, which holds other compressed rows', ({ plan }) => { plan.rows.splice(3, 0, { ...plan.rows[2]! }); }],
];

/** The error of a check, which must be ours. */
function refusalOf(plan: unknown, limits: Spoilt['limits']): string {
  try {
    checkPlan(plan, limits);
  } catch (error) {
    expect(error).toBeInstanceOf(TensorflockError);
    expect((error as TensorflockError).code).toBe('ERR_PLAN');
    return (error as TensorflockError).message;
  }
  return 'accepted';
}

describe('a plan by hand', () => {
  test('passes, and touches nothing but its tensors', () => {
    const { plan, limits } = new Spoilt();
    expect(checkPlan(plan, limits)).toEqual(plan);
    for (const arithmetic of ARITHMETICS) {
      const arena = new PlanArena(arithmetic);
      for (const { id: tile } of TILES) expect(arena.run(plan, limits, { rows: 29, tile, isTight: true }).strayWrites).toEqual([]);
    }
  });

  test.each([...FORM, ...SIZES, ...TENSORS, ...SCOPES, ...AREAS, ...RANGES, ...PRODUCTS, ...GROUPS, ...PIECES])('is refused: %s', (sentence, spoil) => {
    const spoilt = new Spoilt();
    spoil(spoilt);
    const refusal = refusalOf(spoilt.plan, spoilt.limits);
    expect(refusal).toContain(sentence);
    expect(refusal).toMatch(/^the plan cannot be run: .*; use the same version of tensorflock on both sides\.$/);
  });

  test.each([undefined, null, 1, 'plan', [], () => 1, new Map(), new Uint8Array(9), {}, Symbol('plan'), 1n])('%s is no plan', (value) => {
    expect(refusalOf(value, new Spoilt().limits)).toMatch(/^the plan cannot be run: it (must be an object|has )/);
  });
});
