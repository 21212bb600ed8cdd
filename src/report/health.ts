import type { Histogram } from './charts.js';

/** Euclidean length, summed in float64. */
export function norm(values: ArrayLike<number>): number {
  let sum = 0;
  for (let index = 0; index < values.length; index++) sum += values[index]! ** 2;
  return Math.sqrt(sum);
}

/** How often values fall into bins of equal width between the least and the most, or into one where all are equal; what is not finite is left out. */
export function histogramOf(name: string, values: ArrayLike<number>, binCount: number): Histogram {
  const finite = Array.from(values).filter(Number.isFinite);
  const [first = 0] = finite;
  const from = finite.reduce((least, value) => Math.min(least, value), first);
  const to = finite.reduce((most, value) => Math.max(most, value), first);
  if (from === to) return { name, from: from - 0.5, to: from + 0.5, counts: [finite.length] };
  const counts = new Array<number>(binCount).fill(0);
  for (const value of finite) counts[Math.min(binCount - 1, Math.floor(((value - from) / (to - from)) * binCount))]!++;
  return { name, from, to, counts };
}

/** The share of units that are 0 for every example; `outputs` is [examples, units], row-major. */
export function deadShare(outputs: ArrayLike<number>, units: number): number {
  let dead = 0;
  for (let unit = 0; unit < units; unit++) {
    let index = unit;
    while (index < outputs.length && outputs[index] === 0) index += units;
    if (index >= outputs.length) dead++;
  }
  return dead / units;
}

/** The share of a sigmoid's outputs below 0.05 or above 0.95, where its derivative is below a fifth of the most. */
export function saturatedShare(outputs: ArrayLike<number>): number {
  let saturated = 0;
  for (let index = 0; index < outputs.length; index++) if (outputs[index]! < 0.05 || outputs[index]! > 0.95) saturated++;
  return saturated / outputs.length;
}
