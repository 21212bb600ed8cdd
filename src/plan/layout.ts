import type { DraftTensor } from './builder.js';
import { operandsOf } from './operands.js';
import type { Capacity, Instruction } from './plan.js';

/** Slots start on a cache line. */
const ALIGNMENT_BYTES = 64;

/** From the first to the last instruction that uses a tensor, both included. */
export interface LiveRange {
  readonly first: number;
  readonly last: number;
}

export interface Slot extends LiveRange {
  readonly tensor: number;
  readonly byteLength: number;
}

export interface ScratchLayout {
  /** Byte offset of each tensor that lives in scratch. */
  readonly offsets: readonly (number | undefined)[];
  readonly byteLength: number;
}

/** Bytes of a tensor at the capacity's rows or shards. */
export function tensorBytes({ scope, stride }: Pick<DraftTensor, 'scope' | 'stride'>, capacity: Capacity): number {
  const blocks = scope === 'rows' ? capacity.rows : scope === 'shards' ? capacity.shards : 1;
  return Math.ceil((blocks * stride * 4) / ALIGNMENT_BYTES) * ALIGNMENT_BYTES;
}

/**
 * Gives every scratch tensor an offset such that tensors alive at the same time do not overlap. What is computed once
 * for the parameters lives as long as they do; the rest from its first to its last instruction.
 */
export function placeScratch(
  tensors: readonly DraftTensor[], once: readonly Instruction[], rows: readonly Instruction[], capacity: Capacity,
): ScratchLayout {
  const instructions = [...once, ...rows];
  const ranges = liveRanges(instructions, once.length);
  const slots: Slot[] = [];
  ranges.forEach((range, tensor) => {
    if (tensors[tensor]!.home === undefined) slots.push({ ...range, tensor, byteLength: tensorBytes(tensors[tensor]!, capacity) });
  });
  return placeSlots(slots, tensors.length);
}

function liveRanges(instructions: readonly Instruction[], onceCount: number): Map<number, LiveRange> {
  const ranges = new Map<number, LiveRange>();
  instructions.forEach((instruction, position) => {
    for (const tensor of operandsOf(instruction)) {
      const first = ranges.get(tensor)?.first ?? position;
      // Kept for the whole step, and not computed again for every part of it.
      const forever = first < onceCount;
      ranges.set(tensor, { first: forever ? 0 : first, last: forever ? instructions.length : position });
    }
  });
  return ranges;
}

/** Largest first, each at the lowest offset that is free for its life. */
export function placeSlots(slots: readonly Slot[], tensorCount: number): ScratchLayout {
  const offsets = new Array<number | undefined>(tensorCount);
  const placed: (Slot & { readonly offset: number })[] = [];
  let byteLength = 0;
  for (const slot of [...slots].sort((a, b) => b.byteLength - a.byteLength || a.tensor - b.tensor)) {
    const offset = lowestFree(slot, placed);
    offsets[slot.tensor] = offset;
    placed.push({ ...slot, offset });
    byteLength = Math.max(byteLength, offset + slot.byteLength);
  }
  return { offsets, byteLength };
}

function lowestFree(slot: Slot, placed: readonly (Slot & { readonly offset: number })[]): number {
  const neighbours = placed
    .filter((other) => other.first <= slot.last && slot.first <= other.last)
    .sort((a, b) => a.offset - b.offset);
  let offset = 0;
  for (const other of neighbours) {
    if (offset + slot.byteLength <= other.offset) break;
    offset = Math.max(offset, other.offset + other.byteLength);
  }
  return offset;
}
