import { expect, test } from 'vitest';
import type { ColumnBytes } from '../../cluster/data/columns.js';
import { manifestOf } from '../../cluster/data/manifest.js';
import { rowsMessage } from '../../cluster/data/rows.js';
import { AwaitedRows } from '../../cluster/node/awaited-rows.js';
import type { MessageOf } from '../../cluster/protocol/messages.js';
import { hasher } from './protocol-samples.js';

const columns: ColumnBytes[] = [Int32Array.of(10, 11, 12), Uint8Array.of(7, 8, 9)].map((values, index) => ({
  column: manifestOf([{ values, shape: [3] }], index === 0 ? 'input' : 'target', 'train')[0]!, bytes: new Uint8Array(values.buffer),
}));
const assign: MessageOf<'assign'> = {
  type: 'assign', generation: 2, assignment: 5, task: 'train', epoch: 0, step: 0, stepCount: 1, version: 0, subtrees: [{ level: 0, index: 1 }],
};
const messages = columns.map((column) => rowsMessage(assign, column, Uint32Array.of(2, 0), hasher));
const awaited = (): AwaitedRows => new AwaitedRows(assign, Uint32Array.of(4, 5), columns.map(({ column }) => column));

test('rows are there when every content has come, whatever becomes of the frames', () => {
  const rows = awaited();
  const frame = { ...messages[0]!, bytes: messages[0]!.bytes.slice() };
  expect(rows.take(frame)).toBeUndefined();
  frame.bytes.fill(0);
  expect(rows.take(messages[1]!)).toEqual({ positions: Uint32Array.of(4, 5), messages });
});

test.each([
  ['of another assignment', { assignment: 6 }, 'it is of the assignment 6 where rows of 5 are awaited'],
  ['of another generation', { generation: 3 }, 'where rows of 5 are awaited'],
  ['of the column that comes later', { column: messages[1]!.column }, 'comes next'],
  ['fewer than the assignment has', { rowCount: 1, bytes: messages[0]!.bytes.subarray(4) }, 'it has 1 rows in 4 bytes, and the assignment 2 of 4 bytes'],
])('rows %s are refused', (_, changes, problem) => {
  expect(() => awaited().take({ ...messages[0]!, ...changes })).toThrow(problem);
});
