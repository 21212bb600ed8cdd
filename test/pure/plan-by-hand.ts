import { PLAN_RESOURCES, type PlanLimits } from '../../src/plan/limits.js';
import type { Home, Instruction, Plan, PlanTensor } from '../../src/plan/plan.js';

/** A copy that can be changed. */
export type Draft<T> = T extends Uint8Array ? Uint8Array : T extends object ? { -readonly [Name in keyof T]: Draft<T[Name]> } : T;

const CAPACITY = { rows: 16, shards: 2 };

/** What the plan below is bound to: 6 inputs and a label, a matrix [6,5] and a vector of 5 in 64 floats of parameters. */
const LIMITS: PlanLimits = { kind: 'examples', parameterFloats: 64, gradientFloats: 64, inputs: [6], targets: [1], shardRows: 8, ...PLAN_RESOURCES };

type Row = readonly [scope: PlanTensor['scope'], floats: number, stride: number, area?: Exclude<Home['area'], 'scratch'>, offset?: number];

/** The tensors by name. A matrix [6,5] has rows of 8 floats, so 48 of them. */
const TENSORS = {
  weights: ['once', 30, 48, 'parameters', 0],
  bias: ['once', 5, 8, 'parameters', 192],
  constant: ['once', 5, 8, 'constants', 0],
  packedWeights: ['once', 30, 48, 'shared', 0],
  minus: ['once', 1, 4],
  scaled: ['once', 5, 8],
  x: ['rows', 6, 8, 'pieceRows', 0],
  label: ['rows', 1, 4],
  // Groups of two rows: 8 of 8 + 8 floats (a header; 6 positions, in whole vectors); masks of 2 floats for a group and for each
  // row, and a list of 10 for each row: 128 + 2 + 32 + 160 are 322, at 21 a row 336.
  rowGroups: ['rows', 0, 21],
  product: ['rows', 5, 8],
  sum: ['rows', 5, 8],
  clipped: ['rows', 5, 8],
  mask: ['rows', 5, 8],
  selected: ['rows', 5, 8],
  softmax: ['rows', 5, 8],
  hot: ['rows', 5, 8],
  rowLoss: ['rows', 1, 4, 'pieceRows', 32],
  packedSoftmax: ['rows', 0, 8, 'pieceRows', 48],
  shardSums: ['shards', 5, 8, 'pieceShards', 0],
  centred: ['rows', 5, 8],
  mean: ['rows', 1, 4],
  weightGradient: ['shards', 30, 48, 'share', 0],
  biasGradient: ['shards', 5, 8, 'share', 192],
  loss: ['shards', 1, 4, 'share', 256],
  nothing: ['once', 1, 4, 'share', 272],
  prediction: ['rows', 5, 8, 'predictions', 0],
} as const satisfies Readonly<Record<string, Row>>;

export type TensorName = keyof typeof TENSORS;
const NAMES = Object.keys(TENSORS) as TensorName[];

/** Index of a tensor. */
export const at = (name: TensorName): number => NAMES.indexOf(name);

const rows = { scope: 'rows', layer: 0 } as const;
const fold = { scope: 'fold', layer: 0 } as const;
const shards = { scope: 'shards', layer: 0 } as const;
const once = { scope: 'once', layer: 0 } as const;

const ROWS: readonly Instruction[] = [
  { ...rows, op: 'gather', source: 'input', column: 0, out: at('x') },
  { ...rows, op: 'gather', source: 'target', column: 0, out: at('label') },
  { ...rows, op: 'compress', x: at('x'), out: at('rowGroups'), width: 6 },
  { ...rows, op: 'matmul', a: at('x'), packed: at('packedWeights'), groups: at('rowGroups'), out: at('product'), m: 1, k: 6, n: 5, aStride: 8, outStride: 8, transposed: false },
  { ...rows, op: 'binary', name: 'add', a: at('product'), aSplat: false, b: at('bias'), bSplat: false, out: at('sum') },
  { ...rows, op: 'unary', name: 'clip', x: at('sum'), out: at('clipped'), parameters: [-Infinity, 1] },
  { ...rows, op: 'noise', distribution: 'mask', noiseLayer: 0, rate: 0.5, mean: 0, deviation: 0, out: at('mask') },
  { ...rows, op: 'select', c: at('mask'), cSplat: false, t: at('clipped'), tSplat: false, e: at('scaled'), eSplat: true, out: at('selected') },
  { ...rows, op: 'reduce', name: 'softmaxLast', x: at('selected'), out: at('softmax'), groups: 1, length: 5 },
  { ...rows, op: 'oneHot', x: at('label'), out: at('hot'), groups: 1, depth: 5, on: 1, off: 0 },
  { ...rows, op: 'reduce', name: 'sumLast', x: at('softmax'), out: at('rowLoss'), groups: 1, length: 5 },
  { ...rows, op: 'pack', x: at('softmax'), out: at('packedSoftmax'), k: 1, n: 5, stride: 8, transposed: false },
  { ...shards, op: 'sumRows', x: at('softmax'), out: at('shardSums') },
  { ...shards, op: 'binary', name: 'sub', a: at('softmax'), aSplat: false, b: at('shardSums'), bSplat: false, out: at('centred') },
  { ...rows, op: 'reduce', name: 'meanLast', x: at('centred'), out: at('mean'), groups: 1, length: 5 },
  { ...rows, op: 'copy', x: at('centred'), out: at('prediction'), counts: [1, 1, 1, 5], from: [0, 0, 0, 1], to: [0, 0, 0, 1], fromOffset: 0, toOffset: 0 },
];

const FOLDS: readonly Instruction[] = [
  { ...fold, op: 'sumRows', x: at('rowLoss'), out: at('loss') },
  { ...fold, op: 'fill', out: at('nothing'), value: 0 },
  { ...fold, op: 'matmulFold', a: at('x'), packed: at('packedSoftmax'), out: at('weightGradient'), perRow: 1, m: 6, n: 5, aStride: 8, outStride: 8 },
  { ...fold, op: 'foldShards', x: at('shardSums'), out: at('biasGradient'), columns: 5 },
];

/** A plan in which every instruction is, whose tensors lie behind each other in scratch, each as long as it must be. */
function planByHand(): Plan {
  let scratchBytes = 0;
  const tensors = NAMES.map((name): PlanTensor => {
    const [scope, floats, stride, area, offset]: Row = TENSORS[name];
    if (area !== undefined) return { scope, floats, stride, home: { area, offset: offset! } };
    const home = { area: 'scratch' as const, offset: scratchBytes };
    scratchBytes += stride * 4 * { once: 1, ...CAPACITY }[scope];
    return { scope, floats, stride, home };
  });
  return {
    formatVersion: 1,
    capacity: CAPACITY,
    tensors,
    shared: [{ ...once, op: 'pack', x: at('weights'), out: at('packedWeights'), k: 6, n: 5, stride: 8, transposed: false }],
    sharedBytes: 192,
    once: [
      { ...once, op: 'fill', out: at('minus'), value: -1 },
      { ...once, op: 'binary', name: 'multiply', a: at('constant'), aSplat: false, b: at('minus'), bSplat: true, out: at('scaled') },
    ],
    rows: ROWS,
    folds: FOLDS,
    bytesPerRow: 80,
    bytesPerShard: 32,
    scratchBytes,
    constants: new Uint8Array(Float32Array.of(1, 2, 3, 4, 5, 0, 0, 0).buffer),
    shareFloats: 72,
    sumsOffset: 64,
    sumCount: 2,
    predictions: [{ floats: 5, stride: 8 }],
    penaltyFloats: 0,
    mixesRows: true,
  };
}

type StepOf<Op extends Instruction['op']> = Draft<Extract<Instruction, { readonly op: Op }>>;

/** The plan by hand and its limits, to be spoilt. */
export class Spoilt {
  readonly plan = structuredClone(planByHand()) as Draft<Plan>;
  readonly limits = structuredClone(LIMITS) as Draft<PlanLimits>;

  tensor(name: TensorName): Draft<PlanTensor> {
    return this.plan.tensors[at(name)]!;
  }

  /** The instruction of a kind that makes a tensor. */
  step<Op extends Instruction['op']>(op: Op, out?: TensorName): StepOf<Op> {
    const steps = [...this.plan.shared, ...this.plan.once, ...this.plan.rows, ...this.plan.folds] as Draft<Instruction>[];
    return steps.find((step) => step.op === op && (out === undefined || step.out === at(out))) as StepOf<Op>;
  }

  /** Moves the instruction that makes a tensor to the end of the rows'. */
  postpone(out: TensorName): void {
    const position = this.plan.rows.findIndex((step) => step.out === at(out));
    this.plan.rows.push(...this.plan.rows.splice(position, 1));
  }
}
