// What a node is given to compute with: the plan, and how many parameters it is laid out for. A plan is bytes from another
// machine until its check has passed.
import { TensorflockError } from '../src/errors.js';
import { PLAN_RESOURCES, type PlanLimits } from '../src/plan/limits.js';
import type { Plan } from '../src/plan/plan.js';
import { decodePlan, encodePlan } from '../src/plan/wire.js';
import { MAX_PAGES, PAGE_BYTES } from '../src/kernels/instance.js';
import { stateNames, type Optimizer } from '../src/optimizers/index.js';
import { decodeOptimizer, encodeOptimizer } from '../src/optimizers/wire.js';
import { clusterError } from './protocol/errors.js';
import type { WelcomeMessage } from './protocol/messages.js';

export interface RunPlan {
  /** Floats of all parameters, as the plan lays them out. */
  readonly parameterFloats: number;
  readonly plan: Plan;
  /** Where nodes make steps of their own: mode `local`. */
  readonly own?: OwnSteps | undefined;
}

/** What a step needs beside its gradients. */
export interface OwnSteps {
  readonly optimizer: Optimizer;
  readonly penalties: Plan | undefined;
}

/** What a node knows of a run before it reads the plan. */
export interface PlanOrigin extends Pick<WelcomeMessage, 'columns' | 'shardSize' | 'mode'> {
  /** Of the coordinator, for messages. */
  readonly address: string;
}

/** The head: floats of the parameters and of the gradients, and bytes of each part behind it; each an unsigned 32-bit number. */
const HEAD_WORDS = 5;
const HEAD_BYTES = HEAD_WORDS * 4;

/** What 32-bit addresses reach: no arena holds more. */
const ARENA_BYTES = MAX_PAGES * PAGE_BYTES;

const VALUE_BYTES = { uint8: 1, int32: 4, float32: 4 } as const;

export function encodeRunPlan({ plan, parameterFloats, own }: RunPlan): Uint8Array {
  const none = new Uint8Array(0);
  const parts = [encodePlan(plan), own?.penalties === undefined ? none : encodePlan(own.penalties), own === undefined ? none : encodeOptimizer(own.optimizer)];
  const bytes = new Uint8Array(parts.reduce((sum, { length }) => sum + length, HEAD_BYTES));
  const head = new DataView(bytes.buffer);
  [parameterFloats, plan.sumsOffset, ...parts.map(({ length }) => length)].forEach((word, at) => { head.setUint32(at * 4, word, true); });
  let end = HEAD_BYTES;
  for (const part of parts) {
    bytes.set(part, end);
    end += part.length;
  }
  return bytes;
}

/**
 * The checked plan: it fits the columns and shards of the welcome, and with data, parameters and, where there is one, the optimizer's
 * state the memory that there can be.
 * @throws ERR_OTHER_PLAN
 */
export function decodeRunPlan(bytes: Uint8Array, origin: PlanOrigin): RunPlan {
  const refuse = (problem: string, cause?: unknown): never => {
    throw clusterError('ERR_OTHER_PLAN', { address: origin.address, problem }, { cause });
  };
  const { parameterFloats, gradientFloats, planBytes, penaltiesBytes, optimizerBytes } = readHead(bytes, refuse);
  if ((optimizerBytes.length > 0) !== (origin.mode.kind === 'local')) return refuse(`it has ${optimizerBytes.length} bytes of an optimizer in the mode "${origin.mode.kind}"`);
  const optimizer = optimizerBytes.length === 0 ? undefined : decodeOptimizer(optimizerBytes, (problem) => refuse(`its optimizer ${problem}`));
  const left = ARENA_BYTES - parameterFloats * 4 - dataBytes(origin) - ownBytes(optimizer, gradientFloats);
  if (left <= 0) return refuse(`its ${parameterFloats} floats of parameters and the data are more than ${ARENA_BYTES} bytes`);
  const limits = limitsOf(origin, parameterFloats, gradientFloats, left);
  const decode = (part: Uint8Array, more: Partial<PlanLimits> = {}): Plan => {
    try {
      return decodePlan(part, { ...limits, ...more });
    } catch (error) {
      if (!(error instanceof TensorflockError && error.code === 'ERR_PLAN')) throw error;
      return refuse(error.message, error);
    }
  };
  const plan = decode(planBytes);
  if (optimizer === undefined) return { parameterFloats, plan };
  const penalties = penaltiesBytes.length === 0 ? undefined : decode(penaltiesBytes, { kind: 'penalties', inputs: [], targets: [], shardRows: 1 });
  return { parameterFloats, plan, own: { optimizer, penalties } };
}

interface Head {
  readonly parameterFloats: number;
  readonly gradientFloats: number;
  readonly planBytes: Uint8Array;
  readonly penaltiesBytes: Uint8Array;
  readonly optimizerBytes: Uint8Array;
}

function readHead(bytes: Uint8Array, refuse: (problem: string) => never): Head {
  if (bytes.length < HEAD_BYTES) return refuse(`it has ${bytes.length} bytes`);
  const head = new DataView(bytes.buffer, bytes.byteOffset, HEAD_BYTES);
  const [parameterFloats, gradientFloats, ...lengths] = Array.from({ length: HEAD_WORDS }, (_, at) => head.getUint32(at * 4, true)) as [number, number, number, number, number];
  if (gradientFloats > parameterFloats || gradientFloats % 4 !== 0) return refuse(`it has ${gradientFloats} floats of gradients for ${parameterFloats} of parameters`);
  const ends = lengths.map((_, at) => lengths.slice(0, at + 1).reduce((sum, length) => sum + length, HEAD_BYTES)) as [number, number, number];
  if (ends[2] !== bytes.length) return refuse(`it has ${bytes.length} bytes, of ${ends[2]} that its head names`);
  const [planBytes, penaltiesBytes, optimizerBytes] = [bytes.subarray(HEAD_BYTES, ends[0]), bytes.subarray(ends[0], ends[1]), bytes.subarray(ends[1])];
  return { parameterFloats, gradientFloats, planBytes, penaltiesBytes, optimizerBytes };
}

/** The states, with their snapshot and that of the parameters. */
function ownBytes(optimizer: Optimizer | undefined, floats: number): number {
  return optimizer === undefined ? 0 : (2 * stateNames(optimizer).length + 1) * floats * 4;
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
