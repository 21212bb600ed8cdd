import { inputError } from '../errors.js';
import type { Attributes, Inputs } from '../kernels/ops/op.js';
import type { Graph, GraphValue, Origin, TracedValue } from './graph.js';
import { placeOf } from './recorder.js';

/** Two primes: what differs between two traces of these row counts is a multiple of the rows, and nothing else is. */
export const TRACE_ROWS = [11, 13] as const;

interface Trace {
  readonly values: readonly TracedValue[];
  readonly outputs: readonly number[];
}

/**
 * Frees the row count: joins two traces of one computation, made at the two `TRACE_ROWS`, into a graph of what the
 * outputs need. Refuses what depends on the row count in any other way than through its first axis.
 */
export function joinTraces(first: Trace, second: Trace): Graph {
  const reached = reachable(first);
  const renumbered = new Map<number, number>();
  const values: GraphValue[] = [];
  for (const id of [...reached].sort((a, b) => a - b)) {
    const other = second.values[id];
    if (other === undefined) throw disagreement(first.values[id]!);
    renumbered.set(id, values.length);
    values.push(joinValue(first.values[id]!, other, renumbered));
  }
  return { values, outputs: first.outputs.map((id) => (id < 0 ? -1 : renumbered.get(id)!)) };
}

/** Indices of the values that the outputs depend on. */
function reachable(trace: Trace): Set<number> {
  const found = new Set<number>();
  const open = trace.outputs.filter((id) => id >= 0);
  for (let id = open.pop(); id !== undefined; id = open.pop()) {
    if (found.has(id)) continue;
    found.add(id);
    const { origin } = trace.values[id]!;
    if (origin.kind === 'kernel') open.push(...Object.values(origin.inputs).flat());
  }
  return found;
}

function joinValue(a: TracedValue, b: TracedValue, renumbered: ReadonlyMap<number, number>): GraphValue {
  const free = freeRows(a, b);
  return { origin: joinOrigin(a, b, free.lead, renumbered), ...free, dtype: a.dtype, layer: a.layer };
}

/** The first axis that is not of length 1 may be a multiple of the rows; every other must agree. */
function freeRows(a: TracedValue, b: TracedValue): Pick<GraphValue, 'lead' | 'prefix' | 'dims'> {
  const [rowsA, rowsB] = TRACE_ROWS;
  if (a.shape.length !== b.shape.length) throw disagreement(a);
  const prefix = a.shape.findIndex((length, axis) => length !== b.shape[axis]);
  if (prefix < 0) return { lead: 0, prefix: 0, dims: a.shape };
  const rest = a.shape.slice(prefix + 1);
  const lead = a.shape[prefix]! / rowsA;
  const fits = a.shape.slice(0, prefix).every((length) => length === 1)
    && rest.every((length, index) => length === b.shape[prefix + 1 + index])
    && Number.isInteger(lead) && lead * rowsB === b.shape[prefix];
  if (!fits) throw disagreement(a);
  return { lead, prefix, dims: lead === 1 ? rest : [lead, ...rest] };
}

function joinOrigin(a: TracedValue, b: TracedValue, lead: number, renumbered: ReadonlyMap<number, number>): Origin {
  const [first, second] = [a.origin, b.origin];
  if (first.kind !== second.kind || a.dtype !== b.dtype) throw disagreement(a);
  if (first.kind === 'constant' && second.kind === 'constant') {
    const same = lead === 0 && first.values.length === second.values.length && first.values.every((value, index) => Object.is(value, second.values[index]));
    if (!same) throw disagreement(a);
  }
  if (first.kind === 'uniform' && second.kind === 'uniform' && !Object.is(first.value, second.value)) throw disagreement(a);
  if (first.kind !== 'kernel' || second.kind !== 'kernel') return first;
  if (first.kernel !== second.kernel || !sameCall(first, second)) throw disagreement(a);
  const inputs = Object.entries(first.inputs).map(([name, ids]) => [name, typeof ids === 'number' ? renumbered.get(ids)! : ids.map((id) => renumbered.get(id)!)]);
  return { ...first, inputs: Object.fromEntries(inputs) as Inputs<number | readonly number[]> };
}

type KernelCall = Extract<Origin, { readonly kind: 'kernel' }>;

/** Attributes that hold a shape, or a part of one: they follow the rows, and the result's shape answers for them. */
const SHAPE_ATTRIBUTES = new Set(['shape', 'size', 'reps']);

/** Whether two calls of a kernel agree in the values that they take and in every number that is no shape. */
function sameCall(first: KernelCall, second: KernelCall): boolean {
  return sameText(first.inputs, second.inputs) && sameText(fixed(first.attributes), fixed(second.attributes));
}

function fixed(attributes: Attributes): [string, string][] {
  return Object.entries(attributes).filter(([name]) => !SHAPE_ATTRIBUTES.has(name)).map(([name, value]) => [name, String(value)]);
}

const sameText = (a: object, b: object): boolean => JSON.stringify(a) === JSON.stringify(b);

function disagreement(value: TracedValue): Error {
  return inputError(
    'ERR_TRACE_ROWS',
    `${placeOf(value.layer)} depends on the number of examples in a mini-batch or differs from one trace to the next (a tensor of shape [${value.shape.join(', ')}]); write it per example.`,
  );
}
