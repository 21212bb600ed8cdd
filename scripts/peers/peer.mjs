// What the JavaScript peers of the benchmark share: options, data, and the protocol (see scripts/bench/harness.ts).
// Reads `--model mlp|mlp-wide --batch N --data FOLDER [--seconds S]`; S is the length of the warm-up.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { parseArgs } from 'node:util';
import { gunzipSync } from 'node:zlib';

const LAYER_SIZES = { mlp: [784, 100, 10], 'mlp-wide': [784, 512, 512, 10] };
const DEFAULT_BATCH = { mlp: 128, 'mlp-wide': 256 };
export const LEARNING_RATE = 1e-3;
export const BETA1 = 0.9;
export const BETA2 = 0.999;
export const EPSILON = 1e-7;
const SEED = 1;
export const PIXELS = 784;
export const CLASSES = 10;
/** The loss that a run reports: the mean over this many examples, after the clock has stopped. */
export const LOSS_EXAMPLES = 1024;

/** This peer cannot run here: one sentence on standard error, nothing on standard output. */
export function refuse(sentence) {
  process.stderr.write(`${sentence}\n`);
  process.exit(1);
}

/** A dependency of scripts/peers. */
export async function load(name) {
  try {
    return await import(name);
  } catch {
    return refuse(`${name} is not installed: run "npm ci --ignore-scripts" in scripts/peers.`);
  }
}

/** Version of a dependency of scripts/peers. */
export function versionOf(name) {
  return JSON.parse(readFileSync(new URL(`node_modules/${name}/package.json`, import.meta.url), 'utf8')).version;
}

/** What a row of the table has to name: the engine and its flags. */
export function engine() {
  return [`node ${process.versions.node}`, ...process.execArgv].join(' ');
}

/** Uniform numbers in [0, 1), the same in every run (mulberry32). */
export function seededRandom(seed) {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** Kernels of a network by glorotUniform, row-major [in, out]. */
export function glorotKernels(sizes) {
  const random = seededRandom(SEED);
  return sizes.slice(1).map((outputs, i) => {
    const limit = Math.sqrt(6 / (sizes[i] + outputs));
    return { shape: [sizes[i], outputs], values: Float32Array.from({ length: sizes[i] * outputs }, () => (2 * random() - 1) * limit) };
  });
}

/** Command line of a peer; `extra` are further options in the form of parseArgs. */
export function options(extra = {}) {
  const { values } = parseArgs({
    options: {
      model: { type: 'string', default: 'mlp' },
      batch: { type: 'string' },
      seconds: { type: 'string', default: '1' },
      data: { type: 'string' },
      ...extra,
    },
  });
  const sizes = LAYER_SIZES[values.model] ?? refuse(`There is no model "${values.model}".`);
  return { ...values, sizes, batch: Number(values.batch ?? DEFAULT_BATCH[values.model]), seconds: Number(values.seconds) };
}

/** Images as float32 in [0, 1], `count` rows of PIXELS, and their labels as bytes. */
export function loadData(folder) {
  const bytes = readIdx(folder, 'train-images-idx3-ubyte.gz', 16);
  const labels = readIdx(folder, 'train-labels-idx1-ubyte.gz', 8);
  const images = new Float32Array(bytes.length);
  for (let i = 0; i < bytes.length; i++) images[i] = bytes[i] / 255;
  return { images, labels, count: labels.length };
}

function readIdx(folder, file, headerByteLength) {
  try {
    return gunzipSync(readFileSync(join(folder ?? '.', file))).subarray(headerByteLength);
  } catch (error) {
    return refuse(`The data cannot be read: ${error.message}.`);
  }
}

/** Labels as rows of CLASSES floats. */
export function oneHot(labels) {
  const rows = new Float32Array(labels.length * CLASSES);
  labels.forEach((label, i) => (rows[i * CLASSES + label] = 1));
  return rows;
}

/** Indices of shuffled mini-batches, for ever; a rest smaller than a batch is dropped, so shapes never change. */
export class Batches {
  constructor(count, batch) {
    this.batch = batch;
    this.random = seededRandom(SEED);
    this.order = Int32Array.from({ length: count }, (_, i) => i);
    this.next = count;
  }

  take() {
    if (this.next + this.batch > this.order.length) {
      shuffle(this.order, this.random);
      this.next = 0;
    }
    this.next += this.batch;
    return this.order.subarray(this.next - this.batch, this.next);
  }
}

function shuffle(order, random) {
  for (let i = order.length - 1; i > 0; i--) {
    const j = Math.floor(random() * (i + 1));
    [order[i], order[j]] = [order[j], order[i]];
  }
}

/** Runs `step`, which returns its examples, until the time is over. */
export async function repeat(step, seconds) {
  const end = performance.now() + seconds * 1000;
  let examples = 0;
  while (performance.now() < end) examples += await step();
  return examples;
}

/** Says ready, then answers every `{"run": seconds}` until `{"quit": true}` or the end of the input. */
export async function serve(ready, step, loss) {
  answer({ ready: true, ...ready });
  for await (const line of createInterface({ input: process.stdin })) {
    const request = JSON.parse(line);
    if (request.quit) break;
    const start = performance.now();
    const examples = await repeat(step, request.run);
    const seconds = (performance.now() - start) / 1000;
    answer({ examplesPerSecond: examples / seconds, examples, seconds, loss: await loss() });
  }
  process.exit(0);
}

function answer(message) {
  process.stdout.write(`${JSON.stringify(message)}\n`);
}
