import type { Program } from '../../src/train/session.js';
import type { ColumnBytes } from '../data/columns.js';
import { positionsOf, rowsMessage } from '../data/rows.js';
import { epochStepOf, rowsOfStep } from '../data/steps.js';
import type { Hasher } from '../protocol/hasher.js';
import type { AssignMessage, RowsMessage } from '../protocol/messages.js';

/** The rows of assignments, out of the columns in the arena and in the order of the epoch. */
export class RowSource {
  readonly #contents: readonly ColumnBytes[];

  /** @param columns in the order of the manifest */
  constructor(private readonly program: Program, private readonly memory: WebAssembly.Memory, columns: readonly ColumnBytes[], private readonly hasher: Hasher) {
    this.#contents = [...new Map(columns.map((each) => [each.column.sha256, each])).values()];
  }

  /** The messages that follow an assignment, each made when it is called for; the order of the epoch counts that holds now. */
  messagesFor(assign: Pick<AssignMessage, 'generation' | 'assignment' | 'epoch' | 'step' | 'subtrees'>): (() => RowsMessage)[] {
    const { batchRows, examples, shardRows, indices } = this.program;
    const epochStep = epochStepOf({ exampleCount: examples, batchRows }, assign.epoch, assign.step);
    const order = new Uint32Array(this.memory.buffer, indices, examples).subarray(epochStep * batchRows);
    const positions = positionsOf(assign.subtrees, rowsOfStep({ exampleCount: examples, batchRows }, epochStep), shardRows);
    const numbers = positions.map((position) => order[position]!);
    return this.#contents.map((column) => () => rowsMessage(assign, column, numbers, this.hasher));
  }
}
