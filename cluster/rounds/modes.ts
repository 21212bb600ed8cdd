// What is applied when, in each mode: formulas, without state.

/**
 * `sync`: one update is all leaves of a step, each computed from the parameters that the update is applied to.
 *
 * `stale` (SSP): the same, but a leaf may come from parameters up to `staleness` versions older. Ho et al., More Effective
 * Distributed ML via a Stale Synchronous Parallel Parameter Server, 2013.
 *
 * `async`: every share is an update. Niu et al., Hogwild!: A Lock-Free Approach to Parallelizing Stochastic Gradient Descent,
 * 2011; its rate by age after Zhang et al., Staleness-Aware Async-SGD for Distributed Deep Learning, 2016.
 *
 * `local`: every source makes `period` updates of its own between two of the coordinator. Stich, Local SGD Converges Fast and
 * Communicates Little, 2019; the coordinator's momentum after Douillard et al., DiLoCo: Distributed Low-Communication Training
 * of Language Models, 2023.
 */
export type Mode =
  | { readonly kind: 'sync' }
  | { readonly kind: 'stale'; readonly staleness: number }
  | { readonly kind: 'async' }
  | { readonly kind: 'local'; readonly period: number };

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

export interface AsyncShare {
  /** Learning rate of the schedule at this update. */
  readonly rate: number;
  /** Examples of the share, and of a whole mini-batch. */
  readonly examples: number;
  readonly batchExamples: number;
  /** Updates that were made since the parameters that the share was computed from. */
  readonly age: number;
}

/** The rate that a share's mean gradient is applied with: rate * (examples / batch) / (1 + age). */
export function asyncRate({ rate, examples, batchExamples, age }: AsyncShare): number {
  return (rate * (examples / batchExamples)) / (1 + age);
}

/** What a source made of the common parameters in its own steps. */
export interface LocalResult {
  readonly parameters: Float32Array;
  /** Of all its own steps together: its weight in the mean. */
  readonly examples: number;
}

export interface OuterOptimizer {
  readonly rate: number;
  /** 0 with rate 1 is plain averaging. */
  readonly momentum: number;
}

/**
 * The coordinator's update of `local`, in place: m = momentum * m + rate * sum_i w_i (p_i - p), p += m, with weights
 * w_i = examples_i / sum of all examples. Each element is computed in float64 in the order of the results and rounded once.
 */
export function outerUpdate(parameters: Float32Array, momenta: Float32Array, results: readonly LocalResult[], { rate, momentum }: OuterOptimizer): void {
  const examples = results.reduce((sum, result) => sum + result.examples, 0);
  const weights = results.map((result) => result.examples / examples);
  for (let i = 0; i < parameters.length; i++) {
    const p = parameters[i]!;
    let mean = 0;
    for (let source = 0; source < results.length; source++) mean += weights[source]! * (results[source]!.parameters[i]! - p);
    const m = momentum * momenta[i]! + rate * mean;
    momenta[i] = m;
    parameters[i] = p + m;
  }
}
