import { capitalized } from './format.js';

/** One layer of the model as the banner and the report name it. */
export interface LayerFacts {
  readonly kind: string;
  /** Without the examples' axis. */
  readonly outputShape: readonly number[];
  readonly parameters: number;
}

/** What a run is, known before its first step. */
export interface RunFacts {
  readonly experiment: string;
  readonly layers: readonly LayerFacts[];
  readonly optimizer: string;
  readonly batchSize: number;
  readonly epochs: number;
  readonly shardSize: number | null;
  readonly seed: number;
  /** What is applied when. */
  readonly mode: string;
  /** Whether the result is the same bytes whoever computes. */
  readonly exact: boolean;
  readonly trainExamples: number;
  readonly testExamples: number;
  readonly arithmetic: string;
  readonly tile: string;
  readonly engineFlags: readonly string[];
  readonly workers: number;
  /** Sentences worth reading before the run, such as workers that will idle, with the numbers. */
  readonly notes: readonly string[];
}

/** What is known after an epoch; null where the model has no such number. Metrics beyond accuracy follow by name. */
export interface EpochRow {
  /** From 1. */
  readonly epoch: number;
  readonly loss: number | null;
  readonly accuracy: number | null;
  readonly valLoss: number | null;
  readonly valAccuracy: number | null;
  /** Of the training steps alone. */
  readonly examplesPerSecond: number | null;
  readonly seconds: number | null;
  readonly [metric: string]: number | null;
}

/** The end of a run; the fields are those of the command line's `result` event. */
export interface RunResult {
  readonly weightsSha256: string;
  readonly stateSha256: string;
  readonly exact: boolean;
  readonly arithmetic: string;
  readonly trainLoss: number | null;
  readonly testLoss: number | null;
  readonly testAccuracy: number | null;
  readonly examplesPerSecond: number | null;
  readonly steps: number;
  readonly workers: number;
  readonly nodes: number;
  readonly seconds: number;
}

/** A run so far: what `report.json` holds and `report.html` shows. */
export interface Report {
  readonly facts: RunFacts;
  readonly epochs: readonly EpochRow[];
  readonly result: RunResult | null;
  /** Why it has no result and makes no more steps, and how to go on, in sentences. */
  readonly cutOff?: string;
  /** By their names in a checkpoint. */
  readonly options?: Readonly<Record<string, unknown>>;
  readonly machine?: MachineFacts;
}

/** Where a run was made and with which versions. */
export interface MachineFacts {
  readonly tensorflock: string;
  readonly node: string;
  readonly engine: string;
  readonly system: string;
  readonly processor: string;
  readonly cores: number;
  readonly memoryGiB: number;
}

const FIXED_FIELDS: ReadonlySet<string> = new Set(['epoch', 'loss', 'accuracy', 'valLoss', 'valAccuracy', 'examplesPerSecond', 'seconds']);

/** The row of an epoch from tfjs's logs (`val_acc`), where accuracy may go by its alias alone. */
export function epochRow(epoch: number, logs: Readonly<Record<string, number>>): EpochRow {
  const named = Object.fromEntries(Object.entries(logs).map(([key, value]) => [fieldOf(key), value]));
  const extra = Object.entries(named).filter(([field]) => !FIXED_FIELDS.has(field));
  return {
    epoch,
    loss: named['loss'] ?? null,
    accuracy: named['accuracy'] ?? null,
    valLoss: named['valLoss'] ?? null,
    valAccuracy: named['valAccuracy'] ?? null,
    examplesPerSecond: named['examplesPerSecond'] ?? null,
    seconds: named['seconds'] ?? null,
    ...Object.fromEntries(extra),
  };
}

/** The mean speed over epochs of equal size: the examples of all over the seconds of all, so the harmonic mean. */
export function meanExamplesPerSecond(epochs: readonly EpochRow[]): number | null {
  const speeds = epochs.map((row) => row.examplesPerSecond).filter((speed) => speed !== null && speed > 0) as number[];
  if (speeds.length === 0) return null;
  return speeds.length / speeds.reduce((sum, speed) => sum + 1 / speed, 0);
}

/** `val_acc` -> `valAccuracy`, `val_mse` -> `valMse`. */
function fieldOf(key: string): string {
  const words = key.split('_').map((word) => (word === 'acc' ? 'accuracy' : word));
  return words.map((word, index) => (index === 0 ? word : capitalized(word))).join('');
}
