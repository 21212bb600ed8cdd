// Plans as bytes: MessagePack of plain maps, with their keys in order, so that equal plans are equal bytes.
import { Packr } from 'msgpackr/pack';
import { checkPlan } from './check.js';
import type { PlanLimits } from './limits.js';
import { decodePlain } from './msgpack.js';
import type { Plan } from './plan.js';
import { refusePlan } from './refuse.js';

/** A plan, its lists, their members, and the lists and maps of those. */
const DEPTH = 4;

/** Fields of an instruction or tensor, each a key and a value, and the strides of a copy. */
const VALUES_PER_ENTRY = 64;

/** Numbers that MessagePack has, but msgpackr does not keep: a zero becomes an integer, and NaN has many bits. */
const NEGATIVE_ZERO = '-0';
const NOT_A_NUMBER = 'NaN';

const packr = new Packr({ useRecords: false, variableMapSize: true });

/** The same bytes for the same plan, however its objects were made. */
export function encodePlan(plan: Plan): Uint8Array {
  return new Uint8Array(packr.pack(canonical(plan)));
}

/**
 * The plan of `bytes`, checked; its constants are in memory of their own.
 * @throws ERR_PLAN
 */
export function decodePlan(bytes: Uint8Array, limits: PlanLimits): Plan {
  if (bytes.length > limits.planBytes) refusePlan('it', `has ${bytes.length} bytes, and at most ${limits.planBytes} are allowed`);
  const values = VALUES_PER_ENTRY * (1 + limits.tensors + limits.instructions);
  const plain = decodePlain(bytes, { depth: DEPTH, values }, (problem) => refusePlan('it', problem));
  return checkPlan(restored(plain), limits);
}

function canonical(value: unknown): unknown {
  if (typeof value === 'number') return Object.is(value, -0) ? NEGATIVE_ZERO : Number.isNaN(value) ? NOT_A_NUMBER : value;
  if (Array.isArray(value)) return value.map(canonical);
  if (typeof value !== 'object' || value === null || value instanceof Uint8Array) return value;
  const fields = Object.entries(value).filter(([, field]) => field !== undefined).sort(([a], [b]) => (a < b ? -1 : 1));
  return Object.fromEntries(fields.map(([name, field]) => [name, canonical(field)]));
}

/** What `canonical` was given; bytes as a copy. */
function restored(value: unknown): unknown {
  if (value === NEGATIVE_ZERO) return -0;
  if (value === NOT_A_NUMBER) return NaN;
  if (Array.isArray(value)) return value.map(restored);
  if (value instanceof Uint8Array) return Uint8Array.from(value);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([name, field]) => [name, restored(field)]));
}
