import { inputError } from '../errors.js';
import type { Callback, CallbackContext, KeptCallback } from './callbacks.js';
import type { Logs } from './fit.js';
import type { JsonValue } from './json.js';

export interface EarlyStoppingOptions {
  /** Name in the logs; default 'val_loss'. */
  readonly monitor?: string;
  /** Smallest change that counts as better; default 0. */
  readonly minDelta?: number;
  /** Epochs without improvement before the training stops; default 0. */
  readonly patience?: number;
  /** Whether more or less is better; 'auto' (default): more for accuracies, else less. */
  readonly mode?: 'auto' | 'min' | 'max';
  /** A value that must be beaten from the start. */
  readonly baseline?: number;
  /** Puts back the weights of the best epoch at the end; default false. */
  readonly restoreBestWeights?: boolean;
}

/**
 * Stops the training when a value has stopped to improve, as Keras's EarlyStopping. Unlike tfjs's it can put back the best
 * weights, and a resumed run goes on with what it remembered.
 */
export function earlyStopping(options: EarlyStoppingOptions = {}): Callback {
  return new EarlyStopping(options);
}

class EarlyStopping implements KeptCallback {
  readonly keepsState = true;
  readonly #monitor: string;
  readonly #isBetter: (value: number, best: number) => boolean;
  readonly #patience: number;
  readonly #restores: boolean;
  readonly #baseline: number | null;
  #best: number | null = null;
  #wait = 0;
  #weights: Float32Array | undefined;
  #context: CallbackContext | undefined;

  constructor({ monitor = 'val_loss', minDelta = 0, patience = 0, mode = 'auto', baseline, restoreBestWeights = false }: EarlyStoppingOptions) {
    if (!Number.isInteger(patience) || patience < 0) throw inputError('ERR_OPTION', `earlyStopping: patience is ${patience}; give a whole number of epochs from 0.`);
    const more = mode === 'max' || (mode === 'auto' && monitor.includes('acc'));
    this.#monitor = monitor;
    this.#isBetter = more ? (value, best) => value > best + Math.abs(minDelta) : (value, best) => value < best - Math.abs(minDelta);
    this.#patience = patience;
    this.#restores = restoreBestWeights;
    this.#baseline = baseline ?? null;
  }

  /** Called at the start of each fit, which begins anew. */
  setContext(context: CallbackContext): void {
    this.#context = context;
    this.#best = this.#baseline;
    this.#wait = 0;
    this.#weights = undefined;
  }

  onEpochEnd(_epoch: number, logs: Logs = {}): void {
    const value = logs[this.#monitor];
    if (value === undefined) {
      throw inputError('ERR_OPTION', `earlyStopping watches "${this.#monitor}", and the logs have ${Object.keys(logs).join(', ')}; give validationData or watch one of those.`);
    }
    if (this.#best === null ? Number.isFinite(value) : this.#isBetter(value, this.#best)) {
      this.#best = value;
      this.#wait = 0;
      if (this.#restores) this.#weights = this.#context!.captureWeights();
    } else if (++this.#wait >= this.#patience) this.#context!.model.stopTraining = true;
  }

  onTrainEnd(): void {
    if (this.#weights !== undefined) this.#context!.restoreWeights(this.#weights);
  }

  state(): JsonValue {
    return { best: this.#best, wait: this.#wait, weights: this.#weights === undefined ? null : toBase64(this.#weights) };
  }

  restore(state: JsonValue): void {
    const { best, wait, weights } = state as { readonly best: number | null; readonly wait: number; readonly weights: string | null };
    this.#best = best;
    this.#wait = wait;
    this.#weights = weights === null ? undefined : fromBase64(weights);
  }
}

function toBase64(values: Float32Array): string {
  return Buffer.from(values.buffer, values.byteOffset, values.byteLength).toString('base64');
}

function fromBase64(text: string): Float32Array {
  // Through a Uint8Array: a Buffer of the pool need not be aligned.
  return new Float32Array(Uint8Array.from(Buffer.from(text, 'base64')).buffer);
}
