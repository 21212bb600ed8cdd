// Run time: monotonic time without the time that this process itself lost.

export interface RunClock {
  /** The executor promises to ask for the time at least so often. */
  readonly tickMs: number;
  lastMs: number;
  lostMs: number;
}

export function startClock(tickMs: number, nowMs: number): RunClock {
  return { tickMs, lastMs: nowMs, lostMs: 0 };
}

/**
 * Run time at a monotonic time. Where nobody asked for more than two ticks, the process was stopped or starved: what the
 * others did meanwhile waits unread, so all of the gap but one tick is taken off, and every deadline moves by as much.
 */
export function runTime(clock: RunClock, monotonicMs: number): number {
  const gapMs = monotonicMs - clock.lastMs;
  if (gapMs > 2 * clock.tickMs) clock.lostMs += gapMs - clock.tickMs;
  clock.lastMs = Math.max(clock.lastMs, monotonicMs);
  return clock.lastMs - clock.lostMs;
}

/** Far more than float64 rounds off a time of years, far less than a timer resolves. */
const MARGIN_MS = 1e-3;

/** When a timer for a run time is to fire, as long as no more time is lost: never so early that the run time is not there yet. */
export function monotonicTime(clock: RunClock, runMs: number): number {
  return runMs + clock.lostMs + MARGIN_MS;
}
