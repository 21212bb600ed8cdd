import { sizeOf, type BinaryName, type Builder, type ReduceName, type Scope, type Value } from '../kernels/ops/op.js';
import { unsupportedKernel } from '../trace/recorder.js';
import { operandsOf } from './operands.js';
import type { Four, Home, Instruction } from './plan.js';
import { SPARSE_MIN_COLUMNS } from './zeros.js';

/**
 * Images on a black ground and what comes out of a relu are zeros for a good part, which a product leaves out where it is large
 * enough for finding them to pay: in chains of so many and more.
 */
const COMPRESS_DEPTH = 256;

/** Floats of a compressed row at most, beside its width: see compress.ts, for every tile and from COMPRESS_MIN_ROWS rows on. */
const COMPRESS_SLACK = 64;

/** A tensor of the plan under construction: scratch gets its offset when all are known. */
export interface DraftTensor {
  readonly scope: Scope;
  readonly floats: number;
  readonly stride: number;
  /** Undefined: scratch. */
  readonly home: Home | undefined;
}

/** `Omit` member by member. */
type Without<T, K extends PropertyKey> = T extends unknown ? Omit<T, K> : never;

const roundUp = (value: number, multiple: number): number => Math.ceil(value / multiple) * multiple;
const columnsOf = (dims: readonly number[]): number => dims.at(-1) ?? 1;

/** Turns the calls of a graph into instructions. */
export class PlanBuilder implements Builder {
  readonly tensors: DraftTensor[] = [];
  readonly instructions: Instruction[] = [];
  readonly constants: number[] = [];
  mixesRows = false;
  /** The call being lowered, for refusals. */
  kernel = '';
  layer = '';
  /** Its position in the model. */
  layerIndex = -1;

  /** Adds a tensor of `floats` a block. */
  tensor(scope: Scope, floats: number, home?: Home, stride = roundUp(Math.max(floats, 1), 4)): number {
    this.tensors.push({ scope, floats, stride, home });
    return this.tensors.length - 1;
  }

  emit(scope: Instruction['scope'], instruction: Without<Instruction, 'scope' | 'layer'>): void {
    const whole = { scope, layer: this.layerIndex, ...instruction } as Instruction;
    // Rows that meet a value of their shard (a sum over its examples) can only be computed shard by shard.
    const byShard = scope === 'rows' && operandsOf(whole).some((tensor) => this.tensors[tensor]!.scope === 'shards');
    if (byShard) this.mixesRows = true;
    this.instructions.push(byShard ? { ...whole, scope: 'shards' } : whole);
  }

  value(scope: Scope, dims: readonly number[], lead: number, tensor = this.tensor(scope, sizeOf(dims))): Value {
    return { scope, dims, lead, prefix: 0, tensor, paddedColumns: false };
  }

  refuse(reason: string): never {
    throw unsupportedKernel(this.kernel, this.layer, reason);
  }

  uniform(value: number, dims: readonly number[], lead: number): Value {
    return { scope: 'once', dims, lead, prefix: 0, tensor: -1, uniform: value, paddedColumns: false };
  }

  constant(values: ArrayLike<number>, dims: readonly number[]): Value {
    const offset = this.constants.length * 4;
    this.constants.push(...Array.from(values));
    while (this.constants.length % 4 !== 0) this.constants.push(0);
    return this.value('once', dims, 0, this.tensor('once', values.length, { area: 'constants', offset }));
  }

  unary(name: string, x: Value, parameters: readonly number[] = []): Value {
    if (name === 'neg' && x.uniform !== undefined) return this.uniform(-x.uniform, x.dims, x.lead);
    const source = this.compact(this.stored(x));
    const out = this.value(source.scope, x.dims, x.lead);
    this.emit(source.scope, { op: 'unary', name, x: source.tensor, out: out.tensor, parameters });
    return out;
  }

  binary(name: BinaryName, a: Value, b: Value, dims: readonly number[], lead: number): Value {
    const folded = foldUniforms(name, a, b);
    if (folded !== undefined) return this.uniform(folded, dims, lead);
    if (name === 'multiply' && b.uniform === 1 && sizeOf(a.dims) === sizeOf(dims)) return this.compact(a);
    if (name === 'multiply' && a.uniform === 1 && sizeOf(b.dims) === sizeOf(dims)) return this.compact(b);
    const [left, right] = [this.operand(a, dims), this.operand(b, dims)];
    const out = this.value(widest(left.value, right.value), dims, lead);
    this.emit(out.scope, { op: 'binary', name, a: left.value.tensor, aSplat: left.splat, b: right.value.tensor, bSplat: right.splat, out: out.tensor });
    return out;
  }

  select(condition: Value, then: Value, otherwise: Value, dims: readonly number[], lead: number): Value {
    const [c, t, e] = [this.operand(condition, dims), this.operand(then, dims), this.operand(otherwise, dims)];
    const out = this.value(widest(c.value, t.value, e.value), dims, lead);
    this.emit(out.scope, {
      op: 'select', c: c.value.tensor, cSplat: c.splat, t: t.value.tensor, tSplat: t.splat, e: e.value.tensor, eSplat: e.splat, out: out.tensor,
    });
    return out;
  }

  reduce(name: ReduceName, x: Value, axes: readonly number[], keep: boolean): Value {
    const rest = x.dims.map((_, axis) => axis).filter((axis) => !axes.includes(axis));
    const dims = keep ? x.dims.map((length, axis) => (axes.includes(axis) ? 1 : length)) : rest.map((axis) => x.dims[axis]!);
    const last = this.compact(this.transpose(this.stored(x), [...rest, ...axes]));
    // With the axis of several entries an example gone, the result has one entry an example.
    const lead = x.lead > 1 && !keep && axes.includes(0) ? 1 : x.lead;
    const out = this.value(last.scope, dims, lead);
    const length = sizeOf(axes.map((axis) => x.dims[axis]!));
    this.emit(out.scope, { op: 'reduce', name, x: last.tensor, out: out.tensor, groups: sizeOf(dims), length });
    return out;
  }

  normalizeLast(name: 'softmaxLast' | 'logSoftmaxLast', x: Value): Value {
    const source = this.compact(this.stored(x));
    const out = this.value(source.scope, x.dims, x.lead);
    const length = columnsOf(x.dims);
    this.emit(out.scope, { op: 'reduce', name, x: source.tensor, out: out.tensor, groups: sizeOf(x.dims) / length, length });
    return out;
  }

  sumRows(x: Value, summed: boolean): Value {
    const rows = this.compact(this.asRows(x));
    // A block of several entries an example is summed over those entries before.
    const out = this.value('shards', x.dims, 0, this.shareOrShard(sizeOf(x.dims), summed));
    this.emit(summed ? 'fold' : 'shards', { op: 'sumRows', x: rows.tensor, out: out.tensor });
    return out;
  }

  matmul(a: Value, b: Value, transposeA: boolean, transposeB: boolean, summed: boolean): Value {
    if (a.lead > 0 && b.lead > 0) {
      if (!transposeA || transposeB || a.lead !== b.lead) return this.refuse('it multiplies examples with each other');
      return this.matmulOverRows(this.asRows(a), this.asRows(b), summed);
    }
    if (b.lead > 0 || (transposeA && a.lead > 0)) return this.refuse('it multiplies examples with each other');
    const [left, right] = [this.padColumns(a.lead > 0 ? this.asRows(a) : this.stored(a)), this.stored(b)];
    const packed = this.pack(right, transposeB);
    const k = transposeB ? columnsOf(b.dims) : b.dims.at(-2)!;
    const n = transposeB ? b.dims.at(-2)! : columnsOf(b.dims);
    const perRow = transposeA ? columnsOf(a.dims) : sizeOf(a.dims) / columnsOf(a.dims);
    const dims = a.lead > 0 ? (a.lead === 1 ? [n] : [a.lead, n]) : [perRow, n];
    const outStride = roundUp(n, 4);
    const scope = widest(left, right);
    const out = this.tensor(scope, sizeOf(dims), undefined, perRow * outStride);
    const leavesZerosOut = !transposeA && perRow === 1 && left.scope === 'rows' && k >= COMPRESS_DEPTH && n >= SPARSE_MIN_COLUMNS;
    const groups = leavesZerosOut ? this.compressed(left) : undefined;
    this.emit(scope, { op: 'matmul', a: left.tensor, packed, ...groups, out, m: perRow, k, n, aStride: this.columnStride(left), outStride, transposed: transposeA });
    return { ...this.value(scope, dims, a.lead, out), paddedColumns: true };
  }

  /** A product that contracts the examples: the gradient of a weight. */
  private matmulOverRows(a: Value, b: Value, summed: boolean): Value {
    const [left, right] = [this.padColumns(a), this.padColumns(b)];
    const [m, n] = [columnsOf(a.dims), columnsOf(b.dims)];
    const perRow = sizeOf(a.dims) / m;
    const outStride = roundUp(n, 4);
    const packed = this.tensor('rows', 0, undefined, perRow * outStride);
    const scope = summed ? 'fold' : 'shards';
    this.emit(summed ? 'rows' : 'shards', { op: 'pack', x: right.tensor, out: packed, k: perRow, n, stride: this.columnStride(right), transposed: false });
    const out = this.shareOrShard(m * n, summed, m * outStride);
    const column = summed && perRow === 1 ? this.inputColumn(left) : undefined;
    const factor = column === undefined ? { a: left.tensor } : { column };
    this.emit(scope, { op: 'matmulFold', ...factor, packed, out, perRow, m, n, aStride: this.columnStride(left), outStride });
    return { ...this.value('shards', [m, n], 0, out), paddedColumns: true };
  }

  /** The input that a value is as it was gathered. */
  private inputColumn(a: Value): number | undefined {
    for (const each of this.instructions) if (each.op === 'gather' && each.source === 'input' && each.out === a.tensor) return each.column;
    return undefined;
  }

  private compressed(a: Value): { readonly groups: number } {
    const known = this.instructions.find((each) => each.op === 'compress' && each.x === a.tensor);
    if (known !== undefined) return { groups: known.out };
    const width = columnsOf(a.dims);
    const groups = this.tensor('rows', 0, undefined, width + COMPRESS_SLACK);
    this.emit('rows', { op: 'compress', x: a.tensor, out: groups, width });
    return { groups };
  }

  /** Packs a matrix that depends on no example for products: once for the parameters. */
  private pack(matrix: Value, transposed: boolean): number {
    const [rows, columns] = [matrix.dims.at(-2)!, columnsOf(matrix.dims)];
    const [k, n] = transposed ? [columns, rows] : [rows, columns];
    const out = this.tensor(matrix.scope, k * n, undefined, k * roundUp(n, 4));
    this.emit(matrix.scope, { op: 'pack', x: matrix.tensor, out, k, n, stride: this.columnStride(matrix), transposed });
    return out;
  }

  /** The home of a summed output is known when the outputs are placed; until then it is a shard's. */
  private shareOrShard(floats: number, summed: boolean, stride?: number): number {
    return summed ? this.tensor('shards', floats, { area: 'share', offset: -1 }, stride) : this.tensor('shards', floats, undefined, stride);
  }

  private columnStride(matrix: Value): number {
    return matrix.paddedColumns ? roundUp(columnsOf(matrix.dims), 4) : columnsOf(matrix.dims);
  }

  reshape(x: Value, dims: readonly number[], lead: number): Value {
    if (x.uniform !== undefined) return this.uniform(x.uniform, dims, lead);
    if (x.paddedColumns && columnsOf(x.dims) === columnsOf(dims)) return { ...x, dims, lead };
    return { ...this.compact(x), dims, lead };
  }

  transpose(x: Value, permutation: readonly number[]): Value {
    if (permutation.every((axis, index) => axis === index)) return x;
    const source = this.compact(this.stored(x));
    const strides = stridesOf(source.dims);
    return this.copyOf(source, permutation.map((axis) => source.dims[axis]!), permutation.map((axis) => strides[axis]!), 0);
  }

  broadcast(x: Value, dims: readonly number[], lead: number): Value {
    if (x.uniform !== undefined) return this.uniform(x.uniform, dims, lead);
    const source = this.compact(x);
    // Leading axes of length 1 stand for the examples' axis, or are missing.
    const shape = source.dims.slice(Math.max(0, source.dims.length - dims.length));
    while (shape.length < dims.length) shape.unshift(1);
    const strides = stridesOf(shape).map((stride, axis) => (shape[axis] === 1 ? 0 : stride));
    return { ...this.copyOf(source, dims, strides, 0), lead };
  }

  slice(x: Value, begin: readonly number[], size: readonly number[]): Value {
    const source = this.compact(this.stored(x));
    const strides = stridesOf(source.dims);
    const offset = begin.reduce((sum, start, axis) => sum + start * strides[axis]!, 0);
    return this.copyOf(source, size, strides, offset);
  }

  concat(parts: readonly Value[], axis: number): Value {
    const sources = parts.map((part) => this.compact(this.stored(part)));
    const scope = widest(...sources);
    const dims = sources[0]!.dims.map((length, index) => (index === axis ? sources.reduce((sum, part) => sum + part.dims[axis]!, 0) : length));
    const out = this.value(scope, dims, Math.max(...sources.map((part) => part.lead)));
    let start = 0;
    for (const part of sources) {
      this.copyInto(part, out, part.dims, stridesOf(part.dims), stridesOf(dims), 0, start * stridesOf(dims)[axis]!, scope);
      start += part.dims[axis]!;
    }
    return out;
  }

  oneHot(indices: Value, depth: number, on: number, off: number): Value {
    const source = this.compact(this.stored(indices));
    const out = this.value(source.scope, [...indices.dims, depth], indices.lead);
    this.emit(out.scope, { op: 'oneHot', x: source.tensor, out: out.tensor, groups: sizeOf(indices.dims), depth, on, off });
    return out;
  }

  /** The value in memory: a uniform one is filled in, once. */
  stored(x: Value): Value {
    if (x.uniform === undefined) return x;
    const out = this.value('once', x.dims, x.lead);
    this.emit('once', { op: 'fill', out: out.tensor, value: x.uniform });
    return out;
  }

  /** The value as rows: one that depends on no example is copied to each. */
  asRows(x: Value): Value {
    if (x.scope === 'rows') return x;
    const source = this.compact(this.stored(x));
    const out = this.value('rows', x.dims, x.lead);
    this.copyInto(source, out, x.dims, stridesOf(x.dims), stridesOf(x.dims), 0, 0, 'rows');
    return out;
  }

  /** The value without padding inside its block. */
  compact(x: Value): Value {
    const columns = columnsOf(x.dims);
    if (!x.paddedColumns || columns % 4 === 0 || sizeOf(x.dims) === columns) return { ...x, paddedColumns: false };
    const matrix = [sizeOf(x.dims) / columns, columns];
    const out = this.value(x.scope, x.dims, x.lead);
    this.copyInto(x, out, matrix, [roundUp(columns, 4), 1], [columns, 1], 0, 0, x.scope);
    return { ...out, prefix: x.prefix };
  }

  /** The value with every row of its last axis padded, as the products of several rows an example need it. */
  padColumns(x: Value): Value {
    const columns = columnsOf(x.dims);
    if (x.paddedColumns || columns % 4 === 0 || sizeOf(x.dims) === columns) return { ...x, paddedColumns: true };
    const rows = sizeOf(x.dims) / columns;
    const out = this.value(x.scope, x.dims, x.lead, this.tensor(x.scope, sizeOf(x.dims), undefined, rows * roundUp(columns, 4)));
    this.copyInto(x, out, [rows, columns], [columns, 1], [roundUp(columns, 4), 1], 0, 0, x.scope);
    return { ...out, paddedColumns: true };
  }

  /** Copies `x` into a home given from outside. */
  copyInto(
    x: Value, out: Value, counts: readonly number[], from: readonly number[], to: readonly number[], fromOffset: number, toOffset: number, scope: Scope,
  ): void {
    this.emit(scope, { op: 'copy', x: x.tensor, out: out.tensor, counts: this.four(counts, 1), from: this.four(from, 0), to: this.four(to, 0), fromOffset, toOffset });
  }

  private copyOf(x: Value, dims: readonly number[], from: readonly number[], fromOffset: number): Value {
    const out = this.value(x.scope, dims, x.lead);
    this.copyInto(x, out, dims, from, stridesOf(dims), fromOffset, 0, x.scope);
    return out;
  }

  private four(list: readonly number[], filler: number): Four {
    if (list.length > 4) return this.refuse(`tensors of more than four axes beside the examples' are not covered`);
    return [...new Array<number>(4 - list.length).fill(filler), ...list] as unknown as Four;
  }

  /** An operand of an elementwise kernel: of the full block, or one value for all of it. */
  private operand(x: Value, dims: readonly number[]): { readonly value: Value; readonly splat: boolean } {
    const size = sizeOf(dims);
    if (sizeOf(x.dims) === 1 && size !== 1 || x.uniform !== undefined) {
      return { value: x.uniform === undefined ? x : this.stored(this.uniform(x.uniform, [], 0)), splat: true };
    }
    if (sizeOf(x.dims) === size) return { value: this.compact(x), splat: false };
    return { value: this.broadcast(x, dims, x.lead), splat: false };
  }
}

/** Strides of a compact block. */
export function stridesOf(dims: readonly number[]): number[] {
  const strides = new Array<number>(dims.length);
  let stride = 1;
  for (let axis = dims.length - 1; axis >= 0; axis--) {
    strides[axis] = stride;
    stride *= dims[axis]!;
  }
  return strides;
}

/** The scope of a result: of rows if any operand is, else of shards if any is. */
function widest(...values: readonly Value[]): Scope {
  const scopes = values.map((value) => value.scope);
  if (scopes.includes('rows')) return 'rows';
  return scopes.includes('shards') ? 'shards' : 'once';
}

/** What two uniform values give, where plain rounding says it exactly. */
function foldUniforms(name: BinaryName, a: Value, b: Value): number | undefined {
  if (a.uniform === undefined || b.uniform === undefined) return undefined;
  if (name === 'add') return Math.fround(a.uniform + b.uniform);
  if (name === 'sub') return Math.fround(a.uniform - b.uniform);
  if (name === 'multiply') return Math.fround(a.uniform * b.uniform);
  if (name === 'realDiv') return Math.fround(a.uniform / b.uniform);
  return undefined;
}
