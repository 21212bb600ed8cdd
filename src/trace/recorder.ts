import * as tf from '@tensorflow/tfjs-core';
import { inputError } from '../errors.js';
import { OPS } from '../kernels/ops/index.js';
import type { Attributes, DType, Inputs, Spec } from '../kernels/ops/op.js';
import type { Noise, Origin, TracedValue } from './graph.js';

type DataId = tf.DataId;
type TensorInfos = Inputs<tf.TensorInfo | readonly tf.TensorInfo[]>;

export const TRACE_BACKEND = 'tensorflock-trace';

/** What a fused activation of `_FusedMatMul` is as a kernel of its own. */
const FUSED_ACTIVATIONS: Readonly<Record<string, string>> = {
  relu: 'Relu', relu6: 'Relu6', elu: 'Elu', sigmoid: 'Sigmoid', leakyrelu: 'LeakyRelu', prelu: 'Prelu',
};

/**
 * A backend of tfjs-core that computes nothing: every kernel infers its result's shape and is recorded. One recorder is
 * one trace. Tensors of other backends that reach a kernel are the model's weights or constants the user captured.
 */
export class Recorder extends tf.KernelBackend {
  readonly values: TracedValue[] = [];
  /** Name of the layer being applied, kept by the tracer. */
  layer = '';
  readonly #ids = new Map<DataId, number>();

  /** @param weights the variables of the model in model order. */
  constructor(weights: readonly tf.Tensor[]) {
    super();
    weights.forEach((weight, index) => {
      if (!this.#ids.has(weight.dataId)) this.#add({ kind: 'weight', index }, weight, weight.dataId);
    });
  }

  /** A tensor that stands for data: input or target `index`. */
  placeholder(kind: 'input' | 'target', index: number, shape: readonly number[]): tf.Tensor {
    return this.#tensor(this.#add({ kind, index }, { shape, dtype: 'float32' }));
  }

  /** A tensor drawn anew for each step by the counter-based generator. */
  noise(noise: Noise, shape: readonly number[]): tf.Tensor {
    return this.#tensor(this.#add({ kind: 'noise', noise }, { shape, dtype: 'float32' }));
  }

  /** Index of a tensor of this trace. */
  idOf(tensor: tf.TensorInfo): number {
    return this.#ids.get(tensor.dataId) ?? this.#adopt(tensor);
  }

  /** Called for every kernel that tfjs-core runs while this backend is current. */
  record(kernel: string, inputs: TensorInfos, attributes: Attributes): tf.TensorInfo {
    if (kernel === '_FusedMatMul') return this.#recordFused(inputs, attributes);
    const op = OPS.get(kernel);
    if (op === undefined) throw unsupportedKernel(kernel, this.#layerOf(inputs), 'this kernel is not covered');
    const present = Object.fromEntries(Object.entries(inputs).filter(([, input]) => input !== undefined && input !== null));
    const spec = op.infer(present as Inputs<Spec>, attributes);
    const ids = Object.fromEntries(Object.entries(present).map(([name, input]) => [name, this.#inputIds(input)]));
    return this.#add({ kind: 'kernel', kernel, inputs: ids, attributes }, spec, undefined, this.#layerOf(inputs));
  }

  #inputIds(input: tf.TensorInfo | readonly tf.TensorInfo[]): number | number[] {
    return Array.isArray(input) ? input.map((info: tf.TensorInfo) => this.idOf(info)) : this.idOf(input as tf.TensorInfo);
  }

  /** Inference fuses product, bias and activation into one kernel; a plan wants them apart. */
  #recordFused(inputs: TensorInfos, attributes: Attributes): tf.TensorInfo {
    const { a, b, bias, preluActivationWeights } = inputs as Record<string, tf.TensorInfo>;
    let result = this.record('BatchMatMul', { a: a!, b: b! }, attributes);
    if (bias) result = this.record('Add', { a: result, b: bias }, {});
    const activation = String(attributes['activation'] ?? 'linear');
    if (activation === 'linear') return result;
    const kernel = FUSED_ACTIVATIONS[activation];
    if (kernel === undefined) throw unsupportedKernel(`_FusedMatMul(${activation})`, this.layer, 'this activation is not covered');
    if (kernel === 'Prelu') return this.record(kernel, { x: result, alpha: preluActivationWeights! }, {});
    return this.record(kernel, { x: result }, { alpha: attributes['leakyreluAlpha'] });
  }

  /** In a backward pass no layer is being applied: the kernel belongs to the layer that made its inputs. */
  #layerOf(inputs: TensorInfos): string {
    if (this.layer !== '') return this.layer;
    for (const input of Object.values(inputs).flat()) {
      const id = input ? this.#ids.get((input as tf.TensorInfo).dataId) : undefined;
      const layer = id === undefined ? '' : this.values[id]!.layer;
      if (layer !== '') return layer;
    }
    return '';
  }

  #add(origin: Origin, spec: Spec | tf.TensorInfo, dataId: DataId = {}, layer = this.layer): tf.TensorInfo {
    this.#ids.set(dataId, this.values.length);
    const dtype = spec.dtype as DType;
    this.values.push({ origin, shape: [...spec.shape], dtype, layer });
    return { dataId, shape: [...spec.shape], dtype };
  }

  #tensor(info: tf.TensorInfo): tf.Tensor {
    return tf.engine().makeTensorFromTensorInfo(info);
  }

  /** A tensor of another backend that is no weight: a constant captured by the model or the loss. Nothing is moved. */
  #adopt(info: tf.TensorInfo): number {
    const values = tf.engine().readSync(info.dataId);
    this.#add(constantOrigin(values as tf.TypedArray), info, info.dataId);
    return this.values.length - 1;
  }

  // The interface of a backend, as far as tfjs-core calls it during a trace.
  override write(values: tf.BackendValues | null, shape: number[], dtype: tf.DataType): DataId {
    if (values === null || dtype === 'string' || dtype === 'complex64') {
      throw unsupportedKernel('a constant', this.layer, `constants of type ${dtype} are not covered`);
    }
    const dataId = {};
    this.#add(constantOrigin(values as tf.TypedArray), { shape, dtype: dtype as DType }, dataId);
    return dataId;
  }

  override readSync(dataId: DataId): tf.BackendValues {
    const origin = this.values[this.#ids.get(dataId) ?? -1]?.origin;
    if (origin?.kind === 'constant') return origin.values;
    if (origin?.kind === 'uniform') return new Float32Array([origin.value]);
    throw inputError(
      'ERR_TRACE_READ',
      `${placeOf(this.layer)} reads the values of a tensor while the model is traced; write it with tf operations alone.`,
    );
  }

  override read(dataId: DataId): Promise<tf.BackendValues> {
    return Promise.resolve(this.readSync(dataId));
  }

  override numDataIds(): number { return this.#ids.size; }
  override disposeData(): boolean { return true; }
  override incRef(): void { /* Values live as long as the trace. */ }
  decRef(): void { /* Values live as long as the trace. */ }
  override refCount(): number { return 1; }
  override floatPrecision(): 16 | 32 { return 32; }
  override epsilon(): number { return 1e-7; }
  override timerAvailable(): boolean { return false; }
  override memory(): { unreliable: boolean } { return { unreliable: true }; }
  override dispose(): void { /* Nothing is held outside this object. */ }
}

function constantOrigin(values: ArrayLike<number>): Origin {
  const floats = Float32Array.from(values);
  const first = floats[0] ?? 0;
  if (floats.every((value) => Object.is(value, first))) return { kind: 'uniform', value: first };
  return { kind: 'constant', values: floats };
}

/** Whose kernel it is, for a sentence. */
export function placeOf(layer: string): string {
  return layer === '' ? 'the loss or a metric' : `layer "${layer}"`;
}

export function unsupportedKernel(kernel: string, layer: string, reason: string): Error {
  return inputError('ERR_UNSUPPORTED_KERNEL', `${placeOf(layer)} needs the kernel ${kernel}: ${reason}; use another layer or operation.`);
}
