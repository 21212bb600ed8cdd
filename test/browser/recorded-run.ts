// The records of a run as a page gets them: 8 of 10 epochs of 60 steps, two nodes that join and one that leaves. Curves are made by formulas.
import type { ValueCounts } from '../../src/report/network-health.js';
import type { EpochRecord, EventFeedRecord, FeedRecord, GridPicture, HealthRecord, MomentRecord, NodeCard, NodesRecord, OutcomeRecord, RunRecord, StateRecord } from '../../cluster/feed/records.js';

const STEPS_PER_EPOCH = 60;
const EPOCHS = 8;
const MOMENTS_PER_EPOCH = 12;
const MS_A_STEP = 250;
const CLASSES = 10;

export const run: RunRecord = {
  kind: 'run', training: 1, unixMs: 1_790_000_000_000, epochs: 10, stepsPerEpoch: STEPS_PER_EPOCH, batchSize: 1_000, examples: 60_000, validationExamples: 10_000,
  mode: 'sync', arithmetic: 'fma', optimizer: 'adam', parameterCount: 669_706, metrics: ['loss', 'acc'],
  classNames: ['T-shirt/top', 'Trouser', 'Pullover', 'Dress', 'Coat', 'Sandal', 'Shirt', 'Sneaker', 'Bag', 'Ankle boot'], mayChaos: true,
};

/** Between -1 and 1, the same for the same number. */
const noise = (at: number): number => Math.sin(12.9898 * at + 1) * Math.cos(78.233 * at);

const lossAt = (step: number): number => 0.24 + 1.9 * Math.exp(-step / 40) + 0.12 * Math.exp(-step / 300);

export const moments: readonly MomentRecord[] = Array.from({ length: EPOCHS * MOMENTS_PER_EPOCH }, (_, index) => {
  const step = ((index + 1) * STEPS_PER_EPOCH) / MOMENTS_PER_EPOCH;
  const loss = lossAt(step) * (1 + 0.06 * noise(step));
  return {
    kind: 'moment', atMs: step * MS_A_STEP, epoch: Math.ceil(step / STEPS_PER_EPOCH), step, logs: { loss, acc: 1 - 0.36 * loss * (1 + 0.03 * noise(step + 0.5)) },
    examplesPerSecond: (step < 150 ? 41_000 : step < 380 ? 118_000 : 84_000) * (1 + 0.05 * noise(step + 7)), learningRate: 0.001 * 0.993 ** step,
  };
});

export const epochs: readonly EpochRecord[] = Array.from({ length: EPOCHS }, (_, index) => {
  const step = (index + 1) * STEPS_PER_EPOCH;
  const [loss, val_loss] = [lossAt(step - STEPS_PER_EPOCH / 2), lossAt(step) + 0.02 + 0.006 * index];
  return { kind: 'epoch', atMs: step * MS_A_STEP, epoch: index + 1, step, logs: { loss, acc: 1 - 0.36 * loss, val_loss, val_acc: 1 - 0.36 * val_loss } };
});

const event = (step: number, tone: EventFeedRecord['tone'], sentence: string): EventFeedRecord => ({ kind: 'event', atMs: step * MS_A_STEP, step, tone, sentence });

export const events: readonly EventFeedRecord[] = [
  event(90, 'good', 'node 1 takes part'),
  event(150, 'good', 'node 2 takes part'),
  event(262, 'neutral', 'node 2 is late with step 262: others get what it owes'),
  event(380, 'bad', 'node 2 is gone: it was silent for too long'),
];

export const cards: readonly NodeCard[] = [
  { member: 0, kind: 'local', state: 'ready', workers: 4, examplesPerSecond: 41_200, shares: 1_912, time: { compute: 0.86, encode: 0, wire: 0, wait: 0.14 } },
  { member: 1, kind: 'node', state: 'ready', workers: 8, examplesPerSecond: 36_900, shares: 1_204, time: { compute: 0.61, encode: 0.08, wire: 0.19, wait: 0.12 } },
  { member: 3, kind: 'node', state: 'ready', workers: 2, examplesPerSecond: 6_100, shares: 88, time: { compute: 0.34, encode: 0.05, wire: 0.11, wait: 0.5 }, chaos: 'slow' },
  { member: 4, kind: 'node', state: 'joined', workers: 0, examplesPerSecond: 0, shares: 0, time: { compute: 0, encode: 0, wire: 0, wait: 0 } },
];

export const nodes: NodesRecord = { kind: 'nodes', atMs: 480 * MS_A_STEP, nodes: cards };
export const running: StateRecord = { kind: 'state', atMs: 0, state: 'running' };

/** A bell, one-sided from 0 on where it begins there. */
function bell(from: number, to: number, centre: number, width: number): ValueCounts {
  const counts = Array.from({ length: 24 }, (_, bin) => Math.round(4_000 * Math.exp(-(((from + ((bin + 0.5) * (to - from)) / 24 - centre) / width) ** 2))));
  return { from, to, counts };
}

export const health: HealthRecord = {
  kind: 'health', atMs: 480 * MS_A_STEP, epoch: 8, step: 480, examples: 128,
  layers: [
    { layer: 'dense_1', gradientNorm: 0.0713, updateRatio: 0.00112, deadUnits: 0.043, weights: bell(-0.2, 0.2, 0, 0.06), gradients: bell(-0.004, 0.004, 0, 0.0007), activations: bell(0, 4, 0.2, 0.9) },
    { layer: 'dense_2', gradientNorm: 0.0418, updateRatio: 0.00087, deadUnits: 0.52, weights: bell(-0.25, 0.25, 0.01, 0.08), gradients: bell(-0.003, 0.003, 0, 0.0009), activations: bell(0, 6, 0, 1.4) },
    { layer: 'dense_3', gradientNorm: 0.1921, updateRatio: 0.00204, saturatedUnits: 0.81, weights: bell(-0.6, 0.6, -0.05, 0.2), gradients: bell(-0.02, 0.02, 0.001, 0.006), activations: bell(0, 1, 0.04, 0.2) },
    { layer: 'flatten', activations: bell(0, 1, 0, 0.35) },
  ],
};

/** In which 6 and 0 are alike, as shirts and T-shirts are. */
const confusion = Array.from({ length: CLASSES }, (_, actual) =>
  Array.from({ length: CLASSES }, (_, predicted) => (actual === predicted ? 176 - 6 * (actual % 4) : (actual === 6 && predicted === 0) ? 21 : (actual + 2 * predicted) % 7 === 0 ? 5 : 0)),
);

function drawn(kind: number, width: number, height: number): string {
  const bytes = Uint8Array.from({ length: width * height }, (_, at) => {
    const [x, y] = [(at % width) / width - 0.5, Math.floor(at / width) / height - 0.5];
    return Math.hypot(x, y * (1 + kind / 6)) < 0.42 ? 90 + 160 * Math.abs(Math.sin(kind + 9 * x)) : 0;
  });
  return btoa(String.fromCharCode(...bytes));
}

const pictures: readonly GridPicture[] = Array.from({ length: 24 }, (_, index) => {
  const actual = (index * 7) % CLASSES;
  const predicted = index % 9 === 4 ? (actual + 6) % CLASSES : actual;
  return { pixels: drawn(actual, 28, 28), actual, predicted, probability: actual === predicted ? 0.999 - 0.02 * (index % 8) : 0.41 + 0.01 * index };
});

export const outcome: OutcomeRecord = {
  kind: 'outcome', atMs: 480 * MS_A_STEP, epoch: 8, step: 480, examples: confusion.flat().reduce((sum, count) => sum + count, 0), confusion, pictures, width: 28, height: 28,
};

/** All of it, as a page that is opened late gets it. */
export const history: readonly FeedRecord[] = [run, ...moments, ...epochs, ...events, running, nodes, health, outcome];
