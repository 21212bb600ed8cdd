// What is applied when, in each mode: formulas, without state.

import type { Mode, OuterOptimizer } from '../../src/train/mode.js';

export { asyncRate, type Mode, type OuterOptimizer } from '../../src/train/mode.js';

/**
 * Steps of `async` that may be unfinished at once. A source that is stuck with a leaf would otherwise leave behind it as many
 * open steps as the others can begin until its share is overdue.
 */
export const ASYNC_OPEN_STEPS = 16;

/** How many steps may be in work at once: with bound s, those that version v and its s successors will be made of. */
export function mostOpenSteps(mode: Mode): number {
  switch (mode.kind) {
    case 'sync':
      return 1;
    case 'stale':
      return mode.staleness + 1;
    case 'async':
      return ASYNC_OPEN_STEPS;
    case 'local':
      return 0;
    default:
      return mode satisfies never;
  }
}

/**
 * The oldest parameters that a leaf may be computed from when the update is applied to version `appliedTo`: that very version
 * in `sync`, appliedTo - s in `stale`, any in `async`. An assignment given at version v of a step that mostOpenSteps allows to
 * be open is never older, because appliedTo <= v + s; a share that is, because its node held older parameters still, is
 * computed again.
 */
export function oldestVersion(mode: Mode, appliedTo: number): number {
  if (mode.kind === 'async') return 0;
  return Math.max(0, appliedTo - (mode.kind === 'stale' ? mode.staleness : 0));
}

/** What a source made of the common parameters in its own steps. */
export interface LocalResult {
  /** Its parameters minus those it began with. */
  readonly difference: Float32Array;
  /** Of all its own steps together: its weight in the mean. */
  readonly examples: number;
}

/**
 * The coordinator's update of `local`, in place: m = momentum * m + rate * sum_i w_i (p_i - p), p += m, with weights
 * w_i = examples_i / sum of all examples. Each element is computed in float64 in the order of the results and rounded once.
 * Elements behind the differences' are left alone.
 */
export function outerUpdate(parameters: Float32Array, momenta: Float32Array, results: readonly LocalResult[], { rate, momentum }: OuterOptimizer): void {
  const examples = results.reduce((sum, result) => sum + result.examples, 0);
  const weights = results.map((result) => result.examples / examples);
  for (let i = 0; i < momenta.length; i++) {
    let mean = 0;
    for (let source = 0; source < results.length; source++) mean += weights[source]! * results[source]!.difference[i]!;
    const m = momentum * momenta[i]! + rate * mean;
    momenta[i] = m;
    parameters[i] = parameters[i]! + m;
  }
}
