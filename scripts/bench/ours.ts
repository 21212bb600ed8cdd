// Our own contestant of the benchmark: `node ours.js --model mlp --data FOLDER --workers 2 [--batch N] [--engine-flags]` (protocol in
// harness.ts). `--options JSON` are further options of `distribute`, and `--nodes n` waits for so many nodes; links go to standard error.
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { parseArgs } from 'node:util';
import * as layers from '@tensorflow/tfjs-layers';
import { take } from '../../src/data/dataset.js';
import { TensorflockError } from '../../src/errors.js';
import { datasets, distribute, initialize, optimizers, type Trainer } from '../../src/index.js';
import { FitLoop, type FitListener, type FitPosition } from '../../src/train/fit.js';
import type { Mode } from '../../src/train/mode.js';
import type { DistributeOptions } from '../../src/train/options.js';
import type { OpenSession } from '../../src/train/trainer.js';
import { buildPreset, PRESETS } from '../cli/presets.js';
import { packageVersion } from '../cli/version.js';

const SEED = 1;
const LEARNING_RATE = 1e-3;
/** As long as that of the peers. */
const WARM_UP_SECONDS = 1;
/** The loss that a run reports is the mean over this many examples, as with the peers. */
const LOSS_EXAMPLES = 1024;

/**
 * One session of a trainer whose training goes on from run to run, so that setting it up (47 MB of data into the arena, a
 * task for each worker) is paid once, before the first. A run is a `FitLoop`, the loop of `fit` itself, ended after a step
 * by its signal: its time holds shuffling, gathering, steps, snapshots and the stop. It shuffles again where it goes on in
 * the middle of an epoch, which costs some milliseconds a run and counts against us.
 */
class SteadyTraining implements FitListener {
  readonly wantsBatches = false;
  #position: FitPosition = { epoch: 0, epochStep: 0, sums: [] };

  constructor(
    private readonly trainer: Trainer,
    private readonly open: OpenSession,
    private readonly batchSize: number,
    private readonly examples: number,
    private readonly mode: Mode['kind'],
  ) {}

  /** Trains for so long; returns the examples trained on. */
  async run(seconds: number): Promise<number> {
    const before = this.#examplesSeen();
    const timer = new AbortController();
    const settings = {
      epochs: Infinity,
      batchSize: this.batchSize,
      examples: this.examples,
      shuffle: true,
      seed: SEED,
      mode: this.mode,
      checkpointEverySteps: undefined,
      sumNames: this.trainer.parts.plans.sumNames,
      layerNames: this.trainer.parts.model.layers.map(({ name }) => name),
      signal: timer.signal,
    };
    const order = this.trainer.parts.state.arena.words(this.open.session.train!.indices, this.examples);
    const loop = new FitLoop(settings, this.open.runner, this.open.control, order, undefined, this);
    setTimeout(() => timer.abort(), seconds * 1000);
    await loop.run(this.#position).catch(ignoreInterruption);
    return this.#examplesSeen() - before;
  }

  async loss(): Promise<number> {
    return (await this.trainer.sumsOf(this.open))['loss']!;
  }

  #examplesSeen(): number {
    const { epoch, epochStep } = this.#position;
    return epoch * this.examples + Math.min(this.examples, epochStep * this.batchSize);
  }

  /** The loop tells here where it is when it is stopped. */
  async checkpoint(position: FitPosition): Promise<void> {
    this.#position = position;
  }

  async epochBegin(): Promise<void> {}
  async batchBegin(): Promise<void> {}
  async batchEnd(): Promise<void> {}
  epochTrained(): void {}
  async epochEnd(): Promise<void> {}
  shouldStop(): boolean {
    return false;
  }
}

function ignoreInterruption(error: unknown): void {
  if (!(error instanceof TensorflockError && error.code === 'ERR_INTERRUPTED')) throw error;
}

async function main(): Promise<void> {
  const { values: options } = parseArgs({
    options: {
      model: { type: 'string', default: 'mlp' },
      data: { type: 'string', default: '.' },
      workers: { type: 'string', default: '1' },
      batch: { type: 'string' },
      nodes: { type: 'string', default: '0' },
      options: { type: 'string', default: '{}' },
      'engine-flags': { type: 'boolean', default: false },
    },
  });
  const preset = PRESETS[`fashion-mnist-${options.model}`];
  if (preset === undefined) throw new Error(`There is no model "${options.model}".`);
  const file = (name: string): string => join(options.data, name);
  const data = await datasets.idx(file('train-images-idx3-ubyte.gz'), file('train-labels-idx1-ubyte.gz'));
  const model = buildPreset(preset, layers);
  initialize(model, SEED);
  const optimizer = optimizers.adam({ learningRate: LEARNING_RATE });
  const further = JSON.parse(options.options) as DistributeOptions;
  const nodes = new Arrivals();
  const served = further.serve === undefined ? {} : { onNotice: nodes.hear };
  const trainer = await distribute(model, { workers: Number(options.workers), seed: SEED, engineFlags: options['engine-flags'], optimizer, ...further, ...served });
  const batchSize = options.batch === undefined ? preset.batchSize : Number(options.batch);
  try {
    const examples = await trainer.examples(data, undefined);
    const few = await trainer.examples(take(data, LOSS_EXAMPLES), undefined);
    await trainer.parts.state.readModel(model);
    await trainer.withSession({ train: { examples, batchSize }, evaluate: few }, async (open) => {
      const training = new SteadyTraining(trainer, open, batchSize, examples.count, further.mode ?? 'sync');
      await open.runner.begin?.(undefined);
      do await training.run(WARM_UP_SECONDS); while (nodes.count < Number(options.nodes));
      if (nodes.count > 0) await training.run(WARM_UP_SECONDS);
      await serve(trainer, training);
    });
  } finally {
    await trainer.close();
  }
}

/** Counts the nodes that have come, and passes on what is said of them. */
class Arrivals {
  count = 0;

  readonly hear = (text: string): void => {
    if (text.includes('takes part')) this.count++;
    process.stderr.write(`${text}\n`);
  };
}

/** Answers runs until it is told to quit, or nobody asks any more. */
async function serve(trainer: Trainer, training: SteadyTraining): Promise<void> {
  const { workers, arithmetic, tile, engineFlags } = trainer.facts;
  const flags = [`node ${process.versions.node}`, ...engineFlags].join(' ');
  answer({ ready: true, name: 'tensorflock', version: packageVersion(), threads: workers, blas: `own kernels ${arithmetic} ${tile}`, flags });
  for await (const line of createInterface({ input: process.stdin })) {
    const request = JSON.parse(line) as { readonly run: number } | { readonly quit: true };
    if ('quit' in request) return;
    const startMs = performance.now();
    const examples = await training.run(request.run);
    const seconds = (performance.now() - startMs) / 1000;
    answer({ examplesPerSecond: examples / seconds, examples, seconds, loss: await training.loss() });
  }
}

function answer(message: Readonly<Record<string, unknown>>): void {
  process.stdout.write(`${JSON.stringify(message)}\n`);
}

try {
  await main();
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
}
