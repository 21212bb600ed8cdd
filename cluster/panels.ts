// A long tensor goes in panels: consecutive values, encoded and hashed one after the other, so that the next is made while the
// one before is on its way, and read while the next one comes.
import type { Codec } from '../src/codecs/codec.js';

/**
 * Values of a panel: about an eighth of the tensor, so that most of it is on its way while the rest is made; not so few that the
 * frames around them cost more than that saves, nor so many that a reader waits long for something to do.
 */
const MOST_PANELS = 8;
const LEAST_VALUES = 32_768;
const MOST_VALUES = 131_072;
/** A multiple of every block of int8, so that a tensor is the same values in panels as in one piece. */
const VALUES_STEP = 4_096;

/** Values of every panel but the last, of a tensor of so many. */
export function panelValues(values: number): number {
  const part = Math.ceil(values / MOST_PANELS / VALUES_STEP) * VALUES_STEP;
  return Math.min(MOST_VALUES, Math.max(LEAST_VALUES, part));
}

export interface Panel {
  readonly firstValue: number;
  readonly valueCount: number;
}

/** The panels of so many values, 1 or more. Top-k chooses among all of them, and is short anyway. */
export function panelsOf({ name }: Codec, values: number): Panel[] {
  const most = name === 'topk' ? values : panelValues(values);
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

  /** Values that have come. */
  get taken(): number {
    return this.#next;
  }

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
