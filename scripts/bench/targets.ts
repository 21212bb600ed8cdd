import { wholeNumber } from '../../src/report/format.js';
import type { BenchModel, PeerId } from '../cli/choices.js';

/** A contestant of ours that was measured; medians are examples a second. */
export interface OwnSpeed {
  readonly workers: number;
  readonly nodeMajor: number;
  readonly engineFlags: boolean;
  readonly median: number;
}

/** A peer that was measured. */
export interface PeerSpeed {
  readonly id: PeerId;
  readonly name: string;
  readonly median: number;
}

export interface Speeds {
  readonly own: readonly OwnSpeed[];
  readonly peers: readonly PeerSpeed[];
}

/** Whom a speed is compared with: one peer, the fastest that gives every worker's gradient its step, or the fastest of all. */
export type Rival = PeerId | 'fastest synchronous peer' | 'fastest peer';

/** A figure that the project set itself, and how it came out. */
export interface Verdict {
  readonly state: 'reached' | 'missed' | 'not measured';
  readonly what: string;
  readonly wanted: number;
  /** Null where a part of it was not measured. */
  readonly measured: number | null;
  readonly numbers: string;
}

interface SpeedTarget {
  readonly model: BenchModel;
  readonly nodeMajor: number;
  readonly engineFlags: boolean;
  readonly workers: number;
  readonly rival: Rival;
  /** Least ratio of our median to the rival's. */
  readonly ratio: number;
}

type Figure = readonly [workers: number, rival: Rival, ratio: number];

const NODE_20_MLP: readonly Figure[] = [
  [1, 'torch-1', 0.95],
  [2, 'torch-1', 1.6],
  [2, 'fastest synchronous peer', 1],
  [2, 'tfjs-wasm', 20],
  [2, 'jax-js', 5],
];
const NODE_24_MLP: readonly Figure[] = [
  [1, 'torch-1', 1.5],
  [2, 'torch-1', 2.5],
  [2, 'fastest peer', 1.35],
];
const NODE_20_WIDE: readonly Figure[] = [
  [2, 'torch-1', 1.2],
  [2, 'fastest peer', 0.75],
];
const NODE_24_WIDE: readonly Figure[] = [
  [2, 'torch-1', 1.8],
  [2, 'fastest peer', 1.15],
];

const SPEED_TARGETS: readonly SpeedTarget[] = [
  ...targets('mlp', 20, true, NODE_20_MLP),
  ...targets('mlp', 24, true, NODE_24_MLP),
  ...targets('mlp', 24, false, NODE_20_MLP), // without flags: as on Node 20
  ...targets('mlp-wide', 20, true, NODE_20_WIDE),
  ...targets('mlp-wide', 24, true, NODE_24_WIDE),
];

function targets(model: BenchModel, nodeMajor: number, engineFlags: boolean, figures: readonly Figure[]): SpeedTarget[] {
  return figures.map(([workers, rival, ratio]) => ({ model, nodeMajor, engineFlags, workers, rival, ratio }));
}

/** Every target of a model against what was measured. */
export function judgeSpeeds(model: BenchModel, speeds: Speeds): Verdict[] {
  return SPEED_TARGETS.filter((target) => target.model === model).map((target) => judgeSpeed(target, speeds));
}

function judgeSpeed({ model, nodeMajor, engineFlags, workers, rival, ratio }: SpeedTarget, speeds: Speeds): Verdict {
  const ours = speeds.own.find((each) => each.nodeMajor === nodeMajor && each.engineFlags === engineFlags && each.workers === workers);
  const theirs = rivalAmong(speeds.peers, rival);
  const crew = `${workers} ${workers === 1 ? 'worker' : 'workers'}`;
  const what = `${model}, Node ${nodeMajor} ${engineFlags ? 'with' : 'without'} engine flags, ${crew}, to ${rival}`;
  if (ours === undefined || theirs === undefined) {
    const missing = [ours === undefined ? `our row of Node ${nodeMajor}` : [], theirs === undefined ? rival : []].flat();
    return { state: 'not measured', what, wanted: ratio, measured: null, numbers: `without ${missing.join(' and ')}` };
  }
  const measured = ours.median / theirs.median;
  const named = rival === theirs.id ? '' : ` (${theirs.name})`;
  return { state: measured >= ratio ? 'reached' : 'missed', what, wanted: ratio, measured, numbers: `${wholeNumber(ours.median)} / ${wholeNumber(theirs.median)}${named}` };
}

/** The peer that a rival stands for; undefined where none was measured. */
export function rivalAmong(peers: readonly PeerSpeed[], rival: Rival): PeerSpeed | undefined {
  if (rival === 'fastest peer') return fastest(peers);
  if (rival === 'fastest synchronous peer') return fastest(peers.filter(({ id }) => id !== 'torch-hogwild'));
  return peers.find(({ id }) => id === rival);
}

function fastest(peers: readonly PeerSpeed[]): PeerSpeed | undefined {
  return peers.length === 0 ? undefined : peers.reduce((best, peer) => (peer.median > best.median ? peer : best));
}

/** A measure that must reach a figure; an absent one was not measured. */
export function judgeAtLeast(what: string, wanted: number, measured: number | undefined, numbers: string): Verdict {
  if (measured === undefined) return { state: 'not measured', what, wanted, measured: null, numbers };
  return { state: measured >= wanted ? 'reached' : 'missed', what, wanted, measured, numbers };
}

/** A measure that must not exceed a limit; an absent one was not measured. */
export function judgeAtMost(what: string, limit: number, measured: number | undefined, numbers: string): Verdict {
  if (measured === undefined) return { state: 'not measured', what, wanted: limit, measured: null, numbers };
  return { state: measured <= limit ? 'reached' : 'missed', what, wanted: limit, measured, numbers };
}

const STATE_WIDTH = 'not measured'.length;
const FIGURE_WIDTH = 5;

/** A line a verdict: what came of it, measured beside wanted, what it is about and where the number comes from. */
export function formatVerdicts(verdicts: readonly Verdict[]): string {
  return verdicts.map(formatVerdict).join('\n');
}

function formatVerdict({ state, what, wanted, measured, numbers }: Verdict): string {
  const [got, goal] = [measured === null ? '–' : measured.toFixed(2), wanted.toFixed(2)].map((text) => text.padStart(FIGURE_WIDTH));
  return `${state.padEnd(STATE_WIDTH)}  ${got} of ${goal}  ${what}: ${numbers}`;
}
