import type { Attributes, DType, Inputs } from '../kernels/ops/op.js';

/** Where a traced value comes from. Inputs, targets and weights are counted in the model's order. */
export type Origin =
  | { readonly kind: 'input'; readonly index: number }
  | { readonly kind: 'target'; readonly index: number }
  | { readonly kind: 'weight'; readonly index: number }
  | { readonly kind: 'uniform'; readonly value: number }
  | { readonly kind: 'constant'; readonly values: Float32Array }
  | { readonly kind: 'noise'; readonly noise: Noise }
  | { readonly kind: 'kernel'; readonly kernel: string; readonly inputs: Inputs<number | readonly number[]>; readonly attributes: Attributes };

/** A draw of the counter-based generator: a dropout mask (0 or 1 / (1 - rate)) or normal noise. */
export interface Noise {
  readonly distribution: 'mask' | 'normal';
  /** Mask: the share of units dropped. */
  readonly rate: number;
  readonly mean: number;
  readonly deviation: number;
  /** Index of the drawing layer among those of the model that draw. */
  readonly layer: number;
}

/** A value of one trace, with the shape it had at that trace's row count. */
export interface TracedValue {
  readonly origin: Origin;
  readonly shape: readonly number[];
  readonly dtype: DType;
  /** Name of the layer that was being applied, or '' outside layers (the loss, a gradient of it). */
  readonly layer: string;
}

/** A value with the row count left free: `lead` > 0 means that an axis holds `lead` entries an example. */
export interface GraphValue {
  readonly origin: Origin;
  readonly lead: number;
  /** Axes of length 1 before the examples' axis. */
  readonly prefix: number;
  /** Without the examples' axis, but with `lead` in front where it is more than 1; see `Value.dims`. */
  readonly dims: readonly number[];
  readonly dtype: DType;
  readonly layer: string;
}

/** Values in an order of computation; `outputs` are indices into them, -1 where there is none. */
export interface Graph {
  readonly values: readonly GraphValue[];
  readonly outputs: readonly number[];
}
