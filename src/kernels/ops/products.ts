import { axesBeforeBlock, one, type Op, type Value } from './op.js';

const matmul: Op = {
  kernel: 'BatchMatMul',
  infer: (inputs, attributes) => {
    const a = one(inputs, 'a').shape;
    const b = one(inputs, 'b').shape;
    const rows = attributes['transposeA'] === true ? a.at(-1) : a.at(-2);
    const columns = attributes['transposeB'] === true ? b.at(-2) : b.at(-1);
    const batch = a.length >= b.length ? a.slice(0, -2) : b.slice(0, -2);
    return { shape: [...batch, rows ?? 1, columns ?? 1], dtype: 'float32' };
  },
  lower: (builder, call) => {
    const a = one(call.inputs, 'a');
    const b = one(call.inputs, 'b');
    if (!isMatrix(a) || !isMatrix(b)) return builder.refuse('only products of two matrices are covered');
    return builder.matmul(a, b, call.attributes['transposeA'] === true, call.attributes['transposeB'] === true, call.summed);
  },
};

/** Leading axes of length 1 aside (a fused product has one), is it a matrix? */
function isMatrix(x: Value): boolean {
  if (x.lead > 0) return x.dims.length === (x.lead === 1 ? 1 : 2);
  return x.dims.slice(0, -2).every((length) => length === 1) && x.dims.length >= 2;
}

const transpose: Op = {
  kernel: 'Transpose',
  infer: (inputs, attributes) => {
    const x = one(inputs, 'x');
    return { shape: (attributes['perm'] as number[]).map((axis) => x.shape[axis]!), dtype: x.dtype };
  },
  lower: (builder, call) => {
    const x = one(call.inputs, 'x');
    const permutation = call.attributes['perm'] as number[];
    if (permutation.every((axis, index) => axis === index)) return x;
    if (x.lead === 0) return builder.transpose(x, permutation);
    const skip = axesBeforeBlock(x);
    if (x.lead !== 1 || permutation.some((axis, index) => index < skip && axis !== index)) {
      return builder.refuse('it moves the examples to another axis');
    }
    return builder.transpose(x, permutation.slice(skip).map((axis) => axis - skip));
  },
};

export const productOps: readonly Op[] = [matmul, transpose];

