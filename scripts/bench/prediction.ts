// Whether something would help a training, by the costs of a step: arithmetic alone.
import { wholeNumber } from '../../src/report/format.js';

/** What was measured, of this machine and of the link to another. */
export interface StepCosts {
  /** Of this machine alone, for one mini-batch. */
  readonly stepMs: number;
  readonly batchSize: number;
  /** Time of a step that is not in proportion to its examples: optimizer and barriers. */
  readonly fixedMs: number;
  /** Parameters to the node, and gradients back, float32. */
  readonly parameterBytes: number;
  /** There and back. */
  readonly roundTripMs: number;
  readonly rateMbps: number;
  /** What a round costs beside computing and carrying. */
  readonly overheadMs: number;
  /** Of the other machine to this one. */
  readonly relativeSpeed: number;
}

export interface Advice {
  readonly what: string;
  /** Examples a second to those of this machine alone as it is. */
  readonly speedup: number;
}

/** Parts of a step that a subtree can be: a half, a quarter … */
const SMALLEST_PART = 2 ** -5;
/** bfloat16: two of four bytes. */
export const CODEC_RATIO = 0.5;
/** Hashing, encoding, and whoever waits for whom in a round, by bench --cluster. */
export const ROUND_OVERHEAD_MS = 3;
const LARGER = 4;
const PERIOD = 16;
/** Below, it is not worth a second machine. */
const WORTH_IT = 1.1;

/**
 * A step of both machines, one part after the other: the node takes a part f of it, parameters there, a share back;
 * C / min over f of (max((1 - f) C, f C / speed + bytes + round trip) + overhead), with whole subtrees from either side. 1 where every f loses.
 * @param ratio bytes on the wire to those of float32
 */
export function exactSpeedup(costs: StepCosts, ratio = 1): number {
  const { stepMs, relativeSpeed, overheadMs } = costs;
  const linkMs = linkMsOf(costs, ratio);
  let best = stepMs;
  for (let part = 0.5; part >= SMALLEST_PART; part /= 2) {
    for (const there of [part, 1 - part]) best = Math.min(best, Math.max((1 - there) * stepMs, (there * stepMs) / relativeSpeed + linkMs) + overheadMs);
  }
  return stepMs / best;
}

/** `local`: both make `period` steps of their own, then exchange; (1 + speed) h C / (h C + exchange). */
export function localSpeedup(costs: StepCosts, period = PERIOD, ratio = 1): number {
  const ownMs = period * costs.stepMs;
  return ((1 + costs.relativeSpeed) * ownMs) / (ownMs + linkMsOf(costs, ratio) + costs.overheadMs);
}

/** The same training with a mini-batch so many times as large: its step is fixedMs + the rest so many times. */
export function enlarged(costs: StepCosts, times: number): StepCosts {
  const { stepMs, fixedMs, batchSize } = costs;
  return { ...costs, batchSize: batchSize * times, stepMs: fixedMs + (stepMs - fixedMs) * times };
}

/** Parameters there and a share back. */
function linkMsOf({ parameterBytes, rateMbps, roundTripMs }: StepCosts, ratio: number): number {
  return (2 * parameterBytes * ratio * 8) / (rateMbps * 1000) + roundTripMs;
}

/** Everything that could be tried, the most helpful first. */
export function advise(costs: StepCosts): Advice[] {
  const larger = enlarged(costs, LARGER);
  const ofLarger = (costs.stepMs * LARGER) / larger.stepMs; // more examples a second already without another machine
  const all: Advice[] = [
    { what: 'another machine', speedup: exactSpeedup(costs) },
    { what: 'another machine and --codec bfloat16', speedup: exactSpeedup(costs, CODEC_RATIO) },
    { what: `--batch-size ${larger.batchSize} on this machine alone`, speedup: ofLarger },
    { what: `another machine and --batch-size ${larger.batchSize}`, speedup: ofLarger * exactSpeedup(larger) },
    { what: `another machine and --mode local --period ${PERIOD}`, speedup: localSpeedup(costs) },
  ];
  return all.sort((a, b) => b.speedup - a.speedup);
}

/** One sentence with the numbers. */
export function adviceSentence(costs: StepCosts): string {
  const { stepMs, batchSize, parameterBytes, rateMbps, roundTripMs } = costs;
  const facts = `a step of ${wholeNumber(batchSize)} examples takes ${stepMs.toFixed(2)} ms here, and its parameters and gradients ${linkMsOf(costs, 1).toFixed(2)} ms there and back (${wholeNumber(parameterBytes / 1000)} kB each way at ${wholeNumber(rateMbps)} Mbit/s, ${roundTripMs.toFixed(2)} ms of round trip)`;
  const [plain, helpful] = [exactSpeedup(costs), advise(costs).filter(({ speedup }) => speedup >= WORTH_IT)];
  const verdict = plain >= WORTH_IT ? `another machine as fast as this one would make it ${plain.toFixed(2)} times as fast` : 'another machine would not help as it is';
  const ways = helpful.filter(({ what }) => what !== 'another machine').map(({ what, speedup }) => `${what} ${speedup.toFixed(2)} times`);
  return `${facts}: ${verdict}; ${ways.length === 0 ? 'nor would a larger mini-batch, a codec or local' : `what else would: ${ways.join(', ')}`}.`;
}
