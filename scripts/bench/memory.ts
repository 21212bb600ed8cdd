// Measures what training the mlp holds: `node --expose-gc memory.js --data FOLDER --steps N` prints one JSON line.
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import * as layers from '@tensorflow/tfjs-layers';
import type { Dataset } from '../../src/data/dataset.js';
import { datasets, distribute, initialize, optimizers, type Trainer } from '../../src/index.js';
import { buildPreset, PRESETS } from '../cli/presets.js';

const SEED = 1;
const PRESET = PRESETS['fashion-mnist-mlp']!;

/** The heaps of the threads find their size in the first 4,000 steps, and with it some 9 MiB. */
const WARM_UP_EPOCHS = 10;

/** Every length in bytes. */
export interface MemoryFacts {
  readonly warmUpEpochs: number;
  readonly steps: number;
  readonly workers: number;
  /** What the training and test images and labels take as they are. */
  readonly dataByteLength: number;
  /** The whole of the shared memory. */
  readonly arenaByteLength: number;
  /** Resident size of the process before the data are read, after the warm-up, and `steps` steps later. */
  readonly residentAtStart: number;
  readonly residentBefore: number;
  readonly residentAfter: number;
}

/** Trains as `train` does, with validation and two workers: WARM_UP_EPOCHS, then at least `leastSteps` steps. */
async function measureMemory(folder: string, leastSteps: number): Promise<MemoryFacts> {
  const residentAtStart = resident();
  const [train, test] = await Promise.all(['train', 't10k'].map((part) => load(folder, part))) as [Dataset, Dataset];
  const model = buildPreset(PRESET, layers);
  initialize(model, SEED);
  const trainer = await distribute(model, { workers: 2, seed: SEED, engineFlags: true, optimizer: optimizers.adam() });
  try {
    const stepsPerEpoch = Math.ceil(train.exampleCount / PRESET.batchSize);
    const epochs = Math.ceil(leastSteps / stepsPerEpoch);
    const sizes: number[] = [];
    const callbacks = { onEpochEnd: (): void => void sizes.push(resident()) };
    await trainer.fit(train, null, { batchSize: PRESET.batchSize, epochs: WARM_UP_EPOCHS + epochs, validationData: test, callbacks });
    return {
      warmUpEpochs: WARM_UP_EPOCHS,
      steps: epochs * stepsPerEpoch,
      workers: trainer.facts.workers,
      dataByteLength: byteLength(train) + byteLength(test),
      arenaByteLength: arenaByteLength(trainer),
      residentAtStart,
      residentBefore: sizes[WARM_UP_EPOCHS - 1]!,
      residentAfter: sizes.at(-1)!,
    };
  } finally {
    await trainer.close();
  }
}

function load(folder: string, part: string): Promise<Dataset> {
  return datasets.idx(join(folder, `${part}-images-idx3-ubyte.gz`), join(folder, `${part}-labels-idx1-ubyte.gz`));
}

function byteLength({ x, y }: Dataset): number {
  return [...x, ...y].reduce((sum, { values }) => sum + values.byteLength, 0);
}

function arenaByteLength(trainer: Trainer): number {
  return trainer.parts.state.arena.memory.buffer.byteLength;
}

/** Garbage is collected first: what is left is held. */
function resident(): number {
  globalThis.gc?.();
  return process.memoryUsage.rss();
}

const { values: options } = parseArgs({ options: { data: { type: 'string', default: '.' }, steps: { type: 'string', default: '10000' } } });
process.stdout.write(`${JSON.stringify(await measureMemory(options.data, Number(options.steps)))}\n`);
