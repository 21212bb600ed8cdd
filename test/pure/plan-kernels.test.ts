import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { BINARY_KERNELS, NORMALIZE_KERNELS, REDUCE_KERNELS, UNARY_KERNELS } from '../../src/kernels/ops/names.js';
import { TILES } from '../../src/kernels/tiles.js';
import { checkPlan } from '../../src/plan/check.js';
import { rangeOf } from '../../src/plan/check-areas.js';
import { footprintOf } from '../../src/plan/check-instructions.js';
import type { Touch } from '../../src/plan/footprint.js';
import { PLAN_RESOURCES, type PlanLimits } from '../../src/plan/limits.js';
import type { Capacity, Home, Instruction, Plan, PlanTensor } from '../../src/plan/plan.js';
import { ARITHMETICS } from './arena.js';
import { PlanArena } from './plan-arena.js';
import type { Draft } from './plan-by-hand.js';
import { runs } from './properties.js';

type Scope = PlanTensor['scope'];
type Body<I = Instruction> = I extends unknown ? Omit<I, 'scope' | 'layer'> : never;

/** Bytes between two tensors of the scratch, and of a piece a row or shard. */
const GAP_BYTES = 64;
const GAPS: readonly Home['area'][] = ['scratch', 'pieceRows', 'pieceShards'];
/** Elements of an example of every data column. */
const MAX_WIDTH = 40;

/** Takes numbers from a list, in turn. */
class Draw {
  #next = 0;

  constructor(private readonly numbers: readonly number[]) {}

  /** From `min` to `max`, both included. */
  from(min: number, max: number): number {
    return min + (this.numbers[this.#next++ % this.numbers.length]! % (max - min + 1));
  }

  flag(): boolean {
    return this.from(0, 1) === 1;
  }

  of<T>(list: readonly T[]): T {
    return list[this.from(0, list.length - 1)]!;
  }
}

/** A plan whose tensors become just as long as the check says that they must be. */
class Tight {
  readonly tensors: Draft<PlanTensor>[] = [];
  readonly shared: Instruction[] = [];
  readonly once: Instruction[] = [];
  readonly rows: Instruction[] = [];
  readonly folds: Instruction[] = [];
  readonly limits: Draft<PlanLimits>;

  constructor(readonly capacity: Capacity) {
    const widths = Array.from({ length: MAX_WIDTH }, (_, index) => index + 1);
    this.limits = { kind: 'examples', parameterFloats: 0, gradientFloats: 0, inputs: widths, targets: [], shardRows: capacity.rows / capacity.shards, ...PLAN_RESOURCES };
  }

  tensor(scope: Scope, floats: number, area: Home['area'] = 'scratch'): number {
    return this.tensors.push({ scope, floats, stride: Math.ceil(floats / 4) * 4, home: { area, offset: 0 } }) - 1;
  }

  /** A tensor with something in it, of as many floats as it will be read. */
  source(scope: Scope, area: Home['area'] = 'scratch'): number {
    if (scope === 'once') return this.tensor('once', 1, 'parameters');
    const out = this.tensor(scope, 1, area);
    if (scope === 'rows') this.add('rows', { op: 'noise', distribution: 'normal', noiseLayer: 0, rate: 0, mean: 0, deviation: 1, out });
    else this.add('shards', { op: 'copy', x: this.source('once'), out, counts: [1, 1, 1, 1], from: [0, 0, 0, 0], to: [0, 0, 0, 0], fromOffset: 0, toOffset: 0 });
    return out;
  }

  add(scope: Instruction['scope'], body: Body): void {
    (scope === 'once' ? this.once : scope === 'fold' ? this.folds : this.rows).push({ scope, layer: 0, ...body } as Instruction);
  }

  /** Lengthens the tensors until everything fits, and places them. */
  plan(): Plan {
    const { tensors, capacity, limits, shared, once, rows, folds } = this;
    limits.gradientFloats = Infinity; // until it is known where the share ends
    const around = { tensors, capacity, limits, refuse: (problem: string): never => { throw new Error(problem); } };
    const groups = new Set(rows.filter(({ op }) => op === 'compress').map(({ out }) => out));
    for (let changed = true; changed; ) {
      changed = false;
      for (const instruction of [...shared, ...once, ...rows, ...folds]) {
        const { reads, write } = footprintOf(instruction, around);
        for (const touch of [...reads, write]) {
          const tensor = tensors[touch.tensor]!;
          const needed = this.needed(touch, instruction.scope === 'once' ? 1 : capacity.rows);
          const stride = groups.has(touch.tensor) ? Math.ceil(needed) : Math.ceil(needed / 4) * 4;
          if (stride > tensor.stride) {
            tensor.stride = stride;
            changed = true;
          }
        }
      }
    }
    // Noise fills whole vectors of its floats, wherever these are read.
    for (const { op, out } of rows) if (op === 'noise') tensors[out]!.floats = tensors[out]!.stride;
    return this.placed();
  }

  private needed({ tensor, first, step, whole }: Touch, rows: number): number {
    if (whole !== undefined) return whole / this.capacity.rows;
    return this.tensors[tensor]!.scope === 'rows' ? Math.max(first, step) : first + (rows - 1) * step;
  }

  private placed(): Plan {
    const ends = { scratch: 0, parameters: 0, constants: 0, shared: 0, pieceRows: 0, pieceShards: 0, share: 0, penalties: 0, predictions: 0 };
    for (const tensor of this.tensors) {
      const { area } = tensor.home;
      tensor.home.offset = Math.ceil((ends[area] + (GAPS.includes(area) ? GAP_BYTES : 0)) / 16) * 16;
      ends[area] = rangeOf(tensor, this.capacity).end;
    }
    this.limits.parameterFloats = ends.parameters / 4;
    // As gradients all are folded chunk by chunk.
    this.limits.gradientFloats = ends.share / 4;
    return {
      formatVersion: 1, capacity: this.capacity, tensors: this.tensors, shared: this.shared as Plan['shared'], once: this.once, rows: this.rows, folds: this.folds,
      bytesPerRow: ends.pieceRows, bytesPerShard: ends.pieceShards,
      scratchBytes: ends.scratch, sharedBytes: ends.shared, constants: new Uint8Array(0), shareFloats: ends.share / 4, sumsOffset: ends.share / 4, sumCount: 0,
      predictions: [], penaltyFloats: 0, mixesRows: false,
    };
  }
}

interface Kind {
  readonly scope: 'once' | 'rows' | 'shards';
  readonly out: number;
  /** A filled operand that fits. */
  readonly operand: () => number;
}

/** The result of an instruction, in any scope that it may have, and operands of scopes beside it. */
function anyKind(tight: Tight, draw: Draw, floats = draw.from(1, 21)): Kind {
  const result = draw.of<Scope>(['once', 'rows', 'rows', 'shards']);
  const scope = result === 'rows' && draw.flag() ? 'shards' : result;
  const scopes: Scope[] = scope === 'once' ? ['once'] : scope === 'rows' ? ['once', 'rows'] : result === 'shards' ? ['once', 'shards'] : ['once', 'shards', 'rows'];
  return { scope, out: tight.tensor(result, floats), operand: () => tight.source(draw.of(scopes)) };
}

const numbersOf = (draw: Draw, min: number, max: number): readonly [number, number, number, number] =>
  [draw.from(min, max), draw.from(min, max), draw.from(min, max), draw.from(min, max)];

/** A weight, packed by all workers. */
function packedWeight(tight: Tight, draw: Draw, k: number, n: number): number {
  const transposed = draw.flag();
  const out = tight.tensor('once', 1, 'shared');
  tight.shared.push({ scope: 'once', layer: 0, op: 'pack', x: tight.source('once'), out, k, n, stride: (transposed ? k : n) + draw.from(0, 3), transposed });
  return out;
}

/** Makes an instruction of each kind, with whatever it needs before it. */
const KERNELS: Readonly<Record<string, (tight: Tight, draw: Draw) => void>> = {
  gather: (tight, draw) => {
    const floats = draw.from(1, MAX_WIDTH);
    tight.add('rows', { op: 'gather', source: 'input', column: floats - 1, out: tight.tensor('rows', floats) });
  },
  noise: (tight, draw) => {
    tight.add('rows', { op: 'noise', distribution: draw.of(['mask', 'normal']), noiseLayer: 3, rate: 0.5, mean: 0, deviation: 1, out: tight.tensor('rows', draw.from(1, 21)) });
  },
  unary: (tight, draw) => {
    const { scope, out, operand } = anyKind(tight, draw);
    const [name, parameters] = draw.of(Object.entries(UNARY_KERNELS));
    tight.add(scope, { op: 'unary', name, x: operand(), out, parameters: [0.25, 0.5].slice(0, parameters) });
  },
  binary: (tight, draw) => {
    const { scope, out, operand } = anyKind(tight, draw);
    tight.add(scope, { op: 'binary', name: draw.of(BINARY_KERNELS), a: operand(), aSplat: draw.flag(), b: operand(), bSplat: draw.flag(), out });
  },
  select: (tight, draw) => {
    const { scope, out, operand } = anyKind(tight, draw);
    tight.add(scope, { op: 'select', c: operand(), cSplat: draw.flag(), t: operand(), tSplat: draw.flag(), e: operand(), eSplat: draw.flag(), out });
  },
  reduce: (tight, draw) => {
    const { scope, out, operand } = anyKind(tight, draw, 1);
    // Over rows the kernel goes from block to block of x, so that x must have rows too.
    const x = tight.tensors[out]!.scope === 'rows' ? tight.source('rows') : operand();
    tight.add(scope, { op: 'reduce', name: draw.of([...REDUCE_KERNELS, ...NORMALIZE_KERNELS]), x, out, groups: draw.from(1, 6), length: draw.from(1, 9) });
  },
  copy: (tight, draw) => {
    const { scope, out, operand } = anyKind(tight, draw, 1);
    const [from, to] = [numbersOf(draw, 0, 9), numbersOf(draw, 0, 9)];
    tight.add(scope, { op: 'copy', x: operand(), out, counts: numbersOf(draw, 1, 4), from: draw.flag() ? from : [...from.slice(0, 3), 1] as never, to: draw.flag() ? to : [...to.slice(0, 3), 1] as never, fromOffset: draw.from(0, 5), toOffset: draw.from(0, 5) });
  },
  'copy of a run': (tight, draw) => {
    const { scope, out, operand } = anyKind(tight, draw, 1);
    // From 128 floats on another way is taken.
    tight.add(scope, { op: 'copy', x: operand(), out, counts: [1, 1, draw.from(1, 3), draw.from(1, 140)], from: [0, 0, 140, 1], to: [0, 0, 140, 1], fromOffset: draw.from(0, 5), toOffset: draw.from(0, 5) });
  },
  fill: (tight, draw) => {
    const { scope, out } = anyKind(tight, draw);
    tight.add(scope, { op: 'fill', out, value: 0.5 });
  },
  oneHot: (tight, draw) => {
    const { scope, out, operand } = anyKind(tight, draw, 1);
    tight.add(scope, { op: 'oneHot', x: operand(), out, groups: draw.from(1, 4), depth: draw.from(1, 9), on: 1, off: 0 });
  },
  pack: (tight, draw) => {
    const { scope, out, operand } = anyKind(tight, draw, 1);
    const [k, n, transposed] = [draw.from(1, 70), draw.from(1, 40), draw.flag()];
    tight.add(scope, { op: 'pack', x: operand(), out, k, n, stride: (transposed ? k : n) + draw.from(0, 3), transposed });
  },
  matmul: (tight, draw) => {
    const { scope, out, operand } = anyKind(tight, draw, 1);
    const [m, k, n] = [draw.from(1, 14), draw.from(1, 12), draw.from(1, 40)];
    const transposed = tight.tensors[out]!.scope !== 'rows' && draw.flag();
    tight.add(scope, {
      op: 'matmul', a: operand(), packed: packedWeight(tight, draw, k, n), out, m, k, n,
      aStride: (transposed ? m : k) + draw.from(0, 3), outStride: Math.ceil(n / 4) * 4 + draw.from(0, 4), transposed,
    });
  },
  matmulFold: (tight, draw) => { fold(tight, draw, draw.from(1, 3), draw.from(1, 70)); },
  'matmulFold of many rows': (tight, draw) => { fold(tight, draw, 1, draw.from(119, 130)); },
  'sparse matmulFold': (tight, draw) => { foldSparse(tight, draw); },
  'sparse matmul': (tight, draw) => {
    const [k, n] = [draw.from(1, MAX_WIDTH), draw.from(1, 40)];
    const x = data(tight, k);
    const groups = compress(tight, x, k);
    tight.add('rows', { op: 'matmul', a: x, packed: packedWeight(tight, draw, k, n), groups, out: tight.tensor('rows', 1), m: 1, k, n, aStride: k, outStride: Math.ceil(n / 4) * 4, transposed: false });
  },
  'matmulFold of data': (tight, draw) => { foldColumn(tight, draw); },
  sumRows: (tight, draw) => {
    const folds = draw.flag();
    tight.add(folds ? 'fold' : 'shards', { op: 'sumRows', x: tight.source('rows', folds ? 'pieceRows' : 'scratch'), out: tight.tensor('shards', draw.from(1, 40), folds ? 'share' : 'scratch') });
  },
  foldShards: (tight, draw) => {
    const columns = draw.from(1, 9);
    const out = tight.tensor('shards', Math.ceil(columns / 4) * 4 * draw.from(1, 5), 'share');
    tight.add('fold', { op: 'foldShards', x: tight.source('shards', 'pieceShards'), out, columns });
  },
};

/** Rows of data, half of them zeros. */
function data(tight: Tight, width: number): number {
  const out = tight.tensor('rows', width);
  tight.add('rows', { op: 'gather', source: 'input', column: width - 1, out });
  return out;
}

function compress(tight: Tight, x: number, width: number): number {
  const out = tight.tensor('rows', 0);
  tight.tensors[out]!.stride = 1;
  tight.add('rows', { op: 'compress', x, out, width });
  return out;
}

/** Panels of rows, for a fold or for each shard. */
function panels(tight: Tight, perRow: number, n: number, folds: boolean): number {
  const packed = tight.tensor('rows', 1, folds ? 'pieceRows' : 'scratch');
  tight.tensors[packed]!.stride = perRow * Math.ceil(n / 4) * 4;
  tight.add('rows', { op: 'pack', x: tight.source('rows'), out: packed, k: perRow, n, stride: n, transposed: false });
  return packed;
}

function fold(tight: Tight, draw: Draw, perRow: number, m: number): void {
  const [n, folds] = [draw.from(1, 60), draw.flag()];
  tight.add(folds ? 'fold' : 'shards', {
    op: 'matmulFold', a: tight.source('rows', folds ? 'pieceRows' : 'scratch'), packed: panels(tight, perRow, n, folds), out: tight.tensor('shards', 1, folds ? 'share' : 'scratch'),
    perRow, m, n, aStride: m + draw.from(0, 3), outStride: Math.ceil(n / 4) * 4 + 4 * draw.from(0, 1),
  });
}

/** With enough columns zeros are left out: here those of a relu. */
function foldSparse(tight: Tight, draw: Draw): void {
  const [m, n] = [draw.from(1, 70), draw.from(60, 70)];
  const a = tight.tensor('rows', 1, 'pieceRows');
  tight.add('rows', { op: 'unary', name: 'relu', x: tight.source('rows'), out: a, parameters: [] });
  tight.add('fold', {
    op: 'matmulFold', a, packed: panels(tight, 1, n, true), out: tight.tensor('shards', 1, 'share'),
    perRow: 1, m, n, aStride: m + draw.from(0, 3), outStride: Math.ceil(n / 4) * 4 + 4 * draw.from(0, 1),
  });
}

/** With enough columns zeros are left out. */
function foldColumn(tight: Tight, draw: Draw): void {
  const [m, n] = [draw.from(1, MAX_WIDTH), draw.from(1, 130)];
  tight.add('fold', {
    op: 'matmulFold', column: m - 1, packed: panels(tight, 1, n, true), out: tight.tensor('shards', 1, 'share'), perRow: 1, m, n, aStride: m, outStride: Math.ceil(n / 4) * 4,
  });
}

describe.each(ARITHMETICS)('a kernel whose operands are just as long as they must be (%s)', (arithmetic) => {
  const arena = new PlanArena(arithmetic);

  test.each(Object.entries(KERNELS))('touches nothing else: %s', (_name, make) => {
    const shape = fc.record({ shards: fc.integer({ min: 1, max: 5 }), shardRows: fc.integer({ min: 1, max: 9 }) });
    fc.assert(fc.property(shape, fc.array(fc.nat(), { minLength: 40, maxLength: 40 }), fc.nat(8), fc.integer({ min: 1, max: 9 }), ({ shards, shardRows }, numbers, less, goes) => {
      const draw = new Draw(numbers);
      const tight = new Tight({ rows: shards * shardRows, shards });
      make(tight, draw);
      const plan = checkPlan(tight.plan(), tight.limits);
      const rows = Math.max(1, plan.capacity.rows * goes - (less % shardRows));
      const tile = draw.from(0, TILES.length - 1);
      const { strayWrites, results } = arena.run(plan, tight.limits, { rows, tile, isTight: true });
      expect(strayWrites).toEqual([]);
      expect(arena.run(plan, tight.limits, { rows, tile, isTight: true, outsideBits: 0x3f800000 }).results).toBe(results);
    }), runs(60));
  });
});
