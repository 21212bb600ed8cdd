// A fixed piece of work between runs: when it takes longer, the machine has become slower, and not what is measured.
import { median, spread } from '../statistics.js';

/** Some ten milliseconds of one core. */
const ROUNDS = 4_000_000;
/** Above, speeds that differ by as much say nothing. */
export const QUIET_SPREAD = 0.05;
/** The last third of the runs to the first: a machine that becomes hot clocks down. */
export const STEADY_DRIFT = 0.05;

export interface Calibration {
  readonly runs: number;
  readonly medianMs: number;
  readonly spread: number;
  /** Median time of the last third of the runs to that of the first, less 1. */
  readonly drift: number;
  readonly isQuiet: boolean;
}

export class Calibrator {
  readonly #timesMs: number[] = [];

  constructor(private readonly nowMs: () => number) {
    this.#work(); // the engine's optimising compiler has seen it before it is timed
  }

  run(): void {
    const begunMs = this.nowMs();
    this.#work();
    this.#timesMs.push(this.nowMs() - begunMs);
  }

  get result(): Calibration {
    return calibrationOf(this.#timesMs);
  }

  #work(): void {
    let value = 1;
    for (let round = 0; round < ROUNDS; round++) value = Math.fround(value * 1.000_001 + 1e-7);
    if (value === 0) throw new Error('the work was left out');
  }
}

export function calibrationOf(timesMs: readonly number[]): Calibration {
  const third = Math.max(1, Math.floor(timesMs.length / 3));
  const drift = median(timesMs.slice(-third)) / median(timesMs.slice(0, third)) - 1;
  const wide = spread(timesMs);
  return { runs: timesMs.length, medianMs: median(timesMs), spread: wide, drift, isQuiet: wide <= QUIET_SPREAD && Math.abs(drift) <= STEADY_DRIFT };
}

export function formatCalibration({ runs, medianMs, spread: wide, drift, isQuiet }: Calibration): string {
  const facts = `calibration: a fixed kernel took ${medianMs.toFixed(1)} ms, spread ${percent(wide)}, drift ${percent(drift)}, over ${runs} runs`;
  return isQuiet ? facts : `${facts}\nwarning: above ${percent(QUIET_SPREAD)} of spread or ${percent(STEADY_DRIFT)} of drift others compute too or the clock changes; smaller differences than that are noise.`;
}

export function percent(part: number): string {
  return `${(part * 100).toFixed(1)} %`;
}
