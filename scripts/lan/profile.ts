/** What a link does to the packets of a machine, each way. */
export interface LinkProfile {
  readonly name: string;
  /** Megabits a second. */
  readonly rateMbps: number;
  /** Of the way to another machine; there and back it is twice that. */
  readonly delayMs: number;
  /** The delay varies by up to so much, up and down. */
  readonly jitterMs: number;
  /** Of 100 packets, so many never arrive. */
  readonly lossPercent: number;
}

export const GIGABIT: LinkProfile = { name: 'gigabit', rateMbps: 1_000, delayMs: 0.2, jitterMs: 0, lossPercent: 0 };
/** What is left of a home's Wi-Fi two rooms away. */
export const WIFI: LinkProfile = { name: 'wifi', rateMbps: 100, delayMs: 5, jitterMs: 2, lossPercent: 1 };

/** The same where everything takes so many times as long. */
export function slowed({ name, rateMbps, delayMs, jitterMs, lossPercent }: LinkProfile, slowness: number): LinkProfile {
  return { name, rateMbps: rateMbps / slowness, delayMs: delayMs * slowness, jitterMs: jitterMs * slowness, lossPercent };
}

/** Who shapes a link: the kernel's netem; its tbf, which knows a rate alone; or a process of ours that hands packets on. */
export type Shaper = 'netem' | 'tbf' | 'process';

/** Below this a process of ours would add more by itself than it is to add. */
const LEAST_PROCESS_DELAY_MS = 1;

/** The shaper that does as much of a profile as can be done. */
export function shaperFor({ delayMs, lossPercent }: LinkProfile, hasNetem: boolean): Shaper {
  if (hasNetem) return 'netem';
  return delayMs < LEAST_PROCESS_DELAY_MS && lossPercent === 0 ? 'tbf' : 'process';
}

/** For people. */
export function describeLink({ rateMbps, delayMs, jitterMs, lossPercent }: LinkProfile, shaper: Shaper): string {
  const rate = `${rateMbps} Mbit/s`;
  if (shaper === 'tbf') return `${rate} by tbf; the ${delayMs} ms of delay are left out, because this kernel has no netem`;
  const jitter = jitterMs === 0 ? '' : ` ± ${jitterMs}`;
  const loss = lossPercent === 0 ? '' : ` and ${lossPercent} % of loss`;
  return `${rate}, ${delayMs}${jitter} ms each way${loss} by ${shaper === 'netem' ? 'netem' : 'a process that hands packets on, because this kernel has no netem'}`;
}
