// The kernels that a plan may call by name: what the ops lower to, and what a plan from outside is checked against. Without
// tfjs, which nodes do not have.

/** Kernels of one operand, with the number of their parameters. */
export const UNARY_KERNELS = {
  abs: 0, neg: 0, exp: 0, expm1: 0, log: 0, log1p: 0, sqrt: 0, rsqrt: 0, square: 0, reciprocal: 0, sign: 0, floor: 0, ceil: 0,
  round: 0, relu: 0, relu6: 0, elu: 0, selu: 0, sigmoid: 0, tanh: 0, softplus: 0, erf: 0, sin: 0, cos: 0, leakyRelu: 1, step: 1,
  clip: 2, logicalNot: 0, isNan: 0, isInf: 0, isFinite: 0, truncateToInt: 0,
} as const;
export type UnaryName = keyof typeof UNARY_KERNELS;

export const BINARY_KERNELS = [
  'add', 'sub', 'multiply', 'realDiv', 'floorDiv', 'maximum', 'minimum', 'pow', 'squaredDifference', 'floorMod', 'equal',
  'notEqual', 'greater', 'greaterEqual', 'less', 'lessEqual', 'logicalAnd', 'logicalOr', 'eluGrad', 'prelu',
] as const;
export type BinaryName = (typeof BINARY_KERNELS)[number];

export const REDUCE_KERNELS = [
  'sumLast', 'meanLast', 'maxLast', 'minLast', 'prodLast', 'anyLast', 'allLast', 'argMaxLast', 'argMinLast',
] as const;
export type ReduceName = (typeof REDUCE_KERNELS)[number];

/** Kernels over the last axis whose result has as many elements as the operand. */
export const NORMALIZE_KERNELS = ['softmaxLast', 'logSoftmaxLast'] as const;
export type NormalizeName = (typeof NORMALIZE_KERNELS)[number];
