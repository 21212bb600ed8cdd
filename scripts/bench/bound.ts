/** What a round of one local worker and one node of one worker is made of. */
export interface RoundCosts {
  /** C: a step of the local worker alone, in ms. */
  readonly stepMs: number;
  /** P: parameters to the node, and G: a share back, in bytes. */
  readonly parameterBytes: number;
  readonly gradientBytes: number;
  /** R: each way. */
  readonly rateMbps: number;
  /** d: one way, in ms. */
  readonly delayMs: number;
}

/** The node's part of a step is a subtree: a half, a quarter … of it. */
const SMALLEST_PART = 2 ** -5;

/**
 * The most that one node can speed the local worker up where a round's parts follow each other, parameters there, a part f of the step, a
 * share back: C / min over f = 1/2, 1/4 … of max((1 - f) C, P/R + d + f C + G/R + d). 1 where every f is slower than to go alone.
 */
export function unpipelinedBound(costs: RoundCosts): number {
  const { stepMs, delayMs } = costs;
  const linkMs = wayMs(costs, costs.parameterBytes) + wayMs(costs, costs.gradientBytes) + 2 * delayMs;
  let best = stepMs;
  for (let part = 0.5; part >= SMALLEST_PART; part /= 2) best = Math.min(best, Math.max((1 - part) * stepMs, part * stepMs + linkMs));
  return stepMs / best;
}

/** The same where everything that can overlaps, and the step is halved: C / (max(C/2, P/R, G/R) + 2 d), or 1. */
export function pipelinedBound(costs: RoundCosts): number {
  const { stepMs, delayMs } = costs;
  return Math.max(1, stepMs / (Math.max(stepMs / 2, wayMs(costs, costs.parameterBytes), wayMs(costs, costs.gradientBytes)) + 2 * delayMs));
}

function wayMs({ rateMbps }: RoundCosts, byteLength: number): number {
  return (byteLength * 8) / (rateMbps * 1000);
}
