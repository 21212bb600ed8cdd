// How fast a source is, measured by what it delivered.

export interface Pace {
  /** Examples a second; undefined until a share was measured. */
  readonly speed: number | undefined;
  /** What an assignment costs whatever its size: parameters on the way there, the share on the way back. */
  readonly latencyMs: number;
  /** What each further subtree of an assignment costs: another share on the way back. */
  readonly frameMs: number;
  /** How often it was measured, as long as that is not often enough to be relied on. */
  readonly trials?: number | undefined;
}

export const UNKNOWN_PACE: Pace = { speed: undefined, latencyMs: 0, frameMs: 0 };

/**
 * A source that had nothing to do for so many steps is measured anew: what made it slow, or far away, may be over. Steps and
 * not time, because a step may take longer than any time that would be short enough elsewhere.
 */
const FORGET_AFTER_STEPS = 100;

/** What is believed at step `step` of a source that delivered last in step `lastStep`. */
export function recall(pace: Pace, lastStep: number, step: number): Pace {
  return step - lastStep > FORGET_AFTER_STEPS ? UNKNOWN_PACE : pace;
}

/** The first time, code is compiled and buffers grow: what comes then says little. */
const TRIALS = 4;

/** Whether a source is to be given little, and measured again. */
export function isOnTrial({ speed, trials = TRIALS }: Pace): boolean {
  return speed === undefined || trials < TRIALS;
}

/** What the arrival of a share tells. */
export interface PaceSample {
  readonly examples: number;
  /** From its assignment until it was here. */
  readonly elapsedMs: number;
  /** What its source says it computed for; NaN when it says nothing. */
  readonly computeMs: number;
  /** Whether the source had nothing else to do before: only then the rest of the time is latency. */
  readonly wasIdle: boolean;
}

/** Weight of a new sample: half of an estimate is younger than two shares, so that a change of load shows within a few rounds. */
const NEWEST = 0.3;

/** Below this a clock's resolution is all that is measured. */
const LEAST_MS = 1e-3;

/**
 * The estimate after a share, exponentially smoothed. A source that claims a time that cannot be is taken to have computed all
 * the time; one that claims too little is found to have so much more latency.
 */
export function observe(pace: Pace, { examples, elapsedMs, computeMs, wasIdle }: PaceSample): Pace {
  const isPlausible = computeMs >= LEAST_MS && computeMs <= elapsedMs;
  const spentMs = isPlausible ? computeMs : Math.max(LEAST_MS, elapsedMs);
  const speed = smooth(pace.speed, (examples * 1000) / spentMs);
  const count = (pace.speed === undefined ? 0 : pace.trials ?? TRIALS) + 1;
  const trials = count < TRIALS ? count : undefined;
  if (!isPlausible || !wasIdle) return { ...pace, speed, trials };
  const sampleMs = elapsedMs - computeMs;
  // On trial the least counts: whatever comes in between only adds to it.
  const latencyMs = count > TRIALS ? smooth(pace.latencyMs, sampleMs) : Math.min(pace.latencyMs || Infinity, sampleMs);
  // Parameters there and a share back are about as many bytes, and make up nearly all of a latency that matters.
  return { speed, latencyMs, frameMs: latencyMs / 2, trials };
}

function smooth(old: number | undefined, sample: number): number {
  return old === undefined ? sample : old + NEWEST * (sample - old);
}
