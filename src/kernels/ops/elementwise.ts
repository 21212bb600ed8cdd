import { backend_util } from '@tensorflow/tfjs-core';
import type { BinaryName, UnaryName } from './names.js';
import { one, type Attributes, type DType, type Op, type Spec } from './op.js';

/** A kernel that maps each element by itself. `parameters` names the attributes passed on as numbers. */
function unary(kernel: string, name: UnaryName, parameters: (attributes: Attributes) => readonly number[] = () => []): Op {
  return {
    kernel,
    infer: (inputs) => one(inputs, 'x'),
    lower: (builder, call) => builder.unary(name, one(call.inputs, 'x'), parameters(call.attributes)),
  };
}

const boolean = (op: Op): Op => ({ ...op, infer: (inputs, attributes) => ({ shape: op.infer(inputs, attributes).shape, dtype: 'bool' }) });

function broadcastShape(a: Spec, b: Spec): number[] {
  return backend_util.assertAndGetBroadcastShape([...a.shape], [...b.shape]);
}

/** A kernel of two inputs that broadcast against each other. */
function binary(kernel: string, name: BinaryName, dtype?: DType, first = 'a', second = 'b'): Op {
  return {
    kernel,
    infer: (inputs) => {
      const a = one(inputs, first);
      return { shape: broadcastShape(a, one(inputs, second)), dtype: dtype ?? a.dtype };
    },
    lower: (builder, call) => builder.binary(name, one(call.inputs, first), one(call.inputs, second), call.dims, call.lead),
  };
}

const number = (attributes: Attributes, name: string): number => Number(attributes[name]);

const cast: Op = {
  kernel: 'Cast',
  infer: (inputs, attributes) => ({ shape: one(inputs, 'x').shape, dtype: attributes['dtype'] as DType }),
  lower: (builder, call) => {
    const x = one(call.inputs, 'x');
    // All types are computed as float32, exact for the integers below 2^24 that labels and indices are.
    if (call.dtype === 'int32') return builder.unary('truncateToInt', x);
    if (call.dtype === 'bool') return builder.binary('notEqual', x, builder.uniform(0, [], 1), call.dims, call.lead);
    return x;
  },
};

const select: Op = {
  kernel: 'Select',
  infer: (inputs) => one(inputs, 't'),
  lower: (builder, call) =>
    builder.select(one(call.inputs, 'condition'), one(call.inputs, 't'), one(call.inputs, 'e'), call.dims, call.lead),
};

const addN: Op = {
  kernel: 'AddN',
  infer: (inputs) => Object.values(inputs).flat()[0] as Spec,
  lower: (builder, call) => {
    const [first, ...rest] = Object.values(call.inputs).flat();
    return rest.reduce((sum, next) => builder.binary('add', sum, next, call.dims, call.lead), first!);
  },
};

export const elementwiseOps: readonly Op[] = [
  unary('Abs', 'abs'), unary('Neg', 'neg'), unary('Exp', 'exp'), unary('Expm1', 'expm1'), unary('Log', 'log'),
  unary('Log1p', 'log1p'), unary('Sqrt', 'sqrt'), unary('Rsqrt', 'rsqrt'), unary('Square', 'square'),
  unary('Reciprocal', 'reciprocal'), unary('Sign', 'sign'), unary('Floor', 'floor'), unary('Ceil', 'ceil'),
  unary('Round', 'round'), unary('Relu', 'relu'), unary('Relu6', 'relu6'), unary('Elu', 'elu'), unary('Selu', 'selu'),
  unary('Sigmoid', 'sigmoid'), unary('Tanh', 'tanh'), unary('Softplus', 'softplus'), unary('Erf', 'erf'),
  unary('Sin', 'sin'), unary('Cos', 'cos'),
  unary('LeakyRelu', 'leakyRelu', (attributes) => [number(attributes, 'alpha')]),
  unary('Step', 'step', (attributes) => [number(attributes, 'alpha')]),
  unary('ClipByValue', 'clip', (attributes) => [
    Math.fround(number(attributes, 'clipValueMin')),
    Math.min(number(attributes, 'clipValueMax'), 3.4028234663852886e38),
  ]),
  boolean(unary('LogicalNot', 'logicalNot')), boolean(unary('IsNan', 'isNan')), boolean(unary('IsInf', 'isInf')),
  boolean(unary('IsFinite', 'isFinite')),
  binary('Add', 'add'), binary('Sub', 'sub'), binary('Multiply', 'multiply'), binary('RealDiv', 'realDiv'),
  binary('FloorDiv', 'floorDiv', 'int32'), binary('Maximum', 'maximum'), binary('Minimum', 'minimum'),
  binary('Pow', 'pow'), binary('SquaredDifference', 'squaredDifference'), binary('Mod', 'floorMod'),
  binary('Equal', 'equal', 'bool'), binary('NotEqual', 'notEqual', 'bool'), binary('Greater', 'greater', 'bool'),
  binary('GreaterEqual', 'greaterEqual', 'bool'), binary('Less', 'less', 'bool'),
  binary('LessEqual', 'lessEqual', 'bool'), binary('LogicalAnd', 'logicalAnd', 'bool'),
  binary('LogicalOr', 'logicalOr', 'bool'), binary('EluGrad', 'eluGrad', undefined, 'dy', 'y'),
  binary('Prelu', 'prelu', undefined, 'x', 'alpha'),
  cast, select, addN,
];
