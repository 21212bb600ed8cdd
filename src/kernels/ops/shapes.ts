import { util } from '@tensorflow/tfjs-core';
import { all, axesBeforeBlock, one, sizeOf, type Op, type Spec } from './op.js';

const reshape: Op = {
  kernel: 'Reshape',
  infer: (inputs, attributes) => {
    const x = one(inputs, 'x');
    return { shape: util.inferFromImplicitShape(attributes['shape'] as number[], sizeOf(x.shape)), dtype: x.dtype };
  },
  lower: (builder, call) => builder.reshape(one(call.inputs, 'x'), call.dims, call.lead),
};

const identity: Op = {
  kernel: 'Identity',
  infer: (inputs) => one(inputs, 'x'),
  lower: (_, call) => one(call.inputs, 'x'),
};

/** OnesLike and ZerosLike: one value whatever the input holds. */
function like(kernel: string, value: number): Op {
  return {
    kernel,
    infer: (inputs) => one(inputs, 'x'),
    lower: (builder, call) => builder.uniform(value, call.dims, call.lead),
  };
}

const fill: Op = {
  kernel: 'Fill',
  infer: (_, attributes) => ({ shape: attributes['shape'] as number[], dtype: (attributes['dtype'] ?? 'float32') as Spec['dtype'] }),
  lower: (builder, call) => builder.uniform(Number(call.attributes['value']), call.dims, call.lead),
};

const tile: Op = {
  kernel: 'Tile',
  infer: (inputs, attributes) => {
    const x = one(inputs, 'x');
    const reps = attributes['reps'] as number[];
    return { shape: x.shape.map((length, axis) => length * reps[axis]!), dtype: x.dtype };
  },
  lower: (builder, call) => {
    const x = one(call.inputs, 'x');
    if (x.lead > 0 && x.lead !== call.lead) return builder.refuse('it repeats the list of examples');
    // Gradients of reductions tile axes of length 1, which is a broadcast; a true repetition is not covered.
    const offset = call.dims.length - x.dims.length;
    const broadcast = x.dims.every((length, axis) => length === 1 || length === call.dims[axis + offset]);
    return broadcast ? builder.broadcast(x, call.dims, call.lead) : builder.refuse('only axes of length 1 can be repeated');
  },
};

const broadcastTo: Op = {
  kernel: 'BroadcastTo',
  infer: (inputs, attributes) => ({ shape: attributes['shape'] as number[], dtype: one(inputs, 'x').dtype }),
  lower: (builder, call) => builder.broadcast(one(call.inputs, 'x'), call.dims, call.lead),
};

const oneHot: Op = {
  kernel: 'OneHot',
  infer: (inputs, attributes) => ({
    shape: [...one(inputs, 'indices').shape, Number(attributes['depth'])],
    dtype: (attributes['dtype'] ?? 'float32') as Spec['dtype'],
  }),
  lower: (builder, call) =>
    builder.oneHot(
      one(call.inputs, 'indices'),
      Number(call.attributes['depth']),
      Number(call.attributes['onValue'] ?? 1),
      Number(call.attributes['offValue'] ?? 0),
    ),
};

const concat: Op = {
  kernel: 'Concat',
  infer: (inputs, attributes) => {
    const parts = all(inputs);
    const { shape, dtype } = parts[0]!;
    const given = Number(attributes['axis']);
    const axis = given < 0 ? given + shape.length : given; // the layer Concatenate says -1
    const length = parts.reduce((sum, part) => sum + part.shape[axis]!, 0);
    return { shape: shape.map((size, index) => (index === axis ? length : size)), dtype };
  },
  lower: (builder, call) => {
    const parts = all(call.inputs);
    const given = Number(call.attributes['axis']);
    const axis = given < 0 ? given + call.dims.length : given - axesBeforeBlock(parts[0]!);
    // Several entries an example are the first axis of its block.
    return axis < (call.lead > 1 ? 1 : 0) ? builder.refuse('it joins along the examples') : builder.concat(parts, axis);
  },
};

const slice: Op = {
  kernel: 'Slice',
  infer: (inputs, attributes) => {
    const x = one(inputs, 'x');
    const begin = attributes['begin'] as number[];
    const size = attributes['size'] as number[];
    return { shape: x.shape.map((length, axis) => (size[axis] === -1 ? length - begin[axis]! : size[axis]!)), dtype: x.dtype };
  },
  lower: (builder, call) => {
    const x = one(call.inputs, 'x');
    const begin = call.attributes['begin'] as number[];
    const skip = axesBeforeBlock(x);
    if (x.lead > 0 && (x.lead !== 1 || call.lead !== 1 || begin.slice(0, skip).some((start) => start !== 0))) {
      return builder.refuse('it takes some of the examples');
    }
    return builder.slice(x, begin.slice(skip), call.dims);
  },
};

export const shapeOps: readonly Op[] = [
  reshape, identity, like('OnesLike', 1), like('ZerosLike', 0), fill, tile, broadcastTo, oneHot, concat, slice,
];
