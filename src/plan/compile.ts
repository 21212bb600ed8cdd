import { OPS } from '../kernels/ops/index.js';
import { sizeOf, type Call, type Inputs, type Value } from '../kernels/ops/op.js';
import type { Graph, GraphValue } from '../trace/graph.js';
import type { TracedModel } from '../trace/trace.js';
import { PlanBuilder } from './builder.js';
import { placeScratch, tensorBytes } from './layout.js';
import { operandFields, operandsOf } from './operands.js';
import type { ParameterLayout, ParameterSlot } from './parameters.js';
import type { Capacity, Home, Instruction, Plan, PlanTensor } from './plan.js';

/**
 * Compiles a traced computation into a plan for at most `capacity` rows and shards at a time.
 * @throws ERR_UNSUPPORTED_KERNEL naming the layer and the kernel
 */
export function compilePlan(traced: TracedModel, parameters: ParameterLayout, capacity: Capacity): Plan {
  const builder = new PlanBuilder();
  const values = lowerGraph(traced, parameters, builder);
  const outputs = placeOutputs(traced, parameters, builder, values);
  return assemble(builder, outputs, capacity);
}

type Outputs = Pick<Plan, 'shareFloats' | 'sumsOffset' | 'sumCount' | 'predictions' | 'penaltyFloats'>;

function lowerGraph({ graph, sums, gradients, layers }: TracedModel, parameters: ParameterLayout, builder: PlanBuilder): Value[] {
  const summed = summedValues(graph, new Set([...sums, ...gradients].filter((id) => id >= 0)));
  const values: Value[] = [];
  graph.values.forEach((traced, id) => {
    builder.layer = traced.layer;
    builder.layerIndex = layers.indexOf(traced.layer);
    values.push({ ...lowerValue(traced, values, summed.has(id), parameters, builder), dims: traced.dims, lead: traced.lead, prefix: traced.prefix });
  });
  return values;
}

function lowerValue(traced: GraphValue, values: readonly Value[], summed: boolean, parameters: ParameterLayout, builder: PlanBuilder): Value {
  const { origin, dims, lead, dtype } = traced;
  switch (origin.kind) {
    case 'input':
    case 'target': {
      const out = builder.value('rows', dims, lead);
      builder.emit('rows', { op: 'gather', source: origin.kind, column: origin.index, out: out.tensor });
      return out;
    }
    case 'weight': {
      const slot = parameters.slots[origin.index]!;
      const home: Home = { area: 'parameters', offset: slot.offset };
      return { ...builder.value('once', dims, 0, builder.tensor('once', sizeOf(dims), home, slot.rows * slot.stride)), paddedColumns: true };
    }
    case 'uniform':
      return builder.uniform(origin.value, dims, lead);
    case 'constant':
      return builder.constant(origin.values, dims);
    case 'noise': {
      const out = builder.value('rows', dims, lead);
      const { distribution, rate, mean, deviation, layer } = origin.noise;
      builder.emit('rows', { op: 'noise', distribution, noiseLayer: layer, rate, mean, deviation, out: out.tensor });
      return out;
    }
    case 'kernel': {
      builder.kernel = origin.kernel;
      const inputs = Object.fromEntries(
        Object.entries(origin.inputs).map(([name, ids]) => [name, typeof ids === 'number' ? values[ids]! : ids.map((id) => values[id]!)]),
      ) as Inputs<Value | readonly Value[]>;
      const call: Call = { inputs, attributes: origin.attributes, dims, lead, dtype, summed };
      return OPS.get(origin.kernel)!.lower(builder, call);
    }
  }
}

/** Kernels that only rename their input. */
const ALIASES = new Set(['Reshape', 'Identity']);

/**
 * Values whose one use is to become, perhaps through renamings, one of the outputs that are summed over the shards:
 * their kernels may sum a whole subtree of shards on the spot.
 */
function summedValues(graph: Graph, outputs: ReadonlySet<number>): Set<number> {
  const uses = new Array<number>(graph.values.length).fill(0);
  const inputsOf = (id: number): number[] => {
    const { origin } = graph.values[id]!;
    return origin.kind === 'kernel' ? Object.values(origin.inputs).flat() as number[] : [];
  };
  graph.values.forEach((_, id) => { for (const input of inputsOf(id)) uses[input]!++; });
  for (const output of graph.outputs) if (output >= 0) uses[output]!++;
  const summed = new Set<number>();
  for (let id = graph.values.length - 1; id >= 0; id--) {
    if (uses[id] !== 1 || !(outputs.has(id) || summed.has(id)) || !fitsShare(graph.values[id]!)) continue;
    summed.add(id);
    for (const input of inputsOf(id)) {
      if (uses[input] === 1 && renames(graph.values[id]!, graph.values[input]!)) summed.add(input);
    }
  }
  return summed;
}

/** A share holds matrices with padded rows: products come so, sums only where padding changes nothing. */
function fitsShare({ origin, dims }: GraphValue): boolean {
  const columns = dims.at(-1) ?? 1;
  return origin.kind !== 'kernel' || origin.kernel !== 'Sum' || columns % 4 === 0 || sizeOf(dims) === columns;
}

/** Whether a value is its input under another name and with the same rows. */
function renames(value: GraphValue, input: GraphValue): boolean {
  if (value.origin.kind !== 'kernel' || (value.dims.at(-1) ?? 1) !== (input.dims.at(-1) ?? 1)) return false;
  return ALIASES.has(value.origin.kernel) || (value.origin.kernel === 'Cast' && value.dtype === input.dtype);
}

/** Gives every output its home; a graph without examples has its gradients in the penalties' area. */
function placeOutputs(traced: TracedModel, parameters: ParameterLayout, builder: PlanBuilder, values: readonly Value[]): Outputs {
  const rowless = traced.graph.values.every((value) => value.lead === 0);
  const area = rowless ? 'penalties' : 'share';
  builder.layer = '';
  builder.layerIndex = -1;
  traced.gradients.forEach((id, weight) => {
    const slot = parameters.slots[weight]!;
    const home: Home = { area, offset: slot.offset };
    if (id >= 0) placeSum(builder, values[id]!, home, slot.columns);
    else if (!rowless && isUpdated(slot, parameters)) clear(builder, slot.rows * slot.stride, home);
  });
  const sumsOffset = traced.gradients.length > 0 ? parameters.updatedFloats : 0;
  traced.sums.forEach((id, index) => {
    placeSum(builder, values[id]!, { area, offset: (sumsOffset + index * 4) * 4 }, 1);
  });
  const predictions = traced.predictions.map((id, index) => placePrediction(builder, values[id]!, index));
  const floats = sumsOffset + traced.sums.length * 4;
  return {
    shareFloats: rowless ? 0 : floats,
    penaltyFloats: rowless ? floats : 0,
    sumsOffset,
    sumCount: traced.sums.length,
    predictions,
  };
}

function isUpdated({ offset }: ParameterSlot, { updatedFloats }: ParameterLayout): boolean {
  return offset < updatedFloats * 4;
}

/** The place in a share of a weight that penalties alone move: what a step leaves there must not be the next one's. */
function clear(builder: PlanBuilder, floats: number, home: Home): void {
  builder.emit('fold', { op: 'fill', out: builder.tensor('once', floats, home), value: 0 });
}

/** Directs an output to its home: its own tensor where that was left open, else through a last instruction. */
function placeSum(builder: PlanBuilder, value: Value, home: Home, columns: number): void {
  const draft = value.tensor < 0 ? undefined : builder.tensors[value.tensor]!;
  if (draft?.home?.area === 'share' && draft.home.offset < 0) {
    builder.tensors[value.tensor] = { ...draft, home };
    return;
  }
  const rows = sizeOf(value.dims) / columns;
  const padded = builder.padColumns({ ...builder.stored(value), dims: [rows, columns] });
  const stride = Math.ceil(columns / 4) * 4;
  const out = { ...builder.value(padded.scope, [rows, stride], 0, builder.tensor(padded.scope, rows * stride, home)), paddedColumns: true };
  if (home.area === 'share' && padded.scope === 'shards') {
    builder.emit('fold', { op: 'foldShards', x: padded.tensor, out: out.tensor, columns });
  } else if (home.area === 'penalties' && padded.scope === 'once') {
    // The area's pads are 0 and stay so: only the columns are copied.
    builder.copyInto(padded, out, [rows, columns], [stride, 1], [stride, 1], 0, 0, 'once');
  } else if (value.uniform === 0) {
    builder.emit('fold', { op: 'fill', out: out.tensor, value: 0 });
  } else {
    builder.kernel = 'the result';
    builder.refuse('a loss, metric or gradient does not depend on the examples');
  }
}

function placePrediction(builder: PlanBuilder, value: Value, index: number): { floats: number; stride: number } {
  const rows = builder.compact(builder.asRows(value));
  const floats = sizeOf(value.dims);
  const tensor = builder.tensor('rows', floats, { area: 'predictions', offset: index });
  builder.copyInto(rows, { ...rows, tensor }, [floats], [1], [1], 0, 0, 'rows');
  return { floats, stride: builder.tensors[tensor]!.stride };
}

function assemble(builder: PlanBuilder, outputs: Outputs, capacity: Capacity): Plan {
  const live = withoutDead(builder);
  const shared = live.filter((instruction): instruction is SharedPack => isShared(instruction, builder));
  const once = live.filter((instruction) => instruction.scope === 'once' && !isShared(instruction, builder));
  const rows = live.filter(({ scope }) => scope === 'rows' || scope === 'shards');
  const folds = live.filter(({ scope }) => scope === 'fold');
  const sharedBytes = placeShared(shared, builder);
  const pieceBytes = placePieces(folds, builder);
  const { offsets, byteLength } = placeScratch(builder.tensors, once, rows, capacity);
  const tensors = builder.tensors.map(({ scope, floats, stride, home }, index): PlanTensor => ({
    scope, floats, stride, home: home ?? { area: 'scratch', offset: offsets[index]! },
  }));
  return withoutUnused({
    formatVersion: 1,
    capacity,
    tensors,
    shared,
    sharedBytes,
    once,
    rows,
    folds,
    ...pieceBytes,
    scratchBytes: byteLength,
    constants: new Uint8Array(Float32Array.from(builder.constants).buffer),
    mixesRows: builder.mixesRows,
    ...outputs,
  });
}

/** Drops the tensors of dropped instructions, which have no place, and numbers the others anew. */
function withoutUnused(plan: Plan): Plan {
  const used = [...new Set([...plan.shared, ...plan.once, ...plan.rows, ...plan.folds].flatMap(operandsOf))].sort((a, b) => a - b);
  const numbers = new Map(used.map((tensor, number) => [tensor, number]));
  const renumbered = <T extends Instruction>(instruction: T): T => {
    const operands = operandFields(instruction).map((name) => [name, numbers.get(Reflect.get(instruction, name) as number)]);
    return { ...instruction, ...Object.fromEntries(operands) as object };
  };
  return {
    ...plan,
    tensors: used.map((tensor) => plan.tensors[tensor]!),
    shared: plan.shared.map(renumbered),
    once: plan.once.map(renumbered),
    rows: plan.rows.map(renumbered),
    folds: plan.folds.map(renumbered),
  };
}

/** What folds read is made by all workers for the whole piece. Returns the bytes that this takes, a row and a shard. */
function placePieces(folds: readonly Instruction[], builder: PlanBuilder): Pick<Plan, 'bytesPerRow' | 'bytesPerShard'> {
  const bytes = { rows: 0, shards: 0 };
  for (const tensor of new Set(folds.flatMap(operandsOf))) {
    const draft = builder.tensors[tensor]!;
    if (draft.home !== undefined || draft.scope === 'once') continue;
    builder.tensors[tensor] = { ...draft, home: { area: draft.scope === 'rows' ? 'pieceRows' : 'pieceShards', offset: bytes[draft.scope] } };
    bytes[draft.scope] += draft.stride * 4;
  }
  return { bytesPerRow: bytes.rows, bytesPerShard: bytes.shards };
}

type SharedPack = Plan['shared'][number];

/** Packing a weight is work enough to be divided among the workers. */
function isShared(instruction: Instruction, builder: PlanBuilder): boolean {
  return instruction.op === 'pack' && builder.tensors[instruction.x]!.home?.area === 'parameters';
}

/** Gives the shared packings their places, and returns the bytes of all. */
function placeShared(shared: readonly SharedPack[], builder: PlanBuilder): number {
  let byteLength = 0;
  for (const { out } of shared) {
    const draft = builder.tensors[out]!;
    builder.tensors[out] = { ...draft, home: { area: 'shared', offset: byteLength } };
    byteLength += tensorBytes(draft, { rows: 1, shards: 1 });
  }
  return byteLength;
}

/** Drops instructions whose result nothing reads, from the end; what has a home outside scratch is a result. */
function withoutDead(builder: PlanBuilder): Instruction[] {
  const needed = new Set<number>();
  builder.tensors.forEach(({ home }, index) => {
    if (home !== undefined && home.area !== 'parameters' && home.area !== 'constants') needed.add(index);
  });
  const kept: Instruction[] = [];
  for (const instruction of [...builder.instructions].reverse()) {
    if (!needed.has(instruction.out)) continue;
    kept.push(instruction);
    for (const operand of operandsOf(instruction)) needed.add(operand);
  }
  return kept.reverse();
}

