import { inputError } from '../errors.js';

/**
 * @param place the instruction, tensor or field
 * @throws ERR_PLAN
 */
export function refusePlan(place: string, problem: string): never {
  throw inputError('ERR_PLAN', `the plan cannot be run: ${place} ${problem}; use the same version of tensorflock on both sides.`);
}
