import { Callback as TfjsCallback } from '@tensorflow/tfjs-layers';
import type { LayersModel } from '../trace/model.js';
import { TensorflockError, runError } from '../errors.js';
import type { Logs } from './fit.js';
import type { JsonValue } from './json.js';

/** The members of a callback that fit calls: a plain object of functions, or an instance of tfjs's `Callback`. */
export interface Callback {
  setParams?(params: object): void;
  setModel?(model: LayersModel): void;
  onTrainBegin?(logs?: Logs): unknown;
  onTrainEnd?(logs?: Logs): unknown;
  onEpochBegin?(epoch: number, logs?: Logs): unknown;
  onEpochEnd?(epoch: number, logs?: Logs): unknown;
  onBatchBegin?(batch: number, logs?: Logs): unknown;
  onBatchEnd?(batch: number, logs?: Logs): unknown;
}

/** A callback of ours whose memory is kept in checkpoints. */
export interface KeptCallback extends Callback {
  readonly keepsState: true;
  setContext(context: CallbackContext): void;
  state(): JsonValue;
  restore(state: JsonValue): void;
}

export type Callbacks = Callback | TfjsCallback | readonly (Callback | TfjsCallback)[];

/** What a fit offers to its callbacks. */
export interface CallbackContext {
  readonly model: LayersModel;
  readonly params: object;
  captureWeights(): Float32Array;
  restoreWeights(weights: Float32Array): void;
}

type Event = 'onTrainBegin' | 'onTrainEnd' | 'onEpochBegin' | 'onEpochEnd' | 'onBatchBegin' | 'onBatchEnd';

/** The methods that tfjs's own base class has and that do nothing. */
const BASE = Object.getPrototypeOf(TfjsCallback.prototype) as Readonly<Record<Event, unknown>>;

/** The callbacks of a fit, called one after the other; each is awaited. */
export class CallbackList {
  readonly #callbacks: readonly Callback[];

  constructor(callbacks: Callbacks | undefined, context: CallbackContext) {
    this.#callbacks = callbacks === undefined ? [] : ([callbacks].flat() as Callback[]);
    for (const callback of this.#callbacks) {
      callback.setParams?.(context.params);
      callback.setModel?.(context.model);
      if (isKept(callback)) callback.setContext(context);
    }
  }

  /** Whether somebody hears batches: the run then pauses at each step, which costs about 0.1 ms. */
  get wantsBatches(): boolean {
    return this.#callbacks.some((callback) => hears(callback, 'onBatchBegin') || hears(callback, 'onBatchEnd'));
  }

  /** Whether one of ours, such as early stopping, decides on results what comes. */
  get keepsState(): boolean {
    return this.#callbacks.some(isKept);
  }

  trainBegin(): Promise<void> { return this.#tell('onTrainBegin', (callback) => callback.onTrainBegin?.({})); }
  trainEnd(): Promise<void> { return this.#tell('onTrainEnd', (callback) => callback.onTrainEnd?.({})); }
  epochBegin(epoch: number): Promise<void> { return this.#tell('onEpochBegin', (callback) => callback.onEpochBegin?.(epoch, {})); }
  epochEnd(epoch: number, logs: Logs): Promise<void> { return this.#tell('onEpochEnd', (callback) => callback.onEpochEnd?.(epoch, logs)); }
  batchBegin(batch: number, logs: Logs): Promise<void> { return this.#tell('onBatchBegin', (callback) => callback.onBatchBegin?.(batch, logs)); }
  batchEnd(batch: number, logs: Logs): Promise<void> { return this.#tell('onBatchEnd', (callback) => callback.onBatchEnd?.(batch, logs)); }

  /** What our own callbacks remember, in the order of the list; null for the others. */
  state(): JsonValue {
    return this.#callbacks.map((callback) => (isKept(callback) ? callback.state() : null));
  }

  restore(state: JsonValue): void {
    if (!Array.isArray(state)) return;
    this.#callbacks.forEach((callback, index) => {
      const kept = (state as readonly JsonValue[])[index];
      if (isKept(callback) && kept !== undefined && kept !== null) callback.restore(kept);
    });
  }

  async #tell(event: Event, call: (callback: Callback) => unknown): Promise<void> {
    for (const callback of this.#callbacks) {
      try {
        await call(callback);
      } catch (cause) {
        if (cause instanceof TensorflockError) throw cause;
        throw runError('ERR_CALLBACK', `a callback failed in ${event}: ${cause instanceof Error ? cause.message : String(cause)}.`, { cause });
      }
    }
  }
}

function isKept(callback: Callback): callback is KeptCallback {
  return (callback as Partial<KeptCallback>).keepsState === true;
}

/** Whether a callback does something at an event; the empty methods of tfjs's base class do not count. */
function hears(callback: Callback, event: Event): boolean {
  const method = callback[event];
  return method !== undefined && method !== BASE[event];
}
