// What whoever watches a run is told: the feed. Each record is a line of JSON on the wire; docs/protocol.md has the message around it.
import type { LayerHealth } from '../../src/report/network-health.js';

/** A training begins: everything before it is of another one. */
export interface RunRecord {
  readonly kind: 'run';
  /** Trainings of this process so far, this one included. */
  readonly training: number;
  /** Wall clock at `atMs` 0 of all records of this training. */
  readonly unixMs: number;
  readonly epochs: number;
  readonly stepsPerEpoch: number;
  readonly batchSize: number;
  readonly examples: number;
  /** 0 without validation data. */
  readonly validationExamples: number;
  readonly mode: string;
  readonly arithmetic: string;
  readonly optimizer: string;
  readonly parameterCount: number;
  /** Names of loss and metrics, `loss` first; validation has them with `val_` before. */
  readonly metrics: readonly string[];
  /** The words for labels 0, 1, ..., as `shownNames` gives them; a class without one goes by its number. */
  readonly classNames: readonly string[];
  /** Whether an operator may freeze, slow and drop nodes. */
  readonly mayChaos: boolean;
}

/** Where the run stands, a few times a second. */
export interface MomentRecord {
  readonly kind: 'moment';
  /** Since the training began, in milliseconds; so in every record. */
  readonly atMs: number;
  /** From 1. */
  readonly epoch: number;
  /** Steps of the whole run. */
  readonly step: number;
  /** Means over the steps since the moment before, by the names of `metrics`. */
  readonly logs: Readonly<Record<string, number>>;
  readonly examplesPerSecond: number;
  readonly learningRate: number;
}

/** An epoch has ended. */
export interface EpochRecord {
  readonly kind: 'epoch';
  readonly atMs: number;
  /** From 1. */
  readonly epoch: number;
  readonly step: number;
  /** Means over the epoch, and of the validation data under `val_`. */
  readonly logs: Readonly<Record<string, number>>;
}

export type ChaosKind = 'freeze' | 'slow' | 'drop';

/** One that computes: this machine's own workers, a node, or a relay with those below it. */
export interface NodeCard {
  readonly member: number;
  readonly kind: 'local' | 'node' | 'relay';
  /** Of its membership, such as `ready`; one that left is not in the list. */
  readonly state: string;
  /** 0 before it is ready. */
  readonly workers: number;
  /** Over the last seconds. */
  readonly examplesPerSecond: number;
  /** Shares that counted, since the training began. */
  readonly shares: number;
  /** Where the time of the last seconds went, in fractions of it that sum to 1; all 0 where nothing is known. */
  readonly time: { readonly compute: number; readonly encode: number; readonly wire: number; readonly wait: number };
  /** What the chaos panel does to it now. */
  readonly chaos?: Exclude<ChaosKind, 'drop'>;
}

/** All that are present, about once a second. */
export interface NodesRecord {
  readonly kind: 'nodes';
  readonly atMs: number;
  readonly nodes: readonly NodeCard[];
}

/** Something happened that people want to see on the time line. */
export interface EventFeedRecord {
  readonly kind: 'event';
  readonly atMs: number;
  readonly step: number;
  readonly tone: 'good' | 'neutral' | 'bad';
  /** For people. */
  readonly sentence: string;
}

/** Whether steps are made now. */
export interface StateRecord {
  readonly kind: 'state';
  readonly atMs: number;
  readonly state: 'running' | 'paused' | 'waiting' | 'finished' | 'stopped';
}

/** What happens inside the network on some training examples, after an epoch. */
export interface HealthRecord {
  readonly kind: 'health';
  readonly atMs: number;
  readonly epoch: number;
  readonly step: number;
  readonly examples: number;
  /** In model order. */
  readonly layers: readonly LayerHealth[];
}

export interface GridPicture {
  /** Grey values of the rows, base64 of bytes. */
  readonly pixels: string;
  readonly actual: number;
  readonly predicted: number;
  /** What the network gave the class that it predicted. */
  readonly probability: number;
}

/** What the network makes of validation examples, after an epoch; for models whose targets are classes. */
export interface OutcomeRecord {
  readonly kind: 'outcome';
  readonly atMs: number;
  readonly epoch: number;
  readonly step: number;
  readonly examples: number;
  /** `confusion[actual][predicted]` examples. */
  readonly confusion: readonly (readonly number[])[];
  /** Empty where the inputs are no pictures. */
  readonly pictures: readonly GridPicture[];
  /** Of each picture. */
  readonly width: number;
  readonly height: number;
}

export type FeedRecord = RunRecord | MomentRecord | EpochRecord | NodesRecord | EventFeedRecord | StateRecord | HealthRecord | OutcomeRecord;
