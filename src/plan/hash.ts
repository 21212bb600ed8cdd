import { createHash } from 'node:crypto';
import type { Plan } from './plan.js';
import { encodePlan } from './wire.js';

/** SHA-256 of a plan's bytes in hexadecimal digits: what two machines compare before they compute together. */
export function planHash(plan: Plan): string {
  return createHash('sha256').update(encodePlan(plan)).digest('hex');
}
