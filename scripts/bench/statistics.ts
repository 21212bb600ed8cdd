// The arithmetic behind scaling figures, without anything that measures.

/** The value at a part of the way from the least to the most, between neighbours by proportion (as numpy.quantile has it). */
export function quantile(values: readonly number[], part: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  const place = (sorted.length - 1) * part;
  const below = Math.floor(place);
  const [low, high] = [sorted[below]!, sorted[Math.ceil(place)]!];
  return low + (high - low) * (place - below);
}

export function median(values: readonly number[]): number {
  return quantile(values, 0.5);
}

/** The middle half of the values, as a part of their median. */
export function spread(values: readonly number[]): number {
  return (quantile(values, 0.75) - quantile(values, 0.25)) / median(values);
}

/** A speed with so many workers. */
export interface Point {
  readonly workers: number;
  /** Times that of one. */
  readonly speedup: number;
}

export interface AmdahlFit {
  /** Of the time of one worker, 0 to 1. */
  readonly serialFraction: number;
  /** The speedup that no number of workers passes; Infinity without a serial part. */
  readonly limit: number;
}

/**
 * The serial part s of Amdahl's law, time(n) / time(1) = s + (1 - s) / n, by least squares on the relative times: with y = 1 / speedup,
 * s = sum((y - 1/n)(1 - 1/n)) / sum((1 - 1/n)^2), kept within 0 and 1. Undefined where no point has more than one worker.
 */
export function fitAmdahl(points: readonly Point[]): AmdahlFit | undefined {
  const several = points.filter(({ workers }) => workers > 1);
  if (several.length === 0) return undefined;
  let [product, square] = [0, 0];
  for (const { workers, speedup } of several) {
    const parallel = 1 - 1 / workers;
    product += (1 / speedup - 1 / workers) * parallel;
    square += parallel * parallel;
  }
  const serialFraction = Math.min(1, Math.max(0, product / square));
  return { serialFraction, limit: 1 / serialFraction };
}

/** Two series of runs of the same thing. */
export interface Change {
  /** Median of the second to that of the first. */
  readonly ratio: number;
  /** Slowest run of the second to the fastest of the first, and the other way round. */
  readonly least: number;
  readonly most: number;
  /** Whether no run of the one is within those of the other. */
  readonly exceedsNoise: boolean;
  /** How often as clear a separation comes by chance, if both were the same: 2 / C(m + n, n). */
  readonly chance: number;
}

export function compareRuns(before: readonly number[], after: readonly number[]): Change {
  const least = Math.min(...after) / Math.max(...before);
  const most = Math.max(...after) / Math.min(...before);
  const chance = Math.min(1, 2 / choose(before.length + after.length, after.length));
  return { ratio: median(after) / median(before), least, most, exceedsNoise: least > 1 || most < 1, chance };
}

function choose(n: number, k: number): number {
  let ways = 1;
  for (let i = 1; i <= k; i++) ways = (ways * (n - k + i)) / i;
  return ways;
}
