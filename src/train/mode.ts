// What is applied when: the modes of a training, and the formulas that workers need too.

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

export const MODES = ['sync', 'stale', 'async', 'local'] as const;

/** Every further open step needs slots for its shares. */
export const MOST_STALENESS = 16;
export const MOST_PERIOD = 1_000_000;
/** Beyond this no averaging converges. */
export const MOST_OUTER_RATE = 10;

/** What `stale` and `local` have where nothing is given: one step ahead, and what local SGD and DiLoCo call a short period. */
export const DEFAULT_STALENESS = 1;
export const DEFAULT_PERIOD = 16;

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

/** The coordinator's optimizer of `local`. */
export interface OuterOptimizer {
  readonly rate: number;
  /** 0 with rate 1 is plain averaging. */
  readonly momentum: number;
}

export const PLAIN_AVERAGING: OuterOptimizer = { rate: 1, momentum: 0 };
