import type { Histogram } from './charts.js';

/** Euclidean length, summed in float64. */
export function norm(values: ArrayLike<number>): number {
  let sum = 0;
  for (let index = 0; index < values.length; index++) sum += values[index]! ** 2;
  return Math.sqrt(sum);
}

/** How often values fall into bins of equal width between the least and the most, or into one where all are equal; what is not finite is left out. */
export function histogramOf(name: string, values: ArrayLike<number>, binCount: number): Histogram {
  const { count, from, to } = finiteRange(values);
  if (from === to || count === 0) return { name, from: from - 0.5, to: to + 0.5, counts: [count] };
  const counts = new Array<number>(binCount).fill(0);
  for (let index = 0; index < values.length; index++) {
    const value = values[index]!;
    if (Number.isFinite(value)) counts[Math.min(binCount - 1, Math.floor(((value - from) / (to - from)) * binCount))]!++;
  }
  return { name, from, to, counts };
}

/** How many values are finite, the least and the most of them; 0 where none is. In one pass, as a large layer has millions. */
function finiteRange(values: ArrayLike<number>): { readonly count: number; readonly from: number; readonly to: number } {
  let [count, from, to] = [0, Infinity, -Infinity];
  for (let index = 0; index < values.length; index++) {
    const value = values[index]!;
    if (!Number.isFinite(value)) continue;
    count++;
    from = Math.min(from, value);
    to = Math.max(to, value);
  }
  return count === 0 ? { count, from: 0, to: 0 } : { count, from, to };
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
