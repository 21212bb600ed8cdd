// Limits on the mean gradient of a step, before the rule sees it.
import { checkedNumber, POSITIVE } from './options.js';

/**
 * value: every element to -limit..limit. norm: all gradients by one factor, so that the root of the sum of their squares is at
 * most the limit (Pascanu, Mikolov and Bengio, On the difficulty of training recurrent neural networks, 2013).
 */
export type Clip = { readonly kind: 'value'; readonly limit: number } | { readonly kind: 'norm'; readonly limit: number };

export interface ClipOptions {
  readonly clipNorm?: number;
  readonly clipValue?: number;
}

export const CLIP_OPTIONS = ['clipNorm', 'clipValue'] as const;

/** The clips asked for, in the order in which a step applies them: the norm, which needs all gradients, before the values. */
export function clipsOf(where: string, { clipNorm, clipValue }: ClipOptions): Clip[] {
  const clips: Clip[] = [];
  if (clipNorm !== undefined) clips.push({ kind: 'norm', limit: checkedNumber(where, 'clipNorm', clipNorm, POSITIVE) });
  if (clipValue !== undefined) clips.push({ kind: 'value', limit: checkedNumber(where, 'clipValue', clipValue, POSITIVE) });
  return clips;
}

/** The limit of one kind of clip; undefined without one. */
export function limitOf(clips: readonly Clip[], kind: Clip['kind']): number | undefined {
  return clips.find((clip) => clip.kind === kind)?.limit;
}

/**
 * The factor that brings a gradient to a norm of at most `limit`, in float32: limit / norm where the norm is above, else 1.
 * `blockSums` are the sums of squares of consecutive blocks of 1,024 floats. A norm that is NaN gives 1, which leaves the NaN
 * to the check of the loss; one beyond float32 gives 0.
 */
export function normFactor(limit: number, blockSums: Float32Array): number {
  const norm = Math.fround(Math.sqrt(treeSum(blockSums)));
  return norm > limit ? Math.fround(limit / norm) : 1;
}

/** Level by level, node i is child 2i plus child 2i + 1; a last child without a sibling goes up unchanged. */
function treeSum(values: Float32Array): number {
  const nodes = values.slice();
  for (let count = nodes.length; count > 1; count = Math.ceil(count / 2)) {
    for (let left = 0; left < count; left += 2) {
      nodes[left / 2] = left + 1 < count ? nodes[left]! + nodes[left + 1]! : nodes[left]!; // storing rounds to float32
    }
  }
  return nodes[0] ?? 0;
}
