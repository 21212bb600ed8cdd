import * as tf from '@tensorflow/tfjs-core';
import { inputError, TensorflockError } from '../errors.js';
import { OPS } from '../kernels/ops/index.js';
import { layersOf, weightsOf, type LayersModel, type TracedLayer } from './model.js';
import { placeOf, Recorder, TRACE_BACKEND } from './recorder.js';

type TapeNode = ReturnType<typeof tf.engine>['state']['activeTape'][number];

/** Undoes one change; a trace keeps a list of them and leaves no trace. */
type Undo = () => void;

/**
 * Runs `body` with a recorder as the current backend, and leaves everything as it was: the backend, the tensors, the
 * model's layers and weights. One synchronous call from start to end: an `await` inside would let other code see the
 * recorder. Layers that draw random numbers draw from the recorder instead.
 */
export function recordTrace<T>(model: LayersModel, body: (recorder: Recorder) => T): { readonly recorder: Recorder; readonly result: T } {
  const previous = tf.getBackend();
  const recorder = new Recorder(weightsOf(model).map((weight) => weight.read()));
  const undo: Undo[] = [];
  try {
    registerTraceKernels();
    tf.registerBackend(TRACE_BACKEND, () => recorder, -1);
    undo.push(() => { tf.removeBackend(TRACE_BACKEND); });
    // Both switches run to their end synchronously: neither backend needs an asynchronous start any more.
    void tf.setBackend(TRACE_BACKEND);
    undo.push(() => { void tf.setBackend(previous); });
    undo.push(watchRandom(recorder), ...watchWeights(model, recorder), ...watchLayers(model, recorder));
    return { recorder, result: tracedTidy(() => body(recorder)) };
  } catch (cause) {
    disposeTape();
    if (cause instanceof TensorflockError) throw cause;
    const reason = (cause as Error).message.replace(/\.+$/, '');
    throw inputError('ERR_TRACE', `${placeOf(recorder.layer)} cannot be applied to examples and labels of the model's shapes: ${reason}.`, { cause });
  } finally {
    for (const step of undo.reverse()) step();
  }
}

/** As tf.tidy, with any kind of result: all tensors of the trace go with it. */
function tracedTidy<T>(body: () => T): T {
  let result: { readonly value: T } | undefined;
  tf.tidy(() => {
    result = { value: body() };
  });
  return result!.value;
}

/** What tfjs-core saves for a backward pass, it disposes only after one that succeeded. */
function disposeTape(): void {
  const { state } = tf.engine();
  if (state.gradientDepth > 0) return; // the caller's own gradient, around this trace
  for (const { saved = [] } of (state.activeTape as typeof state.activeTape | null) ?? []) saved.forEach((tensor) => { tensor.dispose(); });
  state.activeTape = [];
}

/** Names of all kernels of tfjs-core, covered or not: an uncovered one must reach the recorder to be named. */
function kernelNames(): string[] {
  const exported = Object.entries(tf)
    .filter(([name, value]) => typeof value === 'string' && /^[A-Z_][A-Za-z0-9]*$/.test(name))
    .map(([, value]) => value as string);
  return [...new Set([...exported, ...OPS.keys(), '_FusedMatMul', 'FusedConv2D', 'FusedDepthwiseConv2D'])];
}

function registerTraceKernels(): void {
  if (tf.getKernelsForBackend(TRACE_BACKEND).length > 0) return;
  for (const kernelName of kernelNames()) {
    tf.registerKernel({
      kernelName,
      backendName: TRACE_BACKEND,
      kernelFunc: ({ inputs, attrs, backend }) =>
        (backend as Recorder).record(kernelName, inputs as Record<string, tf.TensorInfo>, attrs ?? {}),
    });
  }
}

/** tfjs draws seeds from Math.random: a call during a trace means random numbers that a plan would freeze. */
function watchRandom(recorder: Recorder): Undo {
  const original = Object.getOwnPropertyDescriptor(Math, 'random')!;
  const refuse = (): never => {
    throw inputError('ERR_TRACE_RANDOM', `${placeOf(recorder.layer)} draws random numbers of its own, which a plan would freeze; use the layers Dropout, GaussianDropout or GaussianNoise.`);
  };
  Object.defineProperty(Math, 'random', { ...original, value: refuse });
  return () => { Object.defineProperty(Math, 'random', original); };
}

/** A layer that writes a weight while training (moving averages) would dispose the user's variable. */
function watchWeights(model: LayersModel, recorder: Recorder): Undo[] {
  return weightsOf(model).map((weight) =>
    override(weight, 'write', () => {
      throw inputError('ERR_UNSUPPORTED_LAYER', `layer "${recorder.layer}" updates its weight "${weight.name}" while training, which is not covered; remove the layer.`);
    }),
  );
}

/** Sets an own member for the length of a trace. */
function override<T extends object, K extends keyof T>(target: T, key: K, value: T[K]): Undo {
  const original = Object.getOwnPropertyDescriptor(target, key);
  Object.defineProperty(target, key, { value, configurable: true, writable: true, enumerable: false });
  return () => {
    if (original === undefined) Reflect.deleteProperty(target, key);
    else Object.defineProperty(target, key, original);
  };
}

/** Keeps the recorder's current layer, and lets layers that draw noise draw it from the recorder. */
function watchLayers(model: LayersModel, recorder: Recorder): Undo[] {
  const watched = layersOf(model).map((layer) => ({ layer, noise: noiseOf(layer) }));
  const drawing = watched.filter(({ noise }) => noise !== undefined);
  let repeated = drawing.length;
  return watched.map(({ layer, noise }) => {
    const original = layer.call.bind(layer);
    let index = drawing.findIndex((other) => other.layer === layer);
    return override(layer, 'call', (inputs, options) => inLayer(recorder, layer.name, () => {
      if (noise === undefined || options.training !== true) return original(inputs, options);
      const output = noise(recorder, Array.isArray(inputs) ? inputs[0]! : inputs, index);
      index = repeated++; // a further use of the layer draws anew
      return output;
    }));
  });
}

/** Runs `body` as part of a layer, and later what tfjs-core computes for the gradients of its kernels. */
function inLayer<T>(recorder: Recorder, name: string, body: () => T): T {
  const tape = tf.engine().state.activeTape as TapeNode[] | null;
  const start = tape?.length ?? 0;
  const within = <R>(step: () => R): R => {
    const outer = recorder.layer;
    recorder.layer = name;
    const result = step();
    recorder.layer = outer; // not after an exception: its sentence names the layer
    return result;
  };
  const result = within(body);
  for (const node of tape?.slice(start) ?? []) {
    const { gradient } = node;
    if (gradient === undefined) continue;
    node.gradient = (dys) => {
      const gradients = within(() => gradient(dys));
      return Object.fromEntries(Object.entries(gradients).map(([input, compute]) => [input, () => within(compute)]));
    };
  }
  return result;
}

type NoiseCall = (recorder: Recorder, input: tf.Tensor, layer: number) => tf.Tensor;

/** The layers that tfjs-layers implements by drawing in JavaScript, recognised by class, with the same formulas. */
function noiseOf(layer: TracedLayer): NoiseCall | undefined {
  const rate = layer.rate ?? 0;
  const active = rate > 0 && rate < 1;
  switch (layer.getClassName()) {
    case 'Dropout':
      return active ? (recorder, input, index) => tf.mul(input, recorder.noise({ distribution: 'mask', rate, mean: 0, deviation: 0, layer: index }, maskShape(layer, input))) : undefined;
    case 'GaussianDropout': {
      const deviation = Math.sqrt(rate / (1 - rate));
      return active ? (recorder, input, index) => tf.mul(input, recorder.noise({ distribution: 'normal', rate: 0, mean: 1, deviation, layer: index }, input.shape)) : undefined;
    }
    case 'GaussianNoise':
      return (recorder, input, index) => tf.add(input, recorder.noise({ distribution: 'normal', rate: 0, mean: 0, deviation: layer.stddev ?? 0, layer: index }, input.shape));
    default:
      return undefined;
  }
}

/** Shape of a dropout mask: the input's, but 1 where `noiseShape` says that a mask is shared along an axis. */
function maskShape(layer: TracedLayer, input: tf.Tensor): number[] {
  const noiseShape = (layer as TracedLayer & { readonly noiseShape?: readonly (number | null)[] }).noiseShape;
  if (noiseShape === undefined || noiseShape === null) return input.shape;
  if (noiseShape[0] === 1) {
    throw inputError('ERR_UNSUPPORTED_LAYER', `layer "${layer.name}" shares one dropout mask among all examples (noiseShape[0] = 1), which is not covered; use null there.`);
  }
  return input.shape.map((length, axis) => (axis === 0 ? length : (noiseShape[axis] ?? length)));
}
