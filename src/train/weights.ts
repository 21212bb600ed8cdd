import * as tf from '@tensorflow/tfjs-core';
import { createHash } from 'node:crypto';
import { readSlot, writeSlot, type ParameterLayout } from '../plan/parameters.js';
import { weightsOf, type LayersModel } from '../trace/model.js';

/** Copies the model's weights into the parameters. */
export async function readModel(model: LayersModel, layout: ParameterLayout, parameters: Float32Array): Promise<void> {
  const values = await Promise.all(weightsOf(model).map((weight) => weight.read().data()));
  layout.slots.forEach((slot, index) => { writeSlot(slot, values[index]!, parameters); });
}

/** Writes the trainable parameters back into the model's variables; leaves no tensor behind. */
export function writeModel(model: LayersModel, layout: ParameterLayout, parameters: Float32Array): void {
  const weights = weightsOf(model);
  layout.slots.forEach((slot, index) => {
    if (!slot.trainable) return;
    const values = tf.tensor(readSlot(slot, parameters), [...slot.shape]);
    weights[index]!.write(values);
    values.dispose();
  });
}

/** The last part of a weight's name, without the counters of the process: "kernel", "bias". */
export function weightName(name: string, position: number): string {
  return `${position}.${name.split('/').at(-1)!.replace(/_\d+$/, '')}`;
}

export interface Hashes {
  /** Over the trainable weights in model order, little-endian float32. */
  readonly weightsSha256: string;
  /** Over all weights in model order, then each state of the optimizer in the same order. */
  readonly stateSha256: string;
}

export function hashState(layout: ParameterLayout, parameters: Float32Array, states: readonly Float32Array[], updated: readonly boolean[]): Hashes {
  const weights = createHash('sha256');
  const state = createHash('sha256');
  for (const slot of layout.slots) {
    const bytes = bytesOf(readSlot(slot, parameters));
    if (slot.trainable) weights.update(bytes);
    state.update(bytes);
  }
  for (const values of states) {
    layout.slots.forEach((slot, index) => { if (updated[index] === true) state.update(bytesOf(readSlot(slot, values))); });
  }
  return { weightsSha256: weights.digest('hex'), stateSha256: state.digest('hex') };
}

/** The bytes of float32 values; every platform that Node and browsers run WebAssembly on is little-endian. */
function bytesOf(values: Float32Array): Uint8Array {
  return new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
}
