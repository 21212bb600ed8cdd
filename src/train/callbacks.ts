import type { LayersModel } from '../trace/model.js';
import type { JsonValue } from './json.js';
import type { Logs } from './fit.js';

/** The members of a tfjs callback that fit calls. */
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
export type Callbacks = Callback | readonly Callback[];

export interface CallbackContext {
  readonly model: LayersModel;
  readonly params: object;
  captureWeights(): Float32Array;
  restoreWeights(weights: Float32Array): void;
}

/** The callbacks of a fit, called one after the other. */
export class CallbackList {
  readonly #callbacks: readonly Callback[];

  constructor(callbacks: Callbacks | undefined, context: CallbackContext) {
    this.#callbacks = callbacks === undefined ? [] : ([callbacks].flat() as Callback[]);
    for (const callback of this.#callbacks) {
      callback.setParams?.(context.params);
      callback.setModel?.(context.model);
    }
  }

  get wantsBatches(): boolean {
    return this.#callbacks.some((callback) => callback.onBatchBegin !== undefined || callback.onBatchEnd !== undefined);
  }

  async trainBegin(): Promise<void> { for (const callback of this.#callbacks) await callback.onTrainBegin?.(); }
  async trainEnd(): Promise<void> { for (const callback of this.#callbacks) await callback.onTrainEnd?.(); }
  async epochBegin(epoch: number): Promise<void> { for (const callback of this.#callbacks) await callback.onEpochBegin?.(epoch); }
  async epochEnd(epoch: number, logs: Logs): Promise<void> { for (const callback of this.#callbacks) await callback.onEpochEnd?.(epoch, logs); }
  async batchBegin(batch: number, logs: Logs): Promise<void> { for (const callback of this.#callbacks) await callback.onBatchBegin?.(batch, logs); }
  async batchEnd(batch: number, logs: Logs): Promise<void> { for (const callback of this.#callbacks) await callback.onBatchEnd?.(batch, logs); }

  state(): JsonValue { return []; }
  restore(_state: JsonValue): void { /* Nothing is kept yet. */ }
}
