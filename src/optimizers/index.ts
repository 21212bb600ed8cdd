// Optimizers are plain data; the functions here read them. Nothing here loads tfjs: worker threads import this file.
//
// Order of a step: mean of the shares, penalties, clipping by norm (the caller, with `normScale`), clipping by value and the
// rule (`bindUpdate`).
import type { Kernels } from '../kernels/load.js';
import { limitOf, normFactor } from './clipping.js';
import { ruleOf, type Optimizer, type RuleUpdate } from './rules.js';
import { rateAt } from './schedules.js';

export type { Clip } from './clipping.js';
export { optimizerByName, optimizers } from './recipes.js';
export type { Optimizer } from './rules.js';
export { rateAt, schedules, type Schedule } from './schedules.js';

/** Names of what the optimizer remembers of each parameter, in the order in which an update takes their addresses. */
export function stateNames(optimizer: Optimizer): readonly string[] {
  return Object.keys(ruleOf(optimizer).states(optimizer));
}

/** What every element of a state, one of `stateNames`, starts as. */
export function initialStateValue(optimizer: Optimizer, name: string): number {
  return ruleOf(optimizer).states(optimizer)[name]!;
}

/**
 * The numbers of a step that all parameters share: the scheduled rate and whatever the rule derives from it and from the
 * integer step. Computed in float64 and rounded at the end; at most 5 floats. `step` counts the updates already made. Another
 * rate than the schedule's at this step is given where updates are not steps.
 */
export function stepScalars(optimizer: Optimizer, step: number, rate = rateAt(optimizer.learningRate, step)): Float32Array {
  return Float32Array.from(ruleOf(optimizer).scalars(optimizer, rate, step + 1));
}

/**
 * The optimizer's update of a range of parameters and states in place, from `stepScalars`. Addresses are in bytes and start
 * at 16 bytes; floatCount is a multiple of 4. A gradient that is to be clipped by value is scaled and clipped in place; the factor
 * of clipping by norm is the caller's, in `scale`.
 */
export function bindUpdate(kernels: Kernels, optimizer: Optimizer): RuleUpdate {
  const update = ruleOf(optimizer).bind(kernels, optimizer);
  const limit = limitOf(optimizer.clip, 'value');
  if (limit === undefined) return update;
  const [scaleInto, clipValue] = [kernels['scaleInto']!, kernels['clipValue']!];
  return (parameters, gradients, states, floatCount, scale, scalars) => {
    if (scale !== 1) scaleInto(gradients, floatCount, scale);
    clipValue(gradients, floatCount, limit);
    update(parameters, gradients, states, floatCount, 1, scalars);
  };
}

/**
 * The factor, at most 1, that all gradients are multiplied by where the optimizer clips their norm. `blockSums` are the sums of
 * squares (kernel `sumOfSquares`) of consecutive blocks of 1,024 gradients; they are added along the tree of the shards.
 */
export function normScale(optimizer: Optimizer, blockSums: Float32Array): number {
  const limit = limitOf(optimizer.clip, 'norm');
  return limit === undefined ? 1 : normFactor(limit, blockSums);
}
