// What a node is given to compute with: the plan, and how many parameters it is laid out for. A plan is bytes from another
// machine until its check has passed.
import { TensorflockError } from '../src/errors.js';
import { PLAN_RESOURCES, type PlanLimits } from '../src/plan/limits.js';
import type { Plan } from '../src/plan/plan.js';
import { decodePlan, encodePlan } from '../src/plan/wire.js';
import { MAX_PAGES, PAGE_BYTES } from '../src/kernels/load.js';
import { clusterError } from './protocol/errors.js';
import type { WelcomeMessage } from './protocol/messages.js';

export interface RunPlan {
  /** Floats of all parameters, as the plan lays them out. */
  readonly parameterFloats: number;
  readonly plan: Plan;
}

/** What a node knows of a run before it reads the plan. */
export interface PlanOrigin extends Pick<WelcomeMessage, 'columns' | 'shardSize'> {
  /** Of the coordinator, for messages. */
  readonly address: string;
}

/** Bytes of `parameterFloats` and of the floats of the gradients, each an unsigned 32-bit number, before those of the plan. */
const HEAD_BYTES = 8;

/** What 32-bit addresses reach: no arena holds more. */
const ARENA_BYTES = MAX_PAGES * PAGE_BYTES;

const VALUE_BYTES = { uint8: 1, int32: 4, float32: 4 } as const;

export function encodeRunPlan({ plan, parameterFloats }: RunPlan): Uint8Array {
  const planBytes = encodePlan(plan);
  const bytes = new Uint8Array(HEAD_BYTES + planBytes.length);
  const head = new DataView(bytes.buffer);
  head.setUint32(0, parameterFloats, true);
  head.setUint32(4, plan.sumsOffset, true);
  bytes.set(planBytes, HEAD_BYTES);
  return bytes;
}

/**
 * The checked plan: it fits the columns and shards of the welcome, and with data and parameters the memory that there can be.
 * @throws ERR_OTHER_PLAN
 */
export function decodeRunPlan(bytes: Uint8Array, origin: PlanOrigin): RunPlan {
  const refuse = (problem: string, cause?: unknown): never => {
    throw clusterError('ERR_OTHER_PLAN', { address: origin.address, problem }, { cause });
  };
  if (bytes.length < HEAD_BYTES) return refuse(`it has ${bytes.length} bytes`);
  const head = new DataView(bytes.buffer, bytes.byteOffset, HEAD_BYTES);
  const [parameterFloats, gradientFloats] = [head.getUint32(0, true), head.getUint32(4, true)];
  if (gradientFloats > parameterFloats || gradientFloats % 4 !== 0) return refuse(`it has ${gradientFloats} floats of gradients for ${parameterFloats} of parameters`);
  const left = ARENA_BYTES - parameterFloats * 4 - dataBytes(origin);
  if (left <= 0) return refuse(`its ${parameterFloats} floats of parameters and the data are more than ${ARENA_BYTES} bytes`);
  try {
    return { parameterFloats, plan: decodePlan(bytes.subarray(HEAD_BYTES), limitsOf(origin, parameterFloats, gradientFloats, left)) };
  } catch (error) {
    if (!(error instanceof TensorflockError && error.code === 'ERR_PLAN')) throw error;
    return refuse(error.message, error);
  }
}

function limitsOf({ columns, shardSize }: PlanOrigin, parameterFloats: number, gradientFloats: number, areaBytes: number): PlanLimits {
  const widths = (role: 'input' | 'target'): number[] => trained(columns).filter((column) => column.role === role).map(({ shape }) => valuesOf(shape));
  return {
    ...PLAN_RESOURCES, kind: 'examples', parameterFloats, gradientFloats, inputs: widths('input'), targets: widths('target'), shardRows: shardSize,
    areaBytes: Math.min(PLAN_RESOURCES.areaBytes, areaBytes),
  };
}

const trained = (columns: PlanOrigin['columns']): PlanOrigin['columns'] => columns.filter(({ split }) => split === 'train');

const valuesOf = (shape: readonly number[]): number => shape.reduce((product, axis) => product * axis, 1);

const dataBytes = ({ columns }: PlanOrigin): number =>
  columns.reduce((sum, { type, shape, exampleCount }) => sum + VALUE_BYTES[type] * exampleCount * valuesOf(shape), 0);
