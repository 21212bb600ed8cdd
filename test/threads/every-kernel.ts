// Prints what training comes to with every kernel and every optimizer, and which kernels ran: a program of its own, so that
// a test can start it with flags of the engine. Its argument is the arithmetic.
import '@tensorflow/tfjs-backend-cpu';
import * as tf from '@tensorflow/tfjs-core';
import * as tfl from '@tensorflow/tfjs-layers';
import { createHash } from 'node:crypto';
import { optimizers, Trainer, type Optimizer } from '../../src/index.js';
import { Arena } from '../../src/kernels/arena.js';
import { compileKernels, instantiateKernels, setEngineFlags, type Arithmetic } from '../../src/kernels/load.js';
import { encodedBytes, type Codec } from '../../src/codecs/codec.js';
import { decode, encode } from '../../src/codecs/coding.js';
import { TILES } from '../../src/kernels/tiles.js';
import type { DataLike, ShapedValues } from '../../src/train/columns.js';
import { ModelPlans } from '../../src/train/model-plans.js';
import { TrainingState } from '../../src/train/state.js';
import { InlinePool } from '../../workers/inline-pool.js';
import { buildCases, buildValues, cases, MODEL_CASES, ROWS, WIDTH, X } from './kernel-cases.js';
import { classification, fixWeights, mlp, numbers } from './models.js';

const arithmetic = process.argv[2] as Arithmetic;

/** Notes the name of every kernel that is called. */
const called = new Set<string>();
const { Instance } = WebAssembly;
WebAssembly.Instance = function watched(module: WebAssembly.Module, imports: WebAssembly.Imports) {
  const { exports } = new Instance(module, imports);
  const kernels = Object.entries(exports).map(([name, kernel]) => {
    if (typeof kernel !== 'function') return [name, kernel];
    const run = kernel as (...args: number[]) => number;
    return [name, (...args: number[]) => { called.add(name); return run(...args); }];
  });
  return { exports: Object.fromEntries(kernels) as object };
} as unknown as typeof Instance;

setEngineFlags();
const module = compileKernels(arithmetic);
const digest = createHash('sha256');
const SYNC = { kind: 'sync' } as const;

/** Trains on this very thread with one of the tiles, and adds all that comes of it to the digest. */
async function run(model: tfl.LayersModel, optimizer: Optimizer, tile: number, x: DataLike, y: DataLike, batchSize = 11): Promise<void> {
  const plans = new ModelPlans(model);
  const state = new TrainingState(new Arena(), plans, optimizer, SYNC);
  const facts = { workers: 1, arithmetic, engineFlags: [], seed: 7, mode: SYNC, shardSize: 4 };
  const trainer = new Trainer({ model, plans, state, pool: new InlinePool(), module, tile, optimizer, facts });
  const { history } = await trainer.fit(x, y, { batchSize, epochs: 2, validationData: [x, y] });
  const outputs = await trainer.predictAll(x);
  digest.update(JSON.stringify([history, trainer.hashes(), outputs.map((output) => [...output.dataSync()].map(String))]));
  tf.dispose(outputs);
  model.dispose();
}

const { sgd, momentum, nesterov, adagrad, rmsprop, adam, adamw } = optimizers;
const OPTIMIZERS: readonly Optimizer[] = [
  sgd({ clipValue: 0.01 }), momentum(), nesterov(), adagrad(), adam({ clipNorm: 0.05 }), adamw(),
  ...[false, true].flatMap((centered) => [0, 0.5].map((decay) => rmsprop({ centered, momentum: decay }))),
];

const x: ShapedValues = { values: Float32Array.from(X), shape: [ROWS, WIDTH] };
const { x: features, y: labels } = classification(50, 13, 5);
/** More columns than a product must have to leave zeros out, most of them zeros, in bytes; and as many to sum over. */
const sparse = (scale: number): ShapedValues => ({ values: Uint8Array.from(numbers(50 * 300, 3), (value) => (value > 0.7 ? value * 255 : 0)), shape: [50, 300], scale });

/** What does not multiply matrices is the same for every tile. */
async function everyOptimizerAndOp(): Promise<void> {
  const [tile] = TILES.map(({ id }) => id) as [number];
  for (const optimizer of OPTIMIZERS) await run(mlp({ dropout: 0.3, regularizer: true }), optimizer, tile, features, labels);
  // The mean over as many as a power of two, to which penalties are added, is taken by a kernel of its own.
  await run(mlp({ regularizer: true }), sgd(), tile, features, labels, 16);
  for (let start = 0; start < cases.length; start += MODEL_CASES) {
    const list = cases.slice(start, start + MODEL_CASES);
    await run(buildCases(list), sgd(), tile, x, list.map(() => x));
  }
  await run(buildValues(), sgd(), tile, x, x);
  const noisy = tfl.sequential({ layers: [tfl.layers.gaussianNoise({ stddev: 0.1, inputShape: [WIDTH] }), tfl.layers.dense({ units: WIDTH })] });
  noisy.compile({ optimizer: 'sgd', loss: 'meanSquaredError' });
  await run(fixWeights(noisy), sgd(), tile, x, x);
  const wild = mlp();
  // Infinite weights after the first step: the search for the first bad value has a kernel of its own.
  const failure = await run(wild, sgd({ learningRate: 1e30 }), tile, features, labels).catch((error: Error) => error.message.replace(/layer "\w+"/, 'a layer'));
  digest.update(String(failure));
}

async function everyProduct(tile: number): Promise<void> {
  const classes = { values: Int32Array.from(labels.values), shape: labels.shape };
  await run(mlp(), sgd(), tile, features, labels);
  // Bytes times -0.1 are not exact in two pieces, so that a table is needed.
  for (const scale of [1 / 255, -0.1]) await run(mlp({ features: 300, units: 250 }), sgd(), tile, sparse(scale), classes);
}

const CODECS: readonly Codec[] = [
  { name: 'float32' }, { name: 'float16' }, { name: 'bfloat16' }, { name: 'int8', blockValues: 64 }, { name: 'topk', keptFraction: 0.1 },
];

/** What every codec makes of some numbers, there and back, with what it lost. */
function everyCodec(): void {
  const VALUES = 1_000;
  const arena = new Arena();
  const watched = instantiateKernels(module, arena.memory);
  const [from, residual, to, back] = [0, 1, 2, 3].map((number) => arena.slot(`codecs ${String(number)}`, VALUES * 8)) as [number, number, number, number];
  for (const codec of CODECS) {
    arena.floats(from, VALUES).set(numbers(VALUES, 5));
    arena.floats(residual, VALUES).fill(0);
    encode(watched, codec, from, VALUES, to, residual);
    expectDecoded(decode(watched, codec, to, VALUES, back));
    digest.update(arena.bytes(to, encodedBytes(codec, VALUES))).update(arena.bytes(back, VALUES * 4)).update(arena.bytes(residual, VALUES * 4));
  }
}

function expectDecoded(isEncoding: boolean): void {
  if (!isEncoding) throw new Error('what was encoded is no encoding');
}

await everyOptimizerAndOp();
for (const { id } of TILES) await everyProduct(id);
everyCodec();
const kernels = WebAssembly.Module.exports(module).filter(({ kind }) => kind === 'function').map(({ name }) => name);
process.stdout.write(JSON.stringify({ sha256: digest.digest('hex'), missing: kernels.filter((name) => !called.has(name)) }));
