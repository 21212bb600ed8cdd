// What a node is given to compute with: the plan, and how many parameters it is laid out for.
import { Packr, Unpackr } from 'msgpackr';
import type { Plan } from '../src/plan/plan.js';

export interface RunPlan {
  /** Floats of all parameters, and of those that are updated, as the plan lays them out. */
  readonly parameterFloats: number;
  readonly plan: Plan;
}

const packr = new Packr({ useRecords: false, variableMapSize: true });
const unpackr = new Unpackr({ useRecords: false });

export function encodeRunPlan(runPlan: RunPlan): Uint8Array {
  return new Uint8Array(packr.pack(runPlan));
}

export function decodeRunPlan(bytes: Uint8Array): RunPlan {
  return unpackr.unpack(bytes) as RunPlan;
}
