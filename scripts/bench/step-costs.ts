import type { BenchSize } from '../cli/choices.js';
import { runError } from '../../src/errors.js';
import { measure } from './harness.js';
import type { StepCosts } from './prediction.js';
import { contestantOf } from './scaling/measure.js';
import { plainRun } from './scaling/plan.js';

/** Twice the mini-batch and more, so that what does not grow with it can be told from what does. */
const LARGER = 4;
const ROUNDS = 3;
const SECONDS = 0.5;

/** What a step costs on this machine with so many workers. @throws ERR_BENCH with the last words of what was measured */
export async function measureStep(size: BenchSize, batchSize: number, workers: number, dataFolder: string): Promise<Pick<StepCosts, 'stepMs' | 'fixedMs' | 'batchSize'>> {
  const runs = [batchSize, batchSize * LARGER].map((examples) => contestantOf(plainRun(size, workers, examples), dataFolder));
  const [small, large] = (await measure(runs, { rounds: ROUNDS, seconds: SECONDS })).map((row) => {
    if ('failure' in row) throw runError('ERR_BENCH', row.failure);
    return 1000 / row.median;
  });
  return { batchSize, ...splitStep(small! * batchSize, LARGER, large! * batchSize * LARGER) };
}

/** A step's time in what it takes with any mini-batch and what grows with it, from two sizes: t = fixed + per example. */
export function splitStep(stepMs: number, times: number, largerStepMs: number): Pick<StepCosts, 'stepMs' | 'fixedMs'> {
  return { stepMs, fixedMs: Math.min(stepMs, Math.max(0, (times * stepMs - largerStepMs) / (times - 1))) };
}
