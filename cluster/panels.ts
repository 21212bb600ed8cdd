// A long tensor goes in panels: consecutive values, encoded and hashed one after the other, so that the next is made while the
// one before is on its way, and read while the next one comes.
import type { Codec } from '../src/codecs/codec.js';

/** A multiple of every block of int8, so that a tensor is the same values in panels as in one piece. */
export const PANEL_VALUES = 65_536;

export interface Panel {
  readonly firstValue: number;
  readonly valueCount: number;
}

/** The panels of so many values, 1 or more. Top-k chooses among all of them, and is short anyway. */
export function panelsOf({ name }: Codec, values: number): Panel[] {
  const most = name === 'topk' ? values : PANEL_VALUES;
  return Array.from({ length: Math.ceil(values / most) }, (_, index) => ({ firstValue: index * most, valueCount: Math.min(most, values - index * most) }));
}

/** The longest panel, in values. */
export function longestPanel(codec: Codec, values: number): number {
  return panelsOf(codec, values)[0]!.valueCount;
}

/** How far the panels of one tensor have come: each begins where the one before ended. */
export class PanelOrder {
  #next = 0;

  constructor(private readonly codec: Codec, private readonly values: number) {}

  get isComplete(): boolean {
    return this.#next === this.values;
  }

  /** What is wrong with a panel, in words; undefined where it is the next one. */
  problem({ firstValue, valueCount }: Panel): string | undefined {
    if (firstValue !== this.#next) return `it begins at value ${firstValue} and not at ${this.#next}`;
    if (valueCount < 1 || valueCount > this.values - firstValue) return `it has ${valueCount} values from ${firstValue} on, of ${this.values}`;
    if (valueCount > longestPanel(this.codec, this.values)) return `it has ${valueCount} values, more than a panel`;
    return undefined;
  }

  took({ valueCount }: Panel): void {
    this.#next += valueCount;
  }
}
