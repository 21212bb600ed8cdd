/** What a plan is going to be bound to, as it is known before the plan. */
export interface PlanSetting {
  /** Run over pieces of examples, or once and without examples (the penalties). */
  readonly kind: 'examples' | 'penalties';
  /** Floats of the parameters. */
  readonly parameterFloats: number;
  /** Floats of the gradients before the sums, a multiple of 4: those of the updated parameters where gradients are computed, else 0. */
  readonly gradientFloats: number;
  /** Elements of an example of every input column. */
  readonly inputs: readonly number[];
  readonly targets: readonly number[];
  /** Rows of a shard. */
  readonly shardRows: number;
}

/** What a plan may cost at most. */
export interface PlanResources {
  /** Encoded. */
  readonly planBytes: number;
  readonly tensors: number;
  readonly instructions: number;
  /** Of all areas of one worker, with a piece of one shard; at most the 4 GiB that 32-bit addresses reach, or nothing is safe. */
  readonly areaBytes: number;
  /** Rows that a worker computes in one go. */
  readonly capacityRows: number;
  readonly multiplyAddsPerRow: number;
  /** Floats read and written, beside the factors of products. */
  readonly floatsPerRow: number;
}

export interface PlanLimits extends PlanSetting, PlanResources {}

/**
 * Enough for a network of ImageNet's size (the training of ResNet-50 takes some 12 thousand million multiply-adds an
 * example), and at most some seconds an example.
 */
export const PLAN_RESOURCES: PlanResources = {
  planBytes: 2 ** 26,
  tensors: 2 ** 15,
  instructions: 2 ** 14,
  areaBytes: 2 ** 31,
  capacityRows: 2 ** 12,
  multiplyAddsPerRow: 2 ** 34,
  floatsPerRow: 2 ** 30,
};

/** For plans compiled on this machine, which the arena alone bounds. */
export const OWN_RESOURCES: PlanResources = {
  planBytes: Infinity,
  tensors: Infinity,
  instructions: Infinity,
  areaBytes: Infinity,
  capacityRows: Infinity,
  multiplyAddsPerRow: Infinity,
  floatsPerRow: Infinity,
};
