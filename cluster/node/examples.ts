// The examples that a node computes with: whole columns in the order of the epoch, or the rows of one assignment at a time.
import type { Column } from '../../src/data/dataset.js';
import type { Arena } from '../../src/kernels/arena.js';
import type { BoundColumn } from '../../src/plan/bind.js';
import { ownOrder, shuffledIndices } from '../../src/random/shuffle.js';
import { placeColumns, placeRoom, type PlacedData } from '../../src/train/programs.js';
import { BYTES_PER_VALUE, distinctColumns } from '../data/columns.js';
import { placeRows } from '../data/rows.js';
import { rowsOfStep, type StepOrder } from '../data/steps.js';
import type { RowsMessage } from '../protocol/messages.js';
import type { ManifestColumn } from '../protocol/run-description.js';

export type NodeData =
  | { readonly way: 'columns'; readonly inputs: readonly Column[]; readonly targets: readonly Column[] }
  /** What the plan reads, of which the rows come with the assignments. */
  | { readonly way: 'rows'; readonly columns: readonly ManifestColumn[] };

/** Rows of an assignment that have come: one message for each content, and the positions in the step that they belong to. */
export interface ArrivedRows {
  readonly positions: Uint32Array;
  readonly messages: readonly RowsMessage[];
}

/** Examples in a node's arena. A step's rows are found at the indices behind those of the steps before. */
export interface Examples {
  readonly placed: PlacedData;
  /**
   * Makes a step's examples what the indices point to.
   * @returns the step that the workers are to compute
   */
  begin(indices: Uint32Array, epoch: number, epochStep: number, rows?: ArrivedRows): number;
}

export function placeExamples(arena: Arena, data: NodeData, order: StepOrder): Examples {
  return data.way === 'columns' ? new WholeColumns(arena, data, order) : new RowsAtATime(arena, data.columns, order);
}

class WholeColumns implements Examples {
  readonly placed: PlacedData;
  #orderedEpoch = -1;

  constructor(arena: Arena, { inputs, targets }: Extract<NodeData, { readonly way: 'columns' }>, private readonly order: StepOrder) {
    this.placed = { inputs: placeColumns(arena, inputs, 'the run'), targets: placeColumns(arena, targets, 'the run'), examples: order.exampleCount };
  }

  begin(indices: Uint32Array, epoch: number, epochStep: number): number {
    if (epoch !== this.#orderedEpoch) this.#shuffle(indices, epoch);
    this.#orderedEpoch = epoch;
    return epochStep;
  }

  #shuffle(indices: Uint32Array, epoch: number): void {
    const { exampleCount, seed, shuffle } = this.order;
    if (shuffle) shuffledIndices(exampleCount, seed, epoch, indices);
    else ownOrder(exampleCount, indices);
  }
}

/**
 * Room for the rows of a mini-batch, of which an assignment fills the first so many: what it does not fill, the system need not
 * give. The workers know two steps, a whole one and the shorter last one of an epoch, because a step's rows decide its tree.
 */
class RowsAtATime implements Examples {
  readonly placed: PlacedData;
  readonly #wholeRows: number;
  readonly #contents: { readonly column: ManifestColumn; readonly places: readonly BoundColumn[] }[];

  constructor(private readonly arena: Arena, columns: readonly ManifestColumn[], private readonly order: StepOrder) {
    const { exampleCount, batchRows } = order;
    this.#wholeRows = Math.min(batchRows, exampleCount);
    const bound = columns.map((column) => ({ column, place: placeRoom(arena, column, this.#wholeRows, 'the run') }));
    const placesOf = (role: ManifestColumn['role']): BoundColumn[] => bound.filter(({ column }) => column.role === role).map(({ place }) => place);
    this.placed = { inputs: placesOf('input'), targets: placesOf('target'), examples: this.#wholeRows + (exampleCount > batchRows ? exampleCount % batchRows : 0) };
    this.#contents = distinctColumns(columns).map((column) => ({
      column, places: bound.filter((other) => other.column.sha256 === column.sha256).map(({ place }) => place),
    }));
  }

  begin(indices: Uint32Array, _epoch: number, epochStep: number, rows?: ArrivedRows): number {
    const step = rowsOfStep(this.order, epochStep) < this.#wholeRows ? 1 : 0;
    if (rows !== undefined) this.#fill(indices.subarray(step * this.#wholeRows), rows);
    return step;
  }

  #fill(indices: Uint32Array, { positions, messages }: ArrivedRows): void {
    positions.forEach((position, place) => { indices[position] = place; });
    const first = Uint32Array.from(positions, (_, place) => place);
    this.#contents.forEach(({ column, places }, index) => {
      for (const { address, exampleLength } of places) {
        const bytes = this.arena.bytes(address, this.#wholeRows * exampleLength * BYTES_PER_VALUE[column.type]);
        placeRows(messages[index]!, { column, bytes }, first);
      }
    });
  }
}
